// What a destination implements, and the cursor it moves.
//
// A SinkRunner (back/sink_runner.h) owns a sink and calls it from one thread: its own, or the
// caller's in immediate mode and in recovery. A sink may block; nobody but its runner waits for it.
//
// Exactly once: write() is given batches and the sequence to go on from. Whatever it has stored it
// reports through Cursor::passed(), record by record or as a group, so that after a kill the next
// owner of the region goes on at that sequence. A sink that stores the sequence with its data
// (segments) or can compare its data with an intent (files) makes the step between "stored" and
// "passed" safe; the others are at least once there.
#ifndef SLUICE_SRC_BACK_SINK_H_
#define SLUICE_SRC_BACK_SINK_H_

#include <string>

#include "back/batch.h"
#include "back/catalog.h"
#include "base/status.h"
#include "region/marks.h"
#include "region/region.h"
#include "sluice/options.h"

namespace sluice::back {

// A file of lines, which goes on after a kill where it was (sink/file_sink.h).
[[nodiscard]] constexpr bool is_line_file(SinkKind kind) {
  return kind == SinkKind::text || kind == SinkKind::json_lines || kind == SinkKind::logfmt;
}
// Something in the file system that is the sink's own.
[[nodiscard]] constexpr bool owns_files(SinkKind kind) {
  return is_line_file(kind) || kind == SinkKind::segments || kind == SinkKind::store;
}

// What a sink was configured to be, as it stands in the region's sink table too.
struct SinkConfig {
  SinkKind kind = SinkKind::console;
  std::string path;  // absolute
  std::string name;
  std::string pattern;
  JsonSchema schema = JsonSchema::sluice;
  u8 facility = 1;
  Level level = Level::trace;
  std::string logger;
  u64 rotate_bytes = 0;
  u64 rotate_seconds = 0;
  std::string rotate_at;
  u32 keep_files = 0;
  bool compress = false;
  Color color = Color::automatic;
  Level stderr_level = Level::error;
  u32 commit_records = 10'000;
  bool sync_each_commit = false;
  u64 keep_seconds = 0;
  u64 keep_rows = 0;
  u64 keep_bytes = 0;
  bool keep_whole_runs = false;
  bool full_text = false;
  bool private_file = false;  // the file goes with the sink
  bool required = false;
  // Not in the region: the variable that it comes from, if one, and the program's function.
  std::string variable;
  void (*callback)(const CallbackRecord&, void*) = nullptr;
  void* user = nullptr;
};

// Counters of one write(), all of caller records only.
struct SinkCounts {
  u64 delivered = 0;
  u64 filtered = 0;
  u64 dropped_error = 0;
};

// The sink's place in the journal, kept in the region. Single-owner.
class Cursor {
 public:
  explicit Cursor(region::SinkEntry& entry) : entry_(&entry) {}

  // relaxed, both: only the sink's owner writes
  [[nodiscard]] u64 sequence() const { return entry_->cursor.load(std::memory_order_relaxed); }
  // Of the records before it, those that callers wrote.
  [[nodiscard]] u64 callers() const {
    return entry_->cursor_callers.load(std::memory_order_relaxed);
  }
  [[nodiscard]] region::SinkEntry& entry() const { return *entry_; }

  // Everything before `next_sequence` is with the sink's destination. The counters go first: after
  // a kill between the two they may count a group twice, never a record too few.
  void passed(u64 next_sequence, const SinkCounts& counts) {
    add(entry_->delivered, counts.delivered);
    add(entry_->filtered, counts.filtered);
    add(entry_->dropped_error, counts.dropped_error);
    add(entry_->cursor_callers, counts.delivered + counts.filtered + counts.dropped_error);
    region::Marks::set(entry_->cursor, next_sequence);  // P10
  }

 private:
  static void add(std::atomic<u64>& cell, u64 count) {
    // relaxed: only the sink's owner writes
    if (count) cell.store(cell.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  region::SinkEntry* entry_;
};

class Sink {
 public:
  virtual ~Sink() = default;

  // Opens or goes on after a kill: completes what `cursor`'s intent says, or moves the cursor past
  // what the destination already holds. Called once, before the first write().
  virtual Status open(const Catalog& catalog, Cursor& cursor) = 0;

  // Writes every record of the batches from cursor.sequence() on that passes the sink's filters,
  // and moves the cursor to the last one's next_sequence(). On a failure the cursor stands where it
  // got to; the runner calls again with the same batches, or more, after a pause (kRetryable,
  // kRotate: the sink has taken its own measures) or gives the sink up (kDisableSink, kFatal).
  virtual Status write(Batches batches, Catalog& catalog, Cursor& cursor) = 0;

  // A record of the engine about this sink itself: it missed `missed` caller records just before
  // the next batches. Best-effort sinks say it in their output.
  virtual Status write_gap(u64 missed_now, u64 missed_in_all) = 0;

  // Gives everything written so far to the kernel (`durable` false) or to the disk (true).
  virtual Status flush(bool durable) = 0;

  // Work of its own that nobody waits for, a few milliseconds of it at most. Called while there is
  // nothing to write. Returns after how many nanoseconds it wants to be called again; -1: not
  // before the next write().
  virtual i64 upkeep() { return -1; }

  // Nothing more comes. Seals, closes.
  virtual Status close() = 0;

  // True when flush(true) means anything here.
  [[nodiscard]] virtual bool can_be_durable() const = 0;
};

}  // namespace sluice::back

#endif  // SLUICE_SRC_BACK_SINK_H_
