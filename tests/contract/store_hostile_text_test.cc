// No text that a program gives to a store ever becomes part of a statement: in every place of the
// API where one can stand it is stored as it is, found again as it is, and changes nothing else.
#include <sluice/sluice.h>
#include <sluice/store.h>

#include <nlohmann/json.hpp>

#include "contract/conservation.h"
#include "contract/store_program.h"
#include "support/hostile_sql.h"

namespace sluice::test {
namespace {

constexpr const char kInOptions[] = "x'); DROP TABLE records; --\"`]";

// Tables, views, triggers and indexes as they were made.
std::string schema_of(const Store& store) {
  std::string text;
  for (const auto row :
       expect_ok(store.query("SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM"
                             " sqlite_schema ORDER BY type, name"))) {
    text += row.get<std::string>(0).value_or("?") + "\n";
  }
  return text;
}

std::int64_t count(const Store& store, std::string_view sql, const std::string& text) {
  const Rows rows = expect_ok(store.query(sql, {text}));
  return rows[0].get<std::int64_t>(0).value_or(-1);
}

// Where the store and its run have hostile names too.
Store open_hostile(const Dirs& dirs) {
  StoreOptions options = options_for(dirs);
  options.start.product = options.start.version = options.start.run_id = kInOptions;
  return expect_ok(Store::open(dirs.file("a'b\"]`; DROP TABLE records; --%?1.db"), options));
}

STORE_TEST(StoreHostileText, WhatIsSaidIsData) {
  Store store = open_hostile(dirs);
  ASSERT_TRUE(store.flush(60'000).ok());
  const std::string before = schema_of(store);
  Attempts mine;
  std::int64_t logs = 0, points = 0;
  for (const std::string& evil : hostile_sql()) {
    const std::string object = nlohmann::json{{evil, evil}}.dump();
    mine.add(store.log(Level::info, evil, evil));
    mine.add(store.log(Level::error, evil, evil, Json{object}));
    mine.add(store.log(Level::error, evil, evil, kv("field", evil)));
    mine.add(store.log(Level::info, "broken", "broken", Json{evil}));
    mine.add(log_text(Level::notice, evil, evil));
    {
      const Context context(kv("context", evil));
      mine.add(info("{text}", evil));
    }
    mine.add(event(evil, object));
    mine.add(store.log_metric(evil, 1.5, evil));
    mine.add(counter(evil, 1, evil));
    mine.add(histogram(evil, 1, evil));
    mine.add(timer(evil, 1));
    EXPECT_EQ(store.profiled(evil, [](int x) { return x; })(7), 7);
    mine.add(Admission::kOk);  // the sample of the function
    mine.add(state(object));
    logs += 7;
    points += 5;

    EXPECT_EQ(count(store, "SELECT count(*) FROM logs WHERE message = ?", evil), 6) << evil;
    EXPECT_EQ(count(store, "SELECT count(*) FROM logs WHERE module = ?", evil), 4) << evil;
    EXPECT_EQ(count(store, "SELECT count(*) FROM records WHERE event = ?", evil), 1) << evil;
    EXPECT_EQ(count(store,
                    "SELECT count(*) FROM records, json_each(attributes) WHERE key = ?1"
                    " AND value = ?1",
                    evil),
              2)
        << evil;
    EXPECT_EQ(count(store, "SELECT count(*) FROM logs WHERE extra_data ->> 'field' = ?", evil), 1)
        << evil;
    EXPECT_EQ(count(store, "SELECT count(*) FROM records WHERE context ->> 'context' = ?", evil), 1)
        << evil;
    EXPECT_EQ(count(store, "SELECT count(*) FROM series WHERE name = ?1 AND unit = ?1", evil), 3)
        << evil;
    EXPECT_EQ(count(store,
                    "SELECT count(*) FROM state_values, json_each(state_values.value) AS e WHERE "
                    "e.key = ?1 AND"
                    " e.value = ?1",
                    evil),
              1)
        << evil;
    EXPECT_EQ(expect_ok(store.get_metrics(evil)).size(), 4u) << evil;
    EXPECT_EQ(expect_ok(store.get_metrics(evil))[3].unit, evil);
    EXPECT_EQ(expect_ok(store.get_metrics("function_" + evil + "_duration")).size(), 1u);
  }
  EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), logs);
  EXPECT_EQ(number(store, "SELECT count(*) FROM metrics"), points);
  EXPECT_EQ(count(store,
                  "SELECT count(*) FROM runs WHERE product = ?1 AND version = ?1 AND"
                  " run_id = ?1",
                  kInOptions),
            1);
  EXPECT_EQ(schema_of(store), before);
  EXPECT_EQ(imbalance(mine, stats()), "");
  EXPECT_EQ(imbalance_of_sinks(stats()), "");
}

STORE_TEST(StoreHostileText, WhatIsAskedIsData) {
  Store store = open_hostile(dirs);
  store.log(Level::info, "m", "row");
  store.log_metric("m", 1);
  const std::string before = schema_of(store);
  for (const std::string& evil : hostile_sql()) {
    EXPECT_EQ(expect_ok(store.get_metrics(evil)).size(), 0u) << evil;
    EXPECT_EQ(expect_ok(store.query("SELECT ?", {evil}))[0].get<std::string>(0), evil);
    Cursor cursor = expect_ok(store.cursor("SELECT :x", {evil}));
    ASSERT_TRUE(expect_ok(cursor.next()));
    EXPECT_EQ(cursor.get<std::string>(0), evil);
    EXPECT_FALSE(store.query(evil).ok()) << evil;
    EXPECT_FALSE(store.cursor(evil).ok()) << evil;
    EXPECT_FALSE(store.execute(evil).ok()) << evil;
    EXPECT_FALSE(Store::open(evil, options_for(dirs)).ok()) << "another file than the running one";
    EXPECT_FALSE(std::filesystem::exists(evil));
    EXPECT_TRUE(expect_ok(store.query("SELECT 1"))[0][evil].is_null()) << "no such column";
    set_level(evil, Level::error);
    EXPECT_EQ(set_site_level(evil, Level::off), 0u);
  }
  EXPECT_EQ(schema_of(store), before);
  EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), 1);
  EXPECT_EQ(number(store, "SELECT count(*) FROM metrics"), 1);
}

