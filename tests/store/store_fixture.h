// A store in a folder of its own, and SQLite's own view of it.
#ifndef SLUICE_TESTS_STORE_STORE_FIXTURE_H_
#define SLUICE_TESTS_STORE_STORE_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/schema.h"
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

inline std::string only_row(const std::vector<std::string>& rows) {
  return rows.size() == 1 ? rows[0] : std::to_string(rows.size()) + " rows";
}
inline std::vector<std::string> rows_in(const std::string& path, const std::string& sql) {
  const auto connection = storage::Connection::open(path, storage::Access::kRead);
  if (!connection.ok()) return {connection.status().message()};
  return rows_of(*connection.value(), sql);
}
inline std::string row_in(const std::string& path, const std::string& sql) {
  return only_row(rows_in(path, sql));
}

// An empty store, and its file open to write.
class StoreFileTest : public ::testing::Test {
 protected:
  StoreFileTest() {
    auto opened = storage::Connection::open(path_, storage::Access::kCreate);
    store_ = std::move(opened.value());
    EXPECT_TRUE(make_schema(*store_).ok());
  }
  void run(const std::string& sql) { ASSERT_EQ(store_->run(sql).message(), ""); }
  std::string row(const std::string& sql) { return only_row(rows_of(*store_, sql)); }

  const Folder folder_;
  const std::string path_ = folder_ / "a.db";
  std::unique_ptr<storage::Connection> store_;
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_STORE_STORE_FIXTURE_H_
