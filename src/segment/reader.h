// Serves the records of one segment, sealed or still being written, whole or damaged.
//
// open() walks the whole file once and collects the site definitions; next() walks it again and
// serves. A frame serves all of its records or none: threads and clocks are defined within the
// frame that uses them, so a record is never shown with another's thread or time.
//
// Threading: single-owner. Blocking: as reads of the file. Memory: two windows of 512 KiB, the
// dictionary (limits: index.h) and one thread table; never the file. Failure: damage is skipped and
// counted, no bytes can make the reader fail (docs/formats/segment.md, "Reading").
#ifndef SLUICE_SRC_SEGMENT_READER_H_
#define SLUICE_SRC_SEGMENT_READER_H_

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "segment/index.h"
#include "segment/scanner.h"

namespace sluice {

// Everything in it is valid until the reader's next call; `site` as long as the reader.
struct SegmentRecord {
  u64 sequence = 0;
  RecordHeader header{};
  ByteView bytes;                            // the whole record, size checked, otherwise untrusted
  const Site* site = nullptr;                // nullptr: built in, or its definition is lost
  const ThreadDefinition* thread = nullptr;  // nullptr: not known
  std::optional<i64> wall_ns;                // since the Unix epoch; empty: no clock
  const RunDefinition* run = nullptr;
  const ClockDefinition* clock = nullptr;  // for ticks within the record; nullptr: no clock
};

class SegmentReader {
 public:
  // `io` must outlive the reader. An unsealed file, an empty one and one without a single good
  // frame all open; only a path that cannot be read does not.
  [[nodiscard]] static Result<std::unique_ptr<SegmentReader>> open(os::Io& io,
                                                                   const std::string& path);
  // `image` must outlive the reader.
  [[nodiscard]] static std::unique_ptr<SegmentReader> from_memory(ByteView image);

  // The next record in order of sequence; false when there is no more (for now: see follow()).
  [[nodiscard]] bool next(SegmentRecord& out);
  // Serves only records from `sequence` on: where the caller, or the file before, had come to.
  void start_at(u64 sequence) { next_sequence_ = std::max(next_sequence_, sequence); }
  // Looks for frames written since; true when next() has new ones to look at. A tail that is not
  // whole yet is no damage and is looked at again.
  [[nodiscard]] bool follow();

  // About the whole file as it was at open() or the last follow().
  [[nodiscard]] const SegmentIndex& index() const { return index_; }
  [[nodiscard]] bool sealed() const { return index_.sealed(); }
  [[nodiscard]] u64 damaged_ranges() const { return indexer_.damaged_ranges(); }
  [[nodiscard]] u64 damaged_bytes() const { return indexer_.damaged_bytes(); }
  // Behind the last good frame: a write cut short, or one under way.
  [[nodiscard]] u64 tail_bytes() const { return indexer_.tail().length; }

 private:
  explicit SegmentReader(std::unique_ptr<ByteSource> source);

  [[nodiscard]] bool next_frame();
  void define(ByteView record, u32 site);
  void define_thread(ByteView record);

  std::unique_ptr<ByteSource> source_;
  FrameScanner indexer_;
  FrameScanner server_;
  SegmentIndex index_;

  u64 next_sequence_ = 0;                  // below this nothing is served (again)
  u64 frame_sequence_ = 0;                 // of the next record in rest_
  ByteView rest_;                          // of the frame being served
  std::vector<ThreadDefinition> threads_;  // of that frame
  std::vector<u16> thread_at_slot_;        // index in threads_ + 1; 0 = not defined
  std::optional<ClockDefinition> clock_;   // of that frame
};

}  // namespace sluice

#endif  // SLUICE_SRC_SEGMENT_READER_H_
