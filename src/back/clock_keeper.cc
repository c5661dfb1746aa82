#include "back/clock_keeper.h"

#include <algorithm>
#include <cstdlib>

#include "base/durations.h"
#include "os/process.h"

namespace sluice::back {
namespace {

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

// Nanoseconds of `ticks` at a rate of ns_per_tick_q32.
i64 ns_of_ticks(u64 ticks, u64 rate) {
  __extension__ using u128 = unsigned __int128;
  return i64((u128(ticks) * rate) >> 32);
}

u64 ticks_of(i64 ns, u64 rate) {
  __extension__ using u128 = unsigned __int128;
  return u64((u128(u64(ns)) << 32) / rate);
}

}  // namespace

TickClock go_on(const TickClock& old, const TickClock& measured, i64 interval_ns) {
  constexpr double kSlowerMax = 1e-3;
  const i64 told = old.wall_of(measured.ticks);
  TickClock next = measured;
  if (told > measured.wall_ns) {
    const double share = double(told - measured.wall_ns) / double(interval_ns);
    next.ns_per_tick_q32 -= u64(double(measured.ns_per_tick_q32) * std::min(share, kSlowerMax));
  }
  i64 no_earlier = told + 1;  // what the shift in wall_of() cuts off
  if (next.ns_per_tick_q32 > old.ns_per_tick_q32) {
    // The faster one is behind at earlier ticks.
    const u64 reach = ticks_of(kClockReachNs, next.ns_per_tick_q32);
    no_earlier += ns_of_ticks(reach, next.ns_per_tick_q32 - old.ns_per_tick_q32) + 1;
  }
  next.wall_ns = std::max(measured.wall_ns, no_earlier);
  return next;
}

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
  region::ClockWords told;
  const bool whole = page.read(told);
  clock_ = {told.ticks, i64(told.wall_ns), told.ns_per_tick_2_32};
  epoch_ = u16(told.epoch);
  slow_ = slow;
  if (!whole || clock_.ns_per_tick_q32 == 0) measure();
}

void ClockKeeper::measure() {
  clock_.ns_per_tick_q32 = kOneNsPerTick;
  base_ = read();
  if (!slow_) os::sleep_ns(kFirstBaselineNs);
  const Reading reading = read();
  clock_ = {reading.ticks, reading.wall_ns, rate_at(reading)};
  publish(reading);
}

void ClockKeeper::update() {
  if (!live_ || now() < next_update_) return;
  const Reading reading = read();
  if (std::llabs(reading.wall_ns - clock_.wall_of(reading.ticks)) > kStepNs) {
    ++epoch_;
    base_ = reading;
    // The rate stays as it was until there is a new baseline.
    clock_ = {reading.ticks, reading.wall_ns, clock_.ns_per_tick_q32};
  } else {
    clock_ =
        go_on(clock_, {reading.ticks, reading.wall_ns, rate_at(reading)}, interval_ns(reading));
  }
  publish(reading);
}

u64 ClockKeeper::rate_at(const Reading& reading) const {
  __extension__ using u128 = unsigned __int128;
  const i64 ns = reading.monotonic_ns - base_.monotonic_ns;
  const u64 ticks = reading.ticks - base_.ticks;
  if (slow_ || ns <= 0 || ticks == 0) return clock_.ns_per_tick_q32;
  return u64((u128(u64(ns)) << 32) / ticks);
}

// Short soon after the start, when the rate is still rough; so no correction is worth a
// microsecond.
i64 ClockKeeper::interval_ns(const Reading& reading) const {
  return std::clamp(10 * (reading.monotonic_ns - base_.monotonic_ns), kFirstBaselineNs,
                    kNsPerSecond);
}

void ClockKeeper::publish(const Reading& reading) {
  next_update_ = reading.ticks + ticks_of_ns(interval_ns(reading));
  if (!page_) return;
  page_->write({.ticks = clock_.ticks,
                .wall_ns = u64(clock_.wall_ns),
                .monotonic_ns = u64(reading.monotonic_ns),
                .boot_ns = u64(os::boot_ns()),
                .ns_per_tick_2_32 = clock_.ns_per_tick_q32,
                .epoch = epoch_});
}

u64 ClockKeeper::now() const { return live_ ? ticks_at(slow_) : ~u64{0}; }

u64 ClockKeeper::ticks_of_ns(i64 ns) const {
  return ticks_of(ns, clock_.ns_per_tick_q32 ? clock_.ns_per_tick_q32 : kOneNsPerTick);
}

}  // namespace sluice::back
