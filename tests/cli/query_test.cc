// sluice query: a store that a real program has filled, asked in SQL.
#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

using nlohmann::json;

class Query : public Cli {
 protected:
  void SetUp() override {
    Cli::SetUp();
    const Finished run = sh(
        "$SLUICE run --quiet --store a.db --product demo -- sh -c 'echo INFO fine; echo ERROR bad;"
        " printf \"\\033[31mred\\tand \\\"quoted\\\", with a comma\\n\"; exit 3'");
    ASSERT_EQ(run.code, 3) << run.error;
  }
  Finished query(const std::string& words) { return sh("$SLUICE query --store a.db " + words); }
};

TEST_F(Query, ATableAJsonObjectARowAndCsv) {
  const Finished table = query("\"SELECT level, message FROM logs WHERE level = 'ERROR'\"");
  EXPECT_EQ(table.code, 0) << table.error;
  EXPECT_EQ(table.out, "level  message\n-----  ---------\nERROR  ERROR bad\n");
  const Finished rows = query(
      "--json \"SELECT 2 AS id, level, message, NULL AS none, 1.5 AS x, 3 AS id FROM logs"
      " WHERE message LIKE '%fine'\"");
  EXPECT_EQ(json::parse(rows.out), (json{{"id", 2},
                                         {"level", "INFO"},
                                         {"message", "INFO fine"},
                                         {"none", nullptr},
                                         {"x", 1.5},
                                         {"id_2", 3}}));
  const Finished csv =
      query("--csv \"SELECT message AS m, 1 AS n FROM logs WHERE message LIKE '%comma'\"");
  EXPECT_EQ(csv.out, "m,n\r\n\"\x1b[31mred\tand \"\"quoted\"\", with a comma\",1\r\n");
  EXPECT_EQ(json::parse(query("--json \"SELECT exit_code, product FROM runs\"").out),
            (json{{"exit_code", 3}, {"product", "demo"}}));
  const Finished shown = query("\"SELECT message FROM logs WHERE message LIKE '%comma'\"");
  EXPECT_NE(shown.out.find("\\x1b[31mred\\tand"), std::string::npos) << shown.out;
}

TEST_F(Query, OnlyReadsUnlessToldOtherwise) {
  const Finished refused = query("\"DELETE FROM records\"");
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.error.find("say --write if it should"), std::string::npos) << refused.error;
  EXPECT_EQ(query("\"ATTACH 'other.db' AS o\"").code, 2);
  EXPECT_FALSE(std::filesystem::exists(path("other.db")));
  EXPECT_EQ(query("\"PRAGMA user_version = 9\"").code, 2);
  EXPECT_EQ(query("\"SELECT count(*) FROM records\"").out, "count(*)\n--------\n5\n");
  EXPECT_EQ(query("--write \"INSERT INTO logs(message) VALUES('by hand'); SELECT 1 AS done\"").out,
            "done\n----\n1\n");
  EXPECT_EQ(query("--write \"ATTACH 'other.db' AS o\"").code, 2);
  EXPECT_FALSE(std::filesystem::exists(path("other.db")));
  EXPECT_EQ(query("\"SELECT count(*) AS n FROM logs WHERE message = 'by hand'\"").out, "n\n-\n1\n");
}

TEST_F(Query, MistakesAreSaidAndChangeNothing) {
  EXPECT_NE(query("\"SELECT nowhere FROM logs\"").error.find("no such column"), std::string::npos);
  EXPECT_EQ(query("\"SELECT nowhere FROM logs\"").code, 2);
  EXPECT_EQ(query("\" -- nothing\"").code, 2);
  EXPECT_EQ(query("--json --csv \"SELECT 1\"").code, 2);
  EXPECT_EQ(sh("$SLUICE query --store none.db 'SELECT 1'").code, 2);
  EXPECT_FALSE(std::filesystem::exists(path("none.db")));
  EXPECT_EQ(sh("$SLUICE query 'SELECT 1'").code, 2);
  EXPECT_EQ(sh("SLUICE_STORE=a.db $SLUICE query 'SELECT 1 AS x'").out, "x\n-\n1\n");
  write("text.db", "this is no database, but it is long enough to be taken for one\n");
  const Finished text = sh("$SLUICE query --store text.db 'SELECT 1'");
  EXPECT_EQ(text.code, 2);
  EXPECT_NE(text.error.find("not a database"), std::string::npos) << text.error;
  const Finished slow = query(
      "--timeout 0.2 \"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
      " SELECT count(*) FROM n\"");
  EXPECT_EQ(slow.code, 1);
  EXPECT_NE(slow.error.find("interrupted"), std::string::npos) << slow.error;
}

TEST_F(Query, AReaderThatGoesAwayIsNoFailure) {
  const Finished cut = sh(
      "$SLUICE query --store a.db \"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
      " LIMIT 1000000) SELECT i FROM n\" | head -3; exit ${PIPESTATUS[0]}");
  EXPECT_EQ(cut.code, 0) << cut.error;
  EXPECT_EQ(cut.out, "i\n----\n1\n");
}

}  // namespace
}  // namespace sluice::test
