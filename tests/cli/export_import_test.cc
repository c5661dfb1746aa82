// sanitizers: address (commands of one thread, in which ThreadSanitizer has nothing to find)
//
// sluice export and import: rows that come back as they were; logs of any program, each line once.
#include "cli/import_cli.h"
#include "store/store_fixture.h"

namespace sluice::test {
namespace {

using nlohmann::json;

// All that is in the rows, with the runs, sites and series they name; ids and imports left out.
constexpr const char* kContents[] = {
    "SELECT time_ns, records.severity, sequence, thread, records.logger, event, body, attributes,"
    " context, hex(region), runs.run_id, runs.product, runs.host, runs.pid, runs.started_ns,"
    " runs.ended_ns, runs.exit_code, runs.reason, sites.kind, sites.severity, sites.logger,"
    " sites.file, sites.line, sites.function, sites.format FROM records LEFT JOIN runs ON run ="
    " runs.id LEFT JOIN sites ON site = sites.id ORDER BY records.id",
    "SELECT time_ns, value, sequence, name, kind, unit, tags, hex(region) FROM points JOIN series"
    " ON series.id = series LEFT JOIN runs ON run = runs.id ORDER BY points.id"};

class ExportImport : public ImportCli {
 protected:
  void expect_same_contents() {
    for (const char* const sql : kContents) {
      EXPECT_EQ(rows_in(path("b.db"), sql), rows_in(path("a.db"), sql));
    }
  }
  // Sizes and the sum are enough to see a lost, doubled or torn line.
  std::string lines_in_store() {
    return row("SELECT count(*), count(DISTINCT body), sum(CAST(body AS INTEGER)) FROM records");
  }
};

TEST_F(ExportImport, RowsComeBackAsTheyWere) {
  ASSERT_EQ(sh("$SLUICE run --quiet --store a.db --product demo -- sh -c 'echo INFO fine; echo"
               " ERROR bad; printf \"\\033[31mred\\tand \\\"quoted\\\", \\377 gr\\303\\274n\\n\";"
               " exit 3'")
                .code,
            3);
  write_sql("a.db",
            "INSERT INTO logs(timestamp, level, module, message, extra_data) VALUES"
            "('2026-01-02 03:04:05.678', 'TRACE', 'a.b', '', '{\"big\":18446744073709551615,"
            "\"f\":1.50,\"deep\":{\"x\":[1, 2,\n3]}}'),"
            "(NULL, 'ERROR', NULL, 'x''); DROP TABLE records; --', NULL),"
            "(NULL, 'NOTICE', 'm', 'two\nlines\r', '{\"\\u0041\":\"\\u202e\"}');"
            "UPDATE records SET context = '{\"user\":\"ann\"}', time_ns = 1234567890123456789"
            " WHERE id = 2;"
            "INSERT INTO metrics(timestamp, metric_name, value, unit) VALUES"
            "('2026-01-02 03:04:05', 'load', 0.1, NULL), (NULL, 'load', 1e300, '%'),"
            "(NULL, 'odd', NULL, 's'), (NULL, 'odd', 9e999, 's'), (NULL, 'odd', -9e999, 's'),"
            "(NULL, 'odd', -0.0, 's')");
  const Finished done = sh("$SLUICE export --store a.db --what all --output all.jsonl");
  ASSERT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(text("all.jsonl").find('\x1b'), std::string::npos);
  const Finished taken = import("all.jsonl");
  ASSERT_EQ(taken.code, 0) << taken.error;
  expect_same_contents();
  EXPECT_EQ(row("SELECT count(*) FROM records"), "8");
  EXPECT_EQ(import("all.jsonl").out, "all.jsonl: 0 rows\n");
  expect_same_contents();
  // A range finds a run's rows.
  EXPECT_EQ(row("SELECT count(*) FROM runs JOIN records ON run = runs.id AND records.id BETWEEN"
                " first_record AND last_record WHERE product = 'demo'"),
            "5");
  // Control: the comparison sees a change.
  write_sql("b.db", "UPDATE records SET attributes = '{}' WHERE event = 'run.end'");
  EXPECT_NE(rows(kContents[0]), rows_in(path("a.db"), kContents[0]));
  // What was exported can be read as any other JSON Lines.
  EXPECT_NE(sh("$SLUICE cat all.jsonl --level error").out.find("ERROR bad"), std::string::npos);
}

TEST_F(ExportImport, FiltersCsvAndColumnsOfTheUsers) {
  ASSERT_EQ(sh("$SLUICE run --quiet --store a.db -- sh -c 'echo INFO fine; echo ERROR bad'").code,
            0);
  write_sql("a.db", "ALTER TABLE records ADD COLUMN host TEXT; UPDATE records SET host = 'box'");
  EXPECT_EQ(lines_of(sh("$SLUICE export --store a.db --level error").out).size(), 5u);
  EXPECT_EQ(lines_of(sh("$SLUICE export --store a.db --since 1h").out).size(), 11u);
  EXPECT_EQ(lines_of(sh("$SLUICE export --store a.db --until 1h").out).size(), 2u);
  EXPECT_EQ(lines_of(sh("$SLUICE export --store a.db --run \"' OR 1=1 --\"").out).size(), 2u);
  const auto csv = lines_of(sh("$SLUICE export --store a.db --csv --level error").out);
  ASSERT_EQ(csv.size(), 2u);
  EXPECT_EQ(csv[0],
            "timestamp,level,module,message,thread_id,event,attributes,context,run,"
            "sequence,host\r");
  EXPECT_NE(csv[1].find(",ERROR,sh,ERROR bad,"), std::string::npos) << csv[1];
  EXPECT_TRUE(csv[1].ends_with(",box\r")) << csv[1];
}

constexpr char kColumnsOfUsers[] =
    "SELECT host, n, x, anything, typeof(anything) FROM logs ORDER BY id";

TEST_F(ExportImport, ColumnsOfTheUsersAreMade) {
  ASSERT_EQ(sh("$SLUICE run --quiet --store a.db -- seq 1 2000; : > none.log;"
               " $SLUICE import --store a.db none.log --column host=TEXT --column n=INTEGER"
               " --column x=REAL --column anything=ANY")
                .code,
            0);
  write_sql("a.db",
            "UPDATE records SET host = 'box' || id, n = id, x = id / 3.0 WHERE id % 2 = 0;"
            "UPDATE records SET anything = 7 WHERE id = 1; UPDATE records SET anything = '7' WHERE"
            " id = 2; UPDATE records SET anything = 0.5 WHERE id = 3");
  ASSERT_EQ(sh("$SLUICE export --store a.db --output a.jsonl").code, 0);
  // Killed before they are made, and behind it.
  for (int i = 0; i < 4; ++i) {
    sh("rm -f b.db*");
    const pid_t pid = start("exec $SLUICE import --store b.db a.jsonl", path("o"), path("e"));
    std::this_thread::sleep_for(std::chrono::milliseconds(20 * i));
    ::kill(pid, SIGKILL);
    wait_for(pid);
    const Finished done = import("a.jsonl");
    ASSERT_EQ(done.code, 0) << done.error;
    expect_same_contents();
    EXPECT_EQ(rows(kColumnsOfUsers), rows_in(path("a.db"), kColumnsOfUsers));
  }
  EXPECT_NE(sh("$SLUICE cat a.jsonl").out.find(" 2000"), std::string::npos);
}

TEST_F(ExportImport, AColumnThatCannotBeMadeIsSaid) {
  write("a.jsonl",
        "{\"define\":\"export\",\"version\":1}\n"
        "{\"define\":\"column\",\"name\":\"n\",\"type\":\"TEXT\"}\n"
        "{\"define\":\"column\",\"name\":\"x'y\",\"type\":\"TEXT\"}\n"
        "{\"define\":\"column\",\"name\":\"body\",\"type\":\"TEXT\"}\n"
        "{\"define\":\"column\",\"name\":\"b\",\"type\":\"BLOB); DROP TABLE runs; --\"}\n"
        "{\"define\":\"column\"}\n"
        "{\"ts\":\"2026-01-01T00:00:00Z\",\"level\":\"info\",\"msg\":\"text\","
        "\"columns\":{\"n\":\"seven\"}}\n"
        "{\"ts\":\"2026-01-01T00:00:00Z\",\"level\":\"info\",\"msg\":\"number\","
        "\"columns\":{\"n\":7,\"later\":1}}\n");
  write("none.log", "");
  ASSERT_EQ(import("none.log --column n=INTEGER").code, 0);
  const Finished done = import("a.jsonl");
  EXPECT_EQ(done.code, 1);
  EXPECT_EQ(done.out, "a.jsonl: 1 rows\n");
  EXPECT_NE(done.error.find("6 lines are not as sluice export writes them and were left out; the"
                            " first (at byte 32) column \"n\" is there with the type INTEGER"),
            std::string::npos)
      << done.error;
  EXPECT_NE(done.error.find("no column 'later'"), std::string::npos) << done.error;
  EXPECT_EQ(rows("SELECT message, n FROM logs"), (std::vector<std::string>{"number|7"}));
  const Finished wrong = import("none.log --column host");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.error.find("'host' has no type"), std::string::npos) << wrong.error;
}

TEST_F(ExportImport, LogsOfAnyProgram) {
  std::filesystem::create_directory(path("logs"));
  write("logs/a.json",
        "{\"time\":\"2026-01-02T03:04:05.5Z\",\"level\":\"warn\",\"logger\":\"api.db\","
        "\"msg\":\"slow\\nquery\",\"ms\":1.50,\"user\":{\"id\":7,\"password\":\"x\"},"
        "\"api_key\":\"secret\"}\n"
        "{\"level\":50,\"time\":1767323045123,\"message\":\"pino\",\"big\":18446744073709551616}\n"
        "{\"broken\":\n");
  write(
      "logs/b.logfmt",
      "ts=2026-01-02T03:04:05Z level=error msg=\"it \\\"broke\\\"\" logger=net n=7 id=007 ok=true\n"
      "a text with level=info in it\n");
  write("logs/c.syslog",
        "<34>1 2026-01-02T03:04:05.003Z box su 77 ID47 [ex@32473 iut=\"3\" t=\"a\\\"]b\"] 'su root'"
        " failed\n<165>1 - - - - - - nothing known\n"
        "Jan  2 03:04:06 box sshd[4711]: Accepted key\n<13>Jan  2 03:04:07 box cron: tick\n"
        "2026-01-02T03:04:08.5+01:00 box kernel[1]: warning: hot\n");
  write("logs/d.log",
        "2026-01-02 03:04:05,123 - app - ERROR - it broke\n  at line 7\n\nERROR plain \xff\n");
  std::filesystem::create_directory(path("logs/old"));
  ASSERT_EQ(sh("printf '2026-01-02T03:04:05Z INFO zipped\\nlast' | gzip > logs/old/e.log.gz;"
               "printf 'a\\0b' > logs/binary; touch -d '2026-02-01' logs/*; : > logs/empty")
                .code,
            0);
  const Finished done = import("logs");
  EXPECT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(done.out,
            "logs/a.json: 3 rows\nlogs/b.logfmt: 2 rows\nlogs/binary: left out, no text\n"
            "logs/c.syslog: 5 rows\nlogs/d.log: 3 rows\nlogs/empty: 0 rows\n"
            "logs/old/e.log.gz: 2 rows\n");
  const std::string of =
      "SELECT timestamp, level, module, message, extra_data FROM logs JOIN"
      " records USING(id) JOIN runs ON run = runs.id WHERE product = ";
  EXPECT_EQ(
      rows(of + "'a.json'"),
      (std::vector<std::string>{
          "2026-01-02 03:04:05.500|WARNING|api.db|slow\nquery|{\"ms\":1.50,\"user\":{\"id\":7,"
          "\"password\":\"[redacted]\"},\"api_key\":\"[redacted]\"}",
          "2026-01-02 03:04:05.123|ERROR||pino|{\"big\":18446744073709551616}",
          "2026-01-02 03:04:05.123|INFO||{\"broken\":|-"}));
  EXPECT_EQ(
      rows(of + "'b.logfmt'"),
      (std::vector<std::string>{"2026-01-02 03:04:05.000|ERROR|net|it \"broke\"|"
                                "{\"n\":7,\"id\":\"007\",\"ok\":true}",
                                "2026-01-02 03:04:05.000|INFO||a text with level=info in it|-"}));
  EXPECT_EQ(
      rows(of + "'c.syslog'"),
      (std::vector<std::string>{
          "2026-01-02 03:04:05.003|CRITICAL|su|'su root' failed|{\"host\":\"box\",\"pid\":77,"
          "\"msgid\":\"ID47\",\"ex@32473\":{\"iut\":\"3\",\"t\":\"a\\\"]b\"}}",
          "2026-01-02 03:04:05.003|NOTICE||nothing known|-",
          "2026-01-02 03:04:06.000|INFO|sshd|Accepted key|{\"host\":\"box\",\"pid\":4711}",
          "2026-01-02 03:04:07.000|NOTICE|cron|tick|{\"host\":\"box\"}",
          "2026-01-02 02:04:08.500|WARNING|kernel|warning: hot|{\"host\":\"box\",\"pid\":1}"}));
  EXPECT_EQ(rows(of + "'d.log'"),
            (std::vector<std::string>{"2026-01-02 03:04:05.123|ERROR||- app - ERROR - it broke|-",
                                      "2026-01-02 03:04:05.123|INFO||  at line 7|-",
                                      "2026-01-02 03:04:05.123|ERROR||ERROR plain \\xff|-"}));
  EXPECT_EQ(rows(of + "'e.log.gz'"),
            (std::vector<std::string>{"2026-01-02 03:04:05.000|INFO||zipped|-",
                                      "2026-01-02 03:04:05.000|INFO||last|-"}));
  const std::string count = row("SELECT count(*) FROM records");
  EXPECT_EQ(import("logs").code, 0);
  EXPECT_EQ(row("SELECT count(*) FROM records"), count) << "once is enough";
}

TEST_F(ExportImport, AFileThatGrowsIsRenamedCompressedOrCut) {
  ASSERT_EQ(sh("seq 1 3000 > app.log; printf 300 >> app.log").code, 0);
  EXPECT_EQ(import("app.log").out,
            "app.log: 3000 rows; its last line is not finished and comes next time\n");
  ASSERT_EQ(sh("printf '1\\n3002\\n' >> app.log").code, 0);
  EXPECT_EQ(import("app.log").out, "app.log: 2 rows\n");
  ASSERT_EQ(sh("mv app.log app.log.1; echo 3003 >> app.log.1; seq 3004 3005 > app.log").code, 0);
  EXPECT_EQ(import("app.log.1 app.log").out, "app.log.1: 1 rows\napp.log: 2 rows\n");
  ASSERT_EQ(sh("gzip app.log.1").code, 0);
  EXPECT_EQ(import("app.log.1.gz").out, "app.log.1.gz: 0 rows\n") << "known by its content";
  EXPECT_EQ(lines_in_store(), "3005|3005|4516515");
  ASSERT_EQ(sh("printf 'x\\n' > app.log").code, 0);
  EXPECT_EQ(import("app.log").out, "app.log: 1 rows\n");
  // A damaged archive: what could be read is there, and it is said.
  ASSERT_EQ(sh("seq 10000 90000 | gzip > cut.gz; truncate -s 50000 cut.gz").code, 0);
  const Finished cut = import("cut.gz");
  EXPECT_EQ(cut.code, 1);
  EXPECT_NE(cut.error.find("damaged or cut"), std::string::npos) << cut.error;
}

TEST_F(ExportImport, FilesOfZstd) {
  ASSERT_EQ(sh("seq 1 60000 > app.log; touch -d '2026-01-01' app.log; zstd -q app.log;"
               " seq 60001 60003 | zstd -q >> app.log.zst; printf 60004 | zstd -q >> app.log.zst")
                .code,
            0);
  EXPECT_EQ(import("app.log").out, "app.log: 60000 rows\n");
  EXPECT_EQ(import("app.log.zst").out, "app.log.zst: 4 rows\n") << "known by its content";
  EXPECT_EQ(import("app.log.zst").out, "app.log.zst: 0 rows\n");
  EXPECT_EQ(lines_in_store(), "60004|60004|1800270010");
  // Damaged, cut, hostile: what could be read is there, and it is said.
  ASSERT_EQ(sh("seq 100000 300000 | zstd -q > cut.zst; truncate -s -1000 cut.zst;"
               " head -c 5 cut.zst > short.zst; printf '\\050\\265\\057\\375junk' > bad.zst;"
               " seq 3 | zstd -q > tail.zst; echo junk >> tail.zst; : | zstd -q > empty.zst;"
               " head -c 300000000 /dev/zero | zstd -q --ultra --long=31 > wide.zst")
                .code,
            0);
  for (const char* const file : {"cut.zst", "short.zst", "bad.zst", "tail.zst", "wide.zst"}) {
    const Finished done = import(file);
    EXPECT_EQ(done.code, 1) << file;
    EXPECT_NE(done.error.find("is damaged"), std::string::npos) << file << done.error;
  }
  EXPECT_EQ(import("empty.zst").out, "empty.zst: 0 rows\n");
  EXPECT_EQ(row("SELECT count(*) > 150000 FROM records"), "1");
}

TEST_F(ExportImport, KilledItGoesOnWhereItWas) {
  ASSERT_EQ(sh("seq 1 40000 > app.log; gzip -k app.log; touch -d '2026-01-01' app.log").code, 0);
  int cut = 0;
  for (int i = 0; i < 10; ++i) {
    const std::string file = i % 2 == 0 ? "app.log" : "app.log.gz";
    sh("rm -f b.db*");
    const pid_t pid = start("exec $SLUICE import --store b.db " + file, path("o"), path("e"));
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + 30 * i));
    ::kill(pid, SIGKILL);
    wait_for(pid);
    const std::string before = row("SELECT count(*) FROM records");
    cut += before.size() > 2 && before.find("rows") == std::string::npos && before != "40000";
    ASSERT_EQ(import(file).code, 0);
    EXPECT_EQ(lines_in_store(), "40000|40000|800020000");
    EXPECT_EQ(row("PRAGMA integrity_check"), "ok");
  }
  EXPECT_GT(cut, 0) << "a control: some were cut in the middle";
  // An export is gone on with too: what its first lines define is known again.
  ASSERT_EQ(sh("$SLUICE run --quiet --store a.db -- seq 1 20000; $SLUICE export --store a.db"
               " --output x.jsonl")
                .code,
            0);
  for (int i = 0; i < 4; ++i) {
    sh("rm -f b.db*");
    const pid_t pid = start("exec $SLUICE import --store b.db x.jsonl", path("o"), path("e"));
    std::this_thread::sleep_for(std::chrono::milliseconds(100 + 60 * i));
    ::kill(pid, SIGKILL);
    wait_for(pid);
    ASSERT_EQ(import("x.jsonl").code, 0);
    expect_same_contents();
  }
}

