#include "store/reader.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "os/io.h"
#include "store/change.h"
#include "store/schema.h"
#include "store/select.h"
#include "store/values.h"

namespace sluice::storage {
namespace {

constexpr char kLogColumns[] =
    "SELECT id, timestamp, level, thread_id, module, message, extra_data FROM logs";
constexpr char kMetricColumns[] = "SELECT id, timestamp, metric_name, value, unit FROM metrics";

LogRow log_row(const Statement& row) {
  return {.id = row.integer(0),
          .timestamp = std::string(row.text(1)),
          .level = std::string(row.text(2)),
          .thread_id = row.integer(3),
          .module = std::string(row.text(4)),
          .message = std::string(row.text(5)),
          .extra_data = std::string(row.text(6))};
}

MetricRow metric_row(const Statement& row) {
  MetricRow metric{.id = row.integer(0),
                   .timestamp = std::string(row.text(1)),
                   .metric_name = std::string(row.text(2)),
                   .value = std::nullopt,
                   .unit = std::string(row.text(4))};
  if (!row.is_null(3)) metric.value = row.real(3);
  return metric;
}

// A number above SQLite's largest would be a REAL, which is no limit.
i64 limit_of(std::size_t limit) { return i64(std::min<u64>(limit, INT64_MAX)); }

os::FileId file_at(const std::string& path) {
  os::FileInfo info;
  if (os::real_io().stat(path.c_str(), info) < 0) return {};
  return info.id();
}

template <class Take>
Status each_answer(Result<Statement>& statement, Take&& take) {
  return statement.ok() ? as_answer(each_row(statement.value(), take)) : statement.status();
}

}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(const std::string& path) {
  const DatabaseUse use;
  auto connection = Connection::open(path, Access::kRead);
  if (!connection.ok()) return connection.status();
  const Result<SchemaState> state = look_at_schema(*connection.value());
  if (!state.ok()) return state.status();
  const Status refused = refuse_unless_current(state.value(), path);
  if (!refused.ok()) return refused;
  // One file: no other database is to be made or read by its name in a statement.
  sqlite3_limit(connection.value()->get(), SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_db_config(connection.value()->get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  std::unique_ptr<Reader> reader(new Reader);
  reader->connection_ = std::move(connection.value());
  reader->file_ = file_at(path);
  return reader;
}

bool Reader::is_of(const std::string& path) const {
  return connection_->is_ours() && connection_->path() == path && file_ == file_at(path);
}

bool Reader::may_go_on(const std::string& path) const {
  return is_of(path) || (connection_->is_ours() && file_at(path) == os::FileId());
}

void Reader::limit(i64 deadline_ns, std::stop_token stop) {
  connection_->set_deadline(deadline_ns);
  connection_->set_stop(std::move(stop));
}

Result<Statement> Reader::prepare(std::string_view sql, const std::vector<SqlValue>& parameters) {
  Result<Statement> statement = prepare_users(*connection_, sql, parameters);
  if (statement.ok() && !statement.value().only_reads()) {
    return fatal("the statement changes the store; use execute() or a transaction");
  }
  return statement;
}

Result<Rows> Reader::ask(std::string_view sql, const std::vector<SqlValue>& parameters,
                         std::size_t max_rows) {
  const DatabaseUse use;
  Result<Statement> statement = prepare(sql, parameters);
  if (!statement.ok()) return statement.status();
  return all_rows(statement.value(), max_rows);
}

// The orders are those of the indexes.
Result<std::vector<LogRow>> Reader::logs(std::optional<Level> level, std::size_t limit) {
  const DatabaseUse use;
  const std::string sql(kLogColumns);
  Result<Statement> statement =
      level ? prepare(sql + " WHERE level = ? ORDER BY timestamp DESC, id DESC LIMIT ?",
                      {level_text(*level), limit_of(limit)})
            : prepare(sql +
                          " WHERE id IN (SELECT id FROM records ORDER BY time_ns DESC, id DESC"
                          " LIMIT ?) ORDER BY timestamp DESC, id DESC",
                      {limit_of(limit)});
  std::vector<LogRow> rows;
  const Status status =
      each_answer(statement, [&](const Statement& row) { rows.push_back(log_row(row)); });
  if (!status.ok()) return status;
  return rows;
}

Result<std::vector<LogRow>> Reader::find(std::string_view expression, std::optional<Level> at_least,
                                         std::size_t limit) {
  const DatabaseUse use;
  LogFinder finder(*connection_, Filter{.level = at_least}, std::string(expression));
  const Result<std::vector<i64>> ids = finder.newest(limit);
  if (!ids.ok()) return ids.status();
  std::vector<LogRow> rows;
  for (auto id = ids.value().rbegin(); id != ids.value().rend(); ++id) {
    Result<Statement> row = prepare(std::string(kLogColumns) + " WHERE id = ?", {*id});
    const Status status =
        each_answer(row, [&](const Statement& found) { rows.push_back(log_row(found)); });
    if (!status.ok()) return status;
  }
  return rows;
}

Result<std::vector<MetricRow>> Reader::metrics(std::string_view name, std::size_t limit) {
  const DatabaseUse use;
  const std::string sql(kMetricColumns);
  Result<Statement> statement =
      name.empty()
          ? prepare(sql + " ORDER BY id DESC LIMIT ?", {limit_of(limit)})
          : prepare(sql + " WHERE metric_name = ? ORDER BY timestamp DESC, id DESC LIMIT ?",
                    {name, limit_of(limit)});
  std::vector<MetricRow> rows;
  const Status status =
      each_answer(statement, [&](const Statement& row) { rows.push_back(metric_row(row)); });
  if (!status.ok()) return status;
  return rows;
}

Result<LogStatistics> Reader::statistics() {
  const DatabaseUse use;
  LogStatistics statistics;
  Status status = connection_->run("BEGIN");
  if (!status.ok()) return status;
  Result<Statement> levels =
      prepare("SELECT level, count(*) FROM logs GROUP BY level ORDER BY 2 DESC, 1", {});
  status = each_answer(levels, [&](const Statement& row) {
    statistics.logs_by_level.emplace_back(row.text(0), row.integer(1));
    statistics.total_logs += row.integer(1);
  });
  if (status.ok()) {
    Result<Statement> threads =
        prepare("SELECT thread_id, count(*) FROM logs GROUP BY thread_id ORDER BY 2 DESC, 1", {});
    status = each_answer(threads, [&](const Statement& row) {
      statistics.logs_by_thread.emplace_back(row.integer(0), row.integer(1));
    });
  }
  if (status.ok()) {
    Result<Statement> metrics = prepare("SELECT count(*) FROM points", {});
    status = each_answer(metrics,
                         [&](const Statement& row) { statistics.total_metrics = row.integer(0); });
  }
  const Status ended = connection_->run("ROLLBACK");
  if (status.ok()) status = ended;
  if (!status.ok()) return status;
  return statistics;
}

Result<Commit> Reader::rows_after(i64 log_id, i64 metric_id, std::size_t limit) {
  const DatabaseUse use;
  Commit commit;
  Result<Statement> logs =
      prepare(std::string(kLogColumns) + " WHERE id > ? ORDER BY id LIMIT ?", {log_id, limit});
  Status status =
      each_answer(logs, [&](const Statement& row) { commit.logs.push_back(log_row(row)); });
  if (!status.ok()) return status;
  Result<Statement> metrics = prepare(
      std::string(kMetricColumns) + " WHERE id > ? ORDER BY id LIMIT ?", {metric_id, limit});
  status = each_answer(metrics,
                       [&](const Statement& row) { commit.metrics.push_back(metric_row(row)); });
  if (!status.ok()) return status;
  return commit;
}

Result<std::unique_ptr<Reader>> Readers::take(const std::string& path) {
  {
    const DatabaseUse use;  // before the lock: a fork finds it free
    const std::lock_guard lock(mutex_);
    while (!idle_.empty()) {
      std::unique_ptr<Reader> reader = std::move(idle_.back());
      idle_.pop_back();
      // Another process's, or another file's: thrown away.
      if (reader->is_of(path)) return reader;
    }
  }
  return Reader::open(path);
}

void Readers::give_back(std::unique_ptr<Reader> reader) {
  reader->limit(0, {});
  const DatabaseUse use;
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleMax) idle_.push_back(std::move(reader));
}

void Readers::close() {
  const DatabaseUse use;
  const std::lock_guard lock(mutex_);
  idle_.clear();
}

}  // namespace sluice::storage
