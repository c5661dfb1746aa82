// sluice::Store as a program uses it: log, ask without waiting, change, watch.
#include <sluice/sluice.h>
#include <sluice/store.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <future>
#include <limits>
#include <stdexcept>
#include <thread>

#include "contract/outputs.h"
#include "contract/store_program.h"
#include "store/sqlite.h"

namespace sluice::test {
namespace {

STORE_TEST(Store, AnswersWhatWasJustSaid) {
  Store store = open_store(dirs);
  EXPECT_EQ(expect_ok(store.get_logs()).size(), 0u);
  store.log(Level::debug, "module", "Debug message");
  store.log(Level::error, "api", "Request failed", kv("user_id", 12345), kv("path", "/api"),
            kv("ms", 23.5));
  store.log(Level::info, "api", "Done {}", Json{R"({"request_id":"req_123","n":[1,2]})"});
  store.log_metric("response_time", 45.2, "ms");
  const auto logs = expect_ok(store.get_logs());
  ASSERT_EQ(logs.size(), 3u);
  EXPECT_EQ(logs[2].level, "DEBUG");
  EXPECT_EQ(logs[2].extra_data, "");
  EXPECT_EQ(logs[1].module, "api");
  EXPECT_EQ(logs[1].message, "Request failed");
  EXPECT_EQ(logs[1].extra_data, R"({"user_id":12345,"path":"/api","ms":23.5})");
  EXPECT_EQ(logs[0].message, "Done {}");
  EXPECT_EQ(logs[0].extra_data, R"({"request_id":"req_123","n":[1,2]})");
  EXPECT_EQ(logs[0].timestamp.size(), std::string("2025-11-22 10:30:00.123").size());
  const auto errors = expect_ok(store.get_logs(Level::error, 10));
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].id, logs[1].id);
  const auto metrics = expect_ok(store.get_metrics("response_time", 50));
  ASSERT_EQ(metrics.size(), 1u);
  EXPECT_EQ(metrics[0].value, 45.2);
  EXPECT_EQ(metrics[0].unit, "ms");
  EXPECT_EQ(expect_ok(store.get_metrics("other")).size(), 0u);
  const LogStatistics statistics = expect_ok(store.get_log_statistics());
  EXPECT_EQ(statistics.total_logs, 3);
  EXPECT_EQ(statistics.total_metrics, 1);
  EXPECT_EQ(statistics.logs_by_level.size(), 3u);
  ASSERT_EQ(statistics.logs_by_thread.size(), 1u);
  EXPECT_EQ(statistics.logs_by_thread[0].second, 3);
}

// Values of calls at one place in the source must not get the names of another's.
STORE_TEST(Store, FindsWordsWhetherTheyAreIndexedOrNot) {
  StoreOptions options = options_for(dirs);
  options.start.sinks = {store_file(dirs.file("app.db"), {.full_text = true})};
  Store store = expect_ok(Store::open(dirs.file("app.db"), options));
  store.log(Level::info, "api", "the disk is full");
  store.log(Level::error, "db", "No space on DISK 2");
  store.log(Level::info, "db", "all is well");
  for (const bool indexed : {false, true}) {
    if (indexed) {
      // The sink does it while it has nothing to write.
      int rows = 0;
      for (int i = 0; i < 1000 && rows != 3; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        const auto sum = store.query("SELECT sum(rows) FROM text_parts");
        if (sum.ok() && sum.value().size() == 1) rows = sum.value()[0].get<int>(0).value_or(0);
      }
      EXPECT_EQ(rows, 3);
    }
    const auto found = expect_ok(store.find_logs("disk"));
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].message, "No space on DISK 2");
    EXPECT_EQ(found[1].message, "the disk is full");
    EXPECT_EQ(expect_ok(store.find_logs("disk", Level::warning)).size(), 1u);
    EXPECT_EQ(expect_ok(store.find_logs("disk", {}, 1))[0].id, found[0].id);
    EXPECT_EQ(expect_ok(store.find_logs("\"disk full\"")).size(), 0u);
    const Status wrong = store.find_logs("disk AND").status();
    EXPECT_EQ(wrong.error_class(), ErrorClass::kFatal);
    EXPECT_NE(wrong.message().find("is no search expression"), std::string::npos);
  }
  // The index is the store's own.
  for (const char* statement :
       {"DROP TABLE text_parts", "DROP TABLE records_text_1", "DROP TRIGGER text_parts_delete",
        "DELETE FROM text_parts", "UPDATE text_parts SET last_record = 99",
        "INSERT INTO records_text_1(records_text_1) VALUES('delete-all')"}) {
    EXPECT_EQ(store.execute(statement).status().error_class(), ErrorClass::kFatal) << statement;
  }
  EXPECT_TRUE(store.execute("DELETE FROM records WHERE body LIKE '%full'").ok());
  EXPECT_EQ(expect_ok(store.find_logs("disk")).size(), 1u);
}

