#include "store/schema.h"

#include <algorithm>
#include <array>

#include "record/escape.h"

namespace sluice::storage {

// SQLite counts milliseconds of a day, so the text is exact to the millisecond.
#define SLUICE_TIME_TEXT "strftime('%Y-%m-%d %H:%M:%f',time_ns/1000000/1000.0,'unixepoch')"
#define SLUICE_LEVEL_TEXT                                                                       \
  "CASE severity WHEN 1 THEN 'TRACE' WHEN 5 THEN 'DEBUG' WHEN 9 THEN 'INFO' WHEN 10 THEN "      \
  "'NOTICE' WHEN 13 THEN 'WARNING' WHEN 17 THEN 'ERROR' WHEN 21 THEN 'CRITICAL' ELSE severity " \
  "END"

const char kTimeText[] = SLUICE_TIME_TEXT;
const char kLevelText[] = SLUICE_LEVEL_TEXT;

namespace {

constexpr std::size_t kFieldNameMax = 64;

constexpr const char* kTables[] = {
    "CREATE TABLE schema_version(version INTEGER PRIMARY KEY, applied_ns INTEGER NOT NULL) STRICT",

    // One execution of a program. A run's rows in records lie between first_record and last_record.
    "CREATE TABLE runs(id INTEGER PRIMARY KEY, region BLOB NOT NULL UNIQUE, run_id TEXT NOT NULL,"
    " product TEXT NOT NULL, version TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,"
    " started_ns INTEGER NOT NULL, ended_ns INTEGER, exit_code INTEGER, signal INTEGER,"
    " reason TEXT, first_record INTEGER, last_record INTEGER) STRICT",
    "CREATE INDEX runs_by_run_id ON runs(run_id)",

    // Where the journal of a run goes on; moves in the transaction that stores what is before it.
    // callers: of the records before it, those that callers wrote; NULL: not known.
    "CREATE TABLE cursors(run INTEGER PRIMARY KEY REFERENCES runs(id) ON DELETE CASCADE,"
    " next_sequence INTEGER NOT NULL, callers INTEGER) STRICT",

    "CREATE TABLE sites(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, severity INTEGER NOT NULL,"
    " logger TEXT NOT NULL, file TEXT NOT NULL, line INTEGER NOT NULL, function TEXT NOT NULL,"
    " format TEXT NOT NULL, UNIQUE(file, line, format, logger, severity, kind, function)) STRICT",

    // Logs and events (OpenTelemetry: a log with an event name).
    "CREATE TABLE records(id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL,"
    " severity INTEGER NOT NULL, run INTEGER, sequence INTEGER, thread INTEGER NOT NULL,"
    " site INTEGER, logger TEXT NOT NULL, event TEXT, body TEXT NOT NULL, attributes TEXT,"
    " context TEXT) STRICT",
    "CREATE INDEX records_by_level ON records(" SLUICE_LEVEL_TEXT ", " SLUICE_TIME_TEXT ")",
    "CREATE INDEX records_by_time ON records(time_ns)",
    "CREATE INDEX records_by_thread ON records(thread)",

    "CREATE TABLE series(id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL,"
    " unit TEXT NOT NULL, tags TEXT NOT NULL, UNIQUE(name, kind, unit, tags)) STRICT",
    // weight: for how many samples, whose mean the value is, a row stands; NULL: for one.
    "CREATE TABLE points(id INTEGER PRIMARY KEY, series INTEGER NOT NULL, time_ns INTEGER NOT NULL,"
    " value REAL, run INTEGER, sequence INTEGER, weight INTEGER) STRICT",
    "CREATE INDEX points_by_series ON points(series, " SLUICE_TIME_TEXT ")",

    // Every merge patch (RFC 7396), and what they have come to. after_gap: one before was lost.
    "CREATE TABLE states(id INTEGER PRIMARY KEY, run INTEGER NOT NULL, time_ns INTEGER NOT NULL,"
    " sequence INTEGER NOT NULL, patch TEXT NOT NULL, after_gap INTEGER NOT NULL) STRICT",
    "CREATE TABLE state_values(run INTEGER PRIMARY KEY REFERENCES runs(id) ON DELETE CASCADE,"
    " time_ns INTEGER NOT NULL, value TEXT NOT NULL) STRICT",

    "CREATE TABLE tracks(id INTEGER PRIMARY KEY, run INTEGER NOT NULL, topic TEXT NOT NULL,"
    " time_ns INTEGER NOT NULL, fields TEXT NOT NULL) STRICT",
    "CREATE INDEX tracks_by_topic ON tracks(topic, time_ns)",
    "CREATE TABLE params(run INTEGER NOT NULL, key TEXT NOT NULL, value ANY NOT NULL,"
    " time_ns INTEGER NOT NULL, PRIMARY KEY(run, key)) STRICT, WITHOUT ROWID",
    "CREATE TABLE files(id INTEGER PRIMARY KEY, run INTEGER NOT NULL, name TEXT NOT NULL,"
    " time_ns INTEGER NOT NULL, bytes INTEGER, sha256 TEXT, fields TEXT) STRICT",

    "CREATE VIEW metrics AS SELECT points.id AS id, " SLUICE_TIME_TEXT
    " AS timestamp,"
    " series.name AS metric_name, points.value AS value, nullif(series.unit, '') AS unit"
    " FROM points JOIN series ON series.id = points.series",
    // Times before 1970 and after 9999 are as SQLite has them: none.
    "CREATE TRIGGER metrics_insert INSTEAD OF INSERT ON metrics BEGIN"
    " SELECT RAISE(ABORT, 'metric_name must not be NULL') WHERE NEW.metric_name IS NULL;"
    " SELECT RAISE(ABORT, 'timestamp is no time: write YYYY-MM-DD HH:MM:SS.fff, in UTC')"
    "  WHERE julianday(coalesce(NEW.timestamp, 'now')) IS NULL;"
    " INSERT OR IGNORE INTO series(name, kind, unit, tags)"
    "  VALUES(NEW.metric_name, 'gauge', coalesce(NEW.unit, ''), '{}');"
    " INSERT INTO points(series, time_ns, value) SELECT id,"
    "  CAST(round((julianday(coalesce(NEW.timestamp, 'now')) - 2440587.5) * 86400000) AS INTEGER)"
    "  * 1000000, NEW.value FROM series WHERE name = NEW.metric_name AND kind = 'gauge'"
    "  AND unit = coalesce(NEW.unit, '') AND tags = '{}';"
    " END",
};

constexpr std::string_view kOwnColumns[] = {
    "id",        "time_ns", "severity",  "run",    "sequence",   "thread",
    "site",      "logger",  "event",     "body",   "attributes", "context",
    "timestamp", "level",   "thread_id", "module", "message",    "extra_data"};

// The view `logs` and what an INSERT into it does, with the columns there are.
std::string logs_view(const std::vector<CustomColumn>& custom) {
  std::string columns, names, values;
  for (const CustomColumn& column : custom) {
    const std::string name = quoted_name(column.name);
    columns += ", " + name;
    names += ", " + name;
    values += ", NEW." + name;
  }
  return "DROP VIEW IF EXISTS logs;"
         "CREATE VIEW logs AS SELECT id, " SLUICE_TIME_TEXT " AS timestamp, " SLUICE_LEVEL_TEXT
         " AS level, thread AS thread_id, logger AS module, body AS message,"
         " CASE WHEN context IS NULL THEN attributes"
         " ELSE json_patch(context, coalesce(attributes, '{}')) END AS extra_data" +
         columns +
         " FROM records;"
         "CREATE TRIGGER logs_insert INSTEAD OF INSERT ON logs BEGIN"
         " SELECT RAISE(ABORT, 'level is none of TRACE, DEBUG, INFO, NOTICE, WARNING, ERROR,"
         " CRITICAL') WHERE upper(coalesce(NEW.level, 'INFO')) NOT IN ('TRACE', 'DEBUG', 'INFO',"
         " 'NOTICE', 'WARNING', 'WARN', 'ERROR', 'CRITICAL', 'FATAL');"
         " SELECT RAISE(ABORT, 'timestamp is no time: write YYYY-MM-DD HH:MM:SS.fff, in UTC')"
         " WHERE julianday(coalesce(NEW.timestamp, 'now')) IS NULL;"
         " SELECT RAISE(ABORT, 'extra_data is no JSON object')"
         " WHERE NEW.extra_data IS NOT NULL AND NOT (json_valid(NEW.extra_data)"
         " AND json_type(NEW.extra_data) = 'object');"
         " INSERT INTO records(time_ns, severity, thread, logger, body, attributes" +
         names +
         ") VALUES(CAST(round((julianday(coalesce(NEW.timestamp, 'now')) - 2440587.5)"
         " * 86400000) AS INTEGER) * 1000000, CASE upper(coalesce(NEW.level, 'INFO'))"
         " WHEN 'TRACE' THEN 1 WHEN 'DEBUG' THEN 5 WHEN 'INFO' THEN 9 WHEN 'NOTICE' THEN 10"
         " WHEN 'WARNING' THEN 13 WHEN 'WARN' THEN 13 WHEN 'ERROR' THEN 17 ELSE 21 END,"
         " coalesce(NEW.thread_id, 0), coalesce(NEW.module, ''), coalesce(NEW.message, ''),"
         " NEW.extra_data" +
         values + "); END";
}

// Everything or nothing; within the caller's transaction if there is one.
template <class Work>
Status in_transaction(Connection& connection, Work&& work) {
  if (connection.in_transaction()) return work();
  Status status = connection.run("BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  status = work();
  if (status.ok()) status = connection.run("COMMIT");
  if (!status.ok() && connection.in_transaction()) (void)connection.run("ROLLBACK");
  return status;
}

Status create(Connection& connection) {
  for (const char* const statement : kTables) {
    const Status status = connection.run(statement);
    if (!status.ok()) return status;
  }
  Status status = connection.run(logs_view({}));
  if (!status.ok()) return status;
  return connection.run("INSERT INTO schema_version VALUES(" + std::to_string(kSchemaVersion) +
                        ", CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000000);"
                        "PRAGMA application_id = " +
                        std::to_string(kApplicationId) +
                        "; PRAGMA user_version = " + std::to_string(kSchemaVersion));
}

// From version 1 or 2.
Status bring_up_to_date(Connection& connection, i64 from) {
  const std::string callers =
      from < 2 ? "ALTER TABLE cursors ADD COLUMN callers INTEGER;" : std::string();
  return connection.run(callers +
                        "ALTER TABLE points ADD COLUMN weight INTEGER;"
                        "INSERT INTO schema_version VALUES(" +
                        std::to_string(kSchemaVersion) +
                        ", CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000000);"
                        "PRAGMA user_version = " +
                        std::to_string(kSchemaVersion));
}

Status check_column_name(std::string_view name) {
  if (name.empty() || name.size() > 64) {
    return fatal("a column needs a name of 1 to 64 bytes");
  }
  const bool sound = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
  if (!sound || (name[0] >= '0' && name[0] <= '9')) {
    return fatal("column " + quoted_name(escaped(TextForm::kText, name)) +
                 ": use letters, digits, _ . and -, and no digit first");
  }
  return {};
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return (x | 32) == (y | 32); });
}

}  // namespace

