// sanitizers: none (thousands of short commands, and what it looks for is no matter of memory)
//
// No word of a command line, and no file's content or name, ever becomes part of a statement: every
// command that touches a store, in every option, with every hostile text; and each of them is found
// again where it is data.
#include <algorithm>

#include "cli/store_cli.h"
#include "store/store_fixture.h"
#include "support/hostile_sql.h"

namespace sluice::test {
namespace {

class HostileSql : public StoreCli {
 protected:
  void SetUp() override {
    StoreCli::SetUp();
    for (const std::string& evil : hostile_sql()) ASSERT_EQ(run_that_says(evil), 0) << evil;
    before_ = fingerprint("a.db");
  }
  // After every test: the store is as it was, down to each row.
  void TearDown() override {
    EXPECT_TRUE(fingerprint("a.db") == before_) << "the store was changed";
    StoreCli::TearDown();
  }

  // A run of that name, with one log and one sample made of the text.
  int run_that_says(const std::string& evil) {
    const pid_t program = ::fork();
    if (program != 0) return wait_for(program);
    Options options;
    options.product = options.run_id = in_a_line(evil);  // no line breaks are taken there
    options.sinks = {store_file(path("a.db"))};
    options.region_directory = regions_;
    options.quiet = true;
    const bool said = sluice::start(options) &&
                      log_text(Level::error, evil, evil,
                               Json{nlohmann::json{{"field", evil}}.dump()}) == Admission::kOk &&
                      gauge(evil, 1, evil) == Admission::kOk && sluice::stop();
    ::_exit(said ? 0 : 1);
  }

  std::vector<std::string> fingerprint(const std::string& store) {
    std::vector<std::string> all = rows_in(path(store), "SELECT * FROM sqlite_schema");
    for (const char* const table :
         {"runs", "cursors", "sites", "records", "series", "points", "states", "params"}) {
      for (std::string& row : rows_in(path(store), "SELECT * FROM " + std::string(table))) {
        all.push_back(std::move(row));
      }
    }
    return all;
  }

  // How many lines the command wrote; -1: it failed, or said something on standard error.
  int lines_shown(const std::string& words) {
    const Finished done = command(words);
    return done.code == 0 && done.error.empty() ? int(lines_of(done.out).size()) : -1;
  }

  static std::string in_a_line(std::string evil) {
    std::replace(evil.begin(), evil.end(), '\n', ' ');
    return evil;
  }
  // As the name of a file in the test's own folder.
  static std::string as_name(std::string evil) {
    std::replace(evil.begin(), evil.end(), '/', '!');
    return evil;
  }
  std::string row(const std::string& store, const std::string& sql) {
    return row_in(path(store), sql);
  }

