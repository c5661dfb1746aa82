#include "store/values.h"

namespace sluice {

inline namespace v1 {

struct SqlValueAccess {
  static const auto& variant(const SqlValue& value) { return value.value_; }
};

const SqlValue& Rows::Row::operator[](std::string_view column) const {
  static const SqlValue null;
  for (std::size_t i = 0; i < rows_->columns_.size(); ++i) {
    if (rows_->columns_[i] == column) return (*values_)[i];
  }
  return null;
}

}  // namespace v1

namespace storage {
namespace {

struct Binder {
  Statement& statement;
  int at;
  void operator()(std::nullptr_t) const { statement.bind_null(at); }
  void operator()(i64 value) const { statement.bind(at, value); }
  void operator()(double value) const { statement.bind(at, value); }
  void operator()(const std::string& text) const {
    sqlite3_bind_text64(statement.get(), at, text.data(), text.size(), SQLITE_TRANSIENT,
                        SQLITE_UTF8);
  }
  void operator()(const Blob& bytes) const {
    // A null pointer would bind NULL.
    const void* const data = bytes.empty() ? "" : static_cast<const void*>(bytes.data());
    sqlite3_bind_blob64(statement.get(), at, data, bytes.size(), SQLITE_TRANSIENT);
  }
};

}  // namespace

Status bind_all(Statement& statement, const std::vector<SqlValue>& parameters) {
  if (std::size_t(statement.parameters()) != parameters.size()) {
    return fatal("the statement has " + std::to_string(statement.parameters()) +
                 " parameters, and " + std::to_string(parameters.size()) + " values were given");
  }
  int at = 0;
  for (const SqlValue& value : parameters) {
    std::visit(Binder{statement, ++at}, SqlValueAccess::variant(value));
  }
  return {};
}

std::vector<std::string> column_names(const Statement& statement) {
  std::vector<std::string> names;
  for (int i = 0; i < statement.columns(); ++i) names.emplace_back(statement.name(i));
  return names;
}

SqlValue value_of(const Statement& statement, int column) {
  switch (statement.type(column)) {
    case SQLITE_INTEGER:
      return statement.integer(column);
    case SQLITE_FLOAT:
      return statement.real(column);
    case SQLITE_TEXT:
      return std::string(statement.text(column));
    case SQLITE_BLOB: {
      const ByteView bytes = statement.blob(column);
      return Blob(bytes.begin(), bytes.end());
    }
    default:
      return nullptr;
  }
}

Result<Rows> all_rows(Statement& statement, std::size_t max_rows) {
  Rows rows;
  RowsAccess::columns(rows) = column_names(statement);
  auto& all = RowsAccess::rows(rows);
  for (;;) {
    const Result<bool> row = statement.step();
    if (!row.ok()) return as_answer(row.status());
    if (!row.value()) return rows;
    if (all.size() == max_rows) {
      return fatal("the result has more than " + std::to_string(max_rows) +
                   " rows; read it with a cursor, or add a LIMIT");
    }
    std::vector<SqlValue>& values = all.emplace_back();
    values.reserve(std::size_t(statement.columns()));
    for (int i = 0; i < statement.columns(); ++i) values.push_back(value_of(statement, i));
  }
}

Status as_answer(Status status) {
  if (status.error_class() != ErrorClass::kDisableSink) return status;
  return fatal(status.message());
}

}  // namespace storage
}  // namespace sluice
