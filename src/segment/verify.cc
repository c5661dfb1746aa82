#include "segment/verify.h"

namespace sluice {

SegmentReport verify_segment(ByteSource& source) {
  FrameScanner scanner(source);
  SegmentIndex index;
  Frame frame;
  while (scanner.next(frame)) index.add(frame);

  SegmentReport report;
  report.file_bytes = scanner.file_end();
  report.segment_id = scanner.segment_id();
  report.region_id = index.region_id();
  if (index.run() != nullptr) report.run = *index.run();
  report.counts = index.counts();
  report.sites = index.sites().size();
  if (index.has_sequences()) {
    report.first_sequence = index.first_sequence();
    report.last_sequence = index.end_sequence() - 1;
  }
  report.sealed = index.sealed();
  report.damaged = scanner.damaged();
  report.damaged_ranges = scanner.damaged_ranges();
  report.damaged_bytes = scanner.damaged_bytes();
  report.torn_tail = scanner.tail();
  return report;
}

Result<SegmentReport> verify_segment(os::Io& io, const std::string& path) {
  const Result<std::unique_ptr<ByteSource>> source = open_source(io, path);
  if (!source.ok()) return source.status();
  return verify_segment(*source.value());
}

}  // namespace sluice
