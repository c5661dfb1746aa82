// sanitizers: none (measures waits and memory, and forks beside threads)
//
// A store whose sink cannot keep up, or cannot write at all, loses nothing that was accepted: many
// threads at full rate, a lock that others hold, a million rows that wait, a disk that fills. The
// callers never wait, and what keeps it is said.
#include <gtest/gtest.h>
#include <sluice/store.h>
#include <sys/resource.h>

#include <chrono>
#include <functional>

#include "contract/captured_stderr.h"
#include "contract/isolated.h"
#include "contract/support/kept_rows.h"

namespace sluice::testing {
namespace {

using test::Attempts;
using test::CapturedStderr;
using test::Dirs;
using test::row_in;
using test::rows_in;

constexpr std::uint32_t kPatienceMs = 120'000;

// How often this thread has given the processor away to wait for something.
long waits_of_this_thread() {
  rusage used{};
  ::getrusage(RUSAGE_THREAD, &used);
  return used.ru_nvcsw;
}

// Private memory of this process; the region's shared pages do not count.
std::uint64_t private_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8)) * 1024;
  }
  return 0;
}

// 8 threads, as fast as they can; all that they say is there.
void store_every_row(const Options& options) {
  const int per_thread = full_size() ? 25'000 : 5'000;
  const std::string& store = options.sinks[0].path;
  ASSERT_TRUE(start(options));
  const Attempts mine = log_from_threads(per_thread);
  ASSERT_TRUE(flush(Reach::stored, kPatienceMs).complete);
  EXPECT_EQ(mine.accepted(), 8u * unsigned(per_thread));
  const std::string n = std::to_string(per_thread);
  EXPECT_EQ(rows_in(store,
                    "SELECT count(*), count(DISTINCT attributes ->> 'i'),"
                    " max(attributes ->> 'i') FROM records GROUP BY attributes ->> 't'"),
            std::vector<std::string>(8, n + "|" + n + "|" + std::to_string(per_thread - 1)));
  expect_accounted_for(mine, store);
}

ISOLATED_TEST(StoreRidesOut, EightThreadsThatMayWait) {
  Options options = keeper_of(dirs.file("a.db"), dirs.region);
  options.overflow = Overflow::block;
  options.block_deadline_ms = kPatienceMs;
  store_every_row(options);
}

// Nobody waits: the journal has room for what the store is behind, and each ring, which grows with
// it, for all that its thread says, some 1 MB.
ISOLATED_TEST(StoreRidesOut, EightThreadsWithALongJournal) {
  Options options = keeper_of(dirs.file("a.db"), dirs.region);
  options.journal_bytes = 256 << 20;
  store_every_row(options);
}

