// A store with rows that were written by hand, and a program that logs to one while it is read.
#ifndef SLUICE_TESTS_CLI_STORE_CLI_H_
#define SLUICE_TESTS_CLI_STORE_CLI_H_

#include "cli/cli_fixture.h"
#include "sluice/sluice.h"
#include "store/store_fixture.h"

namespace sluice::test {

class StoreCli : public Cli {
 protected:
  // An empty one, by a program that says nothing.
  void make_store() {
    const Finished made = sh("$SLUICE run --quiet --store a.db --product demo -- true");
    ASSERT_EQ(made.code, 0) << made.error;
    sql("DELETE FROM records; DELETE FROM runs");
  }
  // The statement is in a file: no shell reads it.
  void sql(const std::string& statements) {
    write("statements.sql", statements);
    const Finished done = sh("$SLUICE query --store a.db --write \"$(cat statements.sql)\"");
    ASSERT_EQ(done.code, 0) << done.error;
  }
  std::string row(const std::string& query) { return row_in(path("a.db"), query); }
  // A command beside a program that logs as fast as it can: all it says is there afterwards, and
  // the store is sound. The command's answer, a JSON object that has the longest step.
  nlohmann::json beside_a_writer(const std::string& words) {
    const pid_t pid = start("exec $SLUICE run --quiet --store a.db --logger writer -- seq 1 60000",
                            path("o"), path("e"));
    const Finished done = command(words);
    EXPECT_EQ(done.code, 0) << done.error;
    EXPECT_EQ(wait_for(pid), 0) << text("e");
    EXPECT_EQ(row("SELECT count(*), count(DISTINCT body) FROM records WHERE logger = 'writer' AND"
                  " event IS NULL"),
              "60000|60000");
    EXPECT_EQ(row("PRAGMA integrity_check"), "ok");
    nlohmann::json answer = nlohmann::json::parse(done.out, nullptr, false);
    EXPECT_TRUE(answer.contains("longest_step_ms")) << done.out;
    std::printf("longest step %.1f ms\n", answer.value("longest_step_ms", 0.0));
    return answer;
  }
  Finished command(const std::string& words) { return sh("SLUICE_STORE=a.db $SLUICE " + words); }

  // A word for a shell, whatever is in it.
  static std::string word(const std::string& text) {
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
  }
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_CLI_STORE_CLI_H_
