// sluice export: the rows of a store as JSON Lines that `sluice import` takes back exactly, or as
// CSV for other programs, which it takes back too (cli/import_csv.h has what CSV leaves out).
// Streams: one row at a time, of one moment.
//
// The first line says what it is. Runs and call sites are defined in lines of their own before the
// first row that names them by their number (docs/formats/store.md).
#include <CLI/CLI.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "cli/command.h"
#include "cli/filter_options.h"
#include "cli/new_file.h"
#include "cli/store_option.h"
#include "os/process.h"
#include "record/escape.h"
#include "record/filter.h"
#include "record/json_text.h"
#include "record/text_buffer.h"
#include "record/time_text.h"
#include "store/schema.h"

namespace sluice::cli {
namespace {

using storage::Connection;
using storage::Statement;

struct ExportCommand {
  std::string store;
  std::string output;
  std::string what = "logs";
  FilterOptions filter;
  bool json_lines = false;
  bool csv = false;
  bool force = false;
};

// ---- texts ----

void put_text(std::string& line, std::string_view text) {
  line.append(1, '"').append(escaped(TextForm::kJson, text)).append(1, '"');
}
void put_key(std::string& line, std::string_view key) {
  line.append(line.size() > 1 ? "," : "").append(1, '"').append(key).append("\":");
}
void put_time(std::string& line, i64 time_ns) {
  char text[TimeText::kBytes + kNumberRoom];
  line.append(text, std::size_t(sluice::put_time(text, time_ns) - text));
}

// A JSON object as it stands, where it can stand in a line; else `key`_text has it as a string.
void put_object(std::string& line, const std::string& key, std::string_view json) {
  bool as_it_is = is_json(json) && is_json_object(json);
  if (as_it_is) {
    TextBuffer buffer;
    (void)buffer.end_record(put_json_line(buffer, buffer.begin_record(), json));
    as_it_is = buffer.text() == json;
  }
  put_key(line, as_it_is ? key : key + "_text");
  as_it_is ? void(line.append(json)) : put_text(line, json);
}

void put_real(std::string& line, double value) {
  if (std::isnan(value)) {
    line += "\"NaN\"";
  } else if (std::isinf(value)) {
    line += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    line += nlohmann::json(value).dump();
  }
}

// All the digits that make it the same number again, which SQLite's text has not.
void put_csv_real(std::string& line, double value) {
  std::string text;
  put_real(text, value);
  std::erase(text, '"');
  line += text;
}

void put_csv_text(std::string& line, std::string_view text) {
  const bool quote = text.empty() || text.find_first_of(",\"\r\n") != std::string_view::npos;
  line += quote ? storage::quoted_name(text) : std::string(text);
}

void put_value(std::string& line, const Statement& rows, int column) {
  switch (rows.type(column)) {
    case SQLITE_INTEGER:
      line += std::to_string(rows.integer(column));
      break;
    case SQLITE_FLOAT:
      put_real(line, rows.real(column));
      break;
    case SQLITE_NULL:
      line += "null";
      break;
    default:
      put_text(line, rows.text(column));
  }
}

// ---- rows ----

constexpr std::string_view kRunText = "(SELECT run_id FROM runs WHERE runs.id = run)";

// Standard output, or a file of its own.
class Target {
 public:
  explicit Target(NewFile* file) : file_(file) {}
  // False: no more is wanted or can be written; status() says which.
  bool write(std::string_view text) {
    if (file_ == nullptr) return output_.write(text);
    status_ = file_->write(text);
    return status_.ok();
  }
  Status finish() {
    if (file_ == nullptr) {
      output_.flush();
      return {};
    }
    return status_.ok() ? file_->commit() : status_;
  }
  [[nodiscard]] int exit_code() const { return output_.exit_code(); }

 private:
  NewFile* file_;
  Output output_;
  Status status_;
};

class Exporter {
 public:
  Exporter(Connection& store, const ExportCommand& command, const Filter& filter, Target& target)
      : store_(store), command_(command), filter_(filter), target_(target) {}

  Status run();

