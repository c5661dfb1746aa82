// Programs that log to a store, and what must be in it then: each record as one row, and every call
// accounted for.
#ifndef SLUICE_TESTS_CONTRACT_SUPPORT_KEPT_ROWS_H_
#define SLUICE_TESTS_CONTRACT_SUPPORT_KEPT_ROWS_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "contract/conservation.h"
#include "contract/support/oracle.h"
#include "contract/support/victim.h"
#include "store/store_fixture.h"

namespace sluice::testing {

// Rows of callers, not of the library itself.
inline constexpr const char kOurs[] = " FROM records WHERE event IS NULL AND logger <> 'sluice'";

inline std::string rows_of_callers(const std::string& store) {
  return test::row_in(store, std::string("SELECT count(*)") + kOurs);
}

// `product`: of the regions; a start of the same one takes in what the last has left.
inline Options keeper_of(const std::string& store, const std::string& region,
                         const char* product = "keeper") {
  Options options;
  options.product = product;
  options.sinks = {store_file(store)};
  options.region_directory = region;
  options.quiet = true;
  return options;
}

// `per_thread` numbered records of each of 8 threads; what the calls returned.
inline test::Attempts log_from_threads(int per_thread) {
  constexpr int kThreads = 8;
  test::Attempts mine[kThreads];
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < per_thread; ++i) mine[t].add(info("thread {t} number {i}", t, i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  test::Attempts all;
  for (const test::Attempts& one : mine) all.add(one);
  return all;
}

// At the end of a test whose only sink is `store`, after a flush: attempted = filtered + stored +
// dropped by reason, and what the sink says that it stored is there.
inline void expect_accounted_for(const test::Attempts& mine, const std::string& store) {
  const Stats told = stats();
  EXPECT_EQ(test::imbalance(mine, told), "");
  EXPECT_EQ(test::imbalance_of_sinks(told), "");
  EXPECT_EQ(told.queued, 0u);
  EXPECT_EQ(told.sink[0].queued + told.sink[0].dropped_error, 0u);
  EXPECT_EQ(told.sink[0].delivered, mine.accepted());
  EXPECT_EQ(rows_of_callers(store), std::to_string(mine.accepted()));
  EXPECT_EQ(test::row_in(store, "PRAGMA integrity_check"), "ok");
}

// Empty: the file is sound, and holds for each writer of the ledger just what its calls were told.
// `want`: before a recovery only what was flushed must be there.
inline std::vector<std::string> judge_store(const Ledger& ledger, const std::string& path,
                                            Expectation want = {}) {
  Found found;
  std::vector<std::string> wrong;
  if (std::filesystem::exists(path)) {
    const std::string check = test::row_in(path, "PRAGMA integrity_check");
    if (check != "ok") wrong.push_back("integrity_check: " + check);
    // A kill may come before there are tables.
    const std::string made = "SELECT count(*) FROM sqlite_schema WHERE name = 'records'";
    if (test::row_in(path, made) == "1") {
      for (const std::string& body :
           test::rows_in(path, std::string("SELECT body") + kOurs + " ORDER BY id")) {
        found.add(body);
      }
    }
  }
  for (std::string& line : judge(ledger, found, want)) wrong.push_back(std::move(line));
  return wrong;
}

// Holds the write lock of `store` in a process of its own, until it is killed.
class LockHolder {
 public:
  LockHolder(const std::string& store, const std::string& mark) {
    pid_ = spawn(
        [&] {
          const auto other = storage::Connection::open(store, storage::Access::kWrite);
          if (!other.ok() || !other.value()->run("BEGIN IMMEDIATE").ok()) ::_exit(1);
          std::ofstream(mark) << "x";
          for (;;) ::pause();
        },
        600);
    while (!std::filesystem::exists(mark)) std::this_thread::yield();
  }
  ~LockHolder() { let_go(); }
  LockHolder(const LockHolder&) = delete;
  LockHolder& operator=(const LockHolder&) = delete;

  void let_go() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    EXPECT_EQ(wait_for(std::exchange(pid_, 0)), "signal 9");
  }

 private:
  pid_t pid_ = 0;
};

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_CONTRACT_SUPPORT_KEPT_ROWS_H_
