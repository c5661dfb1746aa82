// flush(): of our own engine, or of the collector that drains us.
#include <vector>

#include "base/durations.h"
#include "front/front.h"
#include "os/process.h"
#include "region/marks.h"
#include "runtime/as_sink.h"
#include "runtime/runtime.h"

namespace sluice::runtime {
namespace {

constexpr i64 kFlushLookNs = 1'000'000;

}  // namespace

// Who consumes may change meanwhile: the next one is asked then.
FlushResult Runtime::flush(Reach reach, u32 timeout_ms, std::string& problem,
                           std::optional<u32> only_sink) {
  const i64 deadline = os::monotonic_ns() + i64{timeout_ms} * kNsPerMs;
  for (;;) {
    const bool left = is_left_to_collector();
    const std::shared_ptr<back::Engine> engine = running_engine();
    FlushResult result = flush_once(reach, deadline, problem, only_sink);
    if (result.complete || os::monotonic_ns() >= deadline) return result;
    const bool changes = left != is_left_to_collector() || engine != running_engine() ||
                         (engine && engine->is_stopping());
    if (!changes) return result;
    problem.clear();
    os::sleep_ns(kFlushLookNs);
  }
}

FlushResult Runtime::flush_once(Reach reach, i64 deadline_ns, std::string& problem,
                                std::optional<u32> only_sink) {
  FlushResult result;
  if (reach == Reach::queued || reach == Reach::shared) {
    // A record that a call has returned for is already that far, if there is a file behind it.
    result.complete = reach == Reach::queued || front::g_front.region.shared();
    if (!result.complete) problem = "sluice: flush(): there is no shared memory; see start()";
    return result;
  }
  if (is_left_to_collector()) return wait_for_collector(deadline_ns, problem);
  const std::shared_ptr<back::Engine> engine = running_engine();
  if (!engine) {
    problem = "sluice: flush(): not started; nothing is delivered before start()";
    return result;
  }
  back::FlushOutcome outcome;
  if (engine->has_threads()) {
    outcome = engine->flush(reach == Reach::durable, deadline_ns, only_sink);
  } else {
    // The sinks are running, in this very thread: they go on when this one returns.
    if (detail::t_block.in_sink) {
      problem = "sluice: flush() was called by a sink; call it elsewhere";
      return result;
    }
    const AsSink as_sink;
    const std::lock_guard alone(immediate_);
    if (running_engine() != engine) {
      problem = "sluice: flush(): stopped meanwhile";
      return result;
    }
    outcome = engine->flush(reach == Reach::durable, deadline_ns, only_sink);
  }
  // A callback is not kept waiting for another process.
  if (outcome.merged && !only_sink && !detail::t_block.in_sink && !wait_for_reader(deadline_ns)) {
    ++outcome.behind;
    outcome.names_behind += (outcome.names_behind.empty() ? "" : ", ") + std::string("collector");
  }
  result.sinks = outcome.sinks;
  result.behind = outcome.behind;
  result.complete = outcome.merged && outcome.behind == 0;
  if (!result.complete) {
    problem = "sluice: flush(): not in time: " +
              (outcome.behind ? outcome.names_behind : std::string("the merge")) +
              "; what is behind is kept, wait longer or mend the destination";
  }
  return result;
}

bool Runtime::wait_for_reader(i64 deadline_ns) {
  // acquire: with the merge's commit (P3)
  const u64 position =
      front::g_front.region.journal_lines().committed.load(JournalOrders::read_committed);
  for (;;) {
    {
      const Locked lock(mutex_);
      if (reads_ == nullptr) return true;
      // acquire: the store's commit before it (P4)
      const u64 read = reads_->cursor_position.load(JournalOrders::read_cursor);
      if (i64(read - position) >= 0) return true;
    }
    if (os::monotonic_ns() >= deadline_ns) return false;
    os::sleep_ns(kFlushLookNs);
  }
}

// What threads have published is in the journal when their rings are empty, and stored when the
// collector's place in the sink table has passed it: words in the region, which it writes.
FlushResult Runtime::wait_for_collector(i64 deadline_ns, std::string& problem) {
  region::Region& region = front::g_front.region;
  // relaxed: slots that came into use later hold nothing that was said before
  const u32 slots = region.wake().slots_used.load(std::memory_order_relaxed);
  std::vector<u64> heads(slots);
  for (u32 i = 0; i < slots; ++i) {
    const region::RingLines* const lines = region.lines_of(region.slots()[i]);
    // acquire: with leave(): the records before it (P1)
    if (lines) heads[i] = lines->head.load(detail::RingOrders::read_head);
  }
  const auto merged = [&] {
    for (u32 i = 0; i < slots; ++i) {
      const region::RingLines* const lines = region.lines_of(region.slots()[i]);
      // acquire: the collector's writes before its tail (P2)
      if (lines && i64(lines->tail.load(detail::RingOrders::read_tail) - heads[i]) < 0) {
        return false;
      }
    }
    return true;
  };
  const auto stored = [&](u64 position) {
    for (u32 i = 0; i < region::kSinksMax; ++i) {
      const region::SinkEntry& entry = region.sink(i);
      if (region::Marks::look(entry.state) != region::SinkState::kOpen) continue;
      // acquire: the store's commit before it (P4)
      return i64(entry.cursor_position.load(JournalOrders::read_cursor) - position) >= 0;
    }
    return false;
  };
  FlushResult result;
  result.sinks = 1;
  bool is_merged = false;
  u64 committed = 0;
  for (;;) {
    if (!is_merged && merged()) {
      is_merged = true;
      // acquire: with the collector's write of it (P3)
      committed = region.journal_lines().committed.load(JournalOrders::read_committed);
    }
    if (is_merged && stored(committed)) {
      result.complete = true;
      return result;
    }
    if (os::monotonic_ns() >= deadline_ns) break;
    os::sleep_ns(kFlushLookNs);
  }
  result.behind = 1;
  problem = "sluice: flush(): not in time: the collector; what is behind is kept in " +
            std::string(region.path());
  return result;
}

}  // namespace sluice::runtime
