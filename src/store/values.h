// Between the public values and rows (sluice/rows.h) and SQLite's.
//
// Threading: as the statement.
#ifndef SLUICE_SRC_STORE_VALUES_H_
#define SLUICE_SRC_STORE_VALUES_H_

#include <vector>

#include "sluice/rows.h"
#include "store/sqlite.h"

namespace sluice {

inline namespace v1 {
struct RowsAccess {
  static std::vector<std::string>& columns(Rows& rows) { return rows.columns_; }
  static std::vector<std::vector<SqlValue>>& rows(Rows& rows) { return rows.rows_; }
};
}  // namespace v1

namespace storage {

// Parameters 1, 2, ... in order, copied. kFatal when there are more or fewer than the statement
// has.
Status bind_all(Statement& statement, const std::vector<SqlValue>& parameters);

[[nodiscard]] std::vector<std::string> column_names(const Statement& statement);
[[nodiscard]] SqlValue value_of(const Statement& statement, int column);

// Runs the statement to its end. kFatal beyond `max_rows`.
[[nodiscard]] Result<Rows> all_rows(Statement& statement, std::size_t max_rows);

// A mistake in a statement is the caller's: kFatal.
[[nodiscard]] Status as_answer(Status status);

}  // namespace storage
}  // namespace sluice

#endif  // SLUICE_SRC_STORE_VALUES_H_
