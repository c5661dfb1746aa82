#include "back/clock_keeper.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "os/process.h"

namespace sluice::back {
namespace {

TEST(ClockKeeper, TellsTheTimeOfATick) {
  for (const bool slow : {false, true}) {
    if (!slow && !os::has_invariant_tsc()) continue;
    region::ClockPage page{};
    ClockKeeper keeper;
    keeper.start(page, slow);
    for (int i = 0; i < 20; ++i) {
      const i64 before = os::wall_ns();
      const i64 told = keeper.clock().wall_of(keeper.now());
      const i64 after = os::wall_ns();
      EXPECT_GE(told, before - 200'000) << slow;
      EXPECT_LE(told, after + 200'000) << slow;
      os::sleep_ns(2'000'000);
      keeper.update();
    }
    EXPECT_EQ(page.version.load() % 2, 0u);
    EXPECT_EQ(page.ticks.load(), keeper.clock().ticks);
    EXPECT_EQ(keeper.epoch(), 0);
    // A millisecond of ticks is a millisecond.
    const u64 from = keeper.now();
    const i64 start = os::monotonic_ns();
    os::sleep_ns(5'000'000);
    const double ticks = double(keeper.now() - from);
    const double ns = double(os::monotonic_ns() - start);
    EXPECT_NEAR(ticks / double(keeper.ticks_of_ns(1'000'000'000)), ns / 1e9, ns / 1e9 * 0.05);
  }
}

// The rate of a short baseline is rough: the first correction is due after ten times the baseline,
// not only after a second.
TEST(ClockKeeper, CorrectsSoonAfterTheStart) {
  region::ClockPage page{};
  ClockKeeper keeper;
  const i64 start = os::monotonic_ns();
  keeper.start(page, !os::has_invariant_tsc());
  const i64 started = os::monotonic_ns();
  const u64 first = keeper.clock().ticks;
  // The baseline lies within start(); a tenth more, since its rate is rough.
  const i64 due = started + std::min<i64>(11 * (started - start), 1'100'000'000);
  while (os::monotonic_ns() < due) os::sleep_ns(1'000'000);
  keeper.update();
  EXPECT_NE(keeper.clock().ticks, first);
}

// An update changes what a tick means by less than anybody could see.
TEST(ClockKeeper, CorrectionsAreSmall) {
  region::ClockPage page{};
  ClockKeeper keeper;
  keeper.start(page, !os::has_invariant_tsc());
  i64 worst = 0;
  for (int corrections = 0; corrections < 4;) {
    const TickClock before = keeper.clock();
    keeper.update();
    if (keeper.clock().ticks == before.ticks) continue;
    ++corrections;
    const u64 now = keeper.now();
    worst = std::max<i64>(worst, std::llabs(keeper.clock().wall_of(now) - before.wall_of(now)));
  }
  EXPECT_LT(worst, 100'000) << "ns";
}

// A wall clock that is read with errors of microseconds, a rate that is known better and better: no
// tick gets an earlier time than before, and the wall clock is kept.
class GoOnTest : public ::testing::Test {
 protected:
  static constexpr u64 kRate = (u64{10} << 32) / 21;  // of 2.1 GHz

  // Nanoseconds by which the worst tick went back, over many corrections.
  template <class Next>
  i64 worst_step_back(Next&& next) {
    std::mt19937_64 random(7);
    const auto up_to = [&](i64 most) { return i64(random() % u64(2 * most + 1)) - most; };
    TickClock clock{1'000'000, 1'700'000'000'000'000'000, kRate + kRate / 10'000};
    const i64 start = clock.wall_ns;
    i64 worst = 0, interval = 10'000'000, since = 1'000'000;
    for (int i = 0; i < 1000; ++i) {
      const u64 ticks = clock.ticks + u64(interval) * 21 / 10;
      const i64 true_wall = start + i64((ticks - 1'000'000) * 10 / 21);
      since += interval;
      const u64 rate = kRate + u64(i64(double(kRate) * double(up_to(200)) / double(since)));
      const TickClock then = next(clock, {ticks, true_wall + up_to(300), rate}, interval);
      for (u64 back = 0; back <= u64(kClockReachNs) * 2; back += 99'991) {
        worst = std::max(worst, clock.wall_of(ticks - back) - then.wall_of(ticks - back));
      }
      EXPECT_LT(std::llabs(then.wall_of(ticks) - true_wall), 3000) << i;
      clock = then;
      interval = std::min<i64>(interval * 2, 1'000'000'000);
    }
    return worst;
  }
};

TEST_F(GoOnTest, NoTimeGoesBack) { EXPECT_EQ(worst_step_back(go_on), 0); }

TEST_F(GoOnTest, TheMeasurementAloneWouldGoBack) {
  EXPECT_GT(
      worst_step_back([](const TickClock&, const TickClock& measured, i64) { return measured; }),
      100);
}

TEST(ClockKeeper, ADeadOnesPageIsEnough) {
  region::ClockPage page{};
  page.ticks = 1000;
  page.wall_ns = 5'000'000'000;
  page.ns_per_tick_2_32 = u64{1} << 31;  // half a nanosecond
  page.epoch = 3;
  ClockKeeper keeper;
  page.version = 2;
  keeper.adopt(page, false);
  EXPECT_EQ(keeper.clock().wall_of(3000), 5'000'001'000);
  EXPECT_EQ(keeper.clock().wall_of(0), 4'999'999'500);
  EXPECT_EQ(keeper.epoch(), 3);
  EXPECT_EQ(keeper.now(), ~u64{0});
  keeper.update();
  EXPECT_EQ(keeper.clock().ticks, 1000u);
}

// A page that its writer left half written says nothing.
TEST(ClockKeeper, HalfAPageIsNone) {
  region::ClockPage page{};
  page.version = 3;
  page.wall_ns = 5;
  page.ns_per_tick_2_32 = 7;
  ClockKeeper keeper;
  keeper.adopt(page, true);
  EXPECT_NEAR(double(keeper.clock().wall_of(u64(os::monotonic_ns()))), double(os::wall_ns()), 1e9);
}

}  // namespace
}  // namespace sluice::back
