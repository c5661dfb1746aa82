// Order and time: one thread's records stay in its order in every sink; those of several come in
// the order of time, but for what is closer than the merge window; the time they carry is right.
#include <gtest/gtest.h>
#include <sluice/sluice.h>

#include <algorithm>
#include <map>
#include <thread>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void expect_order_of_each_thread(const std::vector<Kept::Record>& all) {
  std::map<int, int> next;
  std::map<int, std::int64_t> last_time;
  std::uint64_t last_sequence = 0;
  for (const auto& record : all) {
    EXPECT_GT(record.sequence, last_sequence);
    last_sequence = record.sequence;
    if (!record.json.contains("fields") || !record.json["fields"].contains("t")) continue;
    const int thread = record.json["fields"]["t"].get<int>();
    ASSERT_EQ(record.json["fields"]["i"].get<int>(), next[thread]++);
    EXPECT_GE(record.unix_ns, last_time[thread]) << "time of a thread goes back";
    last_time[thread] = record.unix_ns;
  }
}

ISOLATED_TEST(Order, OfEachThreadInEverySink) {
  Kept kept;
  const std::string json = dirs.file("a.jsonl");
  ASSERT_TRUE(start({.product = "order",
                     .sinks = {kept.sink(), json_file(json)},
                     .ring_bytes = 1 << 20,
                     .region_directory = dirs.region,
                     .quiet = true}));
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 3000; ++i) SLUICE_INFO("{t} {i}", t, i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 24'000u);
  expect_order_of_each_thread(all);
  std::map<int, int> next;
  for (const auto& object : read_json(json)) {
    EXPECT_EQ(object["fields"]["i"].get<int>(), next[object["fields"]["t"].get<int>()]++);
  }
}

// Threads that hand a token around: what stands in the sink is in the order of its times, and the
// times follow the token. They may miss it by what a processor does ahead of time: the counter is
// read without a fence, so it may be read while the line with the token is still on its way.
ISOLATED_TEST(Order, AcrossThreadsByTime) {
  Kept kept;
  ASSERT_TRUE(start({.product = "order",
                     .sinks = {kept.sink()},
                     .merge_window_us = 50'000,
                     .region_directory = dirs.region,
                     .quiet = true}));
  constexpr int kThreads = 4, kTurns = 2000;
  constexpr std::int64_t kAheadNs = 10'000;  // a miss of the cache is some 100 ns
  std::atomic<int> turn{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      (void)prepare_thread();
      for (int i = t; i < kTurns; i += kThreads) {
        while (turn.load(std::memory_order_acquire) != i) std::this_thread::yield();
        SLUICE_INFO("turn {turn}", i);
        turn.store(i + 1, std::memory_order_release);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  const auto all = kept.take();
  ASSERT_EQ(all.size(), std::size_t{kTurns});
  std::vector<std::int64_t> time_of_turn(kTurns);
  for (int i = 0; i < kTurns; ++i) {
    EXPECT_FALSE(all[i].json.value("late", false));
    if (i > 0) {
      EXPECT_GE(all[i].unix_ns, all[i - 1].unix_ns) << "not in the order of time";
    }
    time_of_turn.at(all[i].json["fields"]["turn"].get<std::size_t>()) = all[i].unix_ns;
  }
  std::int64_t latest = 0;
  for (int i = 0; i < kTurns; ++i) {
    EXPECT_GE(time_of_turn[i], latest - kAheadNs) << "turn " << i;
    latest = std::max(latest, time_of_turn[i]);
  }
  EXPECT_EQ(stats().late, 0u);
}

// A record that comes with a time long gone is not waited for: delivered, flagged, counted.
ISOLATED_TEST(Order, WhatIsTooLateIsFlagged) {
  Kept kept;
  ASSERT_TRUE(start({.product = "order",
                     .sinks = {kept.sink()},
                     .region_directory = dirs.region,
                     .quiet = true}));
  const std::uint64_t long_ago = ticks();
  SLUICE_INFO("newer");
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  std::thread([&] { SLUICE_LOG_AT(Level::info, long_ago, "older"); }).join();
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].message, "older");
  EXPECT_TRUE(all[1].json.value("late", false));
  EXPECT_LE(all[1].unix_ns, all[0].unix_ns);
  EXPECT_EQ(stats().late, 1u);
}

ISOLATED_TEST(Order, TheWallClockIsRight) {
  Kept kept;
  ASSERT_TRUE(start({.product = "order",
                     .sinks = {kept.sink()},
                     .region_directory = dirs.region,
                     .quiet = true}));
  // Over the seconds in which the rate of the clock is measured better and better.
  std::vector<std::pair<std::int64_t, std::int64_t>> between;
  const std::int64_t end = now_ns() + 2'500'000'000;
  for (int i = 0; now_ns() < end; ++i) {
    const std::int64_t before = now_ns();
    SLUICE_INFO("{t} {i}", 0, i);
    between.emplace_back(before, now_ns());
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  const auto all = kept.take();
  ASSERT_EQ(all.size(), between.size());
  expect_order_of_each_thread(all);
  std::int64_t worst = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    worst =
        std::max({worst, between[i].first - all[i].unix_ns, all[i].unix_ns - between[i].second});
  }
  // The wall clock may be slewed under our feet; a millisecond is far more than that.
  EXPECT_LT(worst, 1'000'000);
}

}  // namespace
}  // namespace sluice::test
