#include "store/change.h"

#include <algorithm>

#include "os/process.h"
#include "store/schema.h"
#include "store/values.h"

namespace sluice::storage {
namespace {

// Pragmas whose argument is what they tell about; of the others it is a setting, some of the whole
// process.
constexpr std::string_view kTelling[] = {
    "foreign_key_check", "foreign_key_list", "index_info", "index_list", "index_xinfo",
    "integrity_check",   "quick_check",      "table_info", "table_list", "table_xinfo"};

bool tells(std::string_view pragma) {
  return std::any_of(std::begin(kTelling), std::end(kTelling), [&](std::string_view telling) {
    return sqlite3_strnicmp(pragma.data(), telling.data(), int(telling.size())) == 0 &&
           pragma.size() == telling.size();
  });
}

// Without these nothing can be stored any more.
constexpr const char* kOurs[] = {"schema_version",
                                 "runs",
                                 "cursors",
                                 "sites",
                                 "records",
                                 "series",
                                 "points",
                                 "states",
                                 "state_values",
                                 "tracks",
                                 "params",
                                 "files",
                                 "logs",
                                 "metrics",
                                 "logs_insert",
                                 "metrics_insert",
                                 "text_parts",
                                 "text_parts_delete",
                                 "text_parts_update"};

// Parts of the full-text index, and what SQLite keeps of them in tables beside.
bool is_of_index(const char* name) {
  return sqlite3_strnicmp(name, "records_text_", 13) == 0 ||
         sqlite3_stricmp(name, "text_parts") == 0;
}

bool is_ours(const char* name) {
  return is_of_index(name) ||
         std::any_of(std::begin(kOurs), std::end(kOurs),
                     [&](const char* ours) { return sqlite3_stricmp(name, ours) == 0; });
}

int authorize(void*, int action, const char* first, const char* second, const char*,
              const char* within) {
  switch (action) {
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
      return SQLITE_DENY;
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
      // Its triggers may change the index.
      return within == nullptr && is_of_index(first) ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_DROP_VTABLE:
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_VIEW:
    case SQLITE_DROP_TRIGGER:
      return is_ours(first) ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_ALTER_TABLE:
      return is_ours(second) ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_PRAGMA:
      return second == nullptr || tells(first) ? SQLITE_OK : SQLITE_DENY;
    default:
      return SQLITE_OK;
  }
}

}  // namespace

Result<Statement> prepare_users(Connection& connection, std::string_view sql,
                                const std::vector<SqlValue>& parameters) {
  sqlite3_set_authorizer(connection.get(), authorize, nullptr);
  Result<Statement> statement = connection.prepare(sql);
  const bool denied = !statement.ok() && (sqlite3_errcode(connection.get()) & 0xff) == SQLITE_AUTH;
  sqlite3_set_authorizer(connection.get(), nullptr, nullptr);
  if (denied) {
    return fatal(
        "the statement begins or ends a transaction, opens another file, changes a setting, or "
        "drops or alters a table of the store's own, or its full-text index; use begin(), commit() "
        "and rollback(), and "
        "add_column()");
  }
  if (!statement.ok()) return as_answer(statement.status());
  const Status bound = bind_all(statement.value(), parameters);
  if (!bound.ok()) return bound;
  return statement;
}

Status retry_while_locked(i64 until_ns, const std::function<Status()>& attempt) {
  for (;;) {
    Status status = attempt();
    const bool locked = status.error_class() == ErrorClass::kRetryable;
    if (!locked || os::monotonic_ns() >= until_ns) return status;
    os::sleep_ns(kLockNapNs);
  }
}

Result<std::unique_ptr<Connection>> Change::connect(const std::string& path) {
  auto connection = Connection::open(path, Access::kWrite);
  if (!connection.ok()) return connection.status();
  Connection& store = *connection.value();
  const Result<SchemaState> state = look_at_schema(store);
  if (!state.ok()) return state.status();
  const Status refused = refuse_unless_current(state.value(), path);
  if (!refused.ok()) return refused;
  sqlite3_limit(store.get(), SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_db_config(store.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  const Status set = store.run("PRAGMA foreign_keys = ON");
  if (!set.ok()) return set;
  return connection;
}

Result<std::unique_ptr<Change>> Change::begin(const std::string& path, i64 until_ns) {
  std::unique_ptr<Change> change(new Change);
  const Status status = retry_while_locked(until_ns, [&]() -> Status {
    const DatabaseUse use;
    if (!change->connection_) {
      auto connection = connect(path);
      if (!connection.ok()) return connection.status();
      change->connection_ = std::move(connection.value());
    }
    return change->connection_->run("BEGIN IMMEDIATE");
  });
  if (!status.ok()) return status;
  return change;
}

Status Change::check_open() const {
  if (!connection_) return fatal("the transaction has ended; begin() another one");
  if (!connection_->is_ours()) {
    return fatal("the transaction belongs to the process that was forked; begin() another one");
  }
  if (!connection_->in_transaction()) {
    return fatal("the transaction was rolled back by a statement that failed; begin() another one");
  }
  return {};
}

Result<i64> Change::execute(std::string_view sql, const std::vector<SqlValue>& parameters) {
  const Status open = check_open();
  if (!open.ok()) return open;
  const DatabaseUse use;
  Result<Statement> statement = prepare_users(*connection_, sql, parameters);
  if (!statement.ok()) return statement.status();
  const i64 before = sqlite3_total_changes64(connection_->get());
  for (;;) {
    const Result<bool> row = statement.value().step();  // a RETURNING clause gives rows
    if (!row.ok()) return as_answer(row.status());
    if (!row.value()) break;
  }
  if (statement.value().only_reads()) return i64{0};
  // Rows that go into a view are counted only in the total, with all that its trigger did.
  const i64 all = sqlite3_total_changes64(connection_->get()) - before;
  const i64 direct = all > 0 ? connection_->changes() : 0;
  return direct > 0 ? direct : all;
}

Result<Rows> Change::query(std::string_view sql, const std::vector<SqlValue>& parameters,
                           std::size_t max_rows) {
  const Status open = check_open();
  if (!open.ok()) return open;
  const DatabaseUse use;
  Result<Statement> statement = prepare_users(*connection_, sql, parameters);
  if (!statement.ok()) return statement.status();
  return all_rows(statement.value(), max_rows);
}

Status Change::commit() {
  Status status = check_open();
  if (!status.ok()) return status;
  const DatabaseUse use;
  status = connection_->run("COMMIT");
  if (status.ok()) connection_.reset();
  return as_answer(std::move(status));
}

void Change::rollback() {
  if (!connection_) return;
  if (connection_->is_ours()) {
    const DatabaseUse use;
    if (connection_->in_transaction()) (void)connection_->run("ROLLBACK");
  }
  connection_.reset();
}

}  // namespace sluice::storage