STORE_TEST(StoreHostileText, WhatIsChangedIsData) {
  Store store = open_hostile(dirs);
  ASSERT_TRUE(store.flush(60'000).ok());
  std::int64_t rows = 0;
  for (const std::string& evil : hostile_sql()) {
    expect_ok(store.execute("INSERT INTO logs(module, message, extra_data) VALUES(?1, ?1, ?2)",
                            {evil, nlohmann::json{{evil, evil}}.dump()}));
    expect_ok(
        store.execute("INSERT INTO metrics(metric_name, value, unit) VALUES(?1, 1, ?1)", {evil}));
    {
      Transaction transaction = expect_ok(store.begin());
      expect_ok(transaction.execute("UPDATE records SET body = ?1 WHERE body = ?1", {evil}));
      EXPECT_EQ(expect_ok(transaction.query("SELECT message FROM logs WHERE module = ?", {evil}))[0]
                    .get<std::string>(0),
                evil);
      EXPECT_FALSE(transaction.execute(evil).ok());
      EXPECT_TRUE(transaction.commit().ok());
    }
    // Times, levels and JSON are looked at, not believed.
    for (const char* const column : {"level", "timestamp", "extra_data"}) {
      EXPECT_FALSE(
          store
              .execute("INSERT INTO logs(message, " + std::string(column) + ") VALUES('x', ?)",
                       {evil})
              .ok())
          << column << evil;
    }
    EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), ++rows);
    EXPECT_EQ(number(store, "SELECT count(*) FROM metrics"), rows);
  }
}

// Names become part of statements there, as names: what cannot be one is refused, and the tables
// are as before; what can is that name and no more.
STORE_TEST(StoreHostileText, NamesOfColumnsAndFields) {
  Store store = open_hostile(dirs);
  store.log(Level::info, "m", "row");
  const std::string before = schema_of(store);
  int refused = 0, made = 0;
  for (const std::string& evil : hostile_sql()) {
    EXPECT_FALSE(store.add_column(evil, ColumnType::text).ok()) << evil;
    EXPECT_EQ(schema_of(store), before) << evil;
    if (!store.add_field_index(evil).ok()) {
      ++refused;
      EXPECT_EQ(schema_of(store), before) << evil;
      continue;
    }
    ++made;
    store.log(Level::info, "m", "row", Json{nlohmann::json{{evil, evil}}.dump()});
    EXPECT_EQ(count(store,
                    "SELECT count(*) FROM records, json_each(attributes) WHERE key = ?1 AND"
                    " value = ?1",
                    evil),
              1)
        << evil;
    const std::string index = "records_by_field_" + evil;
    EXPECT_EQ(count(store, "SELECT count(*) FROM sqlite_schema WHERE name = ?", index), 1);
    // Names cannot be bound.
    std::string quoted;
    for (const char c : index) quoted += std::string(c == '"' ? 2 : 1, c);
    expect_ok(store.execute("DROP INDEX \"" + quoted + "\""));
    EXPECT_EQ(schema_of(store), before) << evil;
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(made, 0);
  EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), 1 + made);
}

// Control: the comparison sees a statement that has got through.
STORE_TEST(StoreHostileText, AChangeOfTheSchemaIsSeen) {
  Store store = open_store(dirs);
  const std::string before = schema_of(store);
  expect_ok(store.execute("CREATE TABLE stolen(x)"));
  EXPECT_NE(schema_of(store), before);
}

}  // namespace
}  // namespace sluice::test