STORE_TEST(Store, FieldsOfEachCallAreItsOwn) {
  Store store = open_store(dirs);
  for (const Level level : {Level::info, Level::error, Level::info}) {
    store.log(level, "a", "one", kv("first", 1));
    store.log(level, "a", "two", kv("second", 2));
  }
  const Rows rows = expect_ok(store.query(
      "SELECT message, extra_data, count(*) FROM logs GROUP BY message, extra_data ORDER BY 1"));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].get<std::string>(1), R"({"first":1})");
  EXPECT_EQ(rows[1].get<std::string>(1), R"({"second":2})");
  EXPECT_EQ(rows[1].get<int>(2), 3);
}

STORE_TEST(Store, PrivateFileIsRemovedAtTheEnd) {
  StoreOptions options = options_for(dirs);
  std::string path;
  {
    Store store = expect_ok(Store::open(":memory:", options));
    store.log(Level::info, "test", "Test message");
    store.log_metric("test_metric", 123.45, "ms");
    EXPECT_EQ(expect_ok(store.get_logs(std::nullopt, 1))[0].level, "INFO");
    EXPECT_EQ(expect_ok(store.get_metrics({}, 1))[0].metric_name, "test_metric");
    path = store.path();
    EXPECT_TRUE(std::filesystem::exists(path));
    EXPECT_TRUE(store.close().ok());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

STORE_TEST(Store, AttachesToTheRunningSink) {
  ASSERT_TRUE(start({.product = "attach",
                     .sinks = {store_file(dirs.file("app.db"))},
                     .region_directory = dirs.region,
                     .quiet = true}));
  const Result<Store> other = Store::open(dirs.file("other.db"), options_for(dirs));
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.status().message().find("store_file"), std::string::npos);
  {
    Store store = open_store(dirs);
    SLUICE_INFO("by macro {n}", 7);
    EXPECT_EQ(expect_ok(store.get_logs())[0].extra_data, R"({"n":7})");
  }
  // The handle has not started it, so its end stops nothing.
  SLUICE_INFO("still there");
  EXPECT_EQ(number(open_store(dirs), "SELECT count(*) FROM logs"), 2);
}

STORE_TEST(Store, QueriesHaveParametersTypesAndLimits) {
  Store store = open_store(dirs);
  for (int i = 0; i < 100; ++i) store.log(Level::info, "m", "row", kv("i", i));
  const std::string hostile = "x'; DROP TABLE records; --";
  store.log(Level::info, hostile, hostile);
  const Rows found = expect_ok(store.query("SELECT message FROM logs WHERE module = ?", {hostile}));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].get<std::string>("message"), hostile);
  EXPECT_EQ(expect_ok(store.get_metrics(hostile)).size(), 0u);
  EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), 101);

  const Blob bytes{std::byte{0}, std::byte{255}};
  const Rows rows = expect_ok(store.query("SELECT ?1 a, ?2 b, ?3 c, ?4 d, ?5 e, ?6 f",
                                          {1, 2.5, "t\0x", nullptr, bytes, UINT64_MAX}));
  EXPECT_EQ(rows.columns(), (std::vector<std::string>{"a", "b", "c", "d", "e", "f"}));
  EXPECT_EQ(rows[0].get<int>("a"), 1);
  EXPECT_EQ(rows[0].get<double>("a"), 1.0);
  EXPECT_EQ(rows[0].get<std::string>("a"), std::nullopt);
  EXPECT_EQ(rows[0].get<int>("b"), std::nullopt);  // 2.5 is no integer
  EXPECT_EQ(rows[0].get<std::string>("c"), "t");
  EXPECT_TRUE(rows[0]["d"].is_null());
  EXPECT_EQ(rows[0].get<Blob>("e"), bytes);
  EXPECT_EQ(rows[0].get<double>("f"), 0x1p64);
  EXPECT_TRUE(rows[0]["no such column"].is_null());

  for (const char* const refused :
       {"SELEC 1", "SELECT * FROM nowhere", "SELECT ?", "SELECT 1; SELECT 2", "",
        "DELETE FROM records", "BEGIN", "ATTACH 'x.db' AS x", "PRAGMA journal_mode = DELETE"}) {
    const Result<Rows> result = store.query(refused);
    ASSERT_FALSE(result.ok()) << refused;
    EXPECT_EQ(result.status().error_class(), ErrorClass::kFatal) << refused;
    EXPECT_FALSE(result.status().message().empty());
  }
  const Result<Rows> too_many =
      store.query("SELECT * FROM logs", {}, QueryOptions{.max_rows = 100});
  EXPECT_FALSE(too_many.ok());
  Cursor cursor =
      expect_ok(store.cursor("SELECT id FROM logs WHERE module = ? ORDER BY id", {"m"}));
  std::int64_t count = 0, last = 0;
  while (expect_ok(cursor.next())) {
    EXPECT_GT(cursor.get<std::int64_t>(0).value_or(0), last);
    last = *cursor.get<std::int64_t>(0);
    ++count;
  }
  EXPECT_EQ(count, 100);
}