ISOLATED_TEST(StoreRidesOut, WithTheDefaultsStoredAndDroppedAreWhatWasAttempted) {
  const std::string store = dirs.file("a.db");
  ASSERT_TRUE(start(keeper_of(store, dirs.region)));
  const Attempts mine = log_from_threads(25'000);
  ASSERT_TRUE(flush(Reach::stored, kPatienceMs).complete);
  EXPECT_EQ(mine.all(), 200'000u);
  expect_accounted_for(mine, store);
  std::printf("%llu of 200,000 stored, the rest counted\n",
              static_cast<unsigned long long>(mine.accepted()));
}

ISOLATED_TEST(StoreRidesOut, SmallRingsDropAndCount) {
  const std::string store = dirs.file("a.db");
  Options options = keeper_of(store, dirs.region);
  options.ring_bytes = 32 * 1024;
  options.journal_bytes = 1 << 20;
  ASSERT_TRUE(start(options));
  const Attempts mine = log_from_threads(5'000);
  ASSERT_TRUE(flush(Reach::stored, kPatienceMs).complete);
  EXPECT_GT(stats().dropped_ring_full, 0u);
  expect_accounted_for(mine, store);
}

// Another process holds the write lock for so long: nobody waits but the sink, nothing is lost, it
// is said by status(), by a question and on standard error, and goes on by itself.
void hold_the_lock(const Dirs& dirs, std::uint32_t hold_ms) {
  const std::string path = dirs.file("a.db");
  CapturedStderr said(dirs.file("stderr"));
  ASSERT_TRUE(start(keeper_of(path, dirs.region)));
  Store store = Store::open(path).value();
  Attempts mine;
  mine.add(info("thread {t} number {i}", 8, 0));
  ASSERT_TRUE(flush(Reach::stored, kPatienceMs).complete);
  EXPECT_TRUE(store.status().ok());
  LockHolder holder(path, dirs.file("held"));
  const auto begun = std::chrono::steady_clock::now();
  std::thread caller([&] {
    mine.add(info("the first call of a thread makes its ring"));
    const long before = waits_of_this_thread();
    for (int i = 0; i < 5000; ++i) mine.add(info("thread {t} number {i}", 9, i));
    EXPECT_EQ(waits_of_this_thread() - before, 0) << "a call has waited";
  });
  caller.join();
  mine.add(log_from_threads(500));
  EXPECT_FALSE(store.flush(hold_ms / 2).ok());
  EXPECT_NE(store.status().message().find("another process holds it"), std::string::npos)
      << store.status().message();
  const Result<Rows> refused = store.query("SELECT count(*) FROM logs");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().error_class(), ErrorClass::kRetryable);
  const Result<Rows> at_once = store.query("SELECT count(*) FROM logs", {}, {.wait = false});
  EXPECT_EQ(at_once.value()[0].get<int>(0), 1) << "readers are not kept out";
  (void)flush(Reach::stored, hold_ms);
  while (std::chrono::steady_clock::now() - begun < std::chrono::milliseconds(hold_ms)) {
    (void)flush(Reach::stored, 100);
  }
  EXPECT_EQ(rows_of_callers(path), "1");
  holder.let_go();
  ASSERT_TRUE(store.flush(kPatienceMs).ok());
  EXPECT_TRUE(store.status().ok());
  EXPECT_EQ(mine.accepted(), 1u + 5001 + 4000);
  expect_accounted_for(mine, path);
  const std::string text = said.text();
  for (const char* const sentence : {"another process holds it; trying again", ": works again"}) {
    const std::size_t at = text.find(sentence);
    EXPECT_NE(at, std::string::npos) << sentence << "\n" << text;
    EXPECT_EQ(text.find(sentence, at + 1), std::string::npos) << "said twice: " << text;
  }
}
ISOLATED_TEST(StoreRidesOut, ALockOfTenSeconds) {
  hold_the_lock(dirs, full_size() ? 10'000 : 1'000);
}
ISOLATED_TEST(StoreRidesOut, ALockOfFortySeconds) {
  hold_the_lock(dirs, full_size() ? 40'000 : 2'500);
}

// Rows that wait while the sink gets nowhere: in the journal, not in the program's memory; then all
// of them are there.
ISOLATED_TEST(StoreRidesOut, AMillionRowsThatWait) {
  const std::uint64_t rows = full_size() ? 1'000'000 : 100'000;
  const std::string store = dirs.file("a.db");
  Options options = keeper_of(store, dirs.region);
  options.journal_bytes = 256 << 20;
  options.overflow = Overflow::block;  // for the backend, which copies to the journal
  options.block_deadline_ms = kPatienceMs;
  ASSERT_TRUE(start(options));
  Attempts mine;
  mine.add(info("number {i}", ~std::uint64_t{0}));
  ASSERT_TRUE(flush(Reach::stored, kPatienceMs).complete);
  LockHolder holder(store, dirs.file("held"));
  const std::uint64_t before = private_bytes();
  for (std::uint64_t i = 0; i < rows; ++i) mine.add(info("number {i}", i));
  EXPECT_FALSE(flush(Reach::stored, 100).complete);
  EXPECT_EQ(rows_of_callers(store), "1");
  EXPECT_EQ(mine.accepted(), rows + 1);
  EXPECT_GE(stats().sink[0].queued, rows);
  EXPECT_LE(private_bytes(), before + (8 << 20));
  holder.let_go();
  ASSERT_TRUE(flush(Reach::stored, kPatienceMs).complete);
  EXPECT_LE(private_bytes(), before + (96 << 20)) << "a group at a time, and SQLite's cache";
  expect_accounted_for(mine, store);
  const std::string n = std::to_string(rows);
  EXPECT_EQ(row_in(store,
                   "SELECT count(DISTINCT attributes ->> 'i') FROM records WHERE body LIKE"
                   " 'number %'"),
            std::to_string(rows + 1));
  std::printf("%s rows waited in %llu MiB of region; private memory grew by %lld KiB\n", n.c_str(),
              static_cast<unsigned long long>(stats().region_bytes >> 20),
              static_cast<long long>(private_bytes() - before) / 1024);
}

// The same with the defaults: what fits is kept, the rest is counted, and memory has its bounds.
ISOLATED_TEST(StoreRidesOut, MoreThanFitsIsCounted) {
  const std::uint64_t rows = full_size() ? 1'000'000 : 300'000;
  const std::string store = dirs.file("a.db");
  ASSERT_TRUE(start(keeper_of(store, dirs.region)));
  Attempts mine;
  mine.add(info("number {i}", ~std::uint64_t{0}));
  ASSERT_TRUE(flush(Reach::stored, kPatienceMs).complete);
  LockHolder holder(store, dirs.file("held"));
  const std::uint64_t before = private_bytes(), region = stats().region_bytes;
  for (std::uint64_t i = 0; i < rows; ++i) {
    mine.add(info("number {i} of a text that takes its room", i));
  }
  EXPECT_GT(mine.of(Admission::kDroppedFull), 0u);
  EXPECT_LE(private_bytes(), before + (8 << 20));
  EXPECT_LE(stats().region_bytes, region + (4 << 20));
  holder.let_go();
  ASSERT_TRUE(flush(Reach::stored, kPatienceMs).complete);
  expect_accounted_for(mine, store);
}

}  // namespace
}  // namespace sluice::testing
