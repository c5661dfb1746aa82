// The merge: takes records out of the rings in time order and commits them to the journal, one
// batch a call. Formats nothing, blocks on nothing.
//
// Order: key = max(ticks, that ring's last key), clamped to now. A record is held back for the
// window, so that an older one of another thread can still come before it; a record older than what
// has been merged is written at once and flagged kLate. A ring that fills pulls the horizon up to
// its newest record: losing order within the window is better than losing records.
//
// Exactly once: a ring's tail moves when the batch that holds its records is committed. A consumer
// that takes over goes on at max(tail, the position in the last batches), so a kill between the two
// repeats nothing. The context in force goes into the ring's two ContextCopies before the commit.
//
// A record below the level of its logger, which has a backtrace, is held in the region instead of
// going into the journal (held.cc). An error of the logger, or the death of the process, brings the
// last ones of them, in the order of their coming and in front of it.
//
// Threading: single-owner; a lock around it decides who (back/engine.h). Records are checked before
// they are believed: the region may be a dead process's.
#ifndef SLUICE_SRC_BACK_MERGER_H_
#define SLUICE_SRC_BACK_MERGER_H_

#include <string>
#include <vector>

#include "back/backtrace.h"
#include "back/catalog.h"
#include "back/clock_keeper.h"
#include "back/sampler.h"
#include "record/redact.h"

namespace sluice::back {

// What a context block and redaction add to a record at most.
inline constexpr u32 kRedactionGrowth = 4096;
inline constexpr u32 kRebuildGrowth = kRedactionGrowth + sizeof(region::ContextCopy) + 64;
static_assert(kRebuildGrowth <= kBatchGrowthMax);

struct MergeOptions {
  i64 window_ns = 2'000'000;
  i64 sample_interval_ns = 10'000'000'000;  // of metric cells; 0: only when told to
  RegionBytes bytes = {};                   // of a copy without chunks; none: the region's memory
};

enum class Merged {
  kBatch,        // a batch was committed; there may be more
  kNothing,      // nothing to merge now
  kJournalFull,  // a required sink is behind: nothing was taken
};

class Merger {
 public:
  Merger(region::Region& region, const MergeOptions& options);

  // Goes on where the region's last consumer stopped. Dead: no owner publishes any more.
  void resume(bool dead, bool slow_clock);

  // One batch. `all`: without a window. `floor`: the lowest journal position of required sinks.
  Merged merge(bool all, u64 floor);

  // Of a copy: the rings were looked at when the clock stood at `ticks`. What has come since is not
  // here, so nothing younger than the window before that may be merged.
  void looked_at(u64 ticks) { looked_at_ = ticks; }
  [[nodiscard]] u64 ticks() const { return clock_.now(); }

  // Puts what counters say into the journal with the next batches: drops, else at most every 100
  // ms, and samples of metrics, else at each interval.
  void want_reports() { report_now_ = sample_now_ = true; }
  // The next merge reads the cells of metrics.
  [[nodiscard]] bool wants_cells() const;

  // The last batch was ended by its size: there is more to merge at once.
  [[nodiscard]] bool more() const { return more_; }
  [[nodiscard]] u64 next_sequence() const { return next_sequence_; }
  [[nodiscard]] u64 callers() const { return callers_; }
  [[nodiscard]] u64 journal_position() const { return journal_.position(); }
  [[nodiscard]] u64 damaged() const { return damaged_; }
  [[nodiscard]] u64 late() const { return late_; }
  // Caller records that were held for a backtrace and not delivered: those that are still held, and
  // those that had to make room.
  [[nodiscard]] u64 held() const { return backtrace_.held(); }
  // Of a copy: what is held that the region does not have yet, in order.
  [[nodiscard]] std::vector<std::span<const char>> changes_of_held() {
    return backtrace_.changes();
  }
  // Of a copy: the owner has died without stop(); what is held goes behind the last record.
  void owner_crashed() { crashed_ = true; }
  // Steps when the region's words of reported drops have changed; of samples.
  [[nodiscard]] u64 reports_told() const { return reports_told_; }
  [[nodiscard]] u64 samples_told() const { return sampler_.stored(); }
  // False: what was said of samples could not be noted.
  [[nodiscard]] bool noted_samples() const { return noted_samples_; }
  // How far every ring is published, by slot; and whether all of that is in the journal, with the
  // drop report that is wanted.
  [[nodiscard]] std::vector<u64> published() const;
  [[nodiscard]] bool has_merged(const std::vector<u64>& published) const;
  // Caller records that are published and not yet merged. Walks the rings.
  [[nodiscard]] u64 queued() const;
  // The fullest ring, in 1/256 of its capacity.
  [[nodiscard]] u32 pressure() const { return pressure_; }

