#include "segment/arena.h"

#include <algorithm>
#include <utility>

#include "segment/frame.h"

namespace sluice {

FrameArena::FrameArena(u64 keep_bytes)
    : capacity_(round_up(std::max(keep_bytes, u64{4} * kFrameBytesMax), kFrameStep)),
      block_(std::make_unique_for_overwrite<std::byte[]>(capacity_)) {}

void FrameArena::let_go_oldest() {
  records_let_go_ += frames_.front().record_count;
  frames_.pop_front();
  --written_;
}

std::byte* FrameArena::begin() {
  const std::byte* const block_end = block_.get() + capacity_;
  open_ = frames_.empty() ? block_.get() : frames_.back().bytes + frames_.back().size;
  if (block_end - open_ < std::ptrdiff_t{kFrameBytesMax}) {
    // What lies behind this point is older than what lies at the start, and goes with it.
    while (!frames_.empty() && frames_.front().bytes >= open_) let_go_oldest();
    open_ = block_.get();
  }
  while (!frames_.empty() && frames_.front().bytes >= open_ &&
         frames_.front().bytes < open_ + kFrameBytesMax) {
    let_go_oldest();
  }
  return open_;
}

void FrameArena::commit(u32 size, u32 record_count, u64 end_sequence) {
  frames_.push_back({open_, size, record_count, end_sequence});
  open_ = nullptr;
}

void FrameArena::forget_written() {
  frames_.erase(frames_.begin(), frames_.begin() + std::ptrdiff_t(written_));
  written_ = 0;
  records_let_go_ = 0;
}

u64 FrameArena::rewrite_all() {
  written_ = 0;
  return std::exchange(records_let_go_, 0);
}

}  // namespace sluice
