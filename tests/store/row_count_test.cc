// Rows are counted a window at a time, exactly, while others store and take out.
#include "store/row_count.h"

#include "store/store_fixture.h"

namespace sluice::test {
namespace {

using storage::RowCount;

i64 g_ticks = 0;
i64 ticking() { return ++g_ticks; }

class RowCountTest : public StoreFileTest {
 protected:
  RowCountTest() {
    EXPECT_TRUE(records_.prepare(*store_, "records", true).ok());
    EXPECT_TRUE(points_.prepare(*store_, "points", false).ok());
  }
  // The same number into both tables.
  void add(int rows, const std::string& time) {
    run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
        std::to_string(rows) +
        ") INSERT INTO records(time_ns, severity, thread, logger, body) SELECT " + time +
        ", 9, 1, '', '' FROM n;"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
        std::to_string(rows) + ") INSERT INTO points(series, time_ns) SELECT 1, i FROM n");
  }
  // At most `windows` of them. True: it is exact.
  static bool count(RowCount& count, i64 windows) {
    const Result<bool> complete = count.count_until(g_ticks + windows + 1, ticking);
    EXPECT_TRUE(complete.ok()) << complete.status().message();
    return complete.ok() && complete.value();
  }

  RowCount records_, points_;
};

TEST_F(RowCountTest, InWindowsWithGapsAndEqualTimes) {
  add(30'000, "i % 3");
  run("DELETE FROM records WHERE id % 10 = 5; DELETE FROM points WHERE id % 10 = 5");
  for (RowCount* one : {&records_, &points_}) {
    EXPECT_EQ(one->at_most().value(), 30'000u) << "ids from the first to the last";
    EXPECT_FALSE(one->is_exact());
    int steps = 1;
    for (; !count(*one, 2); ++steps) {
    }
    EXPECT_EQ(steps, 4) << "27,000 rows, 4096 in a window, two windows a step";
    EXPECT_TRUE(one->is_exact());
    EXPECT_EQ(one->at_most().value(), 27'000u);
  }
}

TEST_F(RowCountTest, RowsThatComeMeanwhileAndThoseTheOwnerTakesOut) {
  add(10'000, "i");
  run("DELETE FROM records WHERE id % 2 = 0");
  add(1, "7");
  EXPECT_FALSE(count(records_, 1));
  add(500, "-i");  // older than what has been counted
  while (!count(records_, 1)) {
  }
  EXPECT_EQ(records_.at_most().value(), 5501u);
  run("DELETE FROM records WHERE id < 100");
  records_.removed(50);
  EXPECT_EQ(records_.at_most().value(), 5451u);
  records_.removed(-50);  // a rollback
  add(9, "i");
  EXPECT_EQ(records_.at_most().value(), 5510u);
}

TEST_F(RowCountTest, WhatOthersTakeOutIsDoubtedAndCountedAnew) {
  add(20'000, "i");
  while (!count(points_, 100)) {
  }
  run("DELETE FROM points WHERE id BETWEEN 5000 AND 14999");
  points_.doubt();
  EXPECT_FALSE(points_.is_exact());
  EXPECT_EQ(points_.at_most().value(), 20'000u) << "no more than that";
  while (!count(points_, 100)) {
  }
  EXPECT_EQ(points_.at_most().value(), 10'000u);
  // From the oldest on, in the middle of a count.
  points_.doubt();
  EXPECT_FALSE(count(points_, 1));
  run("DELETE FROM points WHERE id <= 3000");
  while (!count(points_, 1)) {
  }
  EXPECT_EQ(points_.at_most().value(), 7'000u);
  run("DELETE FROM points WHERE id BETWEEN 3002 AND 14999");
  points_.doubt();
  EXPECT_FALSE(count(points_, 1));
  run("DELETE FROM points WHERE id = 3001");
  while (!count(points_, 1)) {
  }
  EXPECT_EQ(points_.at_most().value(), 5'001u) << "a row, whatever the next one's id is";
  run("DELETE FROM points");
  points_.doubt();
  EXPECT_EQ(points_.at_most().value(), 0u);
}

TEST_F(RowCountTest, WhatOthersTakeOutMeanwhileIsOldestByTimeNotById) {
  for (const int limit : {7000, 1000}) {  // in the first window, and beyond it
    run("DELETE FROM records");
    records_.doubt();
    add(10'000, "-i");
    add(1, "7");  // the newest, which stays
    EXPECT_FALSE(count(records_, 2));
    run("DELETE FROM records WHERE id BETWEEN " + std::to_string(limit) + " AND 10000");
    while (!count(records_, 1)) {
    }
    EXPECT_EQ(records_.at_most().value(), u64(limit));
  }
}

}  // namespace
}  // namespace sluice::test
