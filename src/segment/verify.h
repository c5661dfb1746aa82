// Says exactly what state a segment file is in, without changing it.
//
// Threading: plain function. Blocking: reads the whole file. Memory: as a FrameScanner and a
// SegmentIndex. Failure: only a path that cannot be opened; any content gives a report.
#ifndef SLUICE_SRC_SEGMENT_VERIFY_H_
#define SLUICE_SRC_SEGMENT_VERIFY_H_

#include <optional>
#include <string>
#include <vector>

#include "segment/index.h"
#include "segment/scanner.h"

namespace sluice {

struct SegmentReport {
  u64 file_bytes = 0;
  std::optional<u64> segment_id;  // none: not a single good frame
  RegionId region_id{};
  RunDefinition run;  // with only the region id when no run definition is left
  SegmentIndex::Counts counts;
  u64 sites = 0;
  std::optional<u64> first_sequence;  // empty: no sequences
  std::optional<u64> last_sequence;
  bool sealed = false;
  // Between good frames: the first FrameScanner::kDamagedRangesMax of them, and all in numbers.
  std::vector<DamagedRange> damaged;
  u64 damaged_ranges = 0;
  u64 damaged_bytes = 0;
  DamagedRange torn_tail;  // behind the last good frame; length 0: none

  // Nothing was written: its writer was killed, or is, between making the file and the first frame.
  [[nodiscard]] bool empty() const { return file_bytes == 0; }
  // Everything the writer wrote is there and reads back.
  [[nodiscard]] bool whole() const {
    return (segment_id || empty()) && damaged_ranges == 0 && torn_tail.length == 0 &&
           counts.missing_sequences == 0 && counts.refused_definitions == 0;
  }
};

[[nodiscard]] Result<SegmentReport> verify_segment(os::Io& io, const std::string& path);
[[nodiscard]] SegmentReport verify_segment(ByteSource& source);

}  // namespace sluice

#endif  // SLUICE_SRC_SEGMENT_VERIFY_H_
