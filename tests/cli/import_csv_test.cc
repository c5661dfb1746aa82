// sanitizers: address (commands of one thread, in which ThreadSanitizer has nothing to find)
//
// sluice import of the CSV that sluice export wrote: rows that come back, each once; other CSV is
// refused.
#include "cli/import_cli.h"
#include "store/store_fixture.h"

namespace sluice::test {
namespace {

// What CSV has of the rows.
constexpr const char* kLogs =
    "SELECT time_ns, severity, sequence, thread, logger, event, body, attributes, context, run_id"
    " FROM records LEFT JOIN runs ON run = runs.id ORDER BY records.id";
constexpr const char* kMetrics =
    "SELECT time_ns, value, sequence, name, kind, unit, tags, run_id FROM points JOIN series ON"
    " series.id = series LEFT JOIN runs ON run = runs.id ORDER BY points.id";
constexpr const char* kHead =
    "timestamp,level,module,message,thread_id,event,attributes,context,run,sequence\r\n";

class ImportCsv : public ImportCli {
 protected:
  // A file that nobody writes to any more.
  void write_old(const std::string& name, const std::string& text) {
    write(name, text);
    sh("touch -d '2026-01-01' " + name);
  }
  void make_store() {
    ASSERT_EQ(sh("$SLUICE run --quiet --store a.db --product demo -- sh -c 'echo INFO fine; echo"
                 " \"ERROR a, \\\"b\\\"\"; exit 3'")
                  .code,
              3);
    write_sql("a.db",
              "INSERT INTO logs(timestamp, level, module, message, extra_data) VALUES"
              "('2026-01-02 03:04:05.678', 'TRACE', 'a.b', '', '{\"big\":18446744073709551615,"
              "\"f\":1.50,\"deep\":{\"x\":[1, 2,\n3]}}'),"
              "(NULL, 'ERROR', NULL, '\"', NULL), (NULL, 'INFO', 'm', ',', NULL),"
              "(NULL, 'NOTICE', 'm', 'two\n\"lines\"\r\n,\n', '{\"\\u0041\":\"\\u202e\"}');"
              "UPDATE records SET context = '{\"user\":\"ann\"}', time_ns = 1234567890123456789"
              " WHERE id = 2; UPDATE records SET severity = 11 WHERE id = 3;"
              "INSERT INTO metrics(timestamp, metric_name, value, unit) VALUES"
              "('2026-01-02 03:04:05', 'load', 1.0 / 3, NULL), (NULL, 'a,b', 1e300, '%'),"
              "(NULL, 'odd', NULL, 's'), (NULL, 'odd', 9e999, 's'), (NULL, 'odd', -9e999, 's'),"
              "(NULL, 'odd', 7, 's');"
              "UPDATE points SET run = 1, sequence = 5 WHERE id = 2");
  }
};

TEST_F(ImportCsv, LogsAndMetricsComeBackOnce) {
  make_store();
  ASSERT_EQ(sh("$SLUICE export --store a.db --csv --output logs.csv; $SLUICE export --store a.db"
               " --csv --what metrics --output metrics.csv")
                .code,
            0);
  const Finished done = import("logs.csv metrics.csv");
  ASSERT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(done.out, "logs.csv: 8 rows\nmetrics.csv: 6 rows\n");
  EXPECT_EQ(rows(kLogs), rows_in(path("a.db"), kLogs));
  EXPECT_EQ(rows(kMetrics), rows_in(path("a.db"), kMetrics));
  EXPECT_EQ(row("SELECT value = 1.0 / 3 FROM points WHERE id = 1"), "1");
  EXPECT_EQ(row("SELECT count(DISTINCT run) FROM (SELECT run FROM records WHERE run IS NOT NULL"
                " UNION SELECT run FROM points WHERE run IS NOT NULL)"),
            "1");
  EXPECT_EQ(import("logs.csv metrics.csv").out, "logs.csv: 0 rows\nmetrics.csv: 0 rows\n");
  // What comes behind is taken, and only that; line ends without CR are well.
  sh("printf '2026-01-02T03:04:05Z,INFO,m,\"more\\nlines\",1,,,,,\\n' >> logs.csv;"
     " touch -d '2026-01-01' logs.csv");
  EXPECT_EQ(import("logs.csv").out, "logs.csv: 1 rows\n");
  EXPECT_EQ(row("SELECT body FROM records ORDER BY id DESC LIMIT 1"), "more\nlines");
  // Written again from what was taken, it is the same file.
  ASSERT_EQ(sh("$SLUICE export --store b.db --csv --what metrics | cmp - metrics.csv").code, 0);
  sh("rm b.db*; gzip logs.csv");
  EXPECT_EQ(import("logs.csv.gz").out, "logs.csv.gz: 9 rows\n");
}

TEST_F(ImportCsv, ColumnsOfTheUsers) {
  make_store();
  const std::string columns =
      "ALTER TABLE records ADD COLUMN \"a,b\" TEXT; ALTER TABLE records ADD COLUMN n INTEGER;"
      "ALTER TABLE records ADD COLUMN x REAL;";
  write_sql("a.db", columns +
                        "UPDATE records SET \"a,b\" = '', n = -7, x = 2.0 / 3 WHERE id = 1;"
                        "UPDATE records SET \"a,b\" = '7' WHERE id = 2");
  ASSERT_EQ(sh("$SLUICE export --store a.db --csv --output a.csv").code, 0);
  const Finished without = import("a.csv");
  EXPECT_EQ(without.code, 1);
  EXPECT_NE(without.error.find("a column 'a,b' (column 11) that the store has not"),
            std::string::npos)
      << without.error;
  EXPECT_EQ(row("SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM runs)"), "0|0");
  sh("rm b.db*; : > none.log");
  ASSERT_EQ(import("none.log").code, 0);
  write_sql("b.db", columns);
  const Finished with = import("a.csv");
  EXPECT_EQ(with.code, 0) << with.error;
  const char* const sql = "SELECT \"a,b\", n, x, typeof(\"a,b\") FROM records ORDER BY id";
  EXPECT_EQ(rows(sql), rows_in(path("a.db"), sql));
  EXPECT_EQ(row("SELECT x = 2.0 / 3 FROM records WHERE id = 1"), "1");
}

TEST_F(ImportCsv, ColumnsAreMadeWhereTheirTypeIsSaid) {
  make_store();
  write_sql("a.db", "ALTER TABLE records ADD COLUMN n INTEGER; UPDATE records SET n = id");
  ASSERT_EQ(sh("$SLUICE export --store a.db --csv --output a.csv").code, 0);
  const Finished without = import("a.csv");
  EXPECT_EQ(without.code, 1);
  EXPECT_NE(without.error.find("--column n=TEXT (or INTEGER, REAL, ANY)"), std::string::npos)
      << without.error;
  const Finished with = import("a.csv --column n=INTEGER");
  EXPECT_EQ(with.code, 0) << with.error;
  EXPECT_EQ(rows(kLogs), rows_in(path("a.db"), kLogs));
  EXPECT_EQ(row("SELECT count(*) FROM logs WHERE n = id AND typeof(n) = 'integer'"), "8");
}

TEST_F(ImportCsv, OtherColumnsAreRefused) {
  write_old("other.csv", "name,age\nann,7\n");
  write_old("view.txt",
            "id,timestamp,level,module,message,extra_data,thread_id\r\n1,2,3,4,5,6,7\r\n");
  write_old("short.csv", "timestamp,level,module,message,thread_id,event\r\n");
  write_old("twice.csv", std::string(kHead, std::strlen(kHead) - 2) + ",host,host\r\n");
  write_old("more.csv", "timestamp,metric_name,kind,unit,value,tags,sequence,run,weight,x\r\n");
  write_old("quote.csv", "\"timestamp,level\r\n");
  const Finished done = import("other.csv view.txt short.csv twice.csv more.csv quote.csv");
  EXPECT_EQ(done.code, 1);
  for (const char* const words :
       {"'other.csv': its first line has the column 'name' where 'timestamp' should be (column 1);"
        " only CSV of `sluice export --csv` is taken",
        "'view.txt': its first line has the column 'id'",
        "'short.csv': its first line has nothing where 'attributes' should be (column 7)",
        "'twice.csv': its first line has twice the column 'host' (column 12)",
        "'more.csv': its first line has a column 'x' (column 10)",
        "'quote.csv': the record at byte 0 has a quote that is not closed"}) {
    EXPECT_NE(done.error.find(words), std::string::npos) << words << "\n" << done.error;
  }
  EXPECT_EQ(row("SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM runs)"), "0|0");
}

TEST_F(ImportCsv, RecordsThatAreNoneAreLeftOutAndSaid) {
  const std::string good = "2026-01-02T03:04:05Z,INFO,m,good,1,,,,,\r\n";
  write_old("a.csv", "\xef\xbb\xbf" + std::string(kHead) + good +
                         "2026-01-02T03:04:05Z,INFO,m,few\r\n"            // fields
                         "yesterday,INFO,m,x,1,,,,,\r\n"                  // not absolute
                         ",INFO,m,x,1,,,,,\r\n"                           // no time
                         "2026-01-02T03:04:05Z,LOUD,m,x,1,,,,,\r\n"       // level
                         "2026-01-02T03:04:05Z,INFO,m,x,,,,,,\r\n"        // thread
                         "2026-01-02T03:04:05Z,INFO,m,x,1,,{],,,\r\n"     // attributes
                         "2026-01-02T03:04:05Z,INFO,m,x,1,,,7,,\r\n"      // context
                         "2026-01-02T03:04:05Z,INFO,m,x,1,,,,,1e3\r\n"    // sequence
                         "2026-01-02T03:04:05Z,INFO,m,x\"y,1,,,,,\r\n"    // a quote
                         "2026-01-02T03:04:05Z,INFO,m,\"x\"y,1,,,,,\r\n"  // behind a quote
                         "\r\n" +
                         good);
  const Finished done = import("a.csv");
  EXPECT_EQ(done.code, 1);
  EXPECT_EQ(done.out, "a.csv: 2 rows\n");
  EXPECT_NE(done.error.find("10 lines are not as sluice export writes them and were left out; the"
                            " first (at byte 124) has 4 fields for 10 columns"),
            std::string::npos)
      << done.error;
  write_old(
      "m.csv",
      "timestamp,metric_name,kind,unit,value,tags,sequence,run\r\n"
      "2026-01-02T03:04:05Z,a,gauge,,1e999,{},,\r\n2026-01-02T03:04:05Z,a,gauge,,\"\",{},,\r\n"
      "2026-01-02T03:04:05Z,a,gauge,,0x1,{},,\r\n2026-01-02T03:04:05Z,a,gauge,,1,[],,\r\n"
      "2026-01-02T03:04:05Z,a,gauge,\"'); DROP TABLE points; --\",nan,,,r\r\n");
  EXPECT_EQ(import("m.csv").out, "m.csv: 1 rows\n");
  EXPECT_EQ(row("PRAGMA integrity_check"), "ok");
}

TEST_F(ImportCsv, HostileTextsHarmNothing) {
  const std::string begin = "2026-01-02T03:04:05Z,INFO,m,", end = ",1,,,,,\r\n";
  const std::string big(10'000'000, 'y');
  std::string text = kHead;
  text += begin + "\"" + big + "\n\"" + end;
  text += begin + std::string("nul\0nul", 7) + " \xff" + end;
  const std::size_t before = text.size();
  write_old("unclosed.csv", text + begin + "\"never\n" + begin + "x" + end);
  const Finished unclosed = import("unclosed.csv");
  EXPECT_EQ(unclosed.code, 1);
  EXPECT_EQ(unclosed.out, "unclosed.csv: 2 rows\n");
  EXPECT_NE(unclosed.error.find("the record at byte " + std::to_string(before) +
                                " has a quote that is not closed until the end; close it; what is"
                                " before it was taken"),
            std::string::npos)
      << unclosed.error;
  EXPECT_EQ(row("SELECT group_concat(length(body)) FROM records"), "10000001,15");
  EXPECT_EQ(row("SELECT body FROM records WHERE id = 2"), "nul\\x00nul \\xff");
  // Mended, only what was missing comes.
  write_old("unclosed.csv", text + begin + "\"never\n\"" + end + begin + "x" + end);
  EXPECT_EQ(import("unclosed.csv").out, "unclosed.csv: 2 rows\n");
  EXPECT_EQ(row("SELECT count(*) FROM records"), "4");
  // More than memory should hold.
  write_old("long.csv", kHead + begin + "x" + end + begin + '"' + big + big + '"' + end);
  const Finished too_long = import("long.csv");
  EXPECT_EQ(too_long.out, "long.csv: 1 rows\n");
  EXPECT_NE(too_long.error.find("is longer than 16 MiB"), std::string::npos) << too_long.error;
  // What is still being written comes when it is whole.
  write("grows.csv", kHead + begin + "x" + end + begin + "\"half");
  EXPECT_EQ(import("grows.csv").out,
            "grows.csv: 1 rows; its last line is not finished and comes next time\n");
  // An archive that was cut: no torn record.
  write("cut.csv", kHead);
  sh("for i in $(seq 20000); do echo \"2026-01-02T03:04:05Z,INFO,m,\\\"$i\n\\\",1,,,,,\"; done"
     " >> cut.csv; gzip cut.csv; truncate -s -5000 cut.csv.gz");
  const Finished cut = import("cut.csv.gz");
  EXPECT_EQ(cut.code, 1);
  EXPECT_NE(cut.error.find("damaged or cut"), std::string::npos) << cut.error;
  EXPECT_EQ(cut.error.find("are not as"), std::string::npos) << cut.error;
  EXPECT_EQ(row("PRAGMA integrity_check"), "ok");
}

}  // namespace
}  // namespace sluice::test
