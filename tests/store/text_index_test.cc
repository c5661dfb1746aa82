// Full-text search finds just what matches, whatever is indexed, taken out, changed and stored
// anew.
#include "store/text_index.h"

#include <random>

#include "os/process.h"
#include "store/prune.h"
#include "store/schema.h"
#include "store/select.h"
#include "store/store_fixture.h"

namespace sluice::test {
namespace {

using storage::Access;
using storage::Connection;
using storage::LogFinder;
using storage::Pruner;
using storage::Statement;
using storage::TextIndexer;
using storage::TextMatcher;

constexpr i64 kSecond = 1'000'000'000;

const char* const kExpressions[] = {"w1",
                                    "w7 w8",
                                    "w7 OR w11",
                                    "w3 NOT w5",
                                    "\"w1 w2\"",
                                    "NEAR(w1 w9, 2)",
                                    "w1*",
                                    "^w4",
                                    "message : w6",
                                    "gr\xc3\xbcn",
                                    "GRUN",
                                    "\xc3\x9f",
                                    "\xe6\x97\xa5\xe6\x9c\xac",
                                    "nul AND byte",
                                    "\"a-b.c\"",
                                    "every",
                                    "none"};

class TextIndexTest : public StoreFileTest {
 protected:
  std::string some_text() {
    static const char* const kOdd[] = {"gr\xc3\xbcn", "\xc3\x9f", "\xe6\x97\xa5\xe6\x9c\xac",
                                       "a-b.c",       "\xff\xfe", "\xf0\x9f\x98\x80"};
    if (random_() % 50 == 0) return "";
    std::string text = random_() % 20 == 0 ? "" : "every";
    for (u64 words = random_() % 8; words > 0; --words) {
      text += " w" + std::to_string(random_() % 30);
      if (random_() % 10 == 0) text += std::string(" ") + kOdd[random_() % 6];
    }
    if (random_() % 30 == 0) text += std::string(" nul\0byte", 9);
    return text;
  }
  // A second apart, but for some, which are older than what was stored before them.
  void add(int rows) {
    Result<Statement> made = store_->prepare(
        "INSERT INTO records(time_ns, severity, thread, logger, body) VALUES(?, ?, 1, ?, ?)");
    ASSERT_TRUE(made.ok());
    Statement& insert = made.value();
    run("BEGIN");
    for (int i = 0; i < rows; ++i) {
      now_ += kSecond;
      const std::string text = some_text();
      insert.bind(1, random_() % 20 == 0 ? now_ - i64(random_() % 5000) * kSecond : now_);
      insert.bind(2, i64(random_() % 3 == 0 ? 17 : 9));
      insert.bind(3, std::string_view(random_() % 2 ? "api" : "db"));
      insert.bind(4, std::string_view(text));
      ASSERT_TRUE(insert.run().ok());
    }
    run("COMMIT");
  }
  void index_all() {
    TextIndexer indexer(*store_);
    for (;;) {
      const Result<bool> more = indexer.step();
      ASSERT_TRUE(more.ok()) << more.status().message();
      if (!more.value()) return;
    }
  }
  std::vector<i64> find(const std::string& text, u64 limit = 0, Filter filter = {}) {
    Result<std::vector<i64>> ids = LogFinder(*store_, std::move(filter), text).newest(limit);
    if (!ids.ok()) ADD_FAILURE() << ids.status().message();
    return ids.ok() ? ids.value() : std::vector<i64>{-1};
  }
  // By a table of SQLite's that has all of the rows.
  std::vector<i64> expected(const std::string& text, const std::string& where = "1") {
    std::vector<i64> ids;
    for (const std::string& id :
         rows_of(*store_,
                 "SELECT id FROM records WHERE id IN (SELECT rowid FROM temp.oracle WHERE"
                 " oracle MATCH '" +
                     text + "') AND " + where + " ORDER BY time_ns, id")) {
      ids.push_back(std::strtoll(id.c_str(), nullptr, 10));
    }
    return ids;
  }
  void make_oracle() {
    run("DROP TABLE IF EXISTS temp.oracle;"
        "CREATE VIRTUAL TABLE temp.oracle USING fts5(message, tokenize='unicode61"
        " remove_diacritics 2');"
        "INSERT INTO temp.oracle(rowid, message) SELECT id, body FROM records");
  }
  // The expressions whose answers are wrong.
  std::string differences() {
    make_oracle();
    std::string wrong;
    for (const std::string text : kExpressions) {
      const std::vector<i64> all = expected(text);
      if (find(text) != all) wrong += text + "; ";
      for (const std::size_t limit : {std::size_t{1}, std::size_t{7}, std::size_t{1500}}) {
        const std::size_t some = std::min(limit, all.size());
        if (find(text, limit) != std::vector<i64>(all.end() - std::ptrdiff_t(some), all.end())) {
          wrong += text + " limit " + std::to_string(limit) + "; ";
        }
      }
    }
    return wrong;
  }
  void prune(u64 rows, Pruner::Way way = Pruner::Way::kOnce) {
    Pruner pruner(*store_, {.rows = rows}, way);
    for (Result<bool> more = true; more.value();) {
      more = pruner.step(now_);
      ASSERT_TRUE(more.ok()) << more.status().message();
    }
  }
  i64 tables() {
    return store_
        ->integer_of(
            "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'records_text_%'"
            " AND sql LIKE 'CREATE VIRTUAL%'")
        .value();
  }

