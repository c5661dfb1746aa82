#include "back/clock_keeper.h"

#include <algorithm>
#include <cstdlib>

#include "os/process.h"

namespace sluice::back {
namespace {

constexpr i64 kNsPerSecond = 1'000'000'000;
constexpr i64 kStepNs = 20'000'000;
// Two readings this far apart give the rate to 1 in 10^4, better with every second.
constexpr i64 kFirstBaselineNs = 1'000'000;
constexpr u64 kOneNsPerTick = u64{1} << 32;

u64 ticks_at(bool slow) {
#if defined(__x86_64__)
  if (!slow) return __builtin_ia32_rdtsc();
#endif
  (void)slow;
  return u64(os::monotonic_ns());
}

}  // namespace

ClockKeeper::Reading ClockKeeper::read() const {
  // The reading with the shortest way between the two tick readings is the one to trust.
  Reading best{};
  u64 shortest = ~u64{0};
  for (int i = 0; i < 4; ++i) {
    const u64 before = ticks_at(slow_);
    const i64 wall = os::wall_ns();
    const i64 monotonic = os::monotonic_ns();
    const u64 after = ticks_at(slow_);
    if (after - before < shortest) {
      shortest = after - before;
      best = {before + (after - before) / 2, wall, monotonic};
    }
  }
  return best;
}

void ClockKeeper::start(region::ClockPage& page, bool slow) {
  page_ = &page;
  slow_ = slow;
  live_ = true;
  measure();
}

void ClockKeeper::adopt(const region::ClockPage& page, bool slow) {
  // acquire, all of it: as its seqlock wrote it (P17); its writer is dead
  const u64 version = page.version.load(std::memory_order_acquire);
  // acquire: as its seqlock wrote it (P17); its writer is dead
  clock_ = {page.ticks.load(std::memory_order_acquire),
            i64(page.wall_ns.load(std::memory_order_acquire)),
            page.ns_per_tick_2_32.load(std::memory_order_acquire)};
  // acquire: as its seqlock wrote it (P17); its writer is dead
  epoch_ = u16(page.epoch.load(std::memory_order_acquire));
  slow_ = slow;
  if (version % 2 != 0 || clock_.ns_per_tick_q32 == 0) measure();
}

void ClockKeeper::measure() {
  clock_.ns_per_tick_q32 = kOneNsPerTick;
  base_ = read();
  if (!slow_) os::sleep_ns(kFirstBaselineNs);
  publish(read());
}

void ClockKeeper::update() {
  if (!live_ || now() < next_update_) return;
  const Reading reading = read();
  const i64 predicted = clock_.wall_of(reading.ticks);
  if (std::llabs(reading.wall_ns - predicted) > kStepNs) {
    ++epoch_;
    base_ = reading;
    // The rate stays as it was until there is a new baseline.
  }
  publish(reading);
}

void ClockKeeper::publish(const Reading& reading) {
  const i64 ns = reading.monotonic_ns - base_.monotonic_ns;
  const u64 ticks = reading.ticks - base_.ticks;
  if (!slow_ && ns > 0 && ticks > 0) {
    __extension__ using u128 = unsigned __int128;
    clock_.ns_per_tick_q32 = u64((u128(u64(ns)) << 32) / ticks);
  }
  clock_.ticks = reading.ticks;
  clock_.wall_ns = reading.wall_ns;
  // Soon after the start, when the rate is still rough; so no correction is worth a microsecond.
  next_update_ = reading.ticks + ticks_of_ns(std::clamp(10 * ns, kFirstBaselineNs, kNsPerSecond));
  if (!page_) return;
  // A seqlock with its orders on the words (release here, acquire in adopt(), P17): odd while
  // writing.
  // relaxed: only this thread writes it
  const u64 version = page_->version.load(std::memory_order_relaxed);
  page_->version.store(version + 1, std::memory_order_relaxed);
  page_->ticks.store(clock_.ticks, std::memory_order_release);
  page_->wall_ns.store(u64(clock_.wall_ns), std::memory_order_release);
  page_->monotonic_ns.store(u64(reading.monotonic_ns), std::memory_order_release);
  page_->boot_ns.store(u64(os::boot_ns()), std::memory_order_release);
  page_->ns_per_tick_2_32.store(clock_.ns_per_tick_q32, std::memory_order_release);
  page_->epoch.store(epoch_, std::memory_order_release);
  page_->version.store(version + 2, std::memory_order_release);
}

u64 ClockKeeper::now() const { return live_ ? ticks_at(slow_) : ~u64{0}; }

u64 ClockKeeper::ticks_of_ns(i64 ns) const {
  __extension__ using u128 = unsigned __int128;
  const u64 rate = clock_.ns_per_tick_q32 ? clock_.ns_per_tick_q32 : kOneNsPerTick;
  return u64((u128(u64(ns)) << 32) / rate);
}

}  // namespace sluice::back
