// A store in a folder of its own, and SQLite's own view of it.
#ifndef SLUICE_TESTS_STORE_STORE_FIXTURE_H_
#define SLUICE_TESTS_STORE_STORE_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "store/sqlite.h"

namespace sluice::test {

class Folder {
 public:
  Folder() : path_("/tmp/sluice-test-XXXXXX") {
    if (!::mkdtemp(path_.data())) std::abort();
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// All rows of a query, columns joined by '|'; NULL is "-". What went wrong is one row.
inline std::vector<std::string> rows_of(storage::Connection& connection, const std::string& sql) {
  Result<storage::Statement> statement = connection.prepare(sql);
  if (!statement.ok()) return {statement.status().message()};
  std::vector<std::string> rows;
  for (;;) {
    const Result<bool> row = statement.value().step();
    if (!row.ok()) rows.push_back(row.status().message());
    if (!row.ok() || !row.value()) return rows;
    std::string text;
    for (int i = 0; i < statement.value().columns(); ++i) {
      if (i > 0) text += '|';
      text += statement.value().is_null(i) ? "-" : std::string(statement.value().text(i));
    }
    rows.push_back(std::move(text));
  }
}

inline std::vector<std::string> rows_in(const std::string& path, const std::string& sql) {
  const auto connection = storage::Connection::open(path, storage::Access::kRead);
  if (!connection.ok()) return {connection.status().message()};
  return rows_of(*connection.value(), sql);
}
inline std::string row_in(const std::string& path, const std::string& sql) {
  const std::vector<std::string> rows = rows_in(path, sql);
  return rows.size() == 1 ? rows[0] : std::to_string(rows.size()) + " rows";
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_STORE_STORE_FIXTURE_H_