TEST_F(ExportImport, HostileLinesAreTextOrRefusedAndHarmNothing) {
  std::string deep(5000, '[');
  write("evil.log",
        "'); DROP TABLE records; --\n{\"msg\":\"'); DROP TABLE runs; --\",\"x'y\\\"z\":1}\n"
        "{\"msg\":" +
            deep +
            "}\n<999>no\n<34>1 \n<34>1 - - - - - [\n<34>1 - - - - - [a b=\"\n"
            "<1>\nJan 99 99:99:99 x y: z\n= = =\na=\"\nlevel= msg=\n{\"level\":{},\"time\":{}}\n"
            "{\"time\":1e999}\n{\"a\":1,\"a\":2}\n{}\n\"\x1b[31m\xff\xfe\n" +
            std::string(5'000'000, 'y') + "\n");
  sh("touch -d '2026-01-01' evil.log");
  const Finished done = import("evil.log");
  EXPECT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(done.out, "evil.log: 19 rows\n");
  EXPECT_EQ(row("SELECT count(*) FROM records WHERE attributes IS NOT NULL AND NOT"
                " json_valid(attributes)"),
            "0");
  EXPECT_EQ(row("SELECT count(*) FROM logs WHERE message LIKE '%DROP TABLE%'"), "2");
  write("forged.jsonl",
        "{\"define\":\"export\",\"version\":1}\n{\"define\":\"run\",\"row\":1,\"region\":\"zz\"}\n"
        "{\"define\":\"run\",\"row\":1}\n{\"define\":7}\n{\"ts\":5}\n[]\nnothing\n"
        "{\"ts\":\"2026-01-01T00:00:00Z\",\"level\":\"info\",\"msg\":\"x\",\"run_row\":9}\n"
        "{\"ts\":\"2026-01-01T00:00:00Z\",\"level\":\"info\",\"msg\":7}\n"
        "{\"ts\":\"2026-01-01T00:00:00Z\",\"level\":\"info\",\"msg\":\"good\"}\n");
  const Finished forged = import("forged.jsonl");
  EXPECT_EQ(forged.code, 1);
  EXPECT_EQ(forged.out, "forged.jsonl: 1 rows\n");
  EXPECT_NE(forged.error.find("8 lines are not as sluice export writes them"), std::string::npos)
      << forged.error;
  EXPECT_EQ(row("PRAGMA integrity_check"), "ok");
}