 private:
  struct Source {
    region::ThreadSlot* slot = nullptr;
    region::RingLines* lines = nullptr;
    RingConsumer<RealSync> ring;
    u32 index = 0;
    u64 end = 0;  // published when this batch began
    u64 last_key = 0;
    u64 key = 0;    // of the record at the front
    u32 bytes = 0;  // of that record; 0: none left
    u32 site = 0;
    bool gap = false;  // the next state record is flagged kAfterGap
    bool context_moved = false;
    bool moved = false;
    std::vector<std::byte> context;  // FieldBlock in force
  };
  struct SiteTraits {
    bool known = false;
    bool redact = false;
    bool state = false;
    bool sound = false;
    bool may_be_held = false;       // a log or an event
    bool has_first_logger = false;  // its first argument is the logger's number
    u8 level = 0;
  };

  void take_in_sources();
  void adopt_positions();
  void look_at_front(Source& source);
  u64 find_horizon(bool all) const;
  Source* earliest(u64& second_key);
  bool append(Source& source);
  // held.cc
  struct BacktraceRule {
    u16 group;  // 0: none
    u8 level;   // what is below it is held
  };
  [[nodiscard]] BacktraceRule backtrace_of(const Source& source, const SiteTraits& about) const;
  void hold(const Source& source, u16 group, const RecordHeader& header, const char* bytes);
  // False: no room in this batch for all of it.
  [[nodiscard]] bool append_held(u16 group);
  [[nodiscard]] bool has_last_words() const;
  bool append_plain(const RecordHeader& header, const char* bytes, u16 origin);
  bool append_rebuilt(Source& source, const RecordHeader& header, const char* bytes, u16 origin);
  // With context and without secrets, in scratch_; its bytes.
  [[nodiscard]] std::size_t rebuild(const Source& source, const RecordHeader& header,
                                    const char* bytes);
  void take_context(Source& source, const char* bytes, u32 size);
  [[nodiscard]] bool report_is_due() const;
  void append_drop_reports();
  [[nodiscard]] bool samples_are_due();
  // The record of a sample, in scratch_; its bytes.
  [[nodiscard]] std::size_t make_sample(const Sample& sample, u64 ticks);
  void append_samples();
  void adopt_drop_report(const BatchRecord& record);
  void adopt_reported_drops();
  void store_reported_drops();
  void commit_batch(u64 header_bytes);
  void store_contexts();
  void recycle(Source& source);
  const SiteTraits& traits(u32 site);
  void damage(Source& source);

  region::Region& region_;
  MergeOptions options_;
  Catalog catalog_;
  ClockKeeper clock_;
  Redactor redactor_;
  Sampler sampler_;
  Backtrace backtrace_;
  JournalWriter<JournalSync> journal_;
  std::vector<Source> sources_;  // by slot index; no lines: slot not in use yet
  std::vector<Source*> live_;    // those with records in this batch
  std::vector<SiteTraits> traits_;
  // By site and reason: what reports have said. The region's words for it follow behind the commit,
  // and a successor reads the reports that the journal still has too.
  std::vector<u64> reported_;
  std::vector<u32> reports_;  // places in it that this batch changes
  u64 reports_told_ = 0;
  std::vector<std::byte> scratch_;
  std::vector<BatchThread> threads_;
  bool dead_ = false;
  bool crashed_ = false;
  bool holds_ = false;  // in this batch records may be held
  bool report_now_ = false;
  bool sample_now_ = false;
  bool noted_samples_ = true;
  bool sampling_ = false;  // some that are due are not said yet
  u64 last_sample_ticks_ = 0;
  u64 reported_drops_ = 0;
  u64 last_report_ticks_ = 0;
  u64 last_key_ = 0;
  u64 looked_at_ = ~u64{0};
  u64 now_ = 0;  // ticks when the rings were looked at; all ones in a dead region
  u64 next_sequence_ = 1;
  u64 callers_ = 0;
  u64 damaged_ = 0;
  u64 late_ = 0;
  u32 pressure_ = 0;
  bool more_ = false;
  // The batch being built:
  u64 write_at_ = 0;
  u64 write_end_ = 0;
  u16 records_ = 0;
  u16 batch_callers_ = 0;
};

}  // namespace sluice::back

#endif  // SLUICE_SRC_BACK_MERGER_H_
