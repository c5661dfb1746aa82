// The tables: made once, recognised, refused when they are somebody else's; the views that people
// query, and the indexes that these queries use.
#include "store/schema.h"

#include <fstream>

#include "store/file.h"
#include "store/store_fixture.h"

namespace sluice::test {
namespace {

using storage::Access;
using storage::Connection;

class SchemaTest : public ::testing::Test {
 protected:
  SchemaTest() {
    auto opened = Connection::open(path_, Access::kCreate);
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    connection_ = std::move(opened.value());
    const Status made = make_schema(*connection_);
    EXPECT_TRUE(made.ok()) << made.message();
  }
  std::vector<std::string> rows(const std::string& sql) { return rows_of(*connection_, sql); }
  std::string run(const std::string& sql) { return connection_->run(sql).message(); }
  std::string plan_of(const std::string& sql) {
    std::string plan;
    for (const std::string& row : rows("EXPLAIN QUERY PLAN " + sql)) plan += row + "\n";
    return plan;
  }

  Folder folder_;
  const std::string path_ = folder_ / "a.db";
  std::unique_ptr<Connection> connection_;
};

TEST_F(SchemaTest, IsMadeOnceAndOnlyForItsUser) {
  EXPECT_TRUE(make_schema(*connection_).ok());
  EXPECT_EQ(rows("SELECT version FROM schema_version"), std::vector<std::string>{"3"});
  EXPECT_EQ(rows("PRAGMA journal_mode"), std::vector<std::string>{"wal"});
  namespace fs = std::filesystem;
  for (const char* const suffix : {"", "-wal", "-shm"}) {
    EXPECT_EQ(fs::status(path_ + suffix).permissions(), fs::perms(0600)) << suffix;
  }
}

// As versions 1 and 2 made it.
TEST_F(SchemaTest, AnOlderStoreIsBroughtUpToDateByItsNextWriter) {
  ASSERT_EQ(run("ALTER TABLE points DROP COLUMN weight; DELETE FROM schema_version;"
                "INSERT INTO schema_version VALUES(2, 0); PRAGMA user_version = 2"),
            "");
  ASSERT_TRUE(make_schema(*connection_).ok());
  EXPECT_EQ(rows("SELECT count(weight) FROM points"), std::vector<std::string>{"0"});
  ASSERT_EQ(run("ALTER TABLE points DROP COLUMN weight;"
                "ALTER TABLE cursors DROP COLUMN callers; DELETE FROM schema_version;"
                "INSERT INTO schema_version VALUES(1, 0); PRAGMA user_version = 1;"
                "INSERT INTO runs(id, region, run_id, product, version, host, pid, started_ns)"
                " VALUES(1, x'01', 'a', 'b', '', '', 1, 1); INSERT INTO cursors VALUES(1, 7)"),
            "");
  EXPECT_TRUE(storage::check_file(path_).ok());
  ASSERT_TRUE(make_schema(*connection_).ok());
  EXPECT_EQ(rows("SELECT version FROM schema_version ORDER BY 1"),
            (std::vector<std::string>{"1", "3"}));
  EXPECT_EQ(rows("SELECT count(weight) FROM points"), std::vector<std::string>{"0"});
  EXPECT_EQ(rows("SELECT next_sequence, callers IS NULL FROM cursors"),
            std::vector<std::string>{"7|1"});
  EXPECT_TRUE(make_schema(*connection_).ok());
}

TEST_F(SchemaTest, OthersDatabasesAreRefusedAndLeftAlone) {
  const std::string foreign = folder_ / "foreign.db";
  {
    auto other = Connection::open(foreign, Access::kCreate);
    ASSERT_TRUE(
        other.value()->run("CREATE TABLE logs(id, text); INSERT INTO logs VALUES(1, 'x')").ok());
    const Status status = make_schema(*other.value());
    EXPECT_EQ(status.error_class(), ErrorClass::kFatal);
    EXPECT_NE(status.message().find("another program; name another file"), std::string::npos);
  }
  EXPECT_EQ(storage::check_file(foreign).error_class(), ErrorClass::kFatal);
  EXPECT_EQ(row_in(foreign, "SELECT * FROM logs"), "1|x");
  EXPECT_EQ(row_in(foreign, "SELECT count(*) FROM sqlite_schema"), "1");
  ASSERT_EQ(run("PRAGMA user_version = 7"), "");
  const Status newer = storage::check_file(path_);
  EXPECT_EQ(newer.error_class(), ErrorClass::kFatal);
  EXPECT_NE(newer.message().find("newer version than 3"), std::string::npos) << newer.message();
  EXPECT_TRUE(storage::check_file(folder_ / "nothing there.db").ok());
}

TEST_F(SchemaTest, ADamagedFileIsSetAsideOnceAndASoundOneNever) {
  connection_.reset();
  const Result<std::string> sound = storage::set_aside(path_);
  ASSERT_TRUE(sound.ok());
  EXPECT_EQ(sound.value(), "") << "another process has replaced it already";
  const std::string damaged = folder_ / "damaged.db";
  std::ofstream(damaged) << std::string(8192, 'x');
  EXPECT_TRUE(storage::check_file(damaged).ok()) << "no mistake of the user's";
  const Result<std::string> aside = storage::set_aside(damaged);
  ASSERT_TRUE(aside.ok());
  EXPECT_EQ(aside.value(), damaged + ".damaged-1");
  EXPECT_TRUE(std::filesystem::exists(aside.value()));
  EXPECT_FALSE(std::filesystem::exists(damaged));
}

TEST_F(SchemaTest, RowsThroughTheViews) {
  ASSERT_EQ(run("INSERT INTO logs(timestamp, level, thread_id, module, message, extra_data) VALUES"
                "('2026-01-02 03:04:05.678', 'warning', 7, 'api', 'slow', '{\"ms\":12}'),"
                "('2026-01-02T03:04:06', 'ERROR', NULL, NULL, 'bad', NULL);"
                "INSERT INTO logs(message) VALUES('now');"
                "INSERT INTO metrics(timestamp, metric_name, value, unit) VALUES"
                "('2026-01-02 03:04:05', 'load', 0.5, NULL), (NULL, 'load', 0.75, '%')"),
            "");
  EXPECT_EQ(rows("SELECT * FROM logs WHERE id < 3"),
            (std::vector<std::string>{"1|2026-01-02 03:04:05.678|WARNING|7|api|slow|{\"ms\":12}",
                                      "2|2026-01-02 03:04:06.000|ERROR|0||bad|-"}));
  EXPECT_EQ(rows("SELECT count(*) FROM logs WHERE level = 'INFO' AND message = 'now' AND timestamp"
                 " BETWEEN datetime('now', '-1 minute') AND datetime('now', '+1 minute')"),
            std::vector<std::string>{"1"});
  EXPECT_EQ(rows("SELECT metric_name, value, unit FROM metrics ORDER BY id"),
            (std::vector<std::string>{"load|0.5|-", "load|0.75|%"}));
  EXPECT_NE(run("INSERT INTO logs(level, message) VALUES('loud', 'x')").find("level is none of"),
            std::string::npos);
  EXPECT_NE(run("INSERT INTO logs(timestamp) VALUES('yesterday')").find("timestamp is no time"),
            std::string::npos);
  EXPECT_NE(run("INSERT INTO logs(extra_data) VALUES('{')").find("no JSON object"),
            std::string::npos);
  EXPECT_EQ(rows("SELECT count(*) FROM logs"), std::vector<std::string>{"3"});
}

// The queries of people who come from sqlite-worker's MultiThreadedLogger, as they write them.
TEST_F(SchemaTest, TheUsualQueriesUseIndexes) {
  const std::string last_hour =
      "SELECT timestamp, module, message FROM logs WHERE level = 'ERROR'"
      " AND timestamp >= datetime('now', '-1 hour') ORDER BY timestamp DESC";
  std::string plan = plan_of(last_hour);
  EXPECT_NE(plan.find("USING INDEX records_by_level (<expr>=? AND <expr>>?)"), std::string::npos)
      << plan;
  EXPECT_EQ(plan.find("TEMP B-TREE"), std::string::npos) << "in the order of the index:\n" << plan;
  plan = plan_of(
      "SELECT AVG(value) as avg_response_time FROM metrics WHERE metric_name = 'request_duration'"
      " AND timestamp >= datetime('now', '-1 hour')");
  EXPECT_NE(plan.find("SEARCH points USING INDEX points_by_series (series=? AND <expr>>?)"),
            std::string::npos)
      << plan;
  plan = plan_of(
      "SELECT thread_id, COUNT(*) as log_count FROM logs GROUP BY thread_id"
      " ORDER BY log_count DESC");
  EXPECT_NE(plan.find("COVERING INDEX records_by_thread"), std::string::npos) << plan;
  plan = plan_of(
      "SELECT metric_name, MAX(value) as max_duration FROM metrics"
      " WHERE metric_name LIKE 'operation_duration_%' GROUP BY metric_name"
      " ORDER BY max_duration DESC LIMIT 10");
  EXPECT_NE(plan.find("SEARCH points USING INDEX points_by_series (series=?)"), std::string::npos)
      << plan;
  // The last hour is the last hour: 59 minutes ago is in it, 61 minutes ago is not.
  ASSERT_EQ(run("INSERT INTO logs(timestamp, level, message) VALUES"
                "(datetime('now', '-59 minutes'), 'ERROR', 'in'),"
                "(datetime('now', '-61 minutes'), 'ERROR', 'out'),"
                "(datetime('now', '-9 hours'), 'ERROR', 'long out')"),
            "");
  EXPECT_EQ(rows("SELECT message FROM (" + last_hour + ")"), std::vector<std::string>{"in"});
}

TEST_F(SchemaTest, ColumnsOfOnesOwn) {
  ASSERT_TRUE(add_column(*connection_, "hostname", "TEXT").ok());
  EXPECT_TRUE(add_column(*connection_, "hostname", "TEXT").ok()) << "again changes nothing";
  ASSERT_EQ(run("INSERT INTO logs(timestamp, level, module, message, hostname)"
                " VALUES('2026-01-02 03:04:05', 'INFO', 'm', 'x', 'box')"),
            "");
  EXPECT_EQ(rows("SELECT message, hostname FROM logs"), std::vector<std::string>{"x|box"});
  EXPECT_NE(add_column(*connection_, "hostname", "REAL").message().find("with the type TEXT"),
            std::string::npos);
  for (const char* const bad :
       {"", "message", "TIME_NS", "a b", "x\"; DROP TABLE records; --", "1a"}) {
    EXPECT_FALSE(add_column(*connection_, bad, "TEXT").ok()) << bad;
  }
  EXPECT_FALSE(add_column(*connection_, "size", "TEXT); DROP TABLE records; --").ok());
  EXPECT_EQ(rows("SELECT count(*) FROM records"), std::vector<std::string>{"1"});
}

TEST_F(SchemaTest, AnIndexOnAField) {
  for (const char* const name : {"user_id", "a.b", "it's [0]"}) {
    const Status status = add_field_index(*connection_, name);
    ASSERT_TRUE(status.ok()) << status.message();
    const std::string plan =
        plan_of("SELECT id FROM records WHERE " + storage::field_expression(name) + " = '7'");
    EXPECT_NE(plan.find("records_by_field_"), std::string::npos) << name << "\n" << plan;
  }
  ASSERT_EQ(run("INSERT INTO logs(message, extra_data) VALUES('x', '{\"it''s [0]\":7,\"a.b\":1}')"),
            "");
  EXPECT_EQ(rows("SELECT body FROM records WHERE " + storage::field_expression("it's [0]") +
                 " = 7"
                 " AND " +
                 storage::field_expression("a.b") + " = 1"),
            std::vector<std::string>{"x"});
  for (const char* const bad : {"", "a\"b", "a\\b", "a\nb"}) {
    EXPECT_FALSE(add_field_index(*connection_, bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace sluice::test
