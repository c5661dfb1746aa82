#include "segment/reader.h"

#include <utility>

namespace sluice {

SegmentReader::SegmentReader(std::unique_ptr<ByteSource> source)
    : source_(std::move(source)),
      indexer_(*source_),
      server_(*source_),
      thread_at_slot_(kThreadSlotsMax) {}

Result<std::unique_ptr<SegmentReader>> SegmentReader::open(os::Io& io, const std::string& path) {
  Result<std::unique_ptr<ByteSource>> source = open_source(io, path);
  if (!source.ok()) return source.status();
  std::unique_ptr<SegmentReader> reader(new SegmentReader(std::move(source.value())));
  (void)reader->follow();
  return reader;
}

std::unique_ptr<SegmentReader> SegmentReader::from_memory(ByteView image) {
  std::unique_ptr<SegmentReader> reader(new SegmentReader(memory_source(image)));
  (void)reader->follow();
  return reader;
}

bool SegmentReader::follow() {
  const u64 before = indexer_.good_end();
  Frame frame;
  while (indexer_.next(frame)) index_.add(frame);
  // Frames that appear after this walk have definitions that it has not seen.
  server_.set_limit(indexer_.good_end());
  return indexer_.good_end() != before;
}

bool SegmentReader::next_frame() {
  Frame frame;
  while (server_.next(frame)) {
    if (frame.header.sequence_count == 0 || frame.header.end_sequence() <= next_sequence_) continue;
    rest_ = frame.payload;
    frame_sequence_ = frame.header.first_sequence;
    for (const ThreadDefinition& thread : threads_) thread_at_slot_[thread.slot] = 0;
    threads_.clear();
    clock_.reset();
    return true;
  }
  return false;
}

bool SegmentReader::next(SegmentRecord& out) {
  for (;;) {
    if (rest_.empty() && !next_frame()) return false;
    const auto header = load<RecordHeader>(rest_.data());
    const ByteView record = rest_.first(header.size());
    rest_ = rest_.subspan(header.size());
    if (is_definition(header.site)) {
      define(record, header.site);
      continue;
    }
    const u64 sequence = frame_sequence_;
    frame_sequence_ += header.site == kSiteSkipped ? skipped_sequences(record.data()) : 1;
    if (header.site == kSiteSkipped || sequence < next_sequence_) continue;
    next_sequence_ = sequence + 1;
    out.sequence = sequence;
    out.header = header;
    out.bytes = record;
    out.site = header.site >= kSiteFirstCaller ? index_.sites().find(header.site) : nullptr;
    const u16 at = thread_at_slot_[header.slot()];
    out.thread = at == 0 ? nullptr : &threads_[at - 1u];
    out.wall_ns.reset();
    if (clock_) out.wall_ns = clock_->wall_ns_at(header.ticks);
    out.run = index_.run();
    out.clock = clock_ ? &*clock_ : nullptr;
    return true;
  }
}

void SegmentReader::define(ByteView record, u32 site) {
  if (site == kSiteClock) clock_ = decode_clock(record);
  if (site == kSiteThread) define_thread(record);
}

void SegmentReader::define_thread(ByteView record) {
  std::optional<ThreadDefinition> thread = decode_thread(record);
  if (!thread) return;
  u16& at = thread_at_slot_[thread->slot];
  if (at == 0) {
    threads_.emplace_back();
    at = u16(threads_.size());
  }
  threads_[at - 1u] = std::move(*thread);
}

}  // namespace sluice
