// The backend's thread: drain, tell the sinks, nap.
//
// It never spins on a ring's head (that doubles the callers' p99): naps of 50 us under load,
// growing to 1 ms as it finds less, and to 20 ms when there was nothing for a second; 0.5 ms when
// the journal is full, growing to 20 ms while no sink gets on. A burst between two naps is safe up
// to 7/8 of a ring. Sinks are woken at once after a rest of 5 ms, and after 1 ms for 64 KiB: so
// they write in groups.
#include <algorithm>

#include "back/engine.h"
#include "os/process.h"
#include "sluice/detail/site_limit.h"

namespace sluice::back {
namespace {

constexpr i64 kNapLoadedNs = 50'000;
constexpr i64 kNapRecentNs = 1'000'000;
constexpr i64 kNapFullNs = 500'000;  // sinks that are behind need the processor more
constexpr i64 kNapIdleMaxNs = 20'000'000;
constexpr i64 kRecentNs = 1'000'000'000;
constexpr i64 kWakeIntervalMinNs = 1'000'000;
constexpr i64 kWakeIntervalMaxNs = 5'000'000;
constexpr u64 kWakeBytes = 64 * 1024;
constexpr i64 kSpareRingsIntervalNs = 10'000'000;

// After a round that found `found` bytes: more than a 16th of a ring is load, less than a 64th lets
// it sleep longer. Each nap costs about 10 us of processor time, here and in a sink.
i64 nap_under_load(i64 nap, u64 found, u64 ring_bytes) {
  if (found > ring_bytes / 16) return kNapLoadedNs;
  if (found < ring_bytes / 64) nap *= 2;
  return std::clamp(nap, kNapLoadedNs, kNapRecentNs);
}

}  // namespace

void Engine::thread_main() {
  os::block_signals();
  os::set_thread_name("sluice-backend");
  detail::t_block.in_sink = 1;
  std::atomic<u32>& wake = region_.wake().consumer;
  i64 nap = kNapLoadedNs;
  i64 last_record = os::monotonic_ns();
  i64 last_wake = 0, last_spare = 0;
  // relaxed, here and below: how much there is; what is in it the sinks read with acquire (P3)
  std::atomic<u64>& committed = region_.journal_lines().committed;
  u64 position = committed.load(std::memory_order_relaxed);
  u64 told = position;
  for (;;) {
    // First: what make_room() and stop() wake it for is there, or the sleep ends at once (P19).
    const u32 seen = Wake::look(wake);
    if (stopping_.load(std::memory_order_relaxed)) break;
    bool worked = false, full = false;
    const u64 before = position;
    for (;;) {
      const std::lock_guard lock(drain_);
      const Merged merged = merge_locked(false);
      full = merged == Merged::kJournalFull;
      if (full) tell_sinks();
      if (merged != Merged::kBatch) break;
      worked = true;
      // What came meanwhile waits for the next round, or a busy caller would keep us here.
      if (!merger_.more()) break;
    }
    const i64 now = os::monotonic_ns();
    // relaxed: a time by itself, for limits of call sites
    detail::g_backend_ns.store(u64(now), std::memory_order_relaxed);
    // relaxed: how much there is, see above
    position = committed.load(std::memory_order_relaxed);
    const i64 wake_interval =
        position - told >= kWakeBytes ? kWakeIntervalMinNs : kWakeIntervalMaxNs;
    if (position != told && now - last_wake >= wake_interval) {
      tell_sinks();
      told = position;
      last_wake = now;
    }
    if (keep_ready_ && now - last_spare >= kSpareRingsIntervalNs) {
      keep_ready_();
      last_spare = now;
    }
    if (worked) last_record = now;
    if (full) {
      // Longer and longer as long as the sinks do not get on at all.
      nap = worked ? kNapFullNs : std::clamp(2 * nap, kNapFullNs, kNapIdleMaxNs);
    } else if (now - last_record < kRecentNs) {
      nap = nap_under_load(nap, position - before, region_.header().ring_bytes);
    } else {
      nap = std::min(nap + nap / 4, kNapIdleMaxNs);
    }
    const i64 untold = position != told ? last_wake + wake_interval - now : nap;
    // Not when something came in between: flush() and waiting callers step the word.
    os::wait_on(wake, seen, std::min(nap, untold));
  }
  detail::g_backend_ns.store(0, std::memory_order_relaxed);
}

}  // namespace sluice::back
