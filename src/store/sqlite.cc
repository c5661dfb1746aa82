#include "store/sqlite.h"

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>
#include <vector>

#include "os/io.h"
#include "os/process.h"

namespace sluice::storage {
namespace {

// Virtual machine instructions between two looks at the deadline: some tens of microseconds.
constexpr int kProgressSteps = 10'000;
constexpr std::size_t kStatementBytesMax = 1'000'000;  // SQLite's own default limit

// Everything open in this process, so that a forked child can close what it inherited. Never
// destroyed: connections may be used while the process exits.
struct OpenConnections {
  std::mutex mutex;  // free at a fork: it is taken within a DatabaseUse only
  std::vector<sqlite3*> all;
  u32 generation = 0;
};
OpenConnections& open_connections() {
  static auto* const connections = new OpenConnections;
  return *connections;
}

// The kernel's locks are the parent's: a copy of its connection is closed without looking at the
// files, whose state it does not know.
void close_inherited(OpenConnections& connections) {
  for (sqlite3* db : connections.all) {
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    while (sqlite3_stmt* statement = sqlite3_next_stmt(db, nullptr)) sqlite3_finalize(statement);
    sqlite3_close(db);
  }
  connections.all.clear();
  connections.generation = os::fork_generation();
}

// SQLite would make it readable by all. A new file only: to close another descriptor of one that is
// open would lose this process's locks on it. What goes wrong, SQLite finds too, and says.
void make_private(const std::string& path) {
  os::Io& io = os::real_io();
  os::FileInfo info;
  if (io.stat(path.c_str(), info) != -ENOENT) return;
  const int fd = io.open(path.c_str(), os::kWrite | os::kCreate | os::kExclusive);
  if (fd >= 0) io.close(fd);
}

// A program that was killed while it made the file, before there was a write-ahead log, has left a
// journal beside it. Only who may write can put that in order: SQLite does so at the first look.
// What goes wrong, the reader finds too, and says.
void roll_back_what_is_left(const std::string& path) {
  os::FileInfo info;
  if (os::real_io().stat((path + "-journal").c_str(), info) < 0) return;
  sqlite3* db = nullptr;
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_READWRITE;
  if (sqlite3_open_v2(path.c_str(), &db, flags, nullptr) == SQLITE_OK) {
    (void)sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", nullptr, nullptr, nullptr);
  }
  sqlite3_close(db);
}

ErrorClass class_of(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_SCHEMA:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return ErrorClass::kRetryable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorClass::kRotate;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_RANGE:
      return ErrorClass::kFatal;
    default:
      return ErrorClass::kDisableSink;
  }
}

std::string_view cure_of(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "; another process holds it";
    case SQLITE_FULL:
      return "; free some space";
    case SQLITE_CANTOPEN:
      return "; check the path and whose it is";
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return "; make it and its directory writable";
    default:
      return "";
  }
}

}  // namespace

Status status_of(sqlite3* db, int code, std::string_view path) {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return {};
  std::string text(path);
  text += ": ";
  const bool own_text = db != nullptr && sqlite3_extended_errcode(db) == code;
  text += own_text ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  text += cure_of(code);
  return {class_of(code), std::move(text), db != nullptr ? sqlite3_system_errno(db) : 0};
}

// ---- Statement ----

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this == &other) return *this;
  finalize();
  statement_ = std::exchange(other.statement_, nullptr);
  generation_ = other.generation_;
  return *this;
}

void Statement::finalize() {
  // One that came through a fork went with its connection.
  if (statement_ != nullptr && generation_ == os::fork_generation()) {
    const DatabaseUse use;
    sqlite3_finalize(statement_);
  }
  statement_ = nullptr;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  sqlite3* const db = sqlite3_db_handle(statement_);
  Status status = status_of(db, sqlite3_extended_errcode(db), sqlite3_db_filename(db, "main"));
  sqlite3_reset(statement_);
  return status;
}

Status Statement::run() {
  const Result<bool> row = step();
  if (row.ok()) reset();
  return row.status();
}

std::string_view Statement::name(int column) const {
  const char* const name = sqlite3_column_name(statement_, column);
  return name != nullptr ? name : "";
}

