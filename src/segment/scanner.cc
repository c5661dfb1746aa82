#include "segment/scanner.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr std::size_t kWindowBytes = 512 * 1024;
static_assert(kWindowBytes >= kFrameBytesMax);
constexpr u64 kWastedBytesAllowance = 64 * 1024 * 1024;
constexpr u64 kUnreadableStep = 4096;
constexpr u32 kUnreadableMax = 1024;  // then the rest of the file counts as unreadable

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

FrameScanner::FrameScanner(ByteSource& source)
    : source_(source), window_(std::make_unique_for_overwrite<std::byte[]>(kWindowBytes)) {}

// Up to `size` bytes at `offset`, fewer at the end of the file or the limit.
ByteView FrameScanner::view(u64 offset, std::size_t size) {
  unreadable_ = false;
  if (offset >= limit_) return {};
  const std::size_t wanted = std::min<u64>(size, limit_ - offset);
  const u64 window_end = window_offset_ + window_bytes_;
  if (offset < window_offset_ || offset + wanted > window_end) {
    i64 got = source_.read(offset, window_.get(), kWindowBytes);
    // One bad block must not hide the good ones before it.
    if (got < 0) got = source_.read(offset, window_.get(), wanted);
    unreadable_ = got < 0;
    window_offset_ = offset;
    window_bytes_ = got < 0 ? 0 : std::size_t(got);
    if (unreadable_) return {};
  }
  const std::size_t available = window_bytes_ - std::size_t(offset - window_offset_);
  return {window_.get() + (offset - window_offset_), std::min(wanted, available)};
}

FrameFault FrameScanner::try_frame(u64 offset, Frame& out) {
  const ByteView head = view(offset, kFrameHeaderBytes);
  if (unreadable_) return FrameFault::kUnreadable;
  if (head.size() < kFrameHeaderBytes) return FrameFault::kCutShort;
  out.header = load<FrameHeader>(head.data());
  FrameFault fault = check_header(out.header, offset, segment_id_ ? &*segment_id_ : nullptr);
  if (fault != FrameFault::kNone) return fault;
  const std::size_t size = std::size_t{kFrameHeaderBytes} + out.header.payload_bytes;
  const ByteView whole = view(offset, size);
  if (unreadable_) return FrameFault::kUnreadable;
  if (whole.size() < size) return FrameFault::kCutShort;
  out.offset = offset;
  out.payload = whole.subspan(kFrameHeaderBytes);
  fault = check_payload(out.header, out.payload);
  if (fault != FrameFault::kNone) wasted_bytes_ += size;
  return fault;
}

u64 FrameScanner::step_over(u64 offset, FrameFault fault) {
  if (fault == FrameFault::kUnreadable) {
    ++unreadable_in_a_row_;
    return round_up(offset + 1, kUnreadableStep);
  }
  unreadable_in_a_row_ = 0;
  const bool candidate = fault == FrameFault::kBadCrc || fault == FrameFault::kBadPayload;
  if (candidate && wasted_bytes_ > kWastedBytesAllowance + 4 * offset) {
    const ByteView head = view(offset, kFrameHeaderBytes);
    if (head.size() == kFrameHeaderBytes) {
      return offset + frame_extent(load<FrameHeader>(head.data()));
    }
  }
  return offset + kFrameStep;
}

void FrameScanner::finish_damage(u64 end) {
  if (open_.reason == FrameFault::kNone) return;
  open_.length = end - open_.offset;
  ++damaged_ranges_;
  damaged_bytes_ += open_.length;
  if (damaged_.size() < kDamagedRangesMax) damaged_.push_back(open_);
  open_ = {};
}

void FrameScanner::finish_tail(u64 end) {
  file_end_ = end;
  tail_ = open_;
  if (tail_.reason != FrameFault::kNone) tail_.length = end - std::min(end, tail_.offset);
  open_ = {};
  unreadable_in_a_row_ = 0;
  window_bytes_ = 0;  // the file may be different when asked again
}

bool FrameScanner::next(Frame& out) {
  u64 offset = good_end_;
  for (;;) {
    const ByteView head = view(offset, kFrameHeaderBytes);
    if (!unreadable_) {
      if (head.size() < kFrameHeaderBytes) {
        if (!all_zero(head) && open_.reason == FrameFault::kNone) {
          open_ = {offset, 0, FrameFault::kCutShort};
        }
        finish_tail(offset + head.size());
        return false;
      }
      if (open_.reason == FrameFault::kNone && all_zero(head)) {
        offset += kFrameStep;
        continue;
      }
    }
    const FrameFault fault = try_frame(offset, out);
    if (fault == FrameFault::kNone) {
      finish_damage(offset);
      unreadable_in_a_row_ = 0;
      segment_id_ = out.header.segment_id;
      good_end_ = offset + frame_extent(out.header);
      return true;
    }
    if (open_.reason == FrameFault::kNone) open_ = {offset, 0, fault};
    if (fault == FrameFault::kUnreadable) open_.reason = fault;
    offset = step_over(offset, fault);
    if (unreadable_in_a_row_ > kUnreadableMax) {
      finish_tail(offset);
      return false;
    }
  }
}

}  // namespace sluice
