// sanitizers: none (kills the processes under test at any instruction)
//
// What was logged to a store is in it, each record as one row: from many threads, through SIGKILL,
// beside others who hold its lock, on a disk that fills, from a forked child.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <fstream>
#include <map>
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
using test::rows_in;

constexpr const char kOurs[] = " FROM records WHERE event IS NULL AND logger <> 'sluice'";

Options options_for(const std::string& store, const std::string& region) {
  Options options;
  options.product = "keeper";
  options.sinks = {store_file(store)};
  options.region_directory = region;
  options.quiet = true;
  return options;
}

// Empty: the file is sound, and holds for each writer just what its calls were told.
std::vector<std::string> judge_store(const Ledger& ledger, const std::string& path) {
  if (!std::filesystem::exists(path)) return {};
  std::vector<std::string> wrong;
  const std::string check = row_in(path, "PRAGMA integrity_check");
  if (check != "ok") wrong.push_back("integrity_check: " + check);
  const std::string text = path + ".txt";
  {
    std::ofstream out(text);
    for (const std::string& row :
         rows_in(path, std::string("SELECT body") + kOurs + " ORDER BY id")) {
      out << row << "\n";
    }
  }
  for (std::string& line : judge(ledger, read_text(text))) wrong.push_back(std::move(line));
  return wrong;
}

