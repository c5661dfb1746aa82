// The filter grammar over a store: just the records that Filter::matches() takes, found by indexes.
#include "store/select.h"

#include <deque>
#include <random>

#include "record/make_record.h"
#include "store/field_condition.h"
#include "store/schema.h"
#include "store/store_fixture.h"
#include "store/writer.h"

namespace sluice::test {
namespace {

using storage::Access;
using storage::Connection;
using storage::LogFinder;
using storage::Query;
using storage::Statement;
using storage::Writer;

constexpr i64 kNow = 1'700'000'000'000'000'000;
constexpr i64 kSecond = 1'000'000'000;

class SelectTest : public ::testing::Test {
 protected:
  SelectTest() {
    auto opened = Writer::open({.path = path_});
    writer_ = std::move(opened.value());
    reader_ = Connection::open(path_, Access::kWrite).value();
  }
  void use_run(u8 key, const std::string& id) {
    run_.run_id = id;
    ASSERT_TRUE(writer_->use_run({key}, run_, kNow).ok());
  }
  TestRecord& add(TestRecord&& made) {
    TestRecord& record = kept_.emplace_back(std::move(made));
    record.run = run_;
    record.site.logger = record.logger;
    // Sites are told apart by what they are.
    record.site.line = u32(kept_.size());
    EXPECT_TRUE(record.parse());
    EXPECT_TRUE(writer_->begin().ok());
    EXPECT_TRUE(writer_->add(record.entry()).ok());
    EXPECT_TRUE(writer_->commit(kept_.size()).ok());
    return record;
  }
  std::vector<i64> find(const Filter& filter, u64 limit = 0) {
    Result<std::vector<i64>> ids = LogFinder(*reader_, filter).newest(limit);
    if (!ids.ok()) ADD_FAILURE() << ids.status().message();
    return ids.ok() ? ids.value() : std::vector<i64>{-1};
  }
  // By the code that files and regions are filtered with; ids count from 1.
  std::vector<i64> expected(const Filter& filter) {
    std::vector<std::pair<i64, i64>> found;
    MessageText message;
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      const Entry entry = kept_[i].entry();
      if (filter.matches(entry, message.of(entry))) found.emplace_back(entry.wall_ns, i64(i) + 1);
    }
    std::sort(found.begin(), found.end());
    std::vector<i64> ids;
    for (const auto& [time, id] : found) ids.push_back(id);
    return ids;
  }
  std::vector<std::string> plans(const Filter& filter) {
    std::vector<std::string> all;
    const Result<std::vector<Query>> queries = LogFinder(*reader_, filter).queries();
    EXPECT_TRUE(queries.ok());
    for (const Query& query : queries.value()) {
      Result<Statement> statement = reader_->prepare("EXPLAIN QUERY PLAN " + query.sql);
      if (!statement.ok()) return {statement.status().message()};
      EXPECT_TRUE(bind_all(statement.value(), query.values).ok());
      std::string plan;
      while (statement.value().step().value())
        plan += std::string(statement.value().text(3)) + "\n";
      all.push_back(plan);
    }
    return all;
  }
  void add_hundred() {
    std::mt19937 random(7);
    const Level levels[] = {Level::trace, Level::debug,   Level::info,    Level::notice,
                            Level::error, Level::warning, Level::critical};
    const char* loggers[] = {"", "api", "api.users", "api.db.x", "a[b]?", "db"};
    const char* texts[] = {"plain", "x1b[31m",        "a\nnew \x1b[31m line",
                           "17",    "say \"ab\" \\n", "gr\xc3\xbc\xc3\x9f\xff\xe2\x80\xae"};
    use_run(1, "run-1");
    for (int i = 0; i < 400; ++i) {
      if (i == 200) use_run(2, "run-2");
      const std::string text = texts[random() % 6];
      std::vector<TestArgument> fields = {text_arg(text, random() % 2 ? "said" : "")};
      if (random() % 2) fields.push_back(i64_arg(i64(random() % 4), "user_id"));
      if (random() % 3 == 0) fields.push_back(f64_arg(double(random() % 5) / 2, "cost"));
      if (random() % 3 == 0) fields.push_back(bool_arg(random() % 2, "ok"));
      if (random() % 3 == 0)
        fields.push_back(text_arg(random() % 2 ? "1" : "two words", "order.id"));
      if (random() % 3 == 0)
        fields.push_back(json_arg(R"({"id":1,"x":[1.50,null],"e":1e2})", "order"));
      if (random() % 5 == 0) fields.push_back(u64_arg(~u64{0} - random() % 2, "big"));
      if (random() % 5 == 0) fields.push_back(text_arg("it's", "it's [0]"));
      TestRecord record(fields[0].name.empty() ? "got {}" : "got {said}", std::move(fields));
      std::byte memory[128];
      FieldBlockWriter context(memory);
      if (random() % 4 == 0) {
        (void)context.add_text("trace", random() % 2 ? "ab" : "cd");
        record.add_context(context.bytes());
      }
      record.site.level = levels[random() % 7];
      record.logger = loggers[random() % 6];
      record.wall_ns = kNow + i64(random() % 40) * kSecond / 4 + i64(random() % 3);
      add(std::move(record));
    }
  }

