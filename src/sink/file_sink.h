// The text and JSON Lines files: exactly once through a SIGKILL at any instruction.
//
// The order of things for a group of records, each step a store that a kill cannot undo:
//
//   1  lock the log; settle what a dead writer left                  sink/lock_file.h
//   2  arm the intent: rendered text, sequences, counters            sink/intent_area.h
//   3  note in the lock file: who writes where, how much
//   4  the intent's place: the same
//   5  pwrite
//   6  the intent's place: behind these bytes. Steps 3 to 6 again when the file was full
//   7  counters and cursor (P10), disarm
//   8  clear the note, unlock
//
// Killed before 4, nothing was written. Killed between 4 and 6, the file has whole lines of it once
// somebody has settled the note; open() goes on behind them. Killed after 6, only 7 is missing, and
// it can be repeated: counters are stored as sums. A write that fails is the same case without the
// death: write() is called again and goes on.
//
// Where this ends: when the file was removed, or moved to a name that no rotation makes, between
// the kill and the recovery, or the lock file was removed and others wrote the same bytes. Then the
// group is written again: at-least-once, and said.
//
// Threading: single-owner. Limits: a record is one line of any length; an output line never holds a
// newline, a control byte or half a record.
#ifndef SLUICE_SRC_SINK_FILE_SINK_H_
#define SLUICE_SRC_SINK_FILE_SINK_H_

#include <memory>
#include <optional>

#include "sink/line_format.h"
#include "sink/selection.h"
#include "sink/shared_log.h"

namespace sluice::sink {

class FileSink final : public back::Sink {
 public:
  // `io` must outlive it.
  FileSink(const back::SinkConfig& config, os::Io& io, std::unique_ptr<LineFormat> format,
           i64 (*unix_ns)() = os::wall_ns);

  Status open(const back::Catalog& catalog, back::Cursor& cursor) override;
  Status write(Batches batches, back::Catalog& catalog, back::Cursor& cursor) override;
  Status write_gap(u64 missed_now, u64 missed_in_all) override;
  Status flush(bool durable) override;
  i64 upkeep() override;
  Status close() override;
  [[nodiscard]] bool can_be_durable() const override { return true; }

 private:
  // Finishes the group that the intent holds.
  Status resume(back::Cursor& cursor);
  Result<u64> kept_bytes(const IntentPlace& place);
  Status write_batches(Batches batches, back::Catalog& catalog, back::Cursor& cursor);
  Status write_group(u64 next_sequence, back::Cursor& cursor);
  Status deliver(std::string_view text, back::Cursor& cursor);
  void finish(back::Cursor& cursor);

  const std::string name_;
  const std::unique_ptr<LineFormat> format_;
  Selection selection_;
  SharedLog log_;
  std::optional<IntentArea> area_;
  std::optional<TextBuffer> text_;  // the group being rendered, in the area
  back::SinkCounts counts_;         // of that group
  u64 missed_now_ = 0;              // a gap that stands before the next record
  u64 missed_in_all_ = 0;
  std::string report_;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_FILE_SINK_H_
