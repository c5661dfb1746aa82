#include "record/decode.h"

namespace sluice {

bool RecordView::parse(ByteView untrusted, const Site& site, RecordView& out) {
  if (untrusted.size() < kRecordHeaderBytes) return false;
  const auto header = load<RecordHeader>(untrusted.data());
  const u32 size = header.size();
  if (size < kRecordHeaderBytes || size > untrusted.size()) return false;
  const auto count = site.arguments.size();
  if (count > detail::kSiteArgumentsMax || site.hidden_arguments() > count) return false;

  u32 end = size;  // of words and tail
  out.context_ = FieldBlock();
  if (header.has(kHasContext)) {
    const u32 block = load<u32>(untrusted.data() + size - 4);
    if (block < 8 || block % 8 != 0 || block > size - kRecordHeaderBytes) return false;
    const u32 fields = load<u32>(untrusted.data() + size - 8);
    if (round_up(fields, 8) + 8 != block) return false;
    end = size - block;
    if (!FieldBlock::parse(untrusted.subspan(end, fields), out.context_)) return false;
  }

  u64 tail = kRecordHeaderBytes + count * 8;
  if (tail > end) return false;
  for (std::size_t i = 0; i < count; ++i) {
    if (!has_tail(site.arguments[i].type)) continue;
    const u64 length = load<u64>(untrusted.data() + kRecordHeaderBytes + i * 8);
    if (length > end - tail) return false;
    out.tail_at_[i] = u32(tail);
    tail += length;
  }
  out.at_ = untrusted.data();
  out.site_ = &site;
  out.arguments_ = u32(count);
  out.first_visible_ = site.hidden_arguments();
  return true;
}

bool RecordRun::next(ByteView& record) {
  if (rest_.empty() || broken_) return false;
  if (rest_.size() >= 8 && load<u32>(rest_.data() + 4) == kSitePadding) return false;
  const u32 size = rest_.size() < kRecordHeaderBytes ? 0 : load<RecordHeader>(rest_.data()).size();
  if (size < kRecordHeaderBytes || size > rest_.size()) {
    broken_ = true;
    return false;
  }
  record = rest_.first(size);
  rest_ = rest_.subspan(size);
  return true;
}

}  // namespace sluice