  Folder folder_;
  const std::string path_ = folder_ / "a.db";
  RunInfo run_{"shop", "1.2", "run", "box", 4711};
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Connection> reader_;
  std::deque<TestRecord> kept_;
};

TEST_F(SelectTest, FindsJustWhatTheFilterMatches) {
  add_hundred();
  std::vector<Filter> filters = {{}};
  for (const Level level : {Level::trace, Level::info, Level::warning, Level::critical}) {
    filters.push_back({.level = level});
  }
  filters.push_back({.since_ns = kNow + 3 * kSecond + 1});
  filters.push_back({.until_ns = kNow + 3 * kSecond + 1});
  filters.push_back(
      {.level = Level::error, .since_ns = kNow + kSecond, .until_ns = kNow + 5 * kSecond + 1});
  for (const char* logger : {"api", "api.*", "*", "*s", "a*.x", "a[b]?", "a[*", "none*", "b"}) {
    filters.push_back({.logger = logger});
  }
  for (const char* grep : {"plain",
                           "got 17",
                           "17",
                           "x1b",
                           "\\x1b[31m",
                           "u202e",
                           "a\\nnew",
                           "\n",
                           "user_id=3",
                           "cost=0.5",
                           "trace=ab",
                           "id=",
                           "\"two words\"",
                           "order={",
                           " order",
                           "gr\xc3\xbc\xc3\x9f\\xff",
                           "\\",
                           "=",
                           "' OR 1=1 --",
                           "ok=true user",
                           "100",
                           "it's"}) {
    filters.push_back({.grep = grep});
  }
  for (const char* field : {"user_id=3",
                            "user_id=3.0",
                            "user_id=1",
                            "user_id=0",
                            "user_id=",
                            "cost=0.5",
                            "cost=0.50",
                            "cost=1",
                            "ok=true",
                            "ok=1",
                            "ok=false",
                            "order.id=1",
                            "order.x=[1.5,null]",
                            "order.e=100",
                            "order.e=100.0",
                            "trace=ab",
                            "trace=x",
                            "big=18446744073709551615",
                            "big=18446744073709551614",
                            "it's [0]=it's",
                            "order=null",
                            "said=plain",
                            "said=x' OR 1=1",
                            "nothing=1",
                            "\"=1",
                            ".=1",
                            "a.b.=1"}) {
    filters.push_back({.fields = {parse_field(field).value()}});
  }
  // But not cost=2.0: JSON has 2 for both the integer and the real.
  filters.push_back({.fields = {{"user_id", "3"}, {"ok", "true"}}});
  for (const char* run : {"run-1", "run-", "run-3", "%", "run_1"}) {
    filters.push_back({.run = run});
    filters.push_back({.level = Level::error, .run = run});
    filters.push_back({.since_ns = kNow + 2 * kSecond, .run = run});
    filters.push_back({.level = Level::debug, .grep = "17", .run = run});
  }
  for (const bool indexed : {false, true}) {
    for (std::size_t i = 0; i < filters.size(); ++i) {
      const Filter& filter = filters[i];
      std::vector<i64> ids = expected(filter);
      const std::string which =
          (indexed ? "indexed " : "") + std::to_string(i) + " grep " + filter.grep + " logger " +
          filter.logger + " run " + filter.run +
          (filter.fields.empty() ? ""
                                 : " field " + filter.fields[0].key + "=" + filter.fields[0].value);
      EXPECT_EQ(find(filter), ids) << which;
      std::sort(ids.begin(), ids.end());
      i64 last = 0;
      EXPECT_EQ(LogFinder(*reader_, filter).since(last).value(), ids) << which;
      EXPECT_EQ(last, 400);
    }
    for (const char* field : {"user_id", "cost", "ok", "order", "order.id", "it's [0]"}) {
      ASSERT_TRUE(add_field_index(*reader_, field).ok());
    }
  }
}

TEST_F(SelectTest, TheNewestOfThemTheOldestFirst) {
  add_hundred();
  for (const Filter& filter : {Filter{}, Filter{.level = Level::error}, Filter{.grep = "17"},
                               Filter{.fields = {{"user_id", "3"}}}}) {
    const std::vector<i64> all = expected(filter), some = find(filter, 7);
    ASSERT_EQ(some.size(), 7u);
    // Times that differ by less than a millisecond are one time to the index by level.
    const auto time = [&](i64 id) { return kept_[std::size_t(id - 1)].wall_ns / 1'000'000; };
    EXPECT_TRUE(
        std::is_sorted(some.begin(), some.end(), [&](i64 a, i64 b) { return time(a) < time(b); }));
    for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(time(some[i]), time(all[all.size() - 7 + i]));
  }
}

TEST_F(SelectTest, IndexesAreUsed) {
  use_run(1, "run-1");
  add(TestRecord("{}", {i64_arg(1)}));
  const auto uses = [&](const Filter& filter, const std::string& wanted) {
    std::vector<std::string> all = plans(filter);
    EXPECT_FALSE(all.empty());
    if (all.size() > 1) all.pop_back();  // levels without a name, of which there are none
    for (const std::string& plan : all) {
      EXPECT_NE(plan.find(wanted), std::string::npos) << plan;
      EXPECT_EQ(plan.find("TEMP B-TREE"), std::string::npos) << plan;
    }
  };
  const std::string by_level = "SEARCH records USING INDEX records_by_level (<expr>";
  uses({}, "SCAN records USING COVERING INDEX records_by_time");
  uses({.level = Level::error}, by_level);
  uses({.level = Level::error, .since_ns = kNow, .until_ns = kNow}, by_level);
  EXPECT_NE(plans({.level = Level::error, .since_ns = kNow})[0].find("(<expr>=? AND <expr>>?)"),
            std::string::npos);
  uses({.since_ns = kNow}, "SEARCH records USING COVERING INDEX records_by_time (time_ns>?)");
  uses({.since_ns = kNow, .until_ns = kNow + 1, .logger = "x", .grep = "x"},
       "SEARCH records USING INDEX records_by_time (time_ns>? AND time_ns<?)");
  uses({.run = "run-1"}, "SEARCH records USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)");
  uses({.level = Level::info, .run = "run-1"}, "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)");
  EXPECT_TRUE(plans({.run = "run-2"}).empty());
  ASSERT_TRUE(add_field_index(*reader_, "user_id").ok());
  for (const char* value : {"7", "seven", "true", "0.5"}) {
    uses({.level = Level::error, .since_ns = kNow, .fields = {{"user_id", value}}, .run = "run-1"},
         "SEARCH records USING INDEX records_by_field_user_id (<expr>=?)");
  }
  // Within JSON it may stand too: both parts need an index.
  ASSERT_TRUE(add_field_index(*reader_, "http.status").ok());
  uses({.fields = {{"http.status", "500"}}}, "USING INDEX records_by_time");
  ASSERT_TRUE(add_field_index(*reader_, "http").ok());
  uses({.fields = {{"http.status", "500"}}}, "records_by_field_http");
}

TEST_F(SelectTest, NothingIsPastedIntoAStatement) {
  use_run(1, "run-1");
  add(TestRecord("{}", {i64_arg(1)}));
  for (const char* evil :
       {"'; DROP TABLE records; --", "\"; DROP TABLE records; --", "' OR '1'='1",
        "\\'; DROP TABLE records; --", "'||(SELECT 1)||'", "?1", ":a", "$.a", "]"}) {
    EXPECT_EQ(find({.logger = evil}), std::vector<i64>{}) << evil;
    EXPECT_EQ(find({.grep = evil}), std::vector<i64>{}) << evil;
    EXPECT_EQ(find({.run = evil}), std::vector<i64>{}) << evil;
    EXPECT_EQ(find({.fields = {{"a", evil}}}), std::vector<i64>{}) << evil;
    EXPECT_EQ(find({.fields = {{evil, "a"}}}), std::vector<i64>{}) << evil;
  }
  EXPECT_EQ(find({}), std::vector<i64>{1});
}

}  // namespace
}  // namespace sluice::test
