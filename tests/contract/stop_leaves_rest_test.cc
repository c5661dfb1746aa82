// sanitizers: address (a store that is slow, and a time that it does not have)
//
// stop() keeps its time also beside a destination that gets on too slowly: it is not called stuck,
// how much it has not got is said, and the next start, or `sluice recover`, gives it that.
#include <gtest/gtest.h>

#include <optional>

#include "contract/captured_stderr.h"
#include "contract/isolated.h"
#include "contract/support/kept_rows.h"

namespace sluice::testing {
namespace {

using storage::Access;
using storage::Connection;

constexpr int kRecords = 4000;

void run(const std::string& store, const std::string& sql) {
  const auto connection = Connection::open(store, Access::kWrite);
  ASSERT_EQ(connection.value()->run(sql).message(), "");
}

// Every row takes a long time from here on: by a trigger of the user's.
void make_slow(const std::string& store, int steps) {
  run(store,
      "CREATE TRIGGER slow AFTER INSERT ON records BEGIN SELECT count(*) FROM (WITH RECURSIVE n(i)"
      " AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
          std::to_string(steps) + ") SELECT i FROM n); END");
}

// What the program said when it stopped, within `stop_ms`.
std::string log_and_stop(const test::Dirs& dirs, const Options& options, bool slow,
                         std::uint32_t stop_ms) {
  const std::string store = dirs.file("a.db"), said = dirs.file("stderr");
  const int code = test::exit_code_of([&] {
    const test::CapturedStderr captured(said);
    EXPECT_TRUE(start(options));
    info("number {i}", -1);
    EXPECT_TRUE(flush(Reach::stored, 60'000).complete);
    if (slow) make_slow(store, 3000);
    for (int i = 0; i < kRecords; ++i) {
      while (info("number {i}", i) != Admission::kOk) std::this_thread::yield();
    }
    const std::int64_t before = now_ns();
    EXPECT_EQ(stop(stop_ms), !slow);
    if (slow) {
      EXPECT_LT(now_ns() - before, 20'000'000'000 + i64(stop_ms) * 1'000'000);
      EXPECT_NE(last_error().find("not everything was delivered in time"), std::string_view::npos);
      EXPECT_NE(last_error().find(options.region_directory), std::string_view::npos);
    }
    EXPECT_EQ(test::imbalance_of_sinks(stats()), "");
  });
  EXPECT_EQ(code, 0);
  return test::read_file(said);
}

std::uint64_t rows_in_store(const std::string& store) {
  return std::stoull(rows_of_callers(store));
}

TEST(StopLeavesRest, OfASinkThatIsSlowToTheNextStart) {
  // A machine on which nothing at all was stored in that time says rightly that it is stuck.
  std::optional<test::OwnDirs> own;
  std::string said = "stuck";
  for (std::uint32_t ms = 500; said.find("stuck") != std::string::npos && ms <= 32'000; ms *= 4) {
    own.emplace();
    said =
        log_and_stop(own->get(), keeper_of(own->get().file("a.db"), own->get().region), true, ms);
  }
  const test::Dirs& dirs = own->get();
  const std::string store = dirs.file("a.db");
  const Options options = keeper_of(store, dirs.region);
  EXPECT_EQ(said.find("stuck"), std::string::npos) << said;
  const std::string mark = "has not got the last ";
  const std::size_t at = said.find(mark);
  ASSERT_NE(at, std::string::npos) << said;
  EXPECT_NE(said.find("records: they stay in " + dirs.region), std::string::npos) << said;
  const std::uint64_t stored = rows_in_store(store),
                      left = std::stoull(said.substr(at + mark.size()));
  EXPECT_GT(stored, 1u) << "a control: it did get on";
  EXPECT_LT(stored, 1u + kRecords) << "a control: it was too slow";
  EXPECT_GE(stored + left, 1u + kRecords);  // a group that was in hand may have come in meanwhile
  run(store, "DROP TRIGGER slow");
  EXPECT_EQ(test::exit_code_of([&] {
              EXPECT_TRUE(start(options));
              EXPECT_TRUE(stop(60'000));
            }),
            0);
  EXPECT_EQ(test::row_in(store,
                         "SELECT count(*), count(DISTINCT body) FROM records WHERE body LIKE"
                         " 'number %'"),
            std::to_string(kRecords + 1) + "|" + std::to_string(kRecords + 1));
}

// Control: one that keeps up has everything, and nothing is said.
TEST(StopLeavesRest, NothingOfOneThatKeepsUp) {
  const test::OwnDirs own;
  const test::Dirs& dirs = own.get();
  const std::string said =
      log_and_stop(dirs, keeper_of(dirs.file("a.db"), dirs.region), false, 60'000);
  EXPECT_EQ(said, "");
  EXPECT_EQ(rows_in_store(dirs.file("a.db")), 1u + kRecords);
}

}  // namespace
}  // namespace sluice::testing
