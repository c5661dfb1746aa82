// sanitizers: address (commands of one thread, in which ThreadSanitizer has nothing to find)
//
// sluice index and logs --match: words in a store, with and without an index, as users ask for
// them.
#include "cli/store_cli.h"
#include "store/store_fixture.h"
#include "support/hostile_sql.h"

namespace sluice::test {
namespace {

using nlohmann::json;

class Index : public StoreCli {
 protected:
  void SetUp() override {
    StoreCli::SetUp();
    make_store();
  }
  void three() {
    sql("INSERT INTO logs(timestamp, level, module, message) VALUES"
        "('2026-01-02 03:04:05', 'INFO', 'api', 'The disk is full'),"
        "('2026-01-02 03:04:06', 'ERROR', 'db', 'no space on disk-2: Gr\xc3\xbc\xc3\x9f"
        "e'),"
        "('2026-01-02 03:04:04', 'WARNING', 'api', 'full of space')");
  }
  // Texts of a few words, with all of their ids and more.
  void fill(int rows) {
    const auto store = storage::Connection::open(path("a.db"), storage::Access::kWrite);
    const Status status = store.value()->run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
        std::to_string(rows) +
        ") INSERT INTO logs(timestamp, module, message) SELECT"
        " strftime('%Y-%m-%d %H:%M:%f', '2026-02-01', i || ' seconds'), 'm',"
        " 'row' || i || ' w' || (i % 7) || CASE i % 11 WHEN 0 THEN char(0) || 'nul'"
        " WHEN 1 THEN ' gr' || char(252) || 'n' ELSE '' END FROM n");
    ASSERT_EQ(status.message(), "");
  }
  std::string found(const std::string& words) {
    std::string all;
    const Finished shown = command("logs --json " + words);
    EXPECT_EQ(shown.code, 0) << shown.error;
    for (const std::string& line : lines_of(shown.out)) {
      all += std::to_string(json::parse(line)["id"].get<int>()) + " ";
    }
    return all;
  }
  // What a scan by another way finds: these texts hold nothing of it but the word.
  std::string scanned(const std::string& text) {
    std::string all;
    for (const std::string& id :
         rows_in(path("a.db"), "SELECT id FROM records WHERE instr(body, '" + text +
                                   "') > 0 ORDER BY time_ns, id")) {
      all += id + " ";
    }
    return all;
  }
};

TEST_F(Index, WordsAreFoundBeforeAndAfter) {
  three();
  for (const bool indexed : {false, true}) {
    if (indexed) {
      const Finished made = command("index");
      EXPECT_EQ(made.code, 0) << made.error;
      EXPECT_TRUE(made.out.starts_with("indexed 3 rows in ")) << made.out;
    }
    EXPECT_EQ(found("--match disk"), "1 2 ");
    EXPECT_EQ(found("--match DISK"), "1 2 ");
    EXPECT_EQ(found("--match 'full NOT disk'"), "3 ");
    EXPECT_EQ(found("--match '\"is full\" OR \"no space\"'"), "1 2 ");
    EXPECT_EQ(found("--match spa*"), "3 2 ");
    EXPECT_EQ(found("--match '\"disk-2\"'"), "2 ");
    EXPECT_EQ(found("--match 'gru\xc3\x9f"
                    "e'"),
              "2 ");
    EXPECT_EQ(found("--match disk --level error"), "2 ");
    EXPECT_EQ(found("--match space --limit 1"), "2 ");
    EXPECT_EQ(found("--match space --logger api"), "3 ");
    EXPECT_EQ(found("--match full --since 2026-01-02T03:04:05Z"), "1 ");
    EXPECT_EQ(found("--match full --grep of"), "3 ");
    EXPECT_EQ(found("--match none"), "");
  }
  EXPECT_EQ(command("logs --match disk --pattern '%(message)' --limit 1").out,
            "no space on disk-2: Gr\xc3\xbc\xc3\x9f"
            "e\n");
  const json again = json::parse(command("index --json").out);
  EXPECT_EQ(again["rows"], 0);
  EXPECT_EQ(again["parts"], 1);
  EXPECT_EQ(json::parse(command("index --rebuild --json").out)["rows"], 3);
  EXPECT_EQ(command("index --remove").out, "the index is removed\n");
  EXPECT_EQ(command("index --remove").out, "there is no index\n");
  EXPECT_EQ(row("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%text%'"), "0");
  EXPECT_EQ(found("--match disk"), "1 2 ");
}

TEST_F(Index, MistakesAreSaidAndNothingIsDone) {
  three();
  const std::string before = text("a.db");
  for (const char* wrong : {"''", "'a AND'", "'\"open'", "'a-b'", "'x : a'", "'*'", "'*reads'"}) {
    const Finished said = command(std::string("logs --match ") + wrong);
    EXPECT_EQ(said.code, 2) << wrong;
    EXPECT_EQ(said.out, "");
    EXPECT_NE(said.error.find("--match: "), std::string::npos) << said.error;
    EXPECT_NE(said.error.find("is no search expression"), std::string::npos) << said.error;
  }
  const Finished where = command("logs --match 'disk full)' --level loud");
  EXPECT_EQ(where.code, 2);
  EXPECT_NE(where.error.find("near \")\""), std::string::npos) << where.error;
  EXPECT_NE(where.error.find("loud"), std::string::npos) << "all at once: " << where.error;
  EXPECT_EQ(command("index --rebuild --remove").code, 2);
  EXPECT_EQ(sh("$SLUICE index").code, 2);
  EXPECT_EQ(sh("$SLUICE index --store none.db").code, 2);
  EXPECT_FALSE(std::filesystem::exists(path("none.db")));
  write("text.db", "this is no database, but it is long enough to be taken for one\n");
  EXPECT_EQ(sh("$SLUICE index --store text.db").code, 2);
  EXPECT_EQ(text("a.db"), before);
}

TEST_F(Index, NoExpressionReachesTheStatement) {
  three();
  for (const bool indexed : {false, true}) {
    if (indexed) {
      ASSERT_EQ(command("index").code, 0);
    }
    for (const std::string& evil : hostile_sql()) {
      const Finished none = command("logs --json --match " + word(evil));
      // One of them is a quoted word as it stands.
      EXPECT_TRUE(none.code == 2 || evil.starts_with('"')) << evil << none.error;
      EXPECT_EQ(none.out, "") << evil;
      std::string quoted = "\"";
      for (const char c : evil) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
      const Finished text = command("logs --json --match " + word(quoted + "\""));
      EXPECT_EQ(text.code, 0) << evil << text.error;
      EXPECT_EQ(text.out, "") << evil;
    }
  }
  EXPECT_EQ(row("SELECT count(*) FROM records"), "3");
}

TEST_F(Index, StatementsOfUsersLeaveItRight) {
  three();
  ASSERT_EQ(command("index").code, 0);
  sql("DELETE FROM records WHERE id = 2");
  EXPECT_EQ(found("--match disk"), "1 ");
  sql("UPDATE records SET body = 'another disk' WHERE id = 3");
  EXPECT_EQ(found("--match disk"), "3 1 ");
  EXPECT_EQ(found("--match space"), "");
  sql("INSERT INTO logs(timestamp, message) VALUES('2026-01-03', 'a new disk')");
  EXPECT_EQ(found("--match disk"), "3 1 4 ");
  sql("DELETE FROM records; INSERT INTO logs(message) VALUES('nothing at all')");
  EXPECT_EQ(found("--match disk"), "");
  EXPECT_EQ(row("PRAGMA integrity_check"), "ok");
}

// Killed at moments all over: the store is sound, finds the same, and the next one does the rest.
TEST_F(Index, KilledItGoesOn) {
  fill(60'000);
  const std::string whole = text("a.db"), wanted = scanned(" w3"), odd = scanned("nul");
  int cut = 0;
  for (int i = 0; i < 6; ++i) {
    std::filesystem::remove(path("a.db-wal"));
    std::filesystem::remove(path("a.db-shm"));
    write("a.db", whole);
    const pid_t pid = start("exec $SLUICE index --store a.db", path("o"), path("e"));
    std::this_thread::sleep_for(std::chrono::milliseconds(100 * i));
    ::kill(pid, SIGKILL);
    wait_for(pid);
    EXPECT_EQ(row("PRAGMA integrity_check"), "ok");
    const std::string has = row("SELECT count(*) FROM sqlite_schema WHERE name = 'text_parts'");
    const long rows =
        has == "1" ? std::strtol(row("SELECT sum(rows) FROM text_parts").c_str(), nullptr, 10) : 0;
    cut += rows > 0 && rows < 60'000;
    EXPECT_EQ(found("--match w3 --limit 100000"), wanted);
    const Finished rest = command("index --json");
    ASSERT_EQ(rest.code, 0) << rest.error;
    EXPECT_EQ(json::parse(rest.out)["rows"], 60'000 - rows);
    EXPECT_EQ(found("--match w3 --limit 100000"), wanted);
    EXPECT_EQ(found("--match nul --limit 100000"), odd);
  }
  EXPECT_GT(cut, 0) << "a control: some were cut in the middle";
}

TEST_F(Index, AfterPruneBackupExportAndImport) {
  fill(40'000);
  ASSERT_EQ(command("index").code, 0);
  const std::string parts = row("SELECT count(*) FROM text_parts");
  ASSERT_EQ(command("prune --max-rows 10000").code, 0);
  EXPECT_LT(row("SELECT count(*) FROM text_parts"), parts);
  EXPECT_EQ(found("--match w3 --limit 100000"), scanned(" w3"));
  EXPECT_EQ(found("--match row1"), "");
  EXPECT_EQ(row("PRAGMA integrity_check"), "ok");
  ASSERT_EQ(command("backup copy.db").code, 0);
  EXPECT_EQ(sh("$SLUICE logs --store copy.db --json --match row39999").out,
            command("logs --json --match row39999").out);
  ASSERT_EQ(command("export --output a.jsonl").code, 0);
  ASSERT_EQ(sh("$SLUICE import --store b.db a.jsonl").code, 0);
  EXPECT_EQ(lines_of(sh("$SLUICE logs --store b.db --json --match row39999").out).size(), 1u);
  ASSERT_EQ(sh("$SLUICE import --store a.db a.jsonl").code, 0) << "into one that has an index";
  EXPECT_EQ(found("--match w3 --limit 100000"), scanned(" w3"));
  ASSERT_EQ(command("index").code, 0);
  EXPECT_EQ(found("--match w3 --limit 100000"), scanned(" w3"));
}

// While a program logs as fast as it can: all it says is there, and found.
TEST_F(Index, BesideAProgramThatWrites) {
  fill(40'000);
  (void)beside_a_writer("index --json");
  ASSERT_EQ(command("index").code, 0);
  EXPECT_EQ(lines_of(command("logs --match '59999 OR row39999' --json").out).size(), 2u);
  EXPECT_EQ(row("PRAGMA integrity_check"), "ok");
}

// A sink that has the option indexes while it has nothing else to do.
TEST_F(Index, BySinkOfAProgram) {
  const pid_t pid = start(
      "SLUICE_STORE_FULL_TEXT=1 exec $SLUICE run --quiet --store b.db -- sh -c"
      " 'seq 1 3000; until [ -e enough ]; do sleep 0.05; done'",
      path("o"), path("e"));
  EXPECT_TRUE(eventually([&] {
    return std::filesystem::exists(path("b.db")) &&
           row_in(path("b.db"), "SELECT sum(rows) >= 3000 FROM text_parts") == "1";
  }));
  write("enough", "");
  EXPECT_EQ(wait_for(pid), 0) << text("e");
  EXPECT_EQ(lines_of(sh("$SLUICE logs --store b.db --match 2999 --json").out).size(), 1u);
  // The control: without it there is none.
  ASSERT_EQ(sh("$SLUICE run --quiet --store c.db -- seq 1 100").code, 0);
  EXPECT_EQ(row_in(path("c.db"), "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%text%'"),
            "0");
}

}  // namespace
}  // namespace sluice::test