std::string_view Statement::text(int column) const {
  const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return {};
  return {text, std::size_t(sqlite3_column_bytes(statement_, column))};
}

ByteView Statement::blob(int column) const {
  const auto* const bytes = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
  if (bytes == nullptr) return {};
  return {bytes, std::size_t(sqlite3_column_bytes(statement_, column))};
}

// ---- Connection ----

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, Access access) {
  const DatabaseUse use;
  if (os::forked_within(os::ForkSection::kDatabase)) {
    return Status{ErrorClass::kRetryable,
                  path +
                      ": the database library was at work when this process was forked and "
                      "cannot be used in it; log from the parent, or start a new process"};
  }
  OpenConnections& connections = open_connections();
  const std::lock_guard lock(connections.mutex);
  if (connections.generation != os::fork_generation()) close_inherited(connections);
  if (access == Access::kCreate) make_private(path);
  if (access == Access::kRead) roll_back_what_is_left(path);
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (access == Access::kRead) {
    flags |= SQLITE_OPEN_READONLY;
  } else {
    flags |= SQLITE_OPEN_READWRITE;
    if (access == Access::kCreate) flags |= SQLITE_OPEN_CREATE;
  }
  std::unique_ptr<Connection> made(new Connection);
  made->path_ = path;
  made->generation_ = os::fork_generation();
  const int code = sqlite3_open_v2(path.c_str(), &made->db_, flags, nullptr);
  if (code != SQLITE_OK) {
    Status status = status_of(made->db_, code, path);
    sqlite3_close(std::exchange(made->db_, nullptr));
    return status;
  }
  connections.all.push_back(made->db_);
  sqlite3_progress_handler(made->db_, kProgressSteps, on_progress, made.get());
  return made;
}

Connection::~Connection() {
  if (db_ == nullptr || !is_ours()) return;
  const DatabaseUse use;
  OpenConnections& connections = open_connections();
  const std::lock_guard lock(connections.mutex);
  std::erase(connections.all, db_);
  sqlite3_close_v2(db_);  // waits for statements that outlive it
}

int Connection::on_progress(void* connection) {
  const auto& self = *static_cast<const Connection*>(connection);
  if (self.stop_.stop_requested()) return 1;
  const i64 deadline = self.deadline_ns_;
  return deadline != 0 && os::monotonic_ns() >= deadline ? 1 : 0;
}

Status Connection::run(const std::string& sql) {
  return status_of(db_, sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr), path_);
}

Result<Statement> Connection::prepare(std::string_view sql, std::string_view* rest) {
  if (sql.size() > kStatementBytesMax) {
    return fatal("the statement is longer than 1,000,000 bytes; pass its values as parameters");
  }
  Statement made;
  made.generation_ = generation_;
  const char* tail = nullptr;
  const int code = sqlite3_prepare_v3(db_, sql.data(), int(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &made.statement_, &tail);
  if (code != SQLITE_OK) return status_of(db_, code, path_);
  const std::string_view behind = sql.substr(std::size_t(tail - sql.data()));
  if (rest != nullptr) {
    *rest = behind;
  } else if (made.statement_ == nullptr) {
    return fatal("no statement: write one, such as SELECT ...");
  } else if (behind.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
    return fatal("more than one statement; run them one by one");
  }
  return made;
}

Status Connection::prepare_into(Statement& to, std::string_view sql) {
  Result<Statement> made = prepare(sql);
  if (!made.ok()) return made.status();
  to = std::move(made.value());
  return {};
}

Result<i64> Connection::integer_of(const std::string& sql) {
  Result<Statement> statement = prepare(sql);
  if (!statement.ok()) return statement.status();
  const Result<bool> row = statement.value().step();
  if (!row.ok()) return row.status();
  return row.value() ? statement.value().integer(0) : 0;
}

namespace {
std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote) out += c;
    out += c;
  }
  return out += quote;
}
}  // namespace

std::string quoted_name(std::string_view name) { return quoted(name, '"'); }
std::string quoted_text(std::string_view text) { return quoted(text, '\''); }

}  // namespace sluice::storage
