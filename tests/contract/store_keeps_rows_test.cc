// sanitizers: none (kills the processes under test at any instruction)
//
// What was logged to a store is in it, each record as one row: through SIGKILL, of one program and
// of several with one file, and from forked children.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <numeric>

#include "contract/store_program.h"
#include "contract/support/kept_rows.h"

namespace sluice::testing {
namespace {

using storage::Access;
using storage::Connection;
using test::Attempts;
using test::Dirs;
using test::row_in;
using test::rows_in;

// Three threads, of which each flushes now and then, and takes the answer down.
void log_and_flush(const Options& options, Ledger& ledger, std::uint64_t first_writer,
                   std::uint64_t records) {
  start(options);
  std::vector<std::thread> threads;
  for (std::uint64_t writer = first_writer; writer < first_writer + 3; ++writer) {
    threads.emplace_back([&, writer] {
      LedgerRow& row = ledger.row[writer];
      for (std::uint64_t kept = 0; kept < records; kept = row.kept.load()) {
        if (write_record(row, writer) != Admission::kOk) std::this_thread::yield();
        if (kept % 1000 == 500 && flush(Reach::stored, 5000).complete) {
          row.flushed.store(row.kept.load());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop();
}

// What a killed program left is taken in by the next one of its product, by the command, or by the
// call that the command makes. Returns what went wrong.
enum class By : std::uint8_t { kNextStart, kCommand, kCall };
std::string take_in(By by, const Options& options) {
  if (by == By::kNextStart) {
    const pid_t next = spawn([&] {
      if (!start(options) || !stop(60'000)) ::_exit(1);
    });
    const std::string ended = wait_for(next);
    return ended == "exit 0" ? "" : "the next start: " + ended;
  }
  if (by == By::kCommand) {
    const std::string command = SLUICE_BIN_DIR "/sluice recover --quiet --directory " +
                                options.region_directory + " > /dev/null";
    const int code = std::system(command.c_str());
    return code == 0 ? "" : "sluice recover: " + std::to_string(code);
  }
  const Recovery recovery = recover(options.region_directory);
  return recovery.complete ? "" : recovery.said;
}

std::uint64_t total(const Ledger& ledger, std::atomic<std::uint64_t> LedgerRow::*count) {
  return std::accumulate(
      std::begin(ledger.row), std::end(ledger.row), std::uint64_t{0},
      [&](std::uint64_t sum, const LedgerRow& row) { return sum + (row.*count).load(); });
}

std::uint64_t count_in(const std::string& store) {
  if (!std::filesystem::exists(store)) return 0;
  return std::strtoull(rows_of_callers(store).c_str(), nullptr, 10);
}

struct Tally {
  std::uint64_t points = 0, rows = 0, flushed = 0, recovered = 0, violations = 0;

  // Before and after what was left is taken in.
  void judge_point(const Ledger& ledger, const std::string& store, By by, const Options& options) {
    std::vector<std::string> wrong = judge_store(ledger, store, {.only_flushed = true});
    const std::uint64_t before = count_in(store);
    const std::string problem = take_in(by, options);
    if (!problem.empty()) wrong.push_back(problem);
    for (std::string& line : judge_store(ledger, store)) wrong.push_back(std::move(line));
    for (const auto& left : std::filesystem::directory_iterator(options.region_directory)) {
      // The next start's own region stays, finished: that program ends without its exit handlers.
      if (by != By::kNextStart) wrong.push_back("left: " + left.path().string());
    }
    EXPECT_TRUE(wrong.empty()) << "point " << points << ":\n" << join(wrong);
    ++points;
    violations += wrong.size();
    rows += total(ledger, &LedgerRow::kept);
    flushed += total(ledger, &LedgerRow::flushed);
    recovered += count_in(store) - before;
  }
  void print() const {
    std::printf("%llu points, %llu rows, %llu flushed, %llu recovered, %llu violations\n",
                static_cast<unsigned long long>(points), static_cast<unsigned long long>(rows),
                static_cast<unsigned long long>(flushed),
                static_cast<unsigned long long>(recovered),
                static_cast<unsigned long long>(violations));
    EXPECT_GT(recovered, 0u);
    EXPECT_GT(flushed, 0u);
  }
};

Options small_keeper(const std::string& store, const std::string& region, const char* product) {
  Options options = keeper_of(store, region, product);
  options.ring_bytes = 64 * 1024;
  options.journal_bytes = 1 << 20;
  return options;
}

// Killed at random microseconds: while it makes the file, logs, commits, checkpoints, stops.
TEST(StoreKeepsRows, KilledAtAnyMoment) {
  const std::uint64_t count = points(24, 500);
  Random random(20261126);
  Tally tally;
  while (tally.points < count && tally.violations < 10) {
    // Every other one in memory: a busy disk takes longer for a first commit than these live.
    const TempDirectory region, files(tally.points % 2 ? "/tmp" : "/dev/shm");
    const SharedLedger ledger;
    const Options options = small_keeper(files / "a.db", region.path(), "keeper");
    const pid_t victim = spawn([&] { log_and_flush(options, *ledger, 0, 3000); });
    spin_us(random.next(120'000));
    ::kill(victim, SIGKILL);
    wait_for(victim);
    tally.judge_point(*ledger, files / "a.db", By(tally.points % 3), options);
  }
  tally.print();
}

// Three services with one file, of which two are killed, one after the other, and one is started
// again beside the others: the dead ones' rows come in while the third goes on.
TEST(StoreKeepsRows, ServicesOnOneFileKilledAtAnyMoment) {
  const std::uint64_t count = points(6, 100);
  Random random(20261127);
  Tally tally;
  while (tally.points < count && tally.violations < 10) {
    const TempDirectory region, files("/tmp");
    const SharedLedger ledger;
    const std::string store = files / "a.db";
    const auto service = [&](const char* name, std::uint64_t first_writer, std::uint64_t records) {
      return spawn([&, name, first_writer, records] {
        log_and_flush(small_keeper(store, region.path(), name), *ledger, first_writer, records);
      });
    };
    const pid_t first = service("first", 0, ~std::uint64_t{0});
    const pid_t second = service("second", 3, ~std::uint64_t{0});
    const pid_t third = service("third", 6, 3000);
    spin_us(random.next(60'000));
    ::kill(first, SIGKILL);
    wait_for(first);
    const pid_t again = service("first", 9, 1000);
    spin_us(random.next(60'000));
    ::kill(second, SIGKILL);
    wait_for(second);
    EXPECT_EQ(wait_for(third), "exit 0");
    EXPECT_EQ(wait_for(again), "exit 0");
    tally.judge_point(*ledger, store, By(tally.points % 3),
                      small_keeper(store, region.path(), "second"));
  }
  tally.print();
}

// Control: a row taken away, and one that is there twice, are found.
TEST(StoreKeepsRows, TheJudgeFindsALostAndADoubledRow) {
  const TempDirectory region, files("/tmp");
  const SharedLedger ledger;
  const std::string store = files / "a.db";
  wait_for(spawn([&] {
    start(keeper_of(store, region.path()));
    for (int i = 0; i < 10; ++i) write_record(ledger->row[0], 0);
    if (flush(Reach::stored, 60'000).complete) ledger->row[0].flushed = 10;
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
  EXPECT_NE(join(judge_store(*ledger, store, {.only_flushed = true})), "");
  edit(
      "INSERT INTO records(time_ns, severity, thread, logger, body)"
      " SELECT time_ns, severity, thread, logger, body FROM records WHERE id = 4");
  EXPECT_NE(join(judge_store(*ledger, store)), "");
}

// Children are made while the store is written: each has a connection of its own, and what it says
// is there. One whose fork fell into a commit leaves its records to a recovery.
STORE_TEST(Store, ForkedChildrenBesideACommit) {
  constexpr int kChildren = 20;
  const std::string store = dirs.file("a.db");
  ASSERT_TRUE(start(keeper_of(store, dirs.region)));
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

STORE_TEST(Store, ADamagedFileIsSetAsideAndSaid) {
  const std::string store = dirs.file("a.db");
  std::ofstream(store) << std::string(16384, 'x');
  ASSERT_TRUE(start(keeper_of(store, dirs.region)));
  info("after");
  ASSERT_TRUE(flush(Reach::stored, 60'000).complete);
  EXPECT_EQ(row_in(store, std::string("SELECT body") + kOurs), "after");
  EXPECT_EQ(std::filesystem::file_size(store + ".damaged-1"), 16384u);
}

STORE_TEST(Store, APrivateOneGoesWithItsProgram) {
  ASSERT_TRUE(start(keeper_of(":memory:", dirs.region)));
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