Result<SchemaState> look_at_schema(Connection& connection) {
  const Result<i64> tables = connection.integer_of("SELECT count(*) FROM sqlite_schema");
  if (!tables.ok()) return tables.status();
  const Result<i64> id = connection.integer_of("PRAGMA application_id");
  if (!id.ok()) return id.status();
  if (id.value() != kApplicationId) {
    return tables.value() == 0 && id.value() == 0 ? SchemaState::kEmpty : SchemaState::kForeign;
  }
  const Result<i64> version = connection.integer_of("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (version.value() > kSchemaVersion) return SchemaState::kNewer;
  return version.value() == kSchemaVersion ? SchemaState::kCurrent : SchemaState::kOlder;
}

Status refuse_unless_current(SchemaState state, const std::string& path) {
  switch (state) {
    case SchemaState::kCurrent:
      return {};
    case SchemaState::kEmpty:
      return fatal(path + ": is no store yet: nothing has been logged to it");
    case SchemaState::kOlder:
      return fatal(path +
                   ": a store of an older version; a program that logs to it, or "
                   "`sluice query --write`, brings it up to date");
    case SchemaState::kNewer:
      return fatal(path + ": a store of a newer version than " + std::to_string(kSchemaVersion) +
                   ", which this program knows; use the version of Sluice that made it");
    case SchemaState::kForeign:
      break;
  }
  return fatal(path + ": a database of another program; name another file");
}

Status make_schema(Connection& connection) {
  const Result<SchemaState> state = look_at_schema(connection);
  if (!state.ok()) return state.status();
  if (state.value() == SchemaState::kCurrent) return {};
  if (state.value() == SchemaState::kEmpty) {
    // Before the first table; with journal_mode it cannot be within a transaction.
    const Status status =
        connection.run("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL");
    if (!status.ok()) return status;
  } else if (state.value() != SchemaState::kOlder) {
    return refuse_unless_current(state.value(), connection.path());
  }
  return in_transaction(connection, [&]() -> Status {
    const Result<SchemaState> now = look_at_schema(connection);  // another process may have made it
    if (!now.ok()) return now.status();
    if (now.value() == SchemaState::kOlder) {
      const Result<i64> version = connection.integer_of("PRAGMA user_version");
      if (!version.ok()) return version.status();
      return bring_up_to_date(connection, version.value());
    }
    return now.value() == SchemaState::kEmpty ? create(connection) : Status();
  });
}

Result<std::vector<CustomColumn>> custom_columns(Connection& connection) {
  Result<Statement> rows =
      connection.prepare("SELECT name, type FROM pragma_table_info('records')");
  if (!rows.ok()) return rows.status();
  std::vector<CustomColumn> columns;
  for (;;) {
    const Result<bool> row = rows.value().step();
    if (!row.ok()) return row.status();
    if (!row.value()) return columns;
    CustomColumn column{std::string(rows.value().text(0)), std::string(rows.value().text(1))};
    if (std::find(std::begin(kOwnColumns), std::end(kOwnColumns), column.name) ==
        std::end(kOwnColumns)) {
      columns.push_back(std::move(column));
    }
  }
}

Status add_column(Connection& connection, std::string_view name, std::string_view type) {
  Status status = check_column_name(name);
  if (!status.ok()) return status;
  constexpr std::array<std::string_view, 4> kTypes = {"TEXT", "INTEGER", "REAL", "ANY"};
  if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end()) {
    return fatal("type " + quoted_name(escaped(TextForm::kText, type)) +
                 " of a column: use TEXT, INTEGER, REAL or ANY");
  }
  for (const std::string_view own : kOwnColumns) {
    if (same_name(own, name))
      return fatal("column " + quoted_name(name) + " is one of the store's own");
  }
  return in_transaction(connection, [&]() -> Status {
    Result<std::vector<CustomColumn>> columns = custom_columns(connection);
    if (!columns.ok()) return columns.status();
    for (const CustomColumn& there : columns.value()) {
      if (!same_name(there.name, name)) continue;
      if (there.type == type) return {};
      return fatal("column " + quoted_name(name) + " is there with the type " + there.type);
    }
    const Status added = connection.run("ALTER TABLE records ADD COLUMN " + quoted_name(name) +
                                        " " + std::string(type));
    if (!added.ok()) return added;
    columns.value().push_back({std::string(name), std::string(type)});
    return connection.run(logs_view(columns.value()));
  });
}

