// SQLite's C API with owners and with errors as Status; nothing of ours.
//
// A forked child must not use what its parent opened (https://www.sqlite.org/howtocorrupt.html,
// 2.6). Every use of a connection therefore stands within a DatabaseUse, which a fork waits for;
// the first open() of a child closes what it inherited, and handles that are older than the fork
// only say so. Where a fork did not wait long enough, open() fails in that child for good.
//
// Threading: a Connection and its statements are single-owner. Blocking: as
// the disk; locks of others are never waited for inside: kRetryable, and the caller decides.
// Errors: kRetryable (locked, full, interrupted, input and output), kRotate (damaged, or no
// database at all: this file is finished), kFatal (a value that the table does not take),
// kDisableSink (a mistake in the statement, or no such table).
#ifndef SLUICE_SRC_STORE_SQLITE_H_
#define SLUICE_SRC_STORE_SQLITE_H_

#include <sqlite3.h>

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/bytes.h"
#include "base/status.h"
#include "os/fork.h"

namespace sluice::storage {

// Around calls into SQLite; they may nest.
class DatabaseUse : os::NoForkWithin {
 public:
  DatabaseUse() : NoForkWithin(os::ForkSection::kDatabase) {}
};

// Between two tries for the lock of others. Who writes without a pause leaves them one that is
// longer (Writer::begin()): SQLite has no queue for its lock.
inline constexpr i64 kLockNapNs = 250'000;

enum class Access : u8 {
  kRead,   // the file must be there
  kWrite,  // the file must be there
  kCreate,
};

class Connection;

// A prepared statement. Parameters count from 1, columns from 0. Texts and blobs that are bound
// stay the caller's until reset(); those that are read are valid until the next step().
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept { *this = std::move(other); }
  Statement& operator=(Statement&& other) noexcept;
  ~Statement() { finalize(); }

  [[nodiscard]] explicit operator bool() const { return statement_ != nullptr; }

  void bind(int at, i64 value) { sqlite3_bind_int64(statement_, at, value); }
  void bind(int at, double value) { sqlite3_bind_double(statement_, at, value); }
  void bind(int at, std::string_view text) {
    // A null pointer would bind NULL.
    sqlite3_bind_text64(statement_, at, text.data() ? text.data() : "", text.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
  }
  void bind(int at, ByteView bytes) {
    sqlite3_bind_blob64(statement_, at, bytes.data() ? bytes.data() : static_cast<const void*>(""),
                        bytes.size(), SQLITE_STATIC);
  }
  void bind_null(int at) { sqlite3_bind_null(statement_, at); }
  [[nodiscard]] int parameters() const { return sqlite3_bind_parameter_count(statement_); }

  // The next row: true; the end: false.
  [[nodiscard]] Result<bool> step();
  // For statements without rows: runs it and resets it.
  Status run();
  void reset() { sqlite3_reset(statement_); }

  [[nodiscard]] int columns() const { return sqlite3_column_count(statement_); }
  [[nodiscard]] std::string_view name(int column) const;
  [[nodiscard]] int type(int column) const { return sqlite3_column_type(statement_, column); }
  [[nodiscard]] bool is_null(int column) const { return type(column) == SQLITE_NULL; }
  [[nodiscard]] i64 integer(int column) const { return sqlite3_column_int64(statement_, column); }
  [[nodiscard]] double real(int column) const { return sqlite3_column_double(statement_, column); }
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] ByteView blob(int column) const;
  [[nodiscard]] bool only_reads() const { return sqlite3_stmt_readonly(statement_) != 0; }
  [[nodiscard]] sqlite3_stmt* get() const { return statement_; }

 private:
  friend class Connection;
  void finalize();

  sqlite3_stmt* statement_ = nullptr;
  u32 generation_ = 0;
};

// Calls take(statement) for each row there is left, until it says false, if it says anything.
template <class Take>
Status each_row(Statement& rows, Take&& take) {
  for (;;) {
    const Result<bool> row = rows.step();
    if (!row.ok()) return row.status();
    if (!row.value()) return {};
    if constexpr (std::is_void_v<std::invoke_result_t<Take&, Statement&>>) {
      take(rows);
    } else if (!take(rows)) {
      return {};
    }
  }
}

class Connection {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Connection>> open(const std::string& path,
                                                                Access access);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // False in a child of the process that opened it: to be thrown away.
  [[nodiscard]] bool is_ours() const { return generation_ == os::fork_generation(); }
  [[nodiscard]] const std::string& path() const { return path_; }

  // Statements without results, one after the other.
  Status run(const std::string& sql);
  // Exactly one statement. `rest`: what stands behind it is given back rather than refused.
  [[nodiscard]] Result<Statement> prepare(std::string_view sql, std::string_view* rest = nullptr);
  Status prepare_into(Statement& to, std::string_view sql);
  // The first column of the first row; 0 without one.
  [[nodiscard]] Result<i64> integer_of(const std::string& sql);

  [[nodiscard]] i64 last_row_id() const { return sqlite3_last_insert_rowid(db_); }
  [[nodiscard]] i64 changes() const { return sqlite3_changes64(db_); }
  [[nodiscard]] bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

  // Statements fail as kRetryable from this time on (CLOCK_MONOTONIC); 0: never. The statements
  // that are at work when it passes are interrupted.
  void set_deadline(i64 monotonic_ns) { deadline_ns_ = monotonic_ns; }
  // The same from a request on.
  void set_stop(std::stop_token stop) { stop_ = std::move(stop); }

  [[nodiscard]] sqlite3* get() const { return db_; }

 private:
  Connection() = default;
  static int on_progress(void* connection);

  std::string path_;
  sqlite3* db_ = nullptr;
  u32 generation_ = 0;
  i64 deadline_ns_ = 0;
  std::stop_token stop_;
};

// What the last call on `db` came to.
[[nodiscard]] Status status_of(sqlite3* db, int code, std::string_view path);

// An identifier as it stands in SQL: quoted, quotes doubled.
[[nodiscard]] std::string quoted_name(std::string_view name);
// A text as it stands in SQL.
[[nodiscard]] std::string quoted_text(std::string_view text);

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_SQLITE_H_
