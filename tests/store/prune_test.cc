// What retention takes out, exactly; what it leaves; that it gives space back, in short steps.
#include "store/prune.h"

#include "os/process.h"
#include "record/make_record.h"
#include "store/store_fixture.h"
#include "store/writer.h"

namespace sluice::test {
namespace {

using storage::Access;
using storage::Connection;
using storage::Keep;
using storage::PruneCounts;
using storage::Pruner;
using storage::Writer;

constexpr i64 kSecond = 1'000'000'000;
constexpr i64 kNow = 1'700'000'000 * kSecond;

class PruneTest : public StoreFileTest {
 protected:
  // A run that is over, with `rows` records and as many points, one each second from `at_s` before
  // now on.
  void add_run(int id, i64 at_s, int rows) {
    const std::string n = std::to_string(id), first = std::to_string(kNow - at_s * kSecond);
    run("INSERT INTO runs(id, region, run_id, product, version, host, pid, started_ns, ended_ns,"
        " first_record) VALUES(" +
        n + ", x'0" + n + "', 'run-" + n + "', 'p', '', 'h', 7, " + first + ", " + first +
        ", (SELECT coalesce(max(id), 0) + 1 FROM records));"
        "INSERT INTO cursors(run, next_sequence) VALUES(" +
        n +
        ", 5);"
        "INSERT INTO sites(id, kind, severity, logger, file, line, function, format) VALUES(" +
        n + ", 'log', 9, 'l', 'f.cc', " + n +
        ", 'f', 'row');"
        "INSERT INTO series(id, name, kind, unit, tags) VALUES(" +
        n + ", 'm" + n +
        "', 'gauge', '', '{}');"
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < " +
        std::to_string(rows - 1) +
        ") INSERT INTO records(time_ns, severity, run, thread, site,"
        " logger, body) SELECT " +
        first + " + i * 1000000000, 9, " + n + ", 1, " + n +
        ", 'l', 'row ' || i || ' of a text that takes some room in the file' FROM n;"
        "INSERT INTO points(series, time_ns, value, run) SELECT " +
        n + ", time_ns, 1.5, " + n + " FROM records WHERE run = " + n +
        ";"
        "UPDATE runs SET last_record = (SELECT max(id) FROM records) WHERE id = " +
        n);
  }
  PruneCounts prune(const Keep& keep, Pruner::Way way = Pruner::Way::kOnce) {
    Pruner pruner(*store_, keep, way);
    for (;;) {
      const Result<bool> more = pruner.step(kNow);
      EXPECT_TRUE(more.ok()) << more.status().message();
      if (!more.ok() || !more.value()) break;
    }
    EXPECT_EQ(row("PRAGMA integrity_check"), "ok");
    return pruner.counts();
  }
  i64 file_bytes() {
    return store_
        ->integer_of("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        .value();
  }
};

TEST_F(PruneTest, ByAgeJustWhatIsOlderAndWhatNobodyRefersToAnyMore) {
  add_run(1, 1000, 100);  // 1000 to 901 seconds old
  add_run(2, 500, 100);   // 500 to 401
  run("INSERT INTO params VALUES(1, 'lr', 0.5, " + std::to_string(kNow - 1000 * kSecond) +
      "), (2, 'lr', 0.5, 0);"
      "INSERT INTO states(run, time_ns, sequence, patch, after_gap) VALUES(1, 5, 1, '{}', 0),"
      "(2, 5, 1, '{}', 0);"
      "INSERT INTO tracks(run, topic, time_ns, fields) VALUES(1, 't', 5, '{}'), (2, 't', " +
      std::to_string(kNow) +
      ", '{}');"
      "INSERT INTO state_values VALUES(1, 5, '{}')");
  const PruneCounts counts = prune({.age_ns = 450 * kSecond});
  EXPECT_EQ(counts.rows, (std::array<u64, 5>{150, 150, 1, 1, 0}));
  EXPECT_EQ(row("SELECT count(*), min(time_ns) FROM records"),
            "50|" + std::to_string(kNow - 450 * kSecond))
      << "just that old is not older";
  EXPECT_EQ(row("SELECT count(*) FROM points"), "50");
  EXPECT_EQ(row("SELECT id FROM runs"), "2");
  EXPECT_EQ(row("SELECT run FROM cursors"), "2");
  EXPECT_EQ(row("SELECT run FROM params"), "2");
  EXPECT_EQ(row("SELECT count(*) FROM state_values"), "0");
  EXPECT_EQ(row("SELECT topic FROM tracks"), "t");
  EXPECT_EQ(row("SELECT id FROM sites"), "2");
  EXPECT_EQ(row("SELECT name FROM series"), "m2");
  EXPECT_EQ(prune({.age_ns = 450 * kSecond}).all_rows(), 0u) << "a second time there is nothing";
}

TEST_F(PruneTest, ByRowsTheOldestByTheirTimeHoweverTheyWereStored) {
  add_run(1, 100, 50);
  add_run(2, 1000, 50);  // stored later, and older: an import
  const PruneCounts counts = prune({.rows = 70});
  EXPECT_EQ(counts.rows[0], 30u);
  EXPECT_EQ(row("SELECT sum(run = 1), sum(run = 2) FROM records"), "50|20");
  EXPECT_EQ(row("SELECT count(*) FROM points"), "70");
  EXPECT_EQ(prune({.rows = 70}).all_rows(), 0u);
}

TEST_F(PruneTest, ByBytesAndTheSpaceIsGivenBack) {
  add_run(1, 100'000, 20'000);
  add_run(2, 50'000, 20'000);
  const i64 before = file_bytes();
  const i64 wanted = before / 3;
  const PruneCounts counts = prune({.bytes = u64(wanted)});
  EXPECT_LE(file_bytes(), wanted);
  EXPECT_GT(file_bytes(), wanted * 9 / 10) << "no more than it takes";
  EXPECT_EQ(row("PRAGMA freelist_count"), "0");
  EXPECT_GT(counts.pages, 100u);
  EXPECT_GT(counts.steps, 3u);
  EXPECT_EQ(row("SELECT count(*) FROM records WHERE run = 1"), "0");
  EXPECT_EQ(row("SELECT max(time_ns) FROM records"),
            std::to_string(kNow - (50'000 - 19'999) * kSecond));
  // Closed, the file itself is that small.
  store_.reset();
  EXPECT_LE(i64(std::filesystem::file_size(path_)), wanted);
}

TEST_F(PruneTest, WholeRunsFirst) {
  for (int id = 1; id <= 4; ++id) add_run(id, 1000 - 200 * id, 100);
  EXPECT_EQ(prune({.rows = 250, .whole_runs = true}).rows[0], 200u);
  EXPECT_EQ(row("SELECT group_concat(id) FROM runs"), "3,4");
  EXPECT_EQ(row("SELECT count(*) FROM points"), "200");
  // A run that is partly too old stays whole.
  EXPECT_EQ(prune({.age_ns = 350 * kSecond, .whole_runs = true}).all_rows(), 0u);
  EXPECT_EQ(prune({.age_ns = 300 * kSecond, .whole_runs = true}).rows[0], 100u);
  // The newest is never taken as a whole; then rows go.
  EXPECT_EQ(prune({.rows = 30, .whole_runs = true}).rows[0], 70u);
  EXPECT_EQ(row("SELECT id FROM runs"), "4");
}

TEST_F(PruneTest, APolicyTakesWholeRunsFirst) {
  for (int id = 1; id <= 4; ++id) add_run(id, 1000 - 200 * id, 100);
  run("INSERT INTO params VALUES(1, 'lr', 0.5, 5)");
  Pruner pruner(*store_, {.rows = 320, .whole_runs = true}, Pruner::Way::kPolicy);
  const auto go_on = [&] {
    for (Result<bool> more = true; more.value();) more = pruner.step(kNow);
    return row(
        "SELECT group_concat(run || '*' || n, ' ') FROM (SELECT run, count(*) AS n FROM"
        " records GROUP BY run)");
  };
  EXPECT_EQ(go_on(), "2*100 3*100 4*100") << "300 = 15/16 of 320";
  EXPECT_EQ(row("SELECT count(*) FROM points"), "300");
  add_run(5, 0, 100);
  EXPECT_EQ(go_on(), "3*100 4*100 5*100") << "what came since is known too";
  // Only rows of the newest are left to take.
  pruner.spare_run(4);
  run("UPDATE records SET run = 5 WHERE run = 3; UPDATE points SET run = 5 WHERE run = 3;"
      "INSERT INTO records(time_ns, severity, run, thread, logger, body) SELECT time_ns, 9, 5, 1,"
      " '', '' FROM records WHERE run = 5");
  EXPECT_EQ(go_on().substr(0, 2), "4*") << "no more than it takes";
  EXPECT_EQ(row("SELECT count(*) FROM records"), "300");
}

TEST_F(PruneTest, APolicyOfWholeRunsByAge) {
  for (int id = 1; id <= 3; ++id) add_run(id, 1000 - 200 * id, 100);
  Pruner pruner(*store_, {.age_ns = 550 * kSecond, .whole_runs = true}, Pruner::Way::kPolicy);
  const auto go_on = [&](i64 later_s) {
    for (Result<bool> more = true; more.value();) more = pruner.step(kNow + later_s * kSecond);
    return row("SELECT group_concat(DISTINCT run), count(*) FROM records");
  };
  EXPECT_EQ(go_on(0), "2,3|200") << "run 2 is partly older";
  EXPECT_EQ(go_on(100), "2,3|200") << "ages are looked at once a second";
  Pruner later(*store_, {.age_ns = 550 * kSecond, .whole_runs = true}, Pruner::Way::kPolicy);
  for (Result<bool> more = true; more.value();) more = later.step(kNow + 100 * kSecond);
  EXPECT_EQ(row("SELECT group_concat(DISTINCT run), count(*) FROM records"), "3|100");
}

TEST_F(PruneTest, LookingSaysTheSameAndChangesNothing) {
  for (int id = 1; id <= 3; ++id) add_run(id, 1000 - 200 * id, 100);
  for (const Keep& keep :
       {Keep{.age_ns = 550 * kSecond}, Keep{.age_ns = 550 * kSecond, .rows = 120},
        Keep{.rows = 150, .whole_runs = true}}) {
    Pruner pruner(*store_, keep, Pruner::Way::kOnce);
    const Result<PruneCounts> counts = pruner.look(kNow);
    ASSERT_TRUE(counts.ok()) << counts.status().message();
    EXPECT_EQ(row("SELECT count(*) FROM records"), "300");
    run("SAVEPOINT s; RELEASE s");
    auto copy = folder_ / "copy.db";
    std::filesystem::remove(copy);
    run("VACUUM INTO " + storage::quoted_text(copy));
    auto kept = std::move(store_);
    store_ = Connection::open(copy, Access::kWrite).value();
    EXPECT_EQ(prune(keep).rows, counts.value().rows);
    store_ = std::move(kept);
  }
}

// The next row gets the highest id plus one: without the newest row, that of a row that is gone.
TEST_F(PruneTest, TheNewestRowOfATableStaysByAge) {
  add_run(1, 100, 20);
  add_run(2, 1000, 20);  // the newest ids have the oldest times
  EXPECT_EQ(prune({.age_ns = 5}, Pruner::Way::kPolicy).all_rows(), 78u);
  EXPECT_EQ(row("SELECT count(*), min(id) FROM records"), "1|40");
  EXPECT_EQ(row("SELECT count(*), min(id) FROM points"), "1|40");
  EXPECT_EQ(prune({.age_ns = 5}, Pruner::Way::kPolicy).steps, 0u) << "it is no reason to begin";
  EXPECT_EQ(prune({.age_ns = 5}).all_rows(), 0u);
  EXPECT_EQ(row("SELECT id FROM sites"), "2") << "in use";
  EXPECT_EQ(row("SELECT id FROM runs"), "2");
  run("INSERT INTO logs(message) VALUES('next')");
  EXPECT_EQ(row("SELECT max(id) FROM records"), "41");
}

TEST_F(PruneTest, TheNewestRowOfATableStaysByRowsAndBytes) {
  add_run(1, 10, 20);
  add_run(2, 1000, 20);
  EXPECT_EQ(prune({.rows = 15}).rows[0], 25u);
  EXPECT_EQ(row("SELECT sum(run = 1), sum(run = 2), max(id) FROM records"), "14|1|40");
  EXPECT_EQ(prune({.bytes = 1}).rows[0], 14u) << "and it ends";
  EXPECT_EQ(row("SELECT count(*), max(id) FROM records"), "1|40");
}

TEST_F(PruneTest, TheNewestRowOfATableStaysOfAWholeRun) {
  add_run(1, 10, 20);
  add_run(2, 1000, 20);
  const Keep keep{.age_ns = 50 * kSecond, .whole_runs = true};
  Pruner looking(*store_, keep, Pruner::Way::kOnce);
  EXPECT_EQ(looking.look(kNow).value().rows[0], 19u);
  EXPECT_EQ(prune(keep).rows[0], 19u);
  EXPECT_EQ(row("SELECT count(*), max(id) FROM records"), "21|40");
  EXPECT_EQ(row("SELECT count(*) FROM runs"), "2");
}

TEST_F(PruneTest, RunsThatAreYoungInUseOrRememberAnImportStay) {
  const std::string now = std::to_string(os::wall_ns());
  run("INSERT INTO runs(id, region, run_id, product, version, host, pid, started_ns) VALUES"
      "(1, x'01', 'old', '', '', '', 7, 5), (2, x'02', 'young', '', '', '', 7, " +
      now +
      "), (3, x'03', 'import', '', '', '', 0, 5), (4, x'04', 'params', '', '', '', 7, 5);"
      "INSERT INTO params VALUES(4, 'lr', 0.5, 5)");
  EXPECT_EQ(prune({.rows = 100}).runs, 1u);
  EXPECT_EQ(row("SELECT group_concat(run_id) FROM (SELECT run_id FROM runs ORDER BY run_id)"),
            "import,params,young");
  EXPECT_EQ(prune({.age_ns = kSecond}).runs, 1u) << "with its age its parameters go";
  EXPECT_EQ(row("SELECT group_concat(run_id) FROM (SELECT run_id FROM runs ORDER BY run_id)"),
            "import,young");
}

TEST_F(PruneTest, ALockOfAnotherIsRetryableAndALaterStepGoesOn) {
  add_run(1, 1000, 5000);
  auto other = Connection::open(path_, Access::kWrite);
  ASSERT_TRUE(other.value()->run("BEGIN IMMEDIATE").ok());
  Pruner pruner(*store_, {.rows = 10}, Pruner::Way::kOnce);
  Result<bool> locked = true;
  for (int i = 0; i < 100 && locked.ok(); ++i) locked = pruner.step(kNow);
  EXPECT_EQ(locked.status().error_class(), ErrorClass::kRetryable) << locked.status().message();
  ASSERT_TRUE(other.value()->run("ROLLBACK").ok());
  for (Result<bool> more = true; more.value();) {
    more = pruner.step(kNow);
    ASSERT_TRUE(more.ok()) << more.status().message();
  }
  EXPECT_EQ(row("SELECT count(*) FROM records"), "10");
}

// Rows that a step had taken out, counted, and that are back since it failed.
TEST_F(PruneTest, AStepThatFailsHasTakenNothing) {
  add_run(1, 1000, 500);
  run("CREATE TRIGGER keep BEFORE DELETE ON records WHEN OLD.id = 200 BEGIN"
      " SELECT RAISE(ABORT, 'not this one'); END");
  Pruner pruner(*store_, {.rows = 10}, Pruner::Way::kOnce);
  Result<bool> more = true;
  for (int i = 0; i < 1000 && more.ok() && more.value(); ++i) more = pruner.step(kNow);
  EXPECT_NE(more.status().message().find("not this one"), std::string::npos);
  EXPECT_EQ(row("SELECT 500 - count(*) FROM records"), std::to_string(pruner.counts().rows[0]));
  run("DROP TRIGGER keep");
  do {
    more = pruner.step(kNow);
    ASSERT_TRUE(more.ok()) << more.status().message();
  } while (more.value());
  EXPECT_EQ(row("SELECT count(*) FROM records"), "10");
  EXPECT_EQ(pruner.counts().rows[0], 490u);
}

TEST_F(PruneTest, APolicyBeginsWhenABoundIsPassedAndGoesABitBelowIt) {
  add_run(1, 100'000, 1000);
  EXPECT_EQ(prune({.rows = 1000}, Pruner::Way::kPolicy).all_rows(), 0u);
  run("INSERT INTO logs(message) VALUES('one more')");
  EXPECT_EQ(prune({.rows = 1000}, Pruner::Way::kPolicy).rows[0], 1001u - (1000 - 1000 / 16));
  EXPECT_EQ(row("SELECT id FROM sites"), "1") << "in use";
}

TEST_F(PruneTest, APolicyLeavesAnEighthOfTheFileToNewRows) {
  add_run(1, 1'000'000, 3000);
  EXPECT_EQ(prune({.rows = 2900}, Pruner::Way::kPolicy).pages, 0u);
  EXPECT_NE(row("PRAGMA freelist_count"), "0");
  EXPECT_GT(prune({.rows = 1000}, Pruner::Way::kPolicy).pages, 0u);
  EXPECT_NE(row("PRAGMA freelist_count"), "0");
}

// A writer that was there before knows the ids of what pruning took away.
TEST_F(PruneTest, AWriterLooksAgainWhenSitesSeriesAndItsRunHaveGone) {
  Writer& writer = *Writer::open({.path = path_}).value().release();
  RunInfo info{"shop", "1.2", "run-7", "box", 4711};
  ASSERT_TRUE(writer.use_run({1, 2, 3}, info, 5).ok());
  TestRecord log("row", {}), point("load", {f64_arg(1.5)}, RecordKind::kMetric);
  point.site.metric = MetricKind::kGauge;
  log.wall_ns = point.wall_ns = 5;
  const auto write = [&] {
    ASSERT_TRUE(log.parse() && point.parse());
    ASSERT_TRUE(writer.begin().ok());
    ASSERT_TRUE(writer.add(log.entry()).ok());
    ASSERT_TRUE(writer.add(point.entry()).ok());
    const Status status = writer.commit(9);
    ASSERT_TRUE(status.ok()) << status.message();
  };
  write();
  run("INSERT INTO logs(message) VALUES('newest'); INSERT INTO metrics(metric_name) VALUES('n')");
  const PruneCounts counts = prune({.age_ns = 1});
  EXPECT_EQ(counts.sites + counts.series + counts.runs, 3u);
  add_run(1, 10, 1);  // takes the ids
  write();
  EXPECT_EQ(row("SELECT format, run_id FROM records JOIN sites ON sites.id = site JOIN runs ON"
                " runs.id = run ORDER BY records.id DESC LIMIT 1"),
            "row|run-7");
  EXPECT_EQ(row("SELECT name FROM points JOIN series ON series.id = series ORDER BY points.id DESC"
                " LIMIT 1"),
            "load");
  EXPECT_EQ(row("SELECT next_sequence FROM cursors JOIN runs ON id = run WHERE run_id = 'run-7'"),
            "9");
  delete &writer;
}

// A machine whose time passes only where rows are deleted and committed.
struct SlowMachine {
  static i64 now() { return now_ns; }
  static void on_delete(sqlite3_context*, int, sqlite3_value**) {
    now_ns += row_ns;
    ++rows;
  }
  static int on_commit(void*) {
    now_ns += rows * commit_row_ns;
    rows = 0;
    return 0;
  }
  static void use(Connection& store) {
    sqlite3_create_function(store.get(), "takes_time", 0, SQLITE_UTF8, nullptr, on_delete, nullptr,
                            nullptr);
    sqlite3_commit_hook(store.get(), on_commit, nullptr);
    ASSERT_TRUE(store
                    .run("CREATE TEMP TRIGGER slow AFTER DELETE ON main.records BEGIN"
                         " SELECT takes_time(); END")
                    .ok());
  }
  static inline i64 now_ns = 0, row_ns = 0, commit_row_ns = 0, rows = 0;
};

// The write lock is held for as long as a step and its commit take.
TEST_F(PruneTest, NoStepHoldsTheLockForLongHoweverSlowTheMachineIs) {
  struct {
    i64 row_ns, commit_row_ns;
  } const machines[] = {{10'000, 1'000},
                        {10'000, 300'000},
                        {300'000, 500'000},
                        {1'000'000, 2'000'000},
                        {5'000'000, 100}};
  SlowMachine::use(*store_);
  int id = 0;
  for (const auto& machine : machines) {
    ++id;
    add_run(id, 1'000'000 - id, 3000);
    SlowMachine::row_ns = machine.row_ns;
    SlowMachine::commit_row_ns = machine.commit_row_ns;
    Pruner pruner(*store_, {.rows = 10}, Pruner::Way::kOnce, SlowMachine::now);
    for (Result<bool> more = true; more.value();) {
      more = pruner.step(kNow);
      ASSERT_TRUE(more.ok()) << more.status().message();
      if (pruner.counts().steps != 3) continue;
      SlowMachine::commit_row_ns = machine.commit_row_ns * 2;  // and becomes slower
    }
    const PruneCounts& counts = pruner.counts();
    EXPECT_LE(counts.longest_step_ns, 50'000'000) << machine.row_ns << "+" << machine.commit_row_ns;
    EXPECT_GE(counts.longest_step_ns, 5'000'000) << "a control: and not by doing next to nothing";
    EXPECT_EQ(row("SELECT count(*) FROM records"), "10");
  }
}

// Counting ten million rows would keep the sink's thread, or the write lock, for seconds.
TEST_F(PruneTest, RowsAreCountedInStepsAndWithoutTheLock) {
  add_run(1, 1'000'000, 30'000);
  run("DELETE FROM records WHERE id = 7");  // ids do not say how many there are
  for (const Pruner::Way way : {Pruner::Way::kPolicy, Pruner::Way::kOnce}) {
    static i64 now_ns = 0, tick_ns = 0;
    tick_ns = 3'000'000;
    Pruner pruner(*store_, {.rows = 29'998}, way, [] { return now_ns += tick_ns; });
    auto other = Connection::open(path_, Access::kWrite);
    ASSERT_TRUE(other.value()->run("BEGIN IMMEDIATE").ok());
    int steps = 0;
    Result<bool> more = true;
    for (; more.ok() && more.value() && steps < 1000; ++steps) more = pruner.step(kNow);
    EXPECT_EQ(more.status().error_class(), ErrorClass::kRetryable) << "then it needs the lock";
    EXPECT_GE(steps, 3);
    tick_ns = 1000;
    ASSERT_TRUE(other.value()->run("ROLLBACK").ok());
    for (more = true; more.value();) {
      more = pruner.step(kNow);
      ASSERT_TRUE(more.ok()) << more.status().message();
    }
    const u64 kept = way == Pruner::Way::kOnce ? 29'998 : 29'998 - 29'998 / 16;
    if (way == Pruner::Way::kPolicy) {
      EXPECT_EQ(row("SELECT count(*) FROM records"), std::to_string(kept));
      add_run(2, 500, 3000);
    }
  }
  EXPECT_EQ(row("SELECT count(*) FROM records"), "29998");
}

// Ids with gaps look like more rows than there are: nothing goes for that.
TEST_F(PruneTest, APolicyTakesNothingForGapsBetweenIds) {
  add_run(1, 1'000'000, 3000);
  run("DELETE FROM records WHERE id % 2 = 0; DELETE FROM points WHERE id % 2 = 0");
  Pruner pruner(*store_, {.rows = 1600}, Pruner::Way::kPolicy);
  for (int i = 0; i < 10; ++i) (void)pruner.step(kNow);
  EXPECT_EQ(pruner.counts().steps, 0u);
  run("INSERT INTO logs(message) VALUES('x')");
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(pruner.step(kNow).value());
  // What others take out and put in is counted anew.
  auto other = Connection::open(path_, Access::kWrite);
  ASSERT_TRUE(other.value()->run("DELETE FROM records WHERE id < 1000").ok());
  ASSERT_TRUE(other.value()
                  ->run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                        "590) INSERT INTO logs(message) SELECT i FROM n")
                  .ok());
  for (int i = 0; i < 10; ++i) (void)pruner.step(kNow);
  EXPECT_EQ(row("SELECT count(*) FROM records"), "1591");
  EXPECT_EQ(pruner.counts().steps, 0u);
}

}  // namespace
}  // namespace sluice::test
