// Statements of the user's own: what they may be, and transactions of them.
//
// Threading: single-owner. Blocking: as the disk; begin() waits for the lock of others.
// Errors: kFatal (a mistake in the statement, a value that the table does not take), kRetryable
// (locked, full), kRotate (damaged).
#ifndef SLUICE_SRC_STORE_CHANGE_H_
#define SLUICE_SRC_STORE_CHANGE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sluice/rows.h"
#include "store/sqlite.h"

namespace sluice::storage {

// A statement of the user's with its parameters. Refused are those that would change what the
// connection is: transactions, other files, and settings.
[[nodiscard]] Result<Statement> prepare_users(Connection& connection, std::string_view sql,
                                              const std::vector<SqlValue>& parameters);

// Tries until others have let go of the file's lock, at most until `until_ns` (CLOCK_MONOTONIC). A
// fork may come between two tries.
Status retry_while_locked(i64 until_ns, const std::function<Status()>& attempt);

class Change {
 public:
  // A connection that may write to the store at `path`, without a transaction.
  [[nodiscard]] static Result<std::unique_ptr<Connection>> connect(const std::string& path);
  [[nodiscard]] static Result<std::unique_ptr<Change>> begin(const std::string& path, i64 until_ns);
  ~Change() { rollback(); }

  // The number of rows changed.
  [[nodiscard]] Result<i64> execute(std::string_view sql, const std::vector<SqlValue>& parameters);
  [[nodiscard]] Result<Rows> query(std::string_view sql, const std::vector<SqlValue>& parameters,
                                   std::size_t max_rows);
  Status commit();
  void rollback();

 private:
  Change() = default;
  [[nodiscard]] Status check_open() const;
  std::unique_ptr<Connection> connection_;
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_CHANGE_H_