// As pruning does with what is old already.
TEST_F(ExportImport, WhatOthersTakeOutMeanwhileIsMadeAgain) {
  std::string lines =
      "{\"define\":\"export\",\"version\":1}\n"
      "{\"define\":\"run\",\"row\":1,\"region\":\"00112233445566778899aabbccddeeff\","
      "\"run\":\"old\"}\n"
      "{\"define\":\"site\",\"row\":1,\"site\":\"log\",\"severity\":9,\"file\":\"a.cc\"}\n";
  for (int i = 0; i < 10'000; ++i) {
    lines +=
        "{\"ts\":\"2020-01-01T00:00:00Z\",\"level\":\"info\",\"msg\":\"x\",\"run_row\":1,"
        "\"site_row\":1}\n"
        "{\"ts\":\"2020-01-01T00:00:00Z\",\"kind\":\"metric\",\"name\":\"load\","
        "\"metric\":\"gauge\",\"unit\":\"\",\"value\":1,\"run_row\":1}\n";
  }
  write("old.jsonl", lines);
  write("new.log", "x\n");
  ASSERT_EQ(import("new.log").code, 0);
  const auto store = storage::Connection::open(path("b.db"), storage::Access::kWrite);
  ASSERT_TRUE(store.ok());
  const pid_t importing =
      start("$SLUICE import --store b.db old.jsonl", path("taken"), path("errors"));
  int times = 0;
  while (::waitpid(importing, nullptr, WNOHANG) == 0) {
    ::usleep(1000);
    if (times == 3 || row("SELECT count(*) FROM points") == "0") continue;
    times += store.value()
                 ->run(
                     "BEGIN IMMEDIATE; DELETE FROM points; DELETE FROM series;"
                     "DELETE FROM records; DELETE FROM sites;"
                     "DELETE FROM runs WHERE run_id = 'old'; COMMIT")
                 .ok();
  }
  EXPECT_EQ(times, 3) << "and it went on after that";
  EXPECT_EQ(text("taken"), "old.jsonl: 20000 rows\n") << text("errors");
  EXPECT_EQ(row("SELECT (SELECT count(*) FROM points WHERE series NOT IN (SELECT id FROM series)"
                "  OR run NOT IN (SELECT id FROM runs)),"
                " (SELECT count(*) FROM records WHERE site NOT IN (SELECT id FROM sites)"
                "  OR run NOT IN (SELECT id FROM runs))"),
            "0|0");
}

