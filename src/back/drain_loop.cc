// The backend's thread: drain, tell the sinks, nap.
//
// It never spins on a ring's head (that doubles the callers' p99): naps of 50 us under load, 1 ms
// while records came within the last second, then growing to 20 ms; 0.5 ms when the journal is
// full. A burst between two naps is safe up to 7/8 of a ring. Sinks are woken at most every
// millisecond, so that they write in groups.
#include "back/engine.h"
#include "os/process.h"
#include "sluice/detail/thread_block.h"

namespace sluice::back {
namespace {

constexpr i64 kNapLoadedNs = 50'000;
constexpr i64 kNapRecentNs = 1'000'000;
constexpr i64 kNapFullNs = 500'000;  // sinks that are behind need the processor more
constexpr i64 kNapIdleMaxNs = 20'000'000;
constexpr i64 kRecentNs = 1'000'000'000;
constexpr i64 kWakeIntervalNs = 1'000'000;
constexpr i64 kSpareRingsIntervalNs = 10'000'000;

}  // namespace

void Engine::thread_main() {
  os::block_signals();
  os::set_thread_name("sluice-backend");
  detail::t_block.in_sink = 1;
  std::atomic<u32>& wake = region_.wake().consumer;
  i64 nap = kNapLoadedNs;
  i64 last_record = os::monotonic_ns();
  i64 last_wake = 0, last_spare = 0;
  bool untold = false;
  // pairs with Engine::stop(): what was done before it is seen (P14)
  while (!stopping_.load(std::memory_order_acquire)) {
    // pairs with the steps in make_room() and Engine::stop(): what they wake it for (P19)
    const u32 seen = wake.load(std::memory_order_acquire);
    bool worked = false, full = false;
    for (;;) {
      const std::lock_guard lock(drain_);
      const Merged merged = merge_locked(false);
      full = merged == Merged::kJournalFull;
      if (full) tell_sinks();
      if (merged != Merged::kBatch) break;
      worked = untold = true;
      // What came meanwhile waits for the next round, or a busy caller would keep us here.
      if (!merger_.more()) break;
    }
    const i64 now = os::monotonic_ns();
    if (untold && now - last_wake >= kWakeIntervalNs) {
      tell_sinks();
      untold = false;
      last_wake = now;
    }
    if (keep_ready_ && now - last_spare >= kSpareRingsIntervalNs) {
      keep_ready_();
      last_spare = now;
    }
    if (worked) last_record = now;
    if (full) {
      nap = kNapFullNs;
    } else if (worked || untold) {
      nap = kNapLoadedNs;
    } else if (now - last_record < kRecentNs) {
      nap = kNapRecentNs;
    } else {
      nap = std::min(nap + nap / 4, kNapIdleMaxNs);
    }
    // Not when something came in between: flush() and waiting callers step the word.
    os::wait_on(wake, seen, nap);
  }
}

}  // namespace sluice::back