constexpr const char kEndless[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

STORE_TEST(Store, QueriesEndInTimeOrWhenAsked) {
  Store store = open_store(dirs);
  const Result<Rows> late = store.query(kEndless, {}, QueryOptions{.timeout_ms = 50});
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.status().error_class(), ErrorClass::kRetryable);
  std::stop_source stop;
  auto asking = std::async(std::launch::async, [&] {
    return store.query(kEndless, {}, QueryOptions{.stop = stop.get_token()});
  });
  stop.request_stop();
  EXPECT_FALSE(asking.get().ok());
  EXPECT_EQ(number(store, "SELECT 1"), 1);  // the connection is as good as before
}

STORE_TEST(Store, TransactionsAreTheCallersOwn) {
  Store store = open_store(dirs);
  store.log(Level::info, "m", "before");
  {
    Transaction transaction = expect_ok(store.begin());
    EXPECT_EQ(
        expect_ok(transaction.execute("INSERT INTO logs(level, module, message) VALUES(?, ?, ?)",
                                      {"ERROR", "sql", "in a transaction"})),
        1);
    EXPECT_EQ(expect_ok(transaction.query("SELECT count(*) FROM logs"))[0].get<int>(0), 2);
    std::thread([&] { store.log(Level::info, "m", "by another thread meanwhile"); }).join();
    EXPECT_FALSE(transaction.execute("COMMIT").ok());
    EXPECT_FALSE(transaction.execute("PRAGMA user_version = 9").ok());
    transaction.rollback();
    EXPECT_FALSE(transaction.execute("DELETE FROM records").ok());
  }
  EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), 2);
  {
    Transaction transaction = expect_ok(store.begin());
    expect_ok(transaction.execute("INSERT INTO logs(message) VALUES('kept')"));
    expect_ok(transaction.execute("INSERT INTO metrics(metric_name, value) VALUES('m', 1)"));
    EXPECT_TRUE(transaction.commit().ok());
  }
  { const Transaction dropped = expect_ok(store.begin()); }
  EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), 3);
  EXPECT_EQ(expect_ok(store.execute("DELETE FROM records WHERE body = ?", {"kept"})), 1);
  EXPECT_EQ(expect_ok(store.execute("CREATE TABLE mine(x)")), 0);
  EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), 2);
}

