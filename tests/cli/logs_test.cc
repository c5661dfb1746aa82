// sanitizers: address (commands of one thread, in which ThreadSanitizer has nothing to find)
//
// sluice logs and tail --store: the records of a store, while a program writes them too.
#include "cli/store_cli.h"

namespace sluice::test {
namespace {

using nlohmann::json;

class Logs : public StoreCli {
 protected:
  void SetUp() override {
    StoreCli::SetUp();
    make_store();
    sql("INSERT INTO logs(timestamp, level, thread_id, module, message, extra_data) VALUES"
        "('2026-01-02 03:04:05.678', 'INFO', 7, 'api.users', 'first', '{\"user_id\":12345}'),"
        "('2026-01-02 03:04:06', 'ERROR', 8, 'db', 'second', NULL),"
        "('2026-01-02 03:04:04', 'WARNING', 7, 'api', 'earlier', '{\"order\":{\"id\":7}}')");
  }
};

TEST_F(Logs, TheOldestFirstAsLines) {
  const Finished shown = command("logs");
  EXPECT_EQ(shown.code, 0) << shown.error;
  EXPECT_EQ(shown.out,
            "2026-01-02T03:04:04.000000000Z warning  [7] api earlier order=\"{\\\"id\\\":7}\"\n"
            "2026-01-02T03:04:05.678000000Z info     [7] api.users first user_id=12345\n"
            "2026-01-02T03:04:06.000000000Z error    [8] db second\n");
  EXPECT_EQ(command("logs --limit 1 --pattern '%(level) %(message)'").out, "error second\n");
}

TEST_F(Logs, JsonHasTheColumnsOfTheViewAndCsvToo) {
  const std::vector<std::string> lines = lines_of(command("logs --json --limit 2").out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(json::parse(lines[0]), (json{{"id", 1},
                                         {"timestamp", "2026-01-02 03:04:05.678"},
                                         {"level", "INFO"},
                                         {"thread_id", 7},
                                         {"module", "api.users"},
                                         {"message", "first"},
                                         {"extra_data", {{"user_id", 12345}}}}));
  EXPECT_EQ(json::parse(lines[1])["extra_data"], nullptr);
  EXPECT_EQ(command("logs --csv --level error").out,
            "id,timestamp,level,thread_id,module,message,extra_data\r\n"
            "2,2026-01-02 03:04:06.000,ERROR,8,db,second,\r\n");
}

TEST_F(Logs, TheFilterGrammar) {
  const auto found = [&](const std::string& words) {
    std::string all;
    for (const std::string& line : lines_of(command("logs --pattern '%(message)' " + words).out)) {
      all += line.substr(0, line.find(' ')) + " ";
    }
    return all;
  };
  EXPECT_EQ(found("--level warning"), "earlier second ");
  EXPECT_EQ(found("--since 2026-01-02T03:04:05Z"), "first second ");
  EXPECT_EQ(found("--until 2026-01-02T03:04:05Z"), "earlier ");
  EXPECT_EQ(found("--logger 'api.*'"), "first ");
  EXPECT_EQ(found("--grep econ"), "second ");
  EXPECT_EQ(found("--field user_id=12345"), "first ");
  EXPECT_EQ(found("--field order.id=7"), "earlier ");
  EXPECT_EQ(found("--run x"), "");
  EXPECT_EQ(found("--since 1h"), "");
  EXPECT_EQ(found("--limit 2"), "first second ");
}

TEST_F(Logs, TheNewestHundredUnlessToldOtherwise) {
  sql("INSERT INTO logs(timestamp, message) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
      " FROM n WHERE i < 150) SELECT datetime('2026-02-01', '+' || i || ' seconds'), i FROM n");
  const std::vector<std::string> some = lines_of(command("logs --pattern '%(message)'").out);
  ASSERT_EQ(some.size(), 100u);
  EXPECT_EQ(some.front(), "51");
  EXPECT_EQ(some.back(), "150");
  EXPECT_EQ(lines_of(command("logs --since 2026-01-01").out).size(), 153u);
  EXPECT_EQ(lines_of(command("logs --limit 120").out).size(), 120u);
}

TEST_F(Logs, MistakesAreSaidAllAtOnce) {
  const Finished wrong =
      sh("$SLUICE logs --level loud --since never --until 5 --limit 0 --field x --json --csv"
         " --pattern '%(nothing)'");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(wrong.out, "");
  for (const char* said : {"--level: level \"loud\"", "--since: time \"never\"",
                           "--until: time \"5\"", "--limit: limit \"0\"", "--field: field \"x\"",
                           "no store; name it by", "--json and --csv: choose one", "--pattern: "}) {
    EXPECT_NE(wrong.error.find(said), std::string::npos) << said << "\n" << wrong.error;
  }
  EXPECT_EQ(sh("$SLUICE logs --store missing.db").code, 2);
  EXPECT_FALSE(std::filesystem::exists(path("missing.db")));
  write("text.db", "this is no database, but it is long enough to be taken for one\n");
  const Finished both = sh("$SLUICE logs --store text.db --level loud");
  EXPECT_EQ(both.code, 2);
  EXPECT_NE(both.error.find("not a database"), std::string::npos) << both.error;
  EXPECT_NE(both.error.find("loud"), std::string::npos) << both.error;
  EXPECT_EQ(command("tail --store a.db other.log --format logfmt --lines 9999999").code, 2);
}

TEST_F(Logs, NothingATerminalWouldObey) {
  sql("INSERT INTO logs(module, message, extra_data) VALUES('a' || char(27) || '[2J', char(27) ||"
      " '[31mred' || char(10) || char(8238) || 'x', '{\"k' || char(155) || '\":\"' || char(133) ||"
      " '\"}')");
  for (const char* form : {"", "--json"}) {
    const std::string out = command("logs --limit 1 " + std::string(form)).out;
    EXPECT_EQ(lines_of(out).size(), 1u) << out;
    for (const char* bad : {"\x1b", "\xc2\x9b", "\xc2\x85", "\xe2\x80\xae"}) {
      EXPECT_EQ(out.find(bad), std::string::npos) << out;
    }
  }
}

TEST_F(Logs, ColumnsOfOnesOwnAreThere) {
  sql("ALTER TABLE records ADD COLUMN host TEXT; DROP VIEW logs; CREATE VIEW logs AS SELECT id, "
      "body"
      " AS message, attributes AS extra_data, host FROM records; UPDATE records SET host = 'box'");
  EXPECT_EQ(json::parse(command("logs --json --limit 1").out)["host"], "box");
}

TEST_F(Logs, TailShowsWhatIsCommitted) {
  const pid_t pid = start("exec $SLUICE tail --store a.db -n 1 --pattern '%(message)' --level info",
                          path("out"), path("error"));
  const auto shows = [&](const std::string& wanted) {
    return eventually([&] { return text("out") == wanted; }) << text("out") << text("error");
  };
  EXPECT_TRUE(shows("second\n"));
  sql("INSERT INTO logs(level, message) VALUES('INFO', 'third'), ('DEBUG', 'hidden')");
  EXPECT_TRUE(shows("second\nthird\n"));
  // A store that is set aside for a new one.
  ASSERT_EQ(sh("for f in a.db*; do mv $f old-$f; done;"
               "$SLUICE run --quiet --store a.db --product demo -- echo fourth")
                .code,
            0);
  EXPECT_TRUE(eventually([&] { return text("out").find("fourth\n") != std::string::npos; }));
  ::kill(pid, SIGINT);
  EXPECT_EQ(wait_for(pid), 0);
  EXPECT_EQ(text("error"), "");
}

TEST_F(Logs, TailEndsWithItsLimitAndItsReader) {
  const pid_t pid = start("exec $SLUICE tail --store a.db --since 2026-01-01 --json --limit 4",
                          path("out"), path("error"));
  EXPECT_TRUE(eventually([&] { return lines_of(text("out")).size() == 3; }));
  sql("INSERT INTO logs(message) VALUES('x'), ('y')");
  EXPECT_EQ(wait_for(pid), 0);
  const std::vector<std::string> lines = lines_of(text("out"));
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(json::parse(lines[3])["message"], "x");
  EXPECT_EQ(sh("timeout 60 $SLUICE tail --store a.db -n 1 | head -1 > /dev/null;"
               " echo ${PIPESTATUS[0]}")
                .out,
            "0\n");
}

TEST_F(Logs, WhatOthersHaveWrittenIsShownToo) {
  sql("INSERT INTO records(time_ns, severity, thread, logger, body, attributes, context) VALUES"
      "(-5, 18, -1, 'n' || char(0) || 'ul', 'b' || char(0) || 'c', '{\"a\":\"\\ud800\"}', '[1]')");
  const std::string line =
      "1969-12-31T23:59:59.999999995Z error    [4294967295] n\\x00ul b\\x00c {\"a\":\"\\ud800\"} "
      "[1]\n";
  EXPECT_EQ(command("logs --until @0").out, line);
  EXPECT_EQ(lines_of(command("logs --level error").out)[0] + "\n", line);
  EXPECT_EQ(command("logs --grep ud800").out, line);
}

// A program logs; the commands read beside it, and in the end all of it is there, once.
TEST_F(Logs, WhileAProgramLogs) {
  constexpr int kRecords = 20'000;
  const pid_t program = ::fork();
  if (program == 0) {
    Options options;
    options.product = "live";
    options.sinks = {store_file(path("live.db"))};
    options.region_directory = regions_;
    options.quiet = true;
    static Logger work{"work"};
    sluice::start(options);
    for (int i = 0; i < kRecords; ++i) {
      SLUICE_LOGGER_INFO(work, "step {i}", i);
      SLUICE_GAUGE("load", 0.5 * (i % 100));
      if (i % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ::_exit(sluice::stop(600'000) ? 0 : 1);  // as long as a loaded machine takes
  }
  EXPECT_TRUE(eventually([&] { return sh("$SLUICE logs --store live.db --limit 1").code == 0; }));
  const pid_t tail =
      start("exec $SLUICE tail --store live.db --since 1h --pattern '%(message)' --logger work",
            path("out"), path("error"));
  int looks = 0, ended = -1;
  for (bool running = true; running; ++looks) {
    for (const char* words : {"logs --grep step", "metrics load --agg count", "stats --json"}) {
      const Finished look = sh("$SLUICE " + std::string(words) + " --store live.db");
      EXPECT_EQ(look.code == 1 && look.error.find("no metric") != std::string::npos ? 0 : look.code,
                0)
          << words << look.error;
    }
    running = ::waitpid(program, &ended, WNOHANG) == 0;
  }
  EXPECT_GT(looks, 1);
  ASSERT_EQ(ended, 0) << "it could not store everything";
  EXPECT_TRUE(eventually([&] { return lines_of(text("out")).size() >= kRecords; }));
  ::kill(tail, SIGTERM);
  EXPECT_EQ(wait_for(tail), 0);
  const std::vector<std::string> followed = lines_of(text("out"));
  ASSERT_EQ(followed.size(), std::size_t{kRecords}) << text("error");
  for (int i = 0; i < kRecords; ++i) {
    ASSERT_EQ(followed[std::size_t(i)], "step " + std::to_string(i));
  }
  const Finished all =
      sh("$SLUICE logs --store live.db --since 1h --logger work --pattern '%(product) %(message)'");
  EXPECT_EQ(lines_of(all.out).size(), std::size_t{kRecords});
  EXPECT_EQ(lines_of(all.out).back(), "live step 19999");
  EXPECT_EQ(sh("$SLUICE metrics --store live.db load --agg count,max,p50 --csv").out,
            "metric_name,unit,tags,count,max,p50\r\nload,,{},20000,49.5,24.5\r\n");
}

}  // namespace
}  // namespace sluice::test