 private:
  // Sites and runs are defined once; 0 for NULL.
  Status define(std::unordered_set<i64>& known, Statement& find, std::string_view kind, i64 id);
  void define_columns(const std::vector<storage::CustomColumn>& columns);
  template <class Write>
  Status write_rows(Statement& rows, Write&& write_json);
  Status logs();
  Status metrics();
  [[nodiscard]] Result<Statement> select(const std::string& columns, const std::string& from,
                                         bool with_level);
  [[nodiscard]] std::string log_line(const Statement& row);
  [[nodiscard]] std::string metric_line(const Statement& row) const;
  bool csv_line(const Statement& row);

  Connection& store_;
  const ExportCommand& command_;
  const Filter& filter_;
  Target& target_;
  std::vector<std::string> columns_;  // that users have added
  std::unordered_set<i64> runs_, sites_;
  Statement find_run_, find_site_;
  bool open_ = true;
};

Result<Statement> Exporter::select(const std::string& columns, const std::string& from,
                                   bool with_level) {
  std::string sql = "SELECT " + columns + " FROM " + from + " WHERE 1";
  if (filter_.since_ns) sql += " AND time_ns >= ?1";
  if (filter_.until_ns) sql += " AND time_ns < ?2";
  if (filter_.level && with_level) sql += " AND rows.severity >= ?3";
  if (!filter_.run.empty()) {
    sql += " AND run IN (SELECT id FROM runs WHERE substr(run_id, 1, length(?4)) = ?4)";
  }
  Result<Statement> rows = store_.prepare(sql + " ORDER BY rows.id");
  if (!rows.ok()) return rows;
  if (filter_.since_ns) rows.value().bind(1, *filter_.since_ns);
  if (filter_.until_ns) rows.value().bind(2, *filter_.until_ns);
  if (filter_.level && with_level) rows.value().bind(3, i64(*filter_.level));
  if (!filter_.run.empty()) rows.value().bind(4, std::string_view(filter_.run));
  return rows;
}

Status Exporter::define(std::unordered_set<i64>& known, Statement& find, std::string_view kind,
                        i64 id) {
  if (id == 0 || !known.insert(id).second) return {};
  find.bind(1, id);
  const Result<bool> row = find.step();
  if (!row.ok()) return row.status();
  if (row.value()) {
    std::string line = "{\"define\":\"" + std::string(kind) + "\"";
    for (int i = 0; i < find.columns(); ++i) {
      if (find.is_null(i)) continue;
      put_key(line, find.name(i));
      if (find.type(i) == SQLITE_BLOB) {
        put_text(line, hex_of(find.blob(i)));
      } else {
        put_value(line, find, i);
      }
    }
    open_ = target_.write(line + "}\n");
  } else {
    known.erase(id);
  }
  find.reset();
  return {};
}

void Exporter::define_columns(const std::vector<storage::CustomColumn>& columns) {
  for (const storage::CustomColumn& column : columns) {
    std::string line = "{\"define\":\"column\"";
    put_key(line, "name");
    put_text(line, column.name);
    put_key(line, "type");
    put_text(line, column.type);
    open_ = open_ && target_.write(line + "}\n");
  }
}

std::string Exporter::log_line(const Statement& row) {
  std::string line = "{\"ts\":\"";
  put_time(line, row.integer(0));
  line += "\"";
  Level level = Level::off;
  for (const Level one : {Level::trace, Level::debug, Level::info, Level::notice, Level::warning,
                          Level::error, Level::critical}) {
    if (i64(one) == row.integer(1)) level = one;
  }
  put_key(line, "level");
  put_text(line, level == Level::off ? "info" : level_name(level));
  put_key(line, "logger");
  put_text(line, row.text(2));
  put_key(line, "msg");
  put_text(line, row.text(3));
  if (!row.is_null(4)) {
    line += ",\"kind\":\"event\"";
    put_key(line, "event");
    put_text(line, row.text(4));
  }
  if (!row.is_null(5)) put_object(line, "fields", row.text(5));
  if (!row.is_null(6)) put_object(line, "context", row.text(6));
  put_key(line, "tid");
  put_value(line, row, 7);
  const auto put_number = [&](std::string_view key, int column) {
    if (row.is_null(column)) return;
    put_key(line, key);
    put_value(line, row, column);
  };
  put_number("seq", 8);
  if (runs_.contains(row.integer(9))) put_number("run_row", 9);
  if (sites_.contains(row.integer(10))) put_number("site_row", 10);
  if (level == Level::off) put_number("severity", 1);
  bool any = false;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const int at = 11 + int(i);
    if (row.is_null(at)) continue;
    line += any ? "," : ",\"columns\":{";
    any = true;
    put_text(line, columns_[i]);
    line += ':';
    put_value(line, row, at);
  }
  return line + (any ? "}}\n" : "}\n");
}

std::string Exporter::metric_line(const Statement& row) const {
  std::string line = "{\"ts\":\"";
  put_time(line, row.integer(0));
  line += "\",\"kind\":\"metric\"";
  for (const auto& [key, column] : {std::pair{"name", 1}, {"metric", 2}, {"unit", 3}}) {
    put_key(line, key);
    put_text(line, row.text(column));
  }
  put_key(line, "value");
  row.is_null(4) ? void(line += "\"NaN\"") : put_real(line, row.real(4));
  if (row.text(5) != "{}") put_object(line, "fields", row.text(5));
  for (const auto& [key, column] : {std::pair{"seq", 6}, {"run_row", 7}, {"weight", 8}}) {
    if (row.is_null(column)) continue;
    if (column == 7 && !runs_.contains(row.integer(column))) continue;
    put_key(line, key);
    put_value(line, row, column);
  }
  return line + "}\n";
}

// RFC 4180; NULL is nothing, an empty text is "". The time is in front.
bool Exporter::csv_line(const Statement& row) {
  std::string line;
  for (int i = 0; i < row.columns(); ++i) {
    if (i > 0) line += ',';
    if (row.is_null(i)) continue;
    if (i == 0) {
      put_time(line, row.integer(i));
    } else if (row.type(i) == SQLITE_FLOAT) {
      put_csv_real(line, row.real(i));
    } else {
      put_csv_text(line, row.text(i));
    }
  }
  return target_.write(line + "\r\n");
}

template <class Write>
Status Exporter::write_rows(Statement& rows, Write&& write_json) {
  Status status;
  while (open_ && status.ok()) {
    const Result<bool> row = rows.step();
    if (!row.ok() || !row.value()) return row.status();
    if (command_.csv) {
      open_ = csv_line(rows);
    } else {
      status = write_json(rows);
    }
  }
  return status;
}

Status Exporter::logs() {
  std::string custom, names;
  for (const std::string& column : columns_) custom += ", " + storage::quoted_name(column);
  Result<Statement> rows =
      command_.csv ? select("time_ns, " + std::string(storage::kLevelText) +
                                ", logger, body, thread, event, attributes, context, " +
                                std::string(kRunText) + ", sequence" + custom,
                            "records AS rows", true)
                   : select(
                         "time_ns, severity, logger, body, event, attributes, context, thread,"
                         " sequence, run, site" +
                             custom,
                         "records AS rows", true);
  if (!rows.ok()) return rows.status();
  if (command_.csv) {
    names = "timestamp,level,module,message,thread_id,event,attributes,context,run,sequence";
    for (const std::string& column : columns_) put_csv_text(names += ',', column);
    open_ = target_.write(names + "\r\n");
  }
  return write_rows(rows.value(), [&](const Statement& row) {
    Status status = define(runs_, find_run_, "run", row.integer(9));
    if (status.ok()) status = define(sites_, find_site_, "site", row.integer(10));
    if (status.ok()) open_ = open_ && target_.write(log_line(row));
    return status;
  });
}

Status Exporter::metrics() {
  Result<Statement> rows = select("time_ns, name, kind, unit, value, tags, sequence, " +
                                      std::string(command_.csv ? kRunText : "run") + ", weight",
                                  "points AS rows JOIN series ON series.id = rows.series", false);
  if (!rows.ok()) return rows.status();
  if (command_.csv) {
    open_ = target_.write("timestamp,metric_name,kind,unit,value,tags,sequence,run,weight\r\n");
  }
  return write_rows(rows.value(), [&](const Statement& row) {
    const Status status = define(runs_, find_run_, "run", row.integer(7));
    if (status.ok()) open_ = open_ && target_.write(metric_line(row));
    return status;
  });
}

Status Exporter::run() {
  const Result<std::vector<storage::CustomColumn>> columns = custom_columns(store_);
  if (!columns.ok()) return columns.status();
  for (const auto& column : columns.value()) columns_.push_back(column.name);
  Status status = store_.run("BEGIN");  // all of one moment
  if (status.ok()) {
    status = store_.prepare_into(
        find_run_,
        "SELECT id AS \"row\", region, run_id AS run, product, version, host, pid, started_ns,"
        " ended_ns, exit_code, signal, reason FROM runs WHERE id = ?");
  }
  if (status.ok()) {
    status = store_.prepare_into(find_site_,
                                 "SELECT id AS \"row\", kind AS site, severity, logger, file,"
                                 " line, function, format FROM sites WHERE id = ?");
  }
  if (!status.ok()) return status;
  if (!command_.csv) open_ = target_.write("{\"define\":\"export\",\"version\":1}\n");
  if (command_.what != "metrics") {
    if (!command_.csv) define_columns(columns.value());
    status = logs();
  }
  if (status.ok() && command_.what != "logs") status = metrics();
  return status;
}

int export_rows(const ExportCommand& command) {
  std::vector<std::string> mistakes;
  std::string path = command.store;
  check_store_option(path, mistakes);
  const Filter filter = make_filter(command.filter, mistakes);
  if (command.json_lines && command.csv)
    mistakes.emplace_back("--json-lines and --csv: choose one");
  const bool all = command.what == "all";
  if (command.what != "logs" && command.what != "metrics" && !all) {
    mistakes.push_back("--what: " + in_quotes(command.what) +
                       " cannot be exported; write logs, metrics or all");
  }
  if (all && command.csv) {
    mistakes.emplace_back("--csv has one kind of rows; say --what logs or --what metrics");
  }
  std::optional<NewFile> file;
  if (!command.output.empty()) {
    file.emplace(command.output, command.force);
    file->check("--output", mistakes);
  }
  Result<std::unique_ptr<Connection>> store = fatal("");
  if (!path.empty()) {
    store = open_store(path, storage::Access::kRead, kLockWaitMs);
    if (!store.ok()) mistakes.push_back(store.status().message());
  }
  if (!mistakes.empty()) return refuse(mistakes);
  const storage::DatabaseUse use;
  Target target(file ? &*file : nullptr);
  Status status = file ? file->open() : Status();
  if (status.ok()) status = Exporter(*store.value(), command, filter, target).run();
  if (status.ok()) status = target.finish();
  if (status.ok()) return target.exit_code();
  complain(status.message());
  return kProblem;
}

}  // namespace

