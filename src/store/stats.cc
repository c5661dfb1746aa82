#include "store/stats.h"

#include "os/io.h"
#include "record/format.h"

namespace sluice::storage {
namespace {

// Of a statement without marks; the first error ends all.
template <class Take>
void each_row(Connection& connection, const std::string& sql, Status& status, Take&& take) {
  if (!status.ok()) return;
  Result<Statement> rows = connection.prepare(sql);
  status = rows.ok() ? storage::each_row(rows.value(), take) : rows.status();
}

void read_sizes(Connection& connection, StoreStats& stats, Status& status) {
  os::Io& io = os::real_io();
  os::FileInfo info;
  const char* const file = sqlite3_db_filename(connection.get(), "main");
  if (io.stat_followed(file, info) == 0) stats.database_bytes = info.size;
  if (io.stat_followed(sqlite3_filename_wal(file), info) == 0) stats.wal_bytes = info.size;
  each_row(connection,
           "SELECT freelist_count * page_size, user_version"
           " FROM pragma_freelist_count, pragma_page_size, pragma_user_version",
           status, [&](const Statement& row) {
             stats.free_bytes = u64(row.integer(0));
             stats.schema_version = row.integer(1);
           });
}

void read_tables(Connection& connection, StoreStats& stats, Status& status) {
  const std::string time(kTimeText), level(kLevelText);
  i64 records = 0;
  each_row(connection,
           "SELECT " + level + ", count(*) FROM records GROUP BY 1 ORDER BY max(severity)", status,
           [&](const Statement& row) {
             stats.levels.emplace_back(row.text(0), row.integer(1));
             records += row.integer(1);
           });
  struct Table {
    const char* name;
    std::string oldest, newest;
  };
  // By an index where there is one; rows without one come one after the other.
  const auto ends = [&](const char* table, const std::string& order) {
    const std::string start = "SELECT " + time + " FROM " + table + " ORDER BY " + order;
    return Table{table, start + " LIMIT 1", start + " DESC LIMIT 1"};
  };
  const auto of_series = [&](const char* direction) {
    return " FROM (SELECT (SELECT " + time + " FROM points WHERE series = series.id ORDER BY " +
           time + direction + " LIMIT 1) AS t FROM series)";
  };
  const Table tables[] = {
      ends("records", "time_ns"),
      {"points", "SELECT min(t)" + of_series(""), "SELECT max(t)" + of_series(" DESC")},
      {"series", "", ""},
      ends("states", "id"),
      ends("tracks", "id"),
      {"params", "", ""},
      ends("files", "id"),
      {"runs", "", ""},
      {"sites", "", ""}};
  for (const Table& table : tables) {
    TableStats& made = stats.tables.emplace_back();
    made.name = table.name;
    if (made.name == "records") {
      made.rows = records;
    } else {
      each_row(connection, "SELECT count(*) FROM " + made.name, status,
               [&](const Statement& row) { made.rows = row.integer(0); });
    }
    if (table.oldest.empty()) continue;
    each_row(connection, table.oldest, status,
             [&](const Statement& row) { made.oldest = row.text(0); });
    each_row(connection, table.newest, status,
             [&](const Statement& row) { made.newest = row.text(0); });
  }
}

// The notices of the engine (record/builtin.cc) are warnings, which have an index.
void read_drops(Connection& connection, StoreStats& stats, Status& status) {
  const std::string sites =
      "(SELECT id FROM sites WHERE logger = 'sluice' AND file = ''"
      " AND format IN ('drop report', 'sink gap'))";
  bool any = false;
  each_row(connection, "SELECT 1 FROM sites WHERE id IN " + sites + " LIMIT 1", status,
           [&](const Statement&) { any = true; });
  if (!any) return;
  each_row(connection,
           "SELECT json_extract(attributes, '$.reason') AS reason,"
           " sum(json_extract(attributes, iif(json_type(attributes, '$.missed') IS NULL,"
           " '$.dropped', '$.missed'))) FROM records WHERE " +
               std::string(kLevelText) + " = 'WARNING' AND site IN " + sites +
               " GROUP BY reason ORDER BY reason",
           status, [&](const Statement& row) {
             std::string reason = "sink_gap";
             if (!row.is_null(0)) {
               const i64 number = row.integer(0);
               reason = number >= 0 && number < i64(kDropReasons)
                            ? std::string(drop_reason_name(DropReason(number)))
                            : "unknown";
             }
             stats.drops.emplace_back(std::move(reason), row.integer(1));
           });
}

void read_runs(Connection& connection, u64 limit, StoreStats& stats, Status& status) {
  const auto time = [](const std::string& column) {
    return "strftime('%Y-%m-%d %H:%M:%f'," + column + "/1000000/1000.0,'unixepoch')";
  };
  each_row(connection,
           "SELECT run_id, product, host, pid, " + time("started_ns") + ", " + time("ended_ns") +
               ", exit_code, signal, coalesce(reason, '') FROM runs"
               " ORDER BY started_ns DESC, id DESC LIMIT " +
               std::to_string(limit),
           status, [&](const Statement& row) {
             RunStats& run = stats.runs.emplace_back();
             run.run_id = row.text(0);
             run.product = row.text(1);
             run.host = row.text(2);
             run.pid = row.integer(3);
             run.started = row.text(4);
             run.ended = row.text(5);
             if (!row.is_null(6)) run.exit_code = row.integer(6);
             if (!row.is_null(7)) run.signal = row.integer(7);
             run.reason = row.text(8);
           });
}

}  // namespace

Result<StoreStats> read_stats(Connection& connection, u64 runs) {
  StoreStats stats;
  Status status = connection.run("BEGIN");
  if (!status.ok()) return status;
  read_sizes(connection, stats, status);
  read_tables(connection, stats, status);
  read_drops(connection, stats, status);
  read_runs(connection, runs, stats, status);
  each_row(connection,
           "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
           status, [&](const Statement& row) { stats.indexes.emplace_back(row.text(0)); });
  if (status.ok()) {
    Result<std::vector<CustomColumn>> columns = custom_columns(connection);
    if (columns.ok()) stats.columns = std::move(columns.value());
    status = columns.status();
  }
  (void)connection.run("ROLLBACK");
  if (!status.ok()) return status;
  return stats;
}

}  // namespace sluice::storage