  std::vector<std::string> before_;
};

TEST_F(HostileSql, EachIsFoundAgainAsData) {
  for (const std::string& evil : hostile_sql()) {
    const std::string text = word(evil), run = word(in_a_line(evil));
    EXPECT_EQ(lines_shown("logs --json --logger " + text), 1) << evil;
    EXPECT_EQ(lines_shown("logs --json --run " + run), 1) << evil;
    // In CSV a line break in a text is one.
    const int breaks = int(std::count(evil.begin(), evil.end(), '\n'));
    EXPECT_EQ(lines_shown("logs --csv --level error --logger " + text), 2 + 2 * breaks) << evil;
    EXPECT_EQ(lines_shown("logs --json --field " + word("field=" + evil)), 1) << evil;
    // It looks at messages as they are shown: without line breaks.
    EXPECT_EQ(lines_shown("logs --json --grep " + text) >= 1, breaks == 0) << evil;
    EXPECT_EQ(lines_shown("tail --store a.db -n 1 --limit 1 --json --logger " + text), 1) << evil;
    EXPECT_EQ(lines_shown("metrics --json " + text), 1) << evil;
    EXPECT_EQ(lines_shown("metrics --json --run " + run), 1) << evil;
    EXPECT_EQ(lines_shown("metrics --json --agg count --every 1h " + text), 1) << evil;
    EXPECT_GE(lines_shown("export --what all --run " + run), 4) << evil;
  }
  const auto stats = nlohmann::json::parse(command("stats --json --limit 100").out);
  EXPECT_GE(stats["runs"].size(), 2u);
  for (const auto& run : stats["runs"]) {
    EXPECT_TRUE(std::any_of(hostile_sql().begin(), hostile_sql().end(), [&](const auto& evil) {
      return run["product"] == in_a_line(evil);
    })) << run;
  }
}

TEST_F(HostileSql, WhatIsNoValueIsAMistake) {
  for (const std::string& evil : hostile_sql()) {
    for (const char* const option : {"logs --level",
                                     "logs --since",
                                     "logs --until",
                                     "logs --limit",
                                     "logs --pattern '%(x)' "
                                     "--limit",
                                     "logs --field",
                                     "tail --store a.db -n",
                                     "tail --store a.db --since",
                                     "metrics m --every",
                                     "metrics m --agg",
                                     "metrics --since",
                                     "metrics --until",
                                     "metrics --limit",
                                     "stats --limit",
                                     "prune --older-than",
                                     "prune --max-rows",
                                     "prune --max-bytes",
                                     "export --what",
                                     "export --level",
                                     "export --since",
                                     "export --until",
                                     "query 'SELECT 1' --timeout",
                                     "query",
                                     "query --write"}) {
      if (std::string_view(option) == "logs --field" && evil.find('=') != std::string::npos) {
        continue;  // a field, if a strange one
      }
      const Finished done = command(std::string(option) + " " + word(evil));
      EXPECT_EQ(done.code, 2) << option << " " << evil << "\n" << done.out << done.error;
      EXPECT_EQ(done.out, "") << option << " " << evil;
    }
  }
}

TEST_F(HostileSql, WhatIsNotThereIsNotMade) {
  for (const std::string& evil : hostile_sql()) {
    const std::string name = as_name(evil);
    for (const char* const words :
         {"logs", "metrics", "stats", "tail", "prune --max-rows 1", "backup copy.db", "export",
          "query 'SELECT 1'", "query --write 'SELECT 1'"}) {
      EXPECT_EQ(sh("$SLUICE " + std::string(words) + " --store " + word(name)).code, 2)
          << words << " " << evil;
    }
    EXPECT_NE(command("import " + word(name)).code, 0) << evil;
    EXPECT_FALSE(std::filesystem::exists(path(name))) << evil;
    EXPECT_FALSE(std::filesystem::exists(path("copy.db"))) << evil;
  }
}

// Where a new file is asked for it gets just that name; what is in it is what went in.
TEST_F(HostileSql, NamesOfFilesAndContents) {
  for (const std::string& evil : hostile_sql()) {
    const std::string name = as_name(evil), file = word("./" + name);
    ASSERT_EQ(command("backup " + file).code, 0) << evil;
    EXPECT_TRUE(fingerprint(name) == before_) << evil;
    ASSERT_EQ(command("export --what all --force --output " + file).code, 0) << evil;
    ASSERT_EQ(sh("$SLUICE import --store copy.db " + file).code, 0) << evil;
    for (const char* const table : {"records", "points", "series"}) {
      const std::string rows = "SELECT count(*) FROM " + std::string(table);
      EXPECT_EQ(row("copy.db", rows), row("a.db", rows)) << evil;
    }
    // A line of text, of the program that is run and of a file that is taken in.
    const std::string line = in_a_line(evil);
    write("lines.log", line + "\n");
    const std::string database = "db " + in_a_line(name), store = word("./" + database);
    ASSERT_EQ(sh("$SLUICE run --quiet --store " + store + " --product " + word(line) +
                 " --logger " + word(line) + " -- cat lines.log")
                  .code,
              0)
        << evil;
    std::filesystem::rename(path("lines.log"), path(name));
    ASSERT_EQ(sh("$SLUICE import --store " + store + " " + file).code, 0) << evil;
    // Names cannot be bound by this reader of rows: compared here.
    const auto bodies = rows_in(path(database), "SELECT body FROM records WHERE event IS NULL");
    EXPECT_EQ(bodies, (std::vector<std::string>{line, line})) << evil;
    const auto products = rows_in(path(database), "SELECT product FROM runs ORDER BY id");
    ASSERT_EQ(products.size(), 2u) << evil;
    EXPECT_EQ(products[0], line);
    EXPECT_NE(products[1].find(name), std::string::npos) << products[1];
    EXPECT_EQ(sh("$SLUICE recover --directory $SLUICE_REGION_DIRECTORY --product " + word(line) +
                 " --store " + store)
                  .code,
              0)
        << evil;
    EXPECT_EQ(row(database, "PRAGMA integrity_check"), "ok");
    std::filesystem::remove(path("copy.db"));
  }
}

// Control: the comparison sees one row changed.
TEST_F(HostileSql, AChangeIsSeen) {
  ASSERT_EQ(command("backup copy.db").code, 0);
  EXPECT_TRUE(fingerprint("copy.db") == before_);
  ASSERT_EQ(sh("$SLUICE query --store copy.db --write"
               " \"UPDATE records SET body = 'x' WHERE id = 7\"")
                .code,
            0);
  EXPECT_FALSE(fingerprint("copy.db") == before_);
}

}  // namespace
}  // namespace sluice::test