// The document's own statements.
STORE_TEST(Store, CustomColumns) {
  Store store = open_store(dirs);
  EXPECT_TRUE(store.add_column("hostname", ColumnType::text).ok());
  EXPECT_TRUE(store.add_column("hostname", ColumnType::text).ok());
  EXPECT_FALSE(store.add_column("hostname", ColumnType::integer).ok());
  EXPECT_FALSE(store.add_column("x\"; DROP TABLE records; --", ColumnType::any).ok());
  EXPECT_FALSE(store.add_column("message", ColumnType::text).ok());
  expect_ok(store.execute(
      "INSERT INTO logs (timestamp, level, module, message, hostname) VALUES (?, ?, ?, ?, ?)",
      {"2025-11-22 10:30:00.123", "INFO", "m", "by SQL", "alpha"}));
  store.log(Level::info, "m", "by a field", kv("hostname", "beta"));
  store.log(Level::info, "m", "by JSON", Json{R"({"hostname":"gamma"})"});
  const Rows rows = expect_ok(store.query("SELECT hostname FROM logs ORDER BY id"));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].get<std::string>(0), "alpha");
  EXPECT_EQ(rows[1].get<std::string>(0), "beta");
  EXPECT_EQ(rows[2].get<std::string>(0), "gamma");
  EXPECT_TRUE(store.add_field_index("hostname").ok());
  EXPECT_FALSE(store.add_field_index("a\"b").ok());
}

STORE_TEST(Store, HooksGetWhatIsCommittedOnce) {
  Store store = open_store(dirs);
  store.log(Level::info, "m", "before the hook");
  std::mutex mutex;
  std::vector<std::string> seen;
  std::size_t metrics = 0, answers = 0;
  const std::uint64_t hook = expect_ok(store.on_commit([&](const Commit& commit) {
    const Result<Rows> answer = store.query("SELECT count(*) FROM logs");  // a hook may ask
    const std::lock_guard lock(mutex);
    answers += answer.ok();
    for (const LogRow& row : commit.logs) seen.push_back(row.message);
    metrics += commit.metrics.size();
    EXPECT_FALSE(store.close().ok());  // it would wait for itself
    throw std::runtime_error("hook");  // harms nobody
  }));
  {
    Transaction ghost = expect_ok(store.begin());
    expect_ok(ghost.execute("INSERT INTO logs(message) VALUES('never committed')"));
  }
  for (int i = 0; i < 5000; ++i) {
    while (store.log(Level::info, "m", std::to_string(i)) != Admission::kOk) {
      std::this_thread::yield();
    }
    if (i % 10 == 0) store.log_metric("m", i);
  }
  expect_ok(store.execute("INSERT INTO logs(message) VALUES('last')"));
  store.remove_hook(hook);  // it has had everything
  store.log(Level::info, "m", "after the hook");
  ASSERT_TRUE(store.flush(60'000).ok());
  ASSERT_EQ(seen.size(), 5001u);
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(seen[std::size_t(i)], std::to_string(i));
  EXPECT_EQ(seen.back(), "last");
  EXPECT_EQ(metrics, 500u);
  EXPECT_GT(answers, 0u);
  EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), 5003);
}

