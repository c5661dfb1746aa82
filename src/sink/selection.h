// Walks a batch for a sink that renders: filters, counts, and never skips a damaged record
// silently.
//
// Threading: single-owner. The records are untrusted; nothing in them can make the walk fail.
#ifndef SLUICE_SRC_SINK_SELECTION_H_
#define SLUICE_SRC_SINK_SELECTION_H_

#include <algorithm>

#include "back/sink.h"
#include "sink/filter.h"
#include "sink/own_record.h"

namespace sluice::sink {

// One record to write, or the notice that stands for damaged ones.
struct Item {
  const Entry& entry;
  u64 sequence;
  u64 next_sequence;        // one above the last record it stands for
  u64 callers_before;       // records of callers in front of it, in the whole run
  back::SinkCounts counts;  // what it adds once it is written
};

class Selection {
 public:
  explicit Selection(const back::SinkConfig& config, bool filter_sink_threads = false)
      : filter_(config), filter_sink_threads_(filter_sink_threads) {}

  // Calls each(Item) -> bool for what of the batch is to be written from `from` on, until it
  // returns false; adds what is filtered to `filtered` before the next call. True at the end of the
  // batch.
  template <class Each>
  bool walk(const BatchView& batch, back::Catalog& catalog, u64 from, u64& filtered, Each&& each) {
    if (batch.next_sequence() <= from) return true;
    u64 next = std::max(from, batch.first_sequence());
    u64 callers_seen = 0;  // of the whole batch: what is behind a damaged place is known by number
    bool stopped = false;
    const bool whole = batch.for_each(batch.first_sequence(), [&](const BatchRecord& record) {
      const RecordHeader header = record.header();
      const bool caller = from_caller(header.site);
      const u64 before = batch.header().callers_before + callers_seen;
      callers_seen += caller;
      if (record.sequence < from) return true;
      next = record.sequence + 1;
      if (is_bookkeeping(header.site)) return true;
      if (!catalog.describe(batch, record)) {
        const i64 wall_ns = catalog.clock_of(batch.header()).wall_of(header.ticks);
        const Entry& notice = own_.damage(catalog, record.sequence, 1, header.site, wall_ns);
        stopped = !each(Item{notice, record.sequence, next, before, {.dropped_error = caller}});
        return !stopped;
      }
      const Entry entry = catalog.entry();
      if (!passes(batch, header, entry, caller)) {
        filtered += caller;
        return true;
      }
      stopped = !each(Item{entry, record.sequence, next, before, {.delivered = caller}});
      return !stopped;
    });
    if (stopped) return false;
    if (whole || next >= batch.next_sequence()) return true;
    const u64 lost = batch.header().callers - std::min<u64>(callers_seen, batch.header().callers);
    const Entry& notice = own_.damage(catalog, next, batch.next_sequence() - next, kSiteUnknown,
                                      batch.header().wall_ns);
    return each(Item{notice,
                     next,
                     batch.next_sequence(),
                     batch.header().callers_before + callers_seen,
                     {.dropped_error = lost}});
  }

  [[nodiscard]] const Entry& gap(const back::Catalog& catalog, std::string_view sink,
                                 u64 missed_now, u64 missed_in_all) {
    return own_.gap(catalog, sink, missed_now, missed_in_all);
  }

 private:
  // Definitions: they say nothing to a reader of lines.
  static bool is_bookkeeping(u32 site) {
    return site == kSiteContext || site == kSiteThread || site == kSiteClock ||
           site == kSiteDefinition || site == kSiteRun || site == kSitePadding ||
           site == kSiteStateGap;
  }

  bool passes(const BatchView& batch, const RecordHeader& header, const Entry& entry,
              bool caller) const {
    if (!caller) return filter_.passes_engine();
    if (!filter_.passes(entry.site, entry.logger)) return false;
    BatchThread thread;
    return !filter_sink_threads_ || !batch.find_thread(header.slot(), thread) ||
           thread.of_sink == 0;
  }

  Filter filter_;
  bool filter_sink_threads_;
  OwnRecord own_;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_SELECTION_H_