// Killed at random microseconds: while it makes the file, logs, commits, checkpoints, stops.
TEST(StoreKeepsRows, KilledAtAnyMoment) {
  const std::uint64_t count = points(40, 500);
  Random random(20261126);
  std::uint64_t recovered = 0, rows = 0, violations = 0;
  for (std::uint64_t point = 0; point < count; ++point) {
    const TempDirectory region, files("/tmp");
    const SharedLedger ledger;
    const std::string store = files / "a.db";
    const pid_t victim = spawn([&] {
      Options options = options_for(store, region.path());
      options.ring_bytes = 64 * 1024;
      options.journal_bytes = 1 << 20;
      start(options);
      std::vector<std::thread> threads;
      for (std::uint64_t writer = 0; writer < 3; ++writer) {
        threads.emplace_back([&, writer] {
          LedgerRow& row = ledger->row[writer];
          while (row.kept.load(std::memory_order_relaxed) < 3000) {
            if (write_record(row, writer) != Admission::kOk) std::this_thread::yield();
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      stop();
    });
    spin_us(random.next(120'000));
    ::kill(victim, SIGKILL);
    wait_for(victim);
    Recovery recovery = recover(region.path());
    for (const auto& one : recovery.regions) recovered += one.recovered;
    std::vector<std::string> wrong = judge_store(*ledger, store);
    if (!recovery.complete) wrong.push_back(recovery.said);
    violations += wrong.size();
    EXPECT_TRUE(wrong.empty()) << "point " << point << ":\n" << join(wrong);
    for (std::uint64_t writer = 0; writer < 3; ++writer) rows += ledger->row[writer].kept;
    if (violations > 10) break;
  }
  std::printf("%llu points, %llu rows, %llu of them recovered from regions, %llu violations\n",
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(rows),
              static_cast<unsigned long long>(recovered),
              static_cast<unsigned long long>(violations));
  EXPECT_GT(recovered, 0u);
}

// Control: a row taken away, and one that is there twice, are found.
TEST(StoreKeepsRows, TheJudgeFindsALostAndADoubledRow) {
  const TempDirectory region, files("/tmp");
  const SharedLedger ledger;
  const std::string store = files / "a.db";
  wait_for(spawn([&] {
    start(options_for(store, region.path()));
    for (int i = 0; i < 10; ++i) write_record(ledger->row[0], 0);
    stop();
  }));
  ASSERT_EQ(join(judge_store(*ledger, store)), "");
  const auto edit = [&](const std::string& sql) {
    const auto connection = Connection::open(store, Access::kWrite);
    ASSERT_EQ(connection.value()->run(sql).message(), "");
  };
  edit(
      "CREATE TEMP TABLE kept AS SELECT * FROM records WHERE id = 5; DELETE FROM records WHERE id "
      "= 5");
  EXPECT_NE(join(judge_store(*ledger, store)), "");
  edit(
      "INSERT INTO records(time_ns, severity, thread, logger, body)"
      " SELECT time_ns, severity, thread, logger, body FROM records WHERE id = 4");
  EXPECT_NE(join(judge_store(*ledger, store)), "");
}

// `per_thread` numbered records of each of 8 threads; what the calls returned.
Attempts log_from_threads(int per_thread) {
  constexpr int kThreads = 8;
  Attempts mine[kThreads];
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < per_thread; ++i) mine[t].add(info("thread {t} number {i}", t, i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  Attempts all;
  for (const Attempts& one : mine) all.add(one);
  return all;
}

ISOLATED_TEST(Store, EightThreadsAndEveryRow) {
  const int per_thread = full_size() ? 25'000 : 5'000;
  Options options = options_for(dirs.file("a.db"), dirs.region);
  options.overflow = Overflow::block;
  options.block_deadline_ms = 60'000;
  ASSERT_TRUE(start(options));
  const Attempts mine = log_from_threads(per_thread);
  ASSERT_TRUE(flush(Reach::stored, 60'000).complete);
  EXPECT_EQ(mine.accepted(), 8u * unsigned(per_thread));
  const std::string n = std::to_string(per_thread);
  EXPECT_EQ(rows_in(dirs.file("a.db"),
                    "SELECT count(*), count(DISTINCT attributes ->> 'i'),"
                    " max(attributes ->> 'i') FROM records GROUP BY attributes ->> 't'"),
            std::vector<std::string>(8, n + "|" + n + "|" + std::to_string(per_thread - 1)));
  EXPECT_EQ(imbalance(mine, stats()), "");
  EXPECT_EQ(imbalance_of_sinks(stats()), "");
}

ISOLATED_TEST(Store, WithTheDefaultsStoredAndDroppedAreWhatWasAttempted) {
  Options options = options_for(dirs.file("a.db"), dirs.region);
  options.ring_bytes = 32 * 1024;
  options.journal_bytes = 1 << 20;
  ASSERT_TRUE(start(options));
  const Attempts mine = log_from_threads(5'000);
  ASSERT_TRUE(flush(Reach::stored, 60'000).complete);
  EXPECT_GT(stats().dropped_ring_full, 0u);
  EXPECT_EQ(row_in(dirs.file("a.db"), std::string("SELECT count(*)") + kOurs),
            std::to_string(mine.accepted()));
  EXPECT_EQ(imbalance(mine, stats()), "");
  EXPECT_EQ(imbalance_of_sinks(stats()), "");
}

// Another connection holds the write lock: nobody waits but the sink, and nothing is lost.
ISOLATED_TEST(Store, ALockThatOthersHold) {
  const std::string store = dirs.file("a.db");
  ASSERT_TRUE(start(options_for(store, dirs.region)));
  info("thread {t} number {i}", 0, 0);
  ASSERT_TRUE(flush(Reach::stored, 60'000).complete);
  const pid_t holder = spawn(
      [&] {
        const auto other = Connection::open(store, Access::kWrite);
        if (!other.ok() || !other.value()->run("BEGIN IMMEDIATE").ok()) ::_exit(1);
        std::ofstream(dirs.file("held")) << "x";
        for (;;) ::pause();
      },
      120);
  while (!std::filesystem::exists(dirs.file("held"))) std::this_thread::yield();
  const Attempts mine = log_from_threads(500);
  EXPECT_EQ(mine.accepted(), 4000u);
  const std::uint32_t hold_ms = full_size() ? 40'000 : 1'000;
  EXPECT_FALSE(flush(Reach::stored, hold_ms).complete);
  EXPECT_EQ(row_in(store, std::string("SELECT count(*)") + kOurs), "1");
  ::kill(holder, SIGKILL);
  EXPECT_EQ(wait_for(holder), "signal 9");
  ASSERT_TRUE(flush(Reach::stored, 20'000).complete);
  EXPECT_EQ(row_in(store, std::string("SELECT count(*)") + kOurs), "4001");
  EXPECT_EQ(stats().dropped(), 0u);
}

ISOLATED_TEST(Store, ADiskThatFillsAndIsFreed) {
  const std::string disk = dirs.file("disk");
  std::filesystem::create_directory(disk);
  if (::mount("sluice-test", disk.c_str(), "tmpfs", 0, "size=4m,mode=0700") != 0) {
    std::printf("skipped: no mount here\n");
    return;
  }
  const std::string store = disk + "/a.db";
  ASSERT_TRUE(start(options_for(store, dirs.region)));
  Attempts mine = log_from_threads(100);
  ASSERT_TRUE(flush(Reach::stored, 60'000).complete);
  {
    std::ofstream filler(disk + "/filler", std::ios::binary);
    const std::string block(4096, '#');
    while (filler.write(block.data(), 4096).flush()) {
    }
  }
  mine.add(log_from_threads(500));
  EXPECT_FALSE(flush(Reach::stored, 1000).complete);
  EXPECT_EQ(row_in(store, "PRAGMA integrity_check"), "ok");
  std::filesystem::remove(disk + "/filler");
  ASSERT_TRUE(flush(Reach::stored, 20'000).complete);
  EXPECT_EQ(row_in(store, std::string("SELECT count(*)") + kOurs), std::to_string(mine.accepted()));
  EXPECT_EQ(mine.accepted(), 8u * 600);
  EXPECT_EQ(imbalance_of_sinks(stats()), "");
  EXPECT_TRUE(stop(60'000));
  ::umount2(disk.c_str(), MNT_DETACH);
}

// Children are made while the store is written: each has a connection of its own, and what it says
// is there. One whose fork fell into a commit leaves its records to a recovery.
ISOLATED_TEST(Store, ForkedChildrenBesideACommit) {
  constexpr int kChildren = 20;
  const std::string store = dirs.file("a.db");
  ASSERT_TRUE(start(options_for(store, dirs.region)));
  std::atomic<bool> stopping{false};
  Attempts busy;
  std::thread writer([&] {
    while (!stopping.load()) busy.add(info("busy"));
  });
  for (int i = 0; i < kChildren; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(60);
      const bool kept = info("child {i}", i) == Admission::kOk;
      (void)stop();
      ::_exit(kept ? 0 : 1);
    }
    EXPECT_EQ(wait_for(child), "exit 0");
  }
  stopping.store(true);
  writer.join();
  ASSERT_TRUE(flush(Reach::stored, 60'000).complete);
  const Recovery recovery = recover(dirs.region);
  EXPECT_EQ(row_in(store,
                   "SELECT count(*), count(DISTINCT body) FROM records WHERE body LIKE"
                   " 'child %'"),
            std::to_string(kChildren) + "|" + std::to_string(kChildren))
      << recovery.said;
  EXPECT_EQ(row_in(store, "SELECT count(*) FROM records WHERE body = 'busy'"),
            std::to_string(busy.accepted()));
  EXPECT_EQ(row_in(store, "PRAGMA integrity_check"), "ok");
}

ISOLATED_TEST(Store, ADamagedFileIsSetAsideAndSaid) {
  const std::string store = dirs.file("a.db");
  std::ofstream(store) << std::string(16384, 'x');
  ASSERT_TRUE(start(options_for(store, dirs.region)));
  info("after");
  ASSERT_TRUE(flush(Reach::stored, 60'000).complete);
  EXPECT_EQ(row_in(store, std::string("SELECT body") + kOurs), "after");
  EXPECT_EQ(std::filesystem::file_size(store + ".damaged-1"), 16384u);
}

ISOLATED_TEST(Store, APrivateOneGoesWithItsProgram) {
  ASSERT_TRUE(start(options_for(":memory:", dirs.region)));
  info("x");
  ASSERT_TRUE(flush(Reach::stored, 60'000).complete);
  std::istringstream lines{std::string(configuration())};
  std::string path;
  for (std::string line; std::getline(lines, line);) {
    const std::string mark = "sink[0] = store ";
    if (line.starts_with(mark)) path = line.substr(mark.size(), line.find(',') - mark.size());
  }
  EXPECT_EQ(row_in(path, "SELECT body FROM records"), "x") << path;
  ASSERT_TRUE(stop(60'000));
  for (const char* const suffix : {"", "-wal", "-shm"}) {
    EXPECT_FALSE(std::filesystem::exists(path + suffix)) << suffix;
  }
}

}  // namespace
}  // namespace sluice::testing
