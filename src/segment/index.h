// What a whole segment says, gathered frame by frame: its sites, its run, its sequences.
//
// A reader needs every site definition before it serves the first record, because the frame that
// held a definition first may be the damaged one.
// Threading: single-owner. Limits: one definition a site id (the first; a writer never changes
// one within a file), kIndexBytesMax of definitions in all; the rest is counted as refused.
#ifndef SLUICE_SRC_SEGMENT_INDEX_H_
#define SLUICE_SRC_SEGMENT_INDEX_H_

#include <optional>
#include <vector>

#include "record/site.h"
#include "segment/definitions.h"
#include "segment/scanner.h"

namespace sluice {

inline constexpr u64 kIndexBytesMax = 64 * 1024 * 1024;

class SegmentIndex {
 public:
  struct Counts {
    u64 frames = 0;
    u64 records = 0;  // with a sequence
    u64 caller_records = 0;
    u64 skipped_sequences = 0;    // left out on purpose by the writer's owner
    u64 missing_sequences = 0;    // in no good frame, between the first and the last
    u64 duplicate_sequences = 0;  // in more than one frame
    u64 refused_definitions = 0;
  };

  // `frame` as a scanner gave it.
  void add(const Frame& frame);

  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] const Dictionary& sites() const { return sites_; }
  // In the order of their first definition.
  [[nodiscard]] const std::vector<u32>& site_ids() const { return site_ids_; }
  // From the first run definition, or (with only its region id known) from the frame headers;
  // nullptr while no frame was good.
  [[nodiscard]] const RunDefinition* run() const { return run_ ? &*run_ : nullptr; }
  [[nodiscard]] const RegionId& region_id() const { return region_id_; }
  // The sequences accounted for are [first_sequence, end_sequence), without those missing.
  [[nodiscard]] u64 first_sequence() const { return first_sequence_; }
  [[nodiscard]] u64 end_sequence() const { return end_sequence_; }
  [[nodiscard]] bool has_sequences() const { return first_sequence_ != end_sequence_; }
  // The last good frame is a seal.
  [[nodiscard]] bool sealed() const { return sealed_; }

 private:
  void count_sequences(const FrameHeader& header);
  void add_definition(ByteView record, u32 site);

  Counts counts_;
  Dictionary sites_;
  std::vector<u32> site_ids_;
  u64 site_bytes_ = 0;
  std::optional<RunDefinition> run_;
  bool run_is_defined_ = false;
  RegionId region_id_{};
  u64 first_sequence_ = 0;
  u64 end_sequence_ = 0;
  bool sealed_ = false;
};

// Calls `each(RecordHeader, ByteView)` for every record of a checked payload.
template <class Each>
void for_each_record(ByteView payload, Each&& each) {
  while (!payload.empty()) {
    const auto header = load<RecordHeader>(payload.data());
    each(header, payload.first(header.size()));
    payload = payload.subspan(header.size());
  }
}

}  // namespace sluice

#endif  // SLUICE_SRC_SEGMENT_INDEX_H_