TEST_F(ExportImport, MistakesAllAtOnceAndNothingIsDone) {
  const Finished many = sh("$SLUICE import none.log nowhere/");
  EXPECT_EQ(many.code, 2);
  EXPECT_EQ(lines_of(many.error).size(), 3u) << many.error;
  EXPECT_EQ(import("none.log").code, 2);
  EXPECT_FALSE(std::filesystem::exists(path("b.db")));
  write("a.log", "x\n");
  write("text.db", "this is no database, but it is long enough to be taken for one\n");
  EXPECT_EQ(sh("$SLUICE import --store text.db a.log").code, 2);
  EXPECT_EQ(text("text.db").substr(0, 4), "this");
  EXPECT_EQ(import("/dev/null").code, 1);
  ASSERT_EQ(import("a.log").code, 0);
  const Finished wrong =
      sh("$SLUICE export --store b.db --what all --csv --json-lines --level loud"
         " --since whenever --output a.log");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(lines_of(wrong.error).size(), 5u) << wrong.error;
  EXPECT_EQ(text("a.log"), "x\n");
  EXPECT_EQ(sh("$SLUICE export --store b.db --what files").code, 2);
  EXPECT_EQ(sh("$SLUICE export --store none.db").code, 2);
  EXPECT_EQ(sh("$SLUICE export --store b.db | head -1; exit ${PIPESTATUS[0]}").code, 0);
}

}  // namespace
}  // namespace sluice::test
