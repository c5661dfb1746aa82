// A store with rows that were written by hand, and a program that logs to one while it is read.
#ifndef SLUICE_TESTS_CLI_STORE_CLI_H_
#define SLUICE_TESTS_CLI_STORE_CLI_H_

#include "cli/cli_fixture.h"
#include "sluice/sluice.h"

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