// stop() takes a private file away; its hooks have had all of it by then.
STORE_TEST(Store, HooksHaveEverythingWhenStopReturns) {
  for (const std::string& path : {std::string(":memory:"), dirs.file("app.db")}) {
    sinks_begin_here();
    StoreOptions options = options_for(dirs);
    options.start.overflow = Overflow::block;
    options.start.block_deadline_ms = 60'000;
    Store store = expect_ok(Store::open(path, options));
    std::atomic<int> seen{0};
    expect_ok(store.on_commit([&](const Commit& commit) {
      if (seen == 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));  // it is slow
      seen += int(commit.logs.size());
    }));
    for (int i = 0; i < 5000; ++i) store.log(Level::info, "m", "row");
    ASSERT_TRUE(stop(60'000)) << last_error();
    EXPECT_EQ(seen.load(), 5000) << path;
  }
}

// A hook that hangs costs stop() its deadline and no more; one that calls stop() waits for none.
STORE_TEST(Store, AHookThatHangsDoesNotHoldStop) {
  Store store = open_store(dirs);
  std::promise<void> called, release;
  const std::uint64_t hangs = expect_ok(store.on_commit([&](const Commit&) {
    called.set_value();
    release.get_future().wait();
  }));
  store.log(Level::info, "m", "row");
  called.get_future().wait();
  EXPECT_TRUE(stop(300)) << last_error();
  release.set_value();
  store.remove_hook(hangs);
}

STORE_TEST(Store, AHookMayStop) {
  Store store = open_store(dirs);
  std::promise<bool> stopped;
  const std::uint64_t hook =
      expect_ok(store.on_commit([&](const Commit&) { stopped.set_value(stop(600'000)); }));
  store.log(Level::info, "m", "row");
  EXPECT_TRUE(stopped.get_future().get());
  store.remove_hook(hook);
}

STORE_TEST(Store, NumbersAndTextsThatAreNone) {
  Store store = open_store(dirs);
  store.log_metric("m", std::nan(""));
  store.log_metric("m", std::numeric_limits<double>::infinity());
  store.log(Level::info, "m", std::string_view("a\0b\xff", 4), Json{"{broken"});
  store.log(Level::info, "m", "big", kv("n", UINT64_MAX));
  const auto metrics = expect_ok(store.get_metrics("m"));
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].value, std::numeric_limits<double>::infinity());
  EXPECT_EQ(metrics[1].value, std::nullopt);
  const auto logs = expect_ok(store.get_logs());
  ASSERT_EQ(logs.size(), 2u);
  EXPECT_EQ(logs[0].extra_data, R"({"n":18446744073709551615})");
  EXPECT_EQ(logs[1].message, R"(a\x00b\xff)");
  EXPECT_EQ(logs[1].extra_data, R"({"arg0":"{broken"})");
  EXPECT_TRUE(expect_ok(store.query("SELECT ?", {std::nan("")}))[0][0].is_null());
}

// All digits stay; who asks SQL for a number gets the nearest that it has.
STORE_TEST(Store, IntegersOfAnyLength) {
  Store store = open_store(dirs);
  ASSERT_TRUE(store.add_column("n", ColumnType::any).ok());
  const std::string digits = "-123456789012345678901234567890";
  store.log(Level::info, "m", "huge", Json{R"({"n":)" + digits + "}"});
  store.log(Level::info, "m", "above", kv("n", UINT64_MAX), kv("x", -std::nan("")),
            kv("y", -std::numeric_limits<double>::infinity()));
  store.log(Level::info, "m", "below", kv("n", INT64_MIN));
  const auto logs = expect_ok(store.get_logs());
  ASSERT_EQ(logs.size(), 3u);
  EXPECT_EQ(logs[2].extra_data, R"({"n":)" + digits + "}");
  EXPECT_EQ(logs[1].extra_data, R"({"n":18446744073709551615,"x":"NaN","y":"-Infinity"})");
  EXPECT_EQ(logs[0].extra_data, R"({"n":-9223372036854775808})");
  const Rows rows = expect_ok(store.query("SELECT extra_data ->> 'n', n FROM logs ORDER BY id"));
  EXPECT_EQ(rows[0].get<double>(0), -123456789012345678901234567890.0);
  EXPECT_EQ(rows[1].get<double>(0), 0x1p64);
  EXPECT_EQ(rows[1].get<double>(1), 0x1p64);
  EXPECT_EQ(rows[2].get<std::int64_t>(1), INT64_MIN);
}

// Ten megabytes are refused in the call, and counted, wherever they stand.
STORE_TEST(Store, AMessageIsStoredOrRefused) {
  Store store = open_store(dirs);
  const std::string big(10 << 20, 'x');
  const Admission told[] = {store.log(Level::info, "m", big),
                            store.log(Level::info, "m", "text", Json{"{\"a\":\"" + big + "\"}"}),
                            store.log(Level::info, "m", "text", kv("field", big)),
                            store.log_metric(big, 1),
                            store.log_metric("m", 1, big),
                            event(big, "{}"),
                            event("e", big),
                            state(big)};
  for (const Admission one : told) EXPECT_EQ(one, Admission::kDroppedTooBig) << &one - told;
  EXPECT_EQ(store.log(Level::info, "m", std::string(60'000, 'y')), Admission::kOk);
  EXPECT_EQ(number(store, "SELECT count(*) FROM logs WHERE module = 'm'"), 1);
  EXPECT_EQ(number(store, "SELECT length(message) FROM logs WHERE module = 'm'"), 60'000);
  EXPECT_EQ(stats().dropped_too_big, std::size(told));
  EXPECT_EQ(store.log(Level::info, big, "text"), Admission::kOk) << "a logger's name is cut";
  EXPECT_EQ(number(store, "SELECT length(module) FROM logs WHERE module GLOB 'xxx*'"), 116);
}

// A region has room for so many names; records of others are the root logger's, and are there.
STORE_TEST(Store, MoreModulesThanThereAreNames) {
  Store store = open_store(dirs);
  for (int i = 0; i < 600; ++i) {
    EXPECT_EQ(store.log(Level::info, "module" + std::to_string(i), "row"), Admission::kOk);
  }
  EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), 600);
  EXPECT_EQ(number(store, "SELECT count(DISTINCT module) FROM logs WHERE module <> ''"), 511);
}

int square(int x) { return x * x; }

STORE_TEST(Store, ProfiledFunctionsAreMeasured) {
  Store store = open_store(dirs);
  auto measured = store.profiled("square", square);
  EXPECT_EQ(measured(7), 49);
  EXPECT_EQ(measured(8), 64);
  const auto metrics = expect_ok(store.get_metrics("function_square_duration"));
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].unit, "ms");
  EXPECT_GE(metrics[0].value.value_or(-1), 0.0);
}

STORE_TEST(Store, SaysWhatKeepsIt) {
  Store store = open_store(dirs);
  store.log(Level::info, "m", "first");
  ASSERT_TRUE(store.flush(60'000).ok());
  EXPECT_TRUE(store.status().ok());
  Transaction holding = expect_ok(store.begin());
  store.log(Level::info, "m", "waits");
  const Status waited = store.flush(1000);
  EXPECT_EQ(waited.error_class(), ErrorClass::kRetryable);
  EXPECT_NE(waited.message().find("locked"), std::string::npos) << waited.message();
  EXPECT_EQ(waited.message().find(store.path()), 0u) << waited.message();
  EXPECT_EQ(waited.message().rfind(store.path()), 0u) << "once: " << waited.message();
  EXPECT_NE(store.status().message().find("locked"), std::string::npos);
  holding.rollback();
  EXPECT_TRUE(store.flush(60'000).ok());
  EXPECT_TRUE(store.status().ok());
  EXPECT_EQ(number(store, "SELECT count(*) FROM logs WHERE message = 'waits'"), 1);
}

STORE_TEST(Store, ManyThreadsSayAndAsk) {
  StoreOptions options = options_for(dirs);
  options.start.overflow = Overflow::block;
  options.start.block_deadline_ms = 60'000;
  Store store = expect_ok(Store::open(dirs.file("app.db"), options));
  constexpr int kThreads = 8, kRows = 2000;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const std::string module = "worker" + std::to_string(t);
      for (int i = 0; i < kRows; ++i) {
        wrong += store.log(Level::info, module, "row", kv("i", i)) != Admission::kOk;
        if (i % 500 != 499) continue;
        const Result<Rows> mine =
            store.query("SELECT count(*) FROM logs WHERE module = ?", {module});
        wrong += !mine.ok() || mine.value()[0].get<int>(0) != i + 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(expect_ok(store.get_log_statistics()).total_logs, kThreads * kRows);
}

STORE_TEST(Store, MistakesAreSaid) {
  EXPECT_FALSE(Store::open("", options_for(dirs)).ok());
  const Result<Store> nowhere = Store::open("/proc/nope/x.db", options_for(dirs));
  ASSERT_FALSE(nowhere.ok());
  EXPECT_NE(nowhere.status().message().find("/proc/nope"), std::string::npos);
  Store store = open_store(dirs);
  ASSERT_TRUE(stop(60'000));
  EXPECT_EQ(store.log(Level::info, "m", "too late"), Admission::kStopped);
  EXPECT_EQ(store.get_logs().status().error_class(), ErrorClass::kRetryable);
}

// Somebody has taken the tables away: no class of an error but those that store.h names.
ISOLATED_TEST(Store, ErrorsHaveTheClassesThatAreNamed) {
  Store store = open_store(dirs);
  ASSERT_TRUE(store.flush(60'000).ok());
  Transaction transaction = expect_ok(store.begin());
  transaction.rollback();
  expect_ok(store.execute("CREATE TABLE records_by_field_x(y)"));
  EXPECT_EQ(store.add_field_index("x").error_class(), ErrorClass::kFatal);
  const auto other = storage::Connection::open(store.path(), storage::Access::kWrite);
  ASSERT_TRUE(other.value()->run("DROP TABLE points; DROP TABLE records").ok());
  EXPECT_EQ(store.on_commit([](const Commit&) {}).status().error_class(), ErrorClass::kFatal);
  EXPECT_EQ(store.add_column("host", ColumnType::text).error_class(), ErrorClass::kFatal);
  EXPECT_EQ(store.add_field_index("host").error_class(), ErrorClass::kFatal);
  EXPECT_EQ(store.get_logs().status().error_class(), ErrorClass::kFatal);
  EXPECT_EQ(store.get_metrics().status().error_class(), ErrorClass::kFatal);
  EXPECT_EQ(store.get_log_statistics().status().error_class(), ErrorClass::kFatal);
  EXPECT_EQ(store.execute("DELETE FROM records").status().error_class(), ErrorClass::kFatal);
  EXPECT_EQ(transaction.commit().error_class(), ErrorClass::kFatal);
}

// ---- what may be forgotten ----

// Ids of rows that are gone are given again.
STORE_TEST(Store, HooksSeeRowsThatGetTheIdsOfRemovedOnes) {
  Store store = open_store(dirs);
  for (int i = 0; i < 100; ++i) store.log(Level::info, "m", "old");
  store.log_metric("old", 1);
  std::mutex mutex;
  std::vector<std::string> seen;
  std::size_t metrics = 0;
  const std::uint64_t hook = expect_ok(store.on_commit([&](const Commit& commit) {
    const std::lock_guard lock(mutex);
    for (const LogRow& row : commit.logs) seen.push_back(row.message);
    metrics += commit.metrics.size();
  }));
  expect_ok(store.execute("DELETE FROM records"));
  expect_ok(store.execute("DELETE FROM points"));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // the hook looks meanwhile
  store.log(Level::info, "m", "new");
  store.log_metric("new", 1);
  ASSERT_TRUE(store.flush(60'000).ok());
  store.remove_hook(hook);
  EXPECT_EQ(seen, (std::vector<std::string>{"new"}));
  EXPECT_EQ(metrics, 1u);
}

STORE_TEST(Store, AQueryLeavesItsConnectionAsItWas) {
  Store store = open_store(dirs);
  for (const char* const setting :
       {"PRAGMA case_sensitive_like = 1", "PRAGMA reverse_unordered_selects = 1",
        "PRAGMA busy_timeout = 100000", "PRAGMA hard_heap_limit = 100000"}) {
    const Result<Rows> result = store.query(setting);
    ASSERT_FALSE(result.ok()) << setting;
    EXPECT_EQ(result.status().error_class(), ErrorClass::kFatal) << setting;
  }
  EXPECT_EQ(number(store, "SELECT 'A' LIKE 'a'"), 1);
  EXPECT_GT(expect_ok(store.query("PRAGMA table_info(logs)")).size(), 0u);
  EXPECT_GT(number(store, "SELECT count(*) FROM pragma_table_info('logs')"), 0);
  EXPECT_EQ(number(store, "PRAGMA busy_timeout"), 0);
}

STORE_TEST(Store, ACursorThatHasEndedStaysSo) {
  Store store = open_store(dirs);
  for (int i = 0; i < 3; ++i) store.log(Level::info, "m", "row");
  Cursor cursor = expect_ok(store.cursor("SELECT id FROM logs"));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(expect_ok(cursor.next()));
  EXPECT_FALSE(expect_ok(cursor.next()));
  EXPECT_FALSE(expect_ok(cursor.next()));
  EXPECT_TRUE(cursor[0].is_null());
  // The second row fails; there is no way back to the first.
  Cursor failing =
      expect_ok(store.cursor("SELECT abs(CASE id WHEN (SELECT min(id) FROM logs) THEN 1"
                             " ELSE -9223372036854775807 - 1 END) FROM logs ORDER BY id"));
  EXPECT_TRUE(expect_ok(failing.next()));
  EXPECT_FALSE(failing.next().ok());
  EXPECT_FALSE(failing.next().ok());
}

STORE_TEST(Store, AStatementThatRollsBackEndsTheTransaction) {
  Store store = open_store(dirs);
  expect_ok(store.execute("CREATE TABLE mine(x UNIQUE)"));
  {
    Transaction transaction = expect_ok(store.begin());
    expect_ok(transaction.execute("INSERT INTO mine VALUES(1)"));
    EXPECT_FALSE(transaction.execute("INSERT OR ROLLBACK INTO mine VALUES(1)").ok());
    const auto later = transaction.execute("INSERT INTO mine VALUES(2)");
    ASSERT_FALSE(later.ok());
    EXPECT_EQ(later.status().error_class(), ErrorClass::kFatal);
    EXPECT_FALSE(transaction.query("SELECT 1").ok());
    EXPECT_EQ(transaction.commit().error_class(), ErrorClass::kFatal);
  }
  EXPECT_EQ(number(store, "SELECT count(*) FROM mine"), 0);
}

STORE_TEST(Store, AnyLimitIsOne) {
  Store store = open_store(dirs);
  store.log(Level::info, "m", "row");
  store.log_metric("m", 1);
  EXPECT_EQ(expect_ok(store.get_logs({}, SIZE_MAX)).size(), 1u);
  EXPECT_EQ(expect_ok(store.get_logs(Level::info, SIZE_MAX)).size(), 1u);
  EXPECT_EQ(expect_ok(store.get_metrics({}, SIZE_MAX)).size(), 1u);
  EXPECT_EQ(expect_ok(store.get_metrics("m", SIZE_MAX)).size(), 1u);
}

STORE_TEST(Store, APrivateStoreMayBeNamedInTheSinks) {
  StoreOptions options = options_for(dirs);
  options.start.sinks = {store_file(":memory:")};
  Store store = expect_ok(Store::open(":memory:", options));
  store.log(Level::info, "m", "once");
  ASSERT_TRUE(store.flush(60'000).ok());
  EXPECT_EQ(stats().sinks, 1u);
}

// As docs/store.md has it: the Result is gone before the first row.
STORE_TEST(Store, ALoopOverAnAnswerHasItsRows) {
  Store store = open_store(dirs);
  for (int i = 0; i < 3; ++i) store.log(Level::info, "m", std::string(100, 'x'));
  std::size_t count = 0;
  for (const LogRow& row : store.get_logs().value()) count += row.message == std::string(100, 'x');
  for (const auto row : store.query("SELECT message FROM logs").value()) {
    count += row.get<std::string>("message") == std::string(100, 'x');
  }
  EXPECT_EQ(count, 6u);
}

STORE_TEST(Store, StatementsCannotTakeItsTablesAway) {
  Store store = open_store(dirs);
  for (const char* const refused :
       {"DROP VIEW logs", "DROP TABLE Records", "DROP TRIGGER logs_insert",
        "ALTER TABLE records RENAME TO r", "ALTER TABLE points DROP COLUMN value"}) {
    const auto result = store.execute(refused);
    ASSERT_FALSE(result.ok()) << refused;
    EXPECT_EQ(result.status().error_class(), ErrorClass::kFatal) << refused;
  }
  expect_ok(store.execute("CREATE TABLE mine(x)"));
  expect_ok(store.execute("ALTER TABLE mine ADD COLUMN y"));
  expect_ok(store.execute("DROP TABLE mine"));
  store.log(Level::info, "m", "row");
  EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), 1);
}

}  // namespace
}  // namespace sluice::test
