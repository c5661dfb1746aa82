// sanitizers: none (compares times and rates)
//
// A store with bounds stays within them while it is written at full rate, and nobody waits for it.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "contract/conservation.h"
#include "contract/isolated.h"
#include "contract/support/oracle.h"
#include "contract/support/victim.h"
#include "store/store_fixture.h"

namespace sluice::testing {
namespace {

using storage::Access;
using storage::Connection;
using test::Attempts;
using test::Dirs;
using test::imbalance_of_sinks;
using test::row_in;

Options options_for(const Dirs& dirs, const Sink& sink) {
  Options options;
  options.product = "bounded";
  options.sinks = {store_file(dirs.file("a.db"), sink)};
  options.region_directory = dirs.region;
  options.overflow = Overflow::block;
  options.block_deadline_ms = 60'000;
  options.ring_bytes = 64 * 1024;  // so that logging takes as long as storing
  options.journal_bytes = 1 << 20;
  options.quiet = true;
  return options;
}

template <class Ready>
bool eventually(Ready&& ready) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (!ready()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

std::uint64_t number(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

// Records from two threads, and what a reader beside them sees at most.
struct Seen {
  Attempts attempts;
  std::uint64_t rows_max = 0;
  std::uint64_t bytes_max = 0;
};
Seen log_and_look(const std::string& path, int per_thread) {
  Seen seen;
  Attempts mine[2];
  std::atomic<int> running{2};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < per_thread; ++i) {
        mine[t].add(info("thread {t} number {i} of a text that takes its room", t, i));
      }
      --running;
    });
  }
  while (running > 0) {
    const std::uint64_t rows = number(row_in(path, "SELECT count(*) FROM records"));
    seen.rows_max = std::max(seen.rows_max, rows);
    std::error_code none;
    const auto bytes = std::filesystem::file_size(path, none);
    if (!none) seen.bytes_max = std::max<std::uint64_t>(seen.bytes_max, bytes);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  for (std::thread& thread : threads) thread.join();
  for (const Attempts& one : mine) seen.attempts.add(one);
  return seen;
}

ISOLATED_TEST(StoreKeepsBounds, Rows) {
  const std::string path = dirs.file("a.db");
  ASSERT_TRUE(start(options_for(dirs, {.keep_rows = 20'000})));
  const Seen seen = log_and_look(path, 100'000);
  ASSERT_TRUE(flush(Reach::stored, 60'000).complete);
  EXPECT_EQ(seen.attempts.accepted(), 200'000u);
  EXPECT_EQ(imbalance(seen.attempts, stats()), "");
  EXPECT_EQ(imbalance_of_sinks(stats()), "");
  // What comes in between two looks is beyond the bound for that long: on a machine that has no
  // time, much of it, but never half of what was logged.
  EXPECT_GE(seen.rows_max, 15'000u) << "a control: the bound was reached";
  EXPECT_LE(seen.rows_max, 100'000u);
  // The newest are there, and the thread goes on pruning after the last record.
  const auto rows_now = [&] { return number(row_in(path, "SELECT count(*) FROM records")); };
  EXPECT_TRUE(eventually([&] { return rows_now() <= 20'000; }));
  const std::uint64_t rows = rows_now();
  EXPECT_GE(rows, 18'750u);
  EXPECT_EQ(row_in(path, "SELECT max(attributes ->> 'i') FROM records"), "99999");
  EXPECT_EQ(row_in(path, "PRAGMA integrity_check"), "ok");
  std::printf("%llu rows at most beside ingest, %llu at the end\n",
              static_cast<unsigned long long>(seen.rows_max),
              static_cast<unsigned long long>(rows));
}

ISOLATED_TEST(StoreKeepsBounds, Bytes) {
  const std::string path = dirs.file("a.db");
  constexpr std::uint64_t kBytes = 12 << 20;
  // How far the bound is passed is how much comes in between two looks: on a machine that has no
  // time, much. Without a bound the file would be twice as long as this.
  constexpr std::uint64_t kPassedMax = 3 * kBytes;
  ASSERT_TRUE(start(options_for(dirs, {.keep_bytes = kBytes})));
  const Seen seen = log_and_look(path, 120'000);
  ASSERT_TRUE(flush(Reach::stored, 60'000).complete);
  EXPECT_EQ(imbalance(seen.attempts, stats()), "");
  EXPECT_LE(seen.bytes_max, kPassedMax);
  EXPECT_GE(seen.bytes_max, kBytes * 7 / 8) << "a control: the bound was reached";
  ASSERT_TRUE(stop(60'000));
  const std::uint64_t bytes = std::filesystem::file_size(path);
  EXPECT_LE(bytes, kPassedMax);
  EXPECT_EQ(row_in(path, "PRAGMA integrity_check"), "ok");
  std::printf("%llu bytes at most beside ingest, %llu at the end, of %llu\n",
              static_cast<unsigned long long>(seen.bytes_max),
              static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(kBytes));
}

// Age passes without any record being written.
ISOLATED_TEST(StoreKeepsBounds, AgeWhileNothingIsLogged) {
  const std::string path = dirs.file("a.db");
  ASSERT_TRUE(start(options_for(dirs, {.keep_seconds = 2})));
  for (int i = 0; i < 1000; ++i) info("number {i}", i);
  ASSERT_TRUE(flush(Reach::stored, 60'000).complete);
  EXPECT_EQ(row_in(path, "SELECT count(*) FROM records WHERE logger <> 'sluice'"), "1000");
  std::string rows;
  for (int i = 0; i < 100 && rows != "1"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    rows = row_in(path, "SELECT count(*) FROM records");
  }
  EXPECT_EQ(rows, "1") << "the newest stays";
  info("the next one");
  ASSERT_TRUE(flush(Reach::stored, 60'000).complete);
  EXPECT_EQ(row_in(path, "SELECT message FROM logs ORDER BY id DESC LIMIT 1"), "the next one");
}

// Killed at random microseconds while it logs and prunes: what is left are the newest rows, none
// missing between them and none twice, and the next start goes on.
TEST(StoreKeepsBounds, KilledAtAnyMoment) {
  const std::uint64_t count = points(15, 150);
  Random random(20261127);
  std::uint64_t pruned = 0;
  for (std::uint64_t point = 0; point < count; ++point) {
    const TempDirectory region, files("/tmp");
    const std::string store = files / "a.db";
    const pid_t victim = spawn([&] {
      Options options;
      options.product = "bounded";
      options.sinks = {store_file(store, {.keep_rows = 1000})};
      options.region_directory = region.path();
      options.quiet = true;
      options.overflow = Overflow::block;
      options.block_deadline_ms = 60'000;
      options.ring_bytes = 64 * 1024;
      options.journal_bytes = 1 << 20;
      start(options);
      for (int i = 0; i < 200'000; ++i) info("number {i}", i);
      stop();
    });
    spin_us(20'000 + random.next(400'000));
    ::kill(victim, SIGKILL);
    wait_for(victim);
    const Recovery recovery = recover(region.path());
    EXPECT_TRUE(recovery.complete) << recovery.said;
    if (!std::filesystem::exists(store)) continue;
    EXPECT_EQ(row_in(store, "PRAGMA integrity_check"), "ok") << "point " << point;
    const std::string of =
        " FROM (SELECT attributes ->> 'i' AS i FROM records WHERE logger <>"
        " 'sluice')";
    EXPECT_EQ(row_in(store, "SELECT count(*)" + of),
              row_in(store, "SELECT coalesce(max(i) - min(i) + 1, 0)" + of))
        << "point " << point;
    EXPECT_EQ(row_in(store, "SELECT count(DISTINCT i)" + of),
              row_in(store, "SELECT count(*)" + of));
    pruned += number(row_in(store, "SELECT coalesce(min(i), 0)" + of)) > 0;
  }
  std::printf("%llu points, rows pruned before %llu of them\n",
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(pruned));
  EXPECT_GT(pruned, 0u) << "a control";
}

// Control: without a bound nothing goes.
ISOLATED_TEST(StoreKeepsBounds, NothingGoesWithoutABound) {
  ASSERT_TRUE(start(options_for(dirs, {})));
  const Seen seen = log_and_look(dirs.file("a.db"), 20'000);
  ASSERT_TRUE(flush(Reach::stored, 60'000).complete);
  EXPECT_EQ(row_in(dirs.file("a.db"), "SELECT count(*) FROM records WHERE logger <> 'sluice'"),
            std::to_string(seen.attempts.accepted()));
}

}  // namespace
}  // namespace sluice::testing