void add_export(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("export", "Write a store's rows as JSON Lines or CSV");
  auto command = std::make_shared<ExportCommand>();
  sub->add_option("--store", command->store, "The database (default: SLUICE_STORE)")
      ->type_name("FILE");
  sub->add_option("--output", command->output, "Into this file (default: standard output)")
      ->type_name("FILE");
  sub->add_flag("--force", command->force, "Replace the file when it is there");
  sub->add_option("--what", command->what, "logs (default), metrics or all")->type_name("WHAT");
  sub->add_flag("--json-lines", command->json_lines, "JSON Lines, which is the default");
  sub->add_flag("--csv", command->csv, "CSV (RFC 4180), also for other programs");
  sub->add_option("--since", command->filter.since,
                  "From this time on: 10m, yesterday, @unix, RFC 3339")
      ->type_name("TIME");
  sub->add_option("--until", command->filter.until, "Before this time")->type_name("TIME");
  sub->add_option("--level", command->filter.level, "This level and worse")->type_name("LEVEL");
  sub->add_option("--run", command->filter.run, "Rows of the run whose id begins with ID")
      ->type_name("ID");
  for (CLI::Option* option : sub->get_options()) option->allow_extra_args(false);
  sub->footer("`sluice import` takes them back. Exit code 0; 1 for a problem; 2 a mistake.");
  sub->callback([command, &chosen] { chosen = [command] { return export_rows(*command); }; });
}

}  // namespace sluice::cli
