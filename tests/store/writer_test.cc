// Records of every kind as rows: values that SQLite has no place for, columns of the user's, the
// place in the journal, transactions that fail.
#include "store/writer.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <deque>
#include <limits>

#include "record/make_record.h"
#include "store/store_fixture.h"

namespace sluice::test {
namespace {

using storage::Access;
using storage::Connection;
using storage::Writer;

class WriterTest : public ::testing::Test {
 protected:
  WriterTest() { open(); }
  void open() {
    auto opened = Writer::open({.path = path_});
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    writer_ = std::move(opened.value());
    const Result<u64> next = writer_->use_run({1, 2, 3}, run_, 1'700'000'000'000'000'000);
    ASSERT_TRUE(next.ok()) << next.status().message();
    next_ = next.value();
  }
  // In a transaction of its own.
  void add(TestRecord& record) {
    ASSERT_TRUE(record.parse());
    ASSERT_TRUE(writer_->begin().ok());
    const Status status = writer_->add(record.entry());
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_TRUE(writer_->commit(record.sequence + 1).ok());
  }
  // Sites are known by their address, so they stay.
  void add(TestRecord&& record) { add(kept_.emplace_back(std::move(record))); }
  std::string row(const std::string& sql) { return row_in(path_, sql); }

  Folder folder_;
  const std::string path_ = folder_ / "a.db";
  RunInfo run_{"shop", "1.2", "run-7", "box", 4711};
  std::unique_ptr<Writer> writer_;
  u64 next_ = 0;
  std::deque<TestRecord> kept_;
};

TestRecord metric(double value) {
  TestRecord record("load", {f64_arg(value)}, RecordKind::kMetric);
  record.site.metric = MetricKind::kGauge;
  return record;
}

TEST_F(WriterTest, ALogWithFieldsAndItsRun) {
  TestRecord record("order {id} at {px}",
                    {i64_arg(17, "id"), f64_arg(99.5, "px"), bool_arg(true, "ok")});
  record.site.level = Level::warning;
  record.logger = "shop.orders";
  record.site.logger = "shop.orders";
  add(record);
  EXPECT_EQ(row("SELECT * FROM logs"),
            "1|2023-11-14 22:13:20.123|WARNING|42|shop.orders|order 17 at 99.5|"
            "{\"id\":17,\"px\":99.5,\"ok\":true}");
  EXPECT_EQ(row("SELECT run_id, product, version, host, pid, first_record, last_record FROM runs"),
            "run-7|shop|1.2|box|4711|1|1");
  EXPECT_EQ(row("SELECT file, line, function, format FROM sites"),
            "src/game/game.cc|42|tick|order {id} at {px}");
}

TEST_F(WriterTest, AnEventAStateATrackAParam) {
  add(TestRecord("user.login", {text_arg("ada", "user")}, RecordKind::kEvent));
  EXPECT_EQ(row("SELECT event, body, attributes FROM records"),
            "user.login|user.login|{\"user\":\"ada\"}");
  add(TestRecord("state", {json_arg(R"({"hp":93,"at":{"x":1}})")}, RecordKind::kState));
  add(TestRecord("state", {json_arg(R"({"hp":null,"at":{"y":2}})")}, RecordKind::kState));
  EXPECT_EQ(row("SELECT value FROM state_values"), R"({"at":{"x":1,"y":2}})");
  EXPECT_EQ(row("SELECT count(*) FROM states"), "2");
  add(TestRecord("pose", {f64_arg(1.5, "x")}, RecordKind::kTrack));
  EXPECT_EQ(row("SELECT topic, fields FROM tracks"), "pose|{\"x\":1.5}");
  add(TestRecord("lr", {f64_arg(0.25)}, RecordKind::kParam));
  add(TestRecord("lr", {f64_arg(0.5)}, RecordKind::kParam));
  EXPECT_EQ(row("SELECT key, value FROM params"), "lr|0.5");
}

TEST_F(WriterTest, NumbersThatAreNoneAreKept) {
  for (const double value :
       {0.1, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity()}) {
    add(metric(value));
  }
  EXPECT_EQ(rows_in(path_, "SELECT metric_name, value FROM metrics ORDER BY id"),
            (std::vector<std::string>{"load|0.1", "load|-", "load|Inf", "load|-Inf"}));
  EXPECT_EQ(row("SELECT count(*) FROM series"), "1");
  add(TestRecord("{big}", {u64_arg(~u64{0}, "big"),
                           f64_arg(std::numeric_limits<double>::quiet_NaN(), "nan")}));
  EXPECT_EQ(row("SELECT attributes FROM records"),
            "{\"big\":18446744073709551615,\"nan\":\"NaN\"}");
}

TEST_F(WriterTest, AnyBytesAreKeptAsTextThatSqlCanHold) {
  add(TestRecord("{}", {text_arg(std::string("a\nb\0c\xff\x1b[31m gr\xc3\xbc\xc3\x9f", 18))}));
  EXPECT_EQ(row("SELECT message FROM logs"), "a\nb\\x00c\\xff\x1b[31m gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(row("SELECT length(message) FROM logs"), "22") << "a NUL would end it for SQL";
  add(TestRecord("{}", {text_arg("x'); DROP TABLE records; --", "who")}));
  EXPECT_EQ(row("SELECT count(*) FROM records"), "2");
}

TEST_F(WriterTest, ColumnsOfTheUsersAreFilledFromFieldsAsSoonAsTheyAreThere) {
  TestRecord record("{n} {host}", {i64_arg(7, "n"), text_arg("box", "host")});
  add(record);
  {
    auto other = Connection::open(path_, Access::kWrite);
    ASSERT_TRUE(add_column(*other.value(), "host", "TEXT").ok());
    ASSERT_TRUE(add_column(*other.value(), "n", "INTEGER").ok());
  }
  add(record);
  // A value that the column does not take stays in the attributes.
  add(TestRecord("{n}", {text_arg("seven", "n")}));
  EXPECT_EQ(rows_in(path_, "SELECT host, n FROM logs ORDER BY id"),
            (std::vector<std::string>{"-|-", "box|7", "-|-"}));
}

TEST_F(WriterTest, ThePlaceInTheJournalGoesWithTheRows) {
  EXPECT_EQ(next_, 0u) << "a run that is not known";
  TestRecord record("{}", {i64_arg(1)});
  add(record);
  open();
  EXPECT_EQ(next_, record.sequence + 1);
  ASSERT_TRUE(writer_->begin().ok());
  ASSERT_TRUE(writer_->add(record.entry()).ok());
  writer_->roll_back();
  open();
  EXPECT_EQ(next_, record.sequence + 1);
  EXPECT_EQ(row("SELECT count(*) FROM records"), "1");
}

// Who deletes a run's row by SQL of their own leaves its place in the journal: the next run, which
// would have got its id, lost as many records as that place says.
TEST_F(WriterTest, ARunThatOthersDeleteLeavesNothingToTheNext) {
  add(TestRecord("{}", {i64_arg(1)}));
  const auto other = Connection::open(path_, Access::kWrite);
  ASSERT_TRUE(other.ok() && other.value()->run("DELETE FROM runs").ok());
  ASSERT_EQ(row("SELECT count(*) FROM cursors"), "1");
  const Result<u64> next = writer_->use_run({9}, run_, 1);
  ASSERT_TRUE(next.ok()) << next.status().message();
  EXPECT_EQ(next.value(), 0u);
  EXPECT_EQ(row("SELECT count(*) FROM runs JOIN cursors ON run = runs.id"), "0");
}

TEST_F(WriterTest, TheHighestIdOfARunIsOneAsAnyOther) {
  const auto other = Connection::open(path_, Access::kWrite);
  ASSERT_TRUE(other.ok() && other.value()->run("UPDATE runs SET id = 9223372036854775807").ok());
  const Result<u64> next = writer_->use_run({9}, run_, 1);
  ASSERT_TRUE(next.ok()) << next.status().message();
  add(TestRecord("{}", {i64_arg(1)}));
  EXPECT_EQ(row("SELECT count(*) FROM records JOIN runs ON runs.id = run AND region = x'09" +
                std::string(30, '0') + "'"),
            "1");
}

// A program and its collector may both store a run for a moment.
TEST_F(WriterTest, TwoWhoStoreTheSameRunKnowHowFarItIs) {
  add(TestRecord("{}", {i64_arg(1)}));
  auto other = Writer::open({.path = path_});
  ASSERT_TRUE(other.ok());
  Writer& others = *other.value();
  ASSERT_TRUE(others.use_run({1, 2, 3}, run_, 1).ok());
  ASSERT_TRUE(others.begin().ok());
  ASSERT_TRUE(others.commit(40, 30).ok());
  ASSERT_TRUE(writer_->begin().ok());
  EXPECT_EQ(writer_->place().sequence, 40u);
  ASSERT_TRUE(writer_->commit(30, 20).ok());
  EXPECT_EQ(row("SELECT next_sequence, callers FROM cursors"), "40|30") << "never back";
  ASSERT_TRUE(writer_->begin().ok());
  ASSERT_TRUE(writer_->commit(50, 38).ok());
  ASSERT_TRUE(others.begin().ok());
  EXPECT_EQ(others.place().sequence, 50u);
  EXPECT_EQ(others.missed_before(50, 38), 0u);
  EXPECT_EQ(others.missed_before(60, 45), 7u) << "of ten records";
  others.roll_back();
}

// What was overwritten in the journal is known by how far the run is stored, whoever asks.
TEST_F(WriterTest, WhatNobodyHasStoredIsMissedFromWhereTheRunBegan) {
  ASSERT_TRUE(writer_->use_run({9}, run_, 1, {100, 90}).ok());
  ASSERT_TRUE(writer_->begin().ok());
  EXPECT_EQ(writer_->missed_before(100, 90), 0u);
  EXPECT_EQ(writer_->missed_before(120, 108), 18u);
  ASSERT_TRUE(writer_->commit(130, 117).ok());
  ASSERT_TRUE(writer_->use_run({9}, run_, 1, {100, 90}).ok());
  ASSERT_TRUE(writer_->begin().ok());
  EXPECT_EQ(writer_->missed_before(131, 118), 1u) << "further than it began";
  writer_->roll_back();
  // Where the store does not know it, nothing is made up.
  ASSERT_TRUE(writer_->use_run({8}, run_, 1).ok());
  ASSERT_TRUE(writer_->begin().ok());
  ASSERT_TRUE(writer_->commit(10).ok());
  ASSERT_TRUE(writer_->begin().ok());
  EXPECT_EQ(writer_->missed_before(20, 15), 0u);
  writer_->roll_back();
}

// Sites and series that were made in a transaction that failed are made again.
TEST_F(WriterTest, NothingIsRememberedOfATransactionThatFailed) {
  TestRecord log("{}", {i64_arg(1)});
  TestRecord point = metric(1);
  ASSERT_TRUE(log.parse() && point.parse());
  ASSERT_TRUE(writer_->begin().ok());
  ASSERT_TRUE(writer_->add(log.entry()).ok());
  ASSERT_TRUE(writer_->add(point.entry()).ok());
  writer_->roll_back();
  add(log);
  add(point);
  EXPECT_EQ(row("SELECT count(*) FROM records JOIN sites ON sites.id = records.site"), "1");
  EXPECT_EQ(row("SELECT count(*) FROM points JOIN series ON series.id = points.series"), "1");
}

TEST_F(WriterTest, ALockOfAnotherIsRetryableAndHoldsNothing) {
  auto other = Connection::open(path_, Access::kWrite);
  ASSERT_TRUE(other.value()->run("BEGIN IMMEDIATE").ok());
  const Status status = writer_->begin();
  EXPECT_EQ(status.error_class(), ErrorClass::kRetryable) << status.message();
  EXPECT_NE(status.message().find("another process holds it"), std::string::npos);
  ASSERT_TRUE(other.value()->run("COMMIT").ok());
  add(TestRecord("{}", {i64_arg(1)}));
  EXPECT_EQ(row("SELECT count(*) FROM records"), "1");
}

// SQLite's lock has no queue: one who writes without a pause must leave the others a turn.
TEST_F(WriterTest, NobodyIsKeptOutByOneWhoWritesWithoutAPause) {
  const pid_t busy = ::fork();
  if (busy == 0) {
    auto other = Writer::open({.path = path_});
    if (!other.ok() || !other.value()->use_run({4}, run_, 1).ok()) std::_Exit(1);
    TestRecord record("busy");
    if (!record.parse()) std::_Exit(1);
    for (;;) {
      if (!other.value()->begin().ok()) continue;
      for (int i = 0; i < 500; ++i) (void)other.value()->add(record.entry());
      (void)other.value()->commit(1);
    }
  }
  while (row("SELECT count(*) > 5000 FROM records") != "1") ::usleep(1000);
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    const Status begun = writer_->begin();
    refused += !begun.ok();
    if (begun.ok()) {
      EXPECT_TRUE(writer_->commit(u64(i) + 1).ok());
    }
  }
  ::kill(busy, SIGKILL);
  ::waitpid(busy, nullptr, 0);
  EXPECT_EQ(refused, 0) << "of 10 waits of 250 ms";
}

}  // namespace
}  // namespace sluice::test
