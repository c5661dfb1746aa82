// Threads that may hang: what hangs in one place leaves threads to the others.
#include "append_server/workers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

#include "os/process.h"

namespace sluice::test {
namespace {

using append_server::Workers;

constexpr u64 kHangs = 100;  // jobs from here on wait for the gate
constexpr i64 kLimitNs = 60'000'000'000;

template <typename Condition>
void look_until(Workers& workers, const Condition& condition) {
  const i64 until = os::monotonic_ns() + kLimitNs;
  while (!condition() && os::monotonic_ns() < until) {
    (void)workers.look(os::monotonic_ns());
    os::yield();
  }
  EXPECT_TRUE(condition());
}

TEST(Workers, AFileSystemThatHangsKeepsAFewThreadsAndNobodyElse) {
  std::latch gate(1);
  std::atomic<u64> done = 0;
  Workers workers({.active_max = 2, .threads_max = 8, .place_max = 3, .stuck_ns = 1'000'000},
                  [&](u64 id) {
                    if (id >= kHangs) gate.wait();
                    ++done;
                  });
  for (u64 i = 0; i < 20; ++i) workers.submit({kHangs + i, kHangs + i, 7});
  look_until(workers, [&] { return workers.stats().stuck == 3; });
  EXPECT_EQ(workers.stats().waiting, 17U);
  EXPECT_EQ(workers.look(os::monotonic_ns()), -1) << "nothing changes by looking";
  for (u64 i = 0; i < 20; ++i) workers.submit({i, i, 8});
  look_until(workers, [&] { return done == 20; });
  look_until(workers, [&] { return workers.stats().stuck == 3; });
  gate.count_down();
  look_until(workers, [&] { return done == 40; });
  EXPECT_EQ(workers.stop(u64(os::monotonic_ns() + kLimitNs)), 0U);
}

TEST(Workers, OfOneKeyOnePieceRunsAtATime) {
  std::atomic<u64> running = 0, done = 0;
  std::atomic<bool> together = false;
  Workers workers({.active_max = 4}, [&](u64) {
    if (++running != 1) together = true;
    os::yield();
    --running;
    ++done;
  });
  for (u64 i = 0; i < 500; ++i) workers.submit({i, 1, i % 3});
  look_until(workers, [&] { return done == 500; });
  EXPECT_FALSE(together);
  EXPECT_EQ(workers.stop(u64(os::monotonic_ns() + kLimitNs)), 0U);
}

}  // namespace
}  // namespace sluice::test
