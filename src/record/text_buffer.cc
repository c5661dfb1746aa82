#include "record/text_buffer.h"

#include <algorithm>
#include <cstring>

namespace sluice {
namespace {
constexpr std::size_t kFirstHeapBytes = 4096;
}

TextBuffer::TextBuffer() {
  heap_bytes_ = kFirstHeapBytes;
  heap_ = std::make_unique<char[]>(heap_bytes_);
  use(heap_.get(), heap_bytes_);
}

TextBuffer::TextBuffer(std::span<char> fixed) : TextBuffer() {
  if (fixed.size() < 2 * kSlack) return;
  fixed_ = fixed;
  use(fixed_.data(), fixed_.size());
}

void TextBuffer::use(char* memory, std::size_t bytes) {
  begin_ = memory;
  limit_ = memory + bytes - kSlack;
}

void TextBuffer::clear() {
  size_ = 0;
  kept_ = 0;
  if (!spilled_) return;
  spilled_ = false;
  use(fixed_.data(), fixed_.size());
}

char* TextBuffer::begin_record() { return spilled_ ? nullptr : begin_ + size_; }

bool TextBuffer::end_record(char* at) {
  if (spilled_ && kept_ > 0) {
    size_ = kept_;
    kept_ = 0;
    spilled_ = false;
    use(fixed_.data(), fixed_.size());
    return false;
  }
  size_ = std::size_t(at - begin_);
  return true;
}

char* TextBuffer::grow(char* at, std::size_t bytes) {
  const bool spill = !fixed_.empty() && !spilled_;
  const char* from = spill ? begin_ + size_ : begin_;
  const auto used = std::size_t(at - from);
  const std::size_t need = used + bytes + kSlack;
  std::unique_ptr<char[]> old;
  if (need > heap_bytes_) {
    old = std::move(heap_);
    heap_bytes_ = std::max(need, 2 * heap_bytes_);
    heap_.reset(new char[heap_bytes_]);
  }
  if (from != heap_.get()) std::memcpy(heap_.get(), from, used);
  if (spill) {
    spilled_ = true;
    kept_ = size_;
    size_ = 0;
  }
  use(heap_.get(), heap_bytes_);
  return begin_ + used;
}

}  // namespace sluice