  std::mt19937 random_{20261126};
  i64 now_ = 1'700'000'000 * kSecond;
};

TEST_F(TextIndexTest, TheSameIsFoundWhateverIsIndexed) {
  add(9000);
  EXPECT_EQ(differences(), "") << "no index";
  EXPECT_EQ(row("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%text%'"), "0")
      << "searching makes none";
  TextIndexer indexer(*store_);
  ASSERT_TRUE(indexer.step().value());
  EXPECT_GT(indexer.counts().rows, 0u);
  EXPECT_EQ(differences(), "") << "a part of it";
  index_all();
  EXPECT_EQ(row("SELECT sum(rows) FROM text_parts"), "9000");
  EXPECT_EQ(differences(), "") << "all of it";
  add(12'000);
  EXPECT_EQ(differences(), "") << "what came after it";
  index_all();
  EXPECT_GE(tables(), 2);
  EXPECT_EQ(differences(), "") << "several parts";
  // A part in the middle is gone.
  run("UPDATE text_parts SET stale = 1 WHERE id = 1");
  EXPECT_EQ(differences(), "") << "a gap";
  index_all();
  EXPECT_EQ(differences(), "") << "filled";
  EXPECT_EQ(row("SELECT sum(rows), sum(stale) FROM text_parts"), "21000|0");
  EXPECT_EQ(row("PRAGMA integrity_check"), "ok");
}

// The control: an index that has missed rows gives other answers.
TEST_F(TextIndexTest, AnIndexThatMissedARowIsNoticed) {
  add(500);
  index_all();
  ASSERT_EQ(differences(), "");
  run("INSERT INTO records(time_ns, severity, thread, logger, body) VALUES(1, 9, 1, '', 'every "
      "w1')");
  run("UPDATE text_parts SET last_record = 501");
  EXPECT_NE(differences(), "");
}

TEST_F(TextIndexTest, WithTheOtherFilters) {
  add(9000);
  for (const bool indexed : {false, true}) {
    if (indexed) index_all();
    add(100);
    make_oracle();
    const i64 since = now_ - 3000 * kSecond, until = now_ - 50 * kSecond;
    for (const std::string text : kExpressions) {
      EXPECT_EQ(find(text, 0, {.level = Level::error}), expected(text, "severity = 17")) << text;
      EXPECT_EQ(find(text, 0, {.logger = "a*i"}), expected(text, "logger = 'api'")) << text;
      EXPECT_EQ(find(text, 0, {.grep = "w2"}), expected(text, "body GLOB '*w2*'")) << text;
      const std::string times =
          "time_ns >= " + std::to_string(since) + " AND time_ns < " + std::to_string(until);
      EXPECT_EQ(find(text, 0, {.since_ns = since, .until_ns = until}), expected(text, times));
      std::vector<i64> few = expected(text, times + " AND logger = 'db'");
      if (few.size() > 5) few.erase(few.begin(), few.end() - 5);
      EXPECT_EQ(find(text, 5, {.since_ns = since, .until_ns = until, .logger = "db"}), few);
    }
  }
}

TEST_F(TextIndexTest, OfARun) {
  add(300);
  run("INSERT INTO runs(id, region, run_id, product, version, host, pid, started_ns, first_record,"
      " last_record) VALUES(1, x'01', 'run-1', '', '', '', 1, 1, 101, 200);"
      "UPDATE records SET run = 1 WHERE id BETWEEN 101 AND 200");
  for (const bool indexed : {false, true}) {
    if (indexed) index_all();
    make_oracle();
    EXPECT_EQ(find("every", 0, {.run = "run-"}), expected("every", "run = 1"));
    EXPECT_EQ(find("every", 0, {.run = "other"}), std::vector<i64>{});
  }
}

TEST_F(TextIndexTest, WhatIsTakenOutIsNotFoundAndItsPartsGo) {
  add(30'000);
  index_all();
  const i64 before = tables();
  ASSERT_GE(before, 3);
  prune(12'000);
  EXPECT_LT(tables(), before) << "whole parts go with their rows";
  EXPECT_EQ(differences(), "");
  add(3000);
  index_all();
  prune(12'000, Pruner::Way::kPolicy);
  EXPECT_EQ(differences(), "");
  // Where little is left of a part, it is dropped and indexed again. How the rows lie in parts
  // depends on how many a step has had time for.
  prune(500);
  EXPECT_EQ(differences(), "");
  index_all();
  EXPECT_EQ(row("SELECT count(*) FROM text_parts WHERE rows > 2 * (SELECT count(*) FROM records"
                " WHERE id BETWEEN first_record AND last_record)"),
            "0");
  EXPECT_EQ(row("SELECT count(*) FROM records WHERE NOT EXISTS(SELECT 1 FROM text_parts"
                " WHERE records.id BETWEEN first_record AND last_record)"),
            "0");
  EXPECT_LE(tables(), 2);
  EXPECT_EQ(differences(), "");
  run("DELETE FROM records");
  index_all();
  EXPECT_EQ(tables(), 0);
  EXPECT_EQ(row("PRAGMA integrity_check"), "ok");
}

// Ids above the newest row are given again.
TEST_F(TextIndexTest, RowsThatTakeTheIdsOfOthers) {
  add(9000);
  index_all();
  for (const char* gone : {"id > 8000", "id = 8999 OR id > 4000", "1"}) {
    run(std::string("DELETE FROM records WHERE ") + gone);
    EXPECT_EQ(differences(), "") << gone;
    add(2000);
    EXPECT_EQ(differences(), "") << gone;
    index_all();
    EXPECT_EQ(differences(), "") << gone;
  }
  // The control: without the trigger the old words would be found.
  run("DROP TRIGGER text_parts_delete; DELETE FROM records WHERE id > 1000");
  add(1000);
  EXPECT_NE(differences(), "");
}

TEST_F(TextIndexTest, MessagesThatChange) {
  add(9000);
  index_all();
  run("UPDATE records SET body = 'every w1 w2' WHERE id % 1000 = 0");
  EXPECT_EQ(differences(), "");
  run("UPDATE records SET id = 20000 WHERE id = 77; UPDATE records SET id = 77 WHERE id = 9000");
  EXPECT_EQ(differences(), "");
  index_all();
  EXPECT_EQ(differences(), "");
  add(10);
  run("DELETE FROM records WHERE id = 78; UPDATE records SET id = 78, body = 'every w1 w2'"
      " WHERE id = (SELECT max(id) - 1 FROM records)");
  EXPECT_EQ(differences(), "") << "one that is in no part, into the range of one";
  index_all();
  EXPECT_EQ(differences(), "");
  run("UPDATE records SET severity = 5 WHERE id = 1");
  EXPECT_EQ(row("SELECT sum(stale) FROM text_parts"), "0") << "no message";
}

TEST_F(TextIndexTest, PartsThatLostRowsAnywhereAreMarkedAndAllIsRemoved) {
  add(9000);
  index_all();
  run("DELETE FROM records WHERE id % 3 <> 0");
  EXPECT_EQ(storage::drop_dead_part(*store_, true).value(), false) << "not from its beginning";
  ASSERT_TRUE(storage::mark_sparse_parts(*store_).ok());
  EXPECT_EQ(differences(), "");
  index_all();
  EXPECT_EQ(row("SELECT sum(rows) FROM text_parts"), "3000");
  EXPECT_EQ(differences(), "");
  ASSERT_TRUE(storage::mark_all_parts(*store_).ok());
  while (storage::drop_dead_part(*store_, false).value()) {
  }
  ASSERT_TRUE(storage::remove_text_index(*store_).ok());
  EXPECT_EQ(row("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%text%'"), "0");
  EXPECT_EQ(differences(), "");
}

TEST_F(TextIndexTest, IndexesInManySteps) {
  add(60'000);
  run("PRAGMA wal_autocheckpoint = 0");  // it is not within the lock
  TextIndexer indexer(*store_);
  while (indexer.step().value()) {
  }
  const storage::IndexCounts& counts = indexer.counts();
  EXPECT_EQ(counts.rows, 60'000u);
  EXPECT_GT(counts.steps, 3u);
  std::printf("%llu rows in %llu steps, the longest %.1f ms\n",
              static_cast<unsigned long long>(counts.rows),
              static_cast<unsigned long long>(counts.steps), double(counts.longest_step_ns) / 1e6);
}

TEST_F(TextIndexTest, ALockOfOthersIsNotWaitedFor) {
  add(100);
  const auto other = Connection::open(path_, Access::kWrite);
  ASSERT_TRUE(other.value()->run("BEGIN IMMEDIATE").ok());
  TextIndexer indexer(*store_);
  EXPECT_EQ(indexer.step().status().error_class(), ErrorClass::kRetryable);
  ASSERT_TRUE(other.value()->run("ROLLBACK").ok());
  EXPECT_EQ(indexer.step().value(), true);
  EXPECT_EQ(differences(), "");
}

// ---- expressions ----

TEST(TextMatcherTest, WhatMatchesAndOnceOnly) {
  auto made = TextMatcher::make("disk AND \"no space\"");
  ASSERT_TRUE(made.ok()) << made.status().message();
  TextMatcher& matcher = *made.value();
  ASSERT_TRUE(matcher.add("disk: No space left").ok());
  ASSERT_TRUE(matcher.add("space: no disk").ok());
  ASSERT_TRUE(matcher.add("no space on DISK").ok());
  EXPECT_EQ(matcher.take().value(), (std::vector<std::size_t>{0, 2}));
  EXPECT_EQ(matcher.take().value(), std::vector<std::size_t>{});
  ASSERT_TRUE(matcher.add("").ok());
  EXPECT_EQ(matcher.take().value(), std::vector<std::size_t>{});
}

TEST(TextMatcherTest, WhatIsNoExpressionIsSaidWithWhereAndHowToMend) {
  for (const std::string& wrong :
       {std::string(""), std::string("  "), std::string("*"), std::string("*reads"),
        std::string("*id"), std::string("\"open"), std::string("a AND"), std::string("(a"),
        std::string("a-b"), std::string("other : a"), std::string("records_text_1 : a"),
        std::string("'; DROP TABLE records; --"), std::string("a\0b", 3), std::string("\xff'"),
        std::string("NEAR(a, b"), std::string(100'000, '('), std::string("a ^ b \x1b[31m")}) {
    const auto made = TextMatcher::make(wrong);
    ASSERT_FALSE(made.ok()) << wrong.substr(0, 100);
    EXPECT_EQ(made.status().error_class(), ErrorClass::kFatal);
    const std::string said(made.status().message());
    EXPECT_NE(said.find("is no search expression"), std::string::npos) << said;
    EXPECT_NE(said.find("in double quotes"), std::string::npos) << said;
    EXPECT_EQ(said.find('\x1b'), std::string::npos);
  }
  const std::string said = TextMatcher::make("disk full)").status().message();
  EXPECT_NE(said.find("near \")\""), std::string::npos) << said;
}

}  // namespace
}  // namespace sluice::test