bool has_field_expression(std::string_view field) {
  return !field.empty() && field.size() <= kFieldNameMax &&
         escaped(TextForm::kJson, field) == field;
}

std::string field_expression(std::string_view field) {
  const std::string path = quoted_text("$.\"" + std::string(field) + "\"");
  return "coalesce(json_extract(attributes," + path + "),json_extract(context," + path + "))";
}

Status add_field_index(Connection& connection, std::string_view field) {
  if (!has_field_expression(field)) {
    return fatal(
        "field " + quoted_name(escaped(TextForm::kText, field)) +
        ": use a name of 1 to 64 bytes without quotes, backslashes and control characters");
  }
  const std::string value = field_expression(field);
  return connection.run("CREATE INDEX IF NOT EXISTS " +
                        quoted_name("records_by_field_" + std::string(field)) + " ON records(" +
                        value + ") WHERE " + value + " IS NOT NULL");
}

std::string_view level_text(Level level) {
  switch (level) {
    case Level::trace:
      return "TRACE";
    case Level::debug:
      return "DEBUG";
    case Level::info:
      return "INFO";
    case Level::notice:
      return "NOTICE";
    case Level::warning:
      return "WARNING";
    case Level::error:
      return "ERROR";
    case Level::critical:
    case Level::off:
      break;
  }
  return "CRITICAL";
}

}  // namespace sluice::storage
