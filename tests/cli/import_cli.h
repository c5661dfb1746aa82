// Imports into b.db, and what stands there then.
#ifndef SLUICE_TESTS_CLI_IMPORT_CLI_H_
#define SLUICE_TESTS_CLI_IMPORT_CLI_H_

#include "cli/cli_fixture.h"
#include "store/store_fixture.h"

namespace sluice::test {

class ImportCli : public Cli {
 protected:
  void write_sql(const std::string& store, const std::string& sql) {
    const auto opened = storage::Connection::open(path(store), storage::Access::kWrite);
    ASSERT_EQ(opened.value()->run(sql).message(), "");
  }
  std::string row(const std::string& sql) { return row_in(path("b.db"), sql); }
  std::vector<std::string> rows(const std::string& sql) { return rows_in(path("b.db"), sql); }
  Finished import(const std::string& words) { return sh("$SLUICE import --store b.db " + words); }
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_CLI_IMPORT_CLI_H_
