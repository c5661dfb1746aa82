// sluice query: SQL over a store, as a table, JSON Lines or CSV.
//
// Reads from a connection that cannot write, unless --write is given; a store that is being written
// goes on meanwhile. Texts are escaped wherever a terminal could read them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "os/io.h"
#include "os/process.h"
#include "record/escape.h"
#include "store/schema.h"

namespace sluice::cli {
namespace {

using storage::Access;
using storage::Connection;
using storage::Statement;

constexpr int kLockWaitMs = 5000;
// Rows that are looked at for the widths of a table's columns, and how wide these may get.
constexpr std::size_t kTableRows = 1000;
constexpr std::size_t kColumnMax = 60;

struct QueryCommand {
  std::string sql;
  std::string store;
  bool json = false;
  bool csv = false;
  bool write = false;
  double timeout_s = 0;
};

// ---- forms of output ----

class Form {
 public:
  virtual ~Form() = default;
  virtual std::string head(const Statement& rows) = 0;
  virtual std::string row(const Statement& rows) = 0;
  virtual std::string foot() { return {}; }
};

std::string hex_of(ByteView bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += "0123456789abcdef"[u8(byte) >> 4];
    text += "0123456789abcdef"[u8(byte) & 15];
  }
  return text;
}

std::string text_of(const Statement& rows, int column) {
  return rows.type(column) == SQLITE_BLOB ? hex_of(rows.blob(column))
                                          : std::string(rows.text(column));
}

class JsonForm final : public Form {
 public:
  // A name that occurs twice gets a suffix: no object has a key twice.
  std::string head(const Statement& rows) override {
    names_.clear();
    for (int i = 0; i < rows.columns(); ++i) {
      std::string name(rows.name(i));
      for (int n = 2; std::find(names_.begin(), names_.end(), name) != names_.end(); ++n) {
        name = std::string(rows.name(i)) + "_" + std::to_string(n);
      }
      names_.push_back(std::move(name));
    }
    return {};
  }
  std::string row(const Statement& rows) override {
    nlohmann::ordered_json object;
    for (int i = 0; i < rows.columns(); ++i) {
      nlohmann::ordered_json& value = object[names_[std::size_t(i)]];
      switch (rows.type(i)) {
        case SQLITE_NULL:
          break;
        case SQLITE_INTEGER:
          value = rows.integer(i);
          break;
        case SQLITE_FLOAT:
          value = rows.real(i);
          if (std::isinf(rows.real(i))) value = rows.real(i) > 0 ? "Infinity" : "-Infinity";
          break;
        default:
          value = text_of(rows, i);
      }
    }
    return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }

 private:
  std::vector<std::string> names_;
};

// RFC 4180.
class CsvForm final : public Form {
 public:
  std::string head(const Statement& rows) override {
    return line(rows, [&](int i) { return std::string(rows.name(i)); });
  }
  std::string row(const Statement& rows) override {
    return line(rows, [&](int i) { return text_of(rows, i); });
  }

 private:
  template <class Cell>
  std::string line(const Statement& rows, Cell&& cell) {
    std::string text;
    for (int i = 0; i < rows.columns(); ++i) {
      if (i > 0) text += ',';
      std::string value = cell(i);
      if (terminal_) value = escaped(TextForm::kText, value);
      const bool quote = value.find_first_of(",\"\r\n") != std::string::npos;
      text += quote ? storage::quoted_name(value) : value;
    }
    return text + "\r\n";
  }
  const bool terminal_ = os::is_terminal(1);
};

// The first rows decide how wide the columns are; longer values run on.
class TableForm final : public Form {
 public:
  std::string head(const Statement& rows) override {
    std::vector<std::string> names;
    for (int i = 0; i < rows.columns(); ++i) {
      names.push_back(escaped(TextForm::kText, rows.name(i)));
    }
    widths_.assign(names.size(), 0);
    shown_ = false;
    kept_.clear();
    keep(std::move(names));
    return {};
  }
  std::string row(const Statement& rows) override {
    std::vector<std::string> cells;
    for (int i = 0; i < rows.columns(); ++i) {
      cells.push_back(escaped(TextForm::kText, text_of(rows, i)));
    }
    if (shown_) return line(cells);
    keep(std::move(cells));
    return kept_.size() > kTableRows ? foot() : std::string();
  }
  std::string foot() override {
    if (shown_) return {};
    shown_ = true;
    std::string text;
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      text += line(kept_[i]);
      if (i > 0) continue;
      std::vector<std::string> rule;
      for (const std::size_t width : widths_) rule.emplace_back(width, '-');
      text += line(rule);
    }
    kept_.clear();
    return text;
  }

 private:
  // Code points, as good as a terminal's columns for most texts.
  static std::size_t width_of(std::string_view text) {
    return std::size_t(
        std::count_if(text.begin(), text.end(), [](char c) { return (u8(c) & 0xc0) != 0x80; }));
  }
  void keep(std::vector<std::string> cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      widths_[i] = std::max(widths_[i], std::min(width_of(cells[i]), kColumnMax));
    }
    kept_.push_back(std::move(cells));
  }
  std::string line(const std::vector<std::string>& cells) const {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      text += cells[i];
      const std::size_t width = width_of(cells[i]);
      if (i + 1 < cells.size()) text.append(2 + widths_[i] - std::min(width, widths_[i]), ' ');
    }
    return text + "\n";
  }

  std::vector<std::size_t> widths_;
  std::vector<std::vector<std::string>> kept_;
  bool shown_ = false;
};

// ---- the command ----

Result<std::unique_ptr<Connection>> open_store(const QueryCommand& command) {
  os::FileInfo info;
  if (const int error = os::real_io().stat(command.store.c_str(), info); error != 0) {
    return fatal("cannot look at " + in_quotes(command.store) + ": " + os::error_text(error) +
                 "; check the path");
  }
  auto opened = Connection::open(command.store, command.write ? Access::kWrite : Access::kRead);
  if (!opened.ok()) return opened;
  Connection& store = *opened.value();
  sqlite3_busy_timeout(store.get(), kLockWaitMs);
  // One file: no other database is to be made or read by its name in a statement.
  sqlite3_limit(store.get(), SQLITE_LIMIT_ATTACHED, 0);
  const Result<storage::SchemaState> state = look_at_schema(store);
  if (!state.ok()) return state.status();
  const Status refused = refuse_unless_current(state.value(), command.store);
  if (!refused.ok()) return refused;
  return opened;
}

Status show(Statement& rows, Form& form, Output& output) {
  if (rows.columns() == 0) return rows.run();
  bool open = output.write(form.head(rows));
  while (open) {
    const Result<bool> row = rows.step();
    if (!row.ok()) return row.status();
    if (!row.value()) break;
    open = output.write(form.row(rows));
  }
  output.write(form.foot());
  return {};
}

Status run_statements(Connection& store, const QueryCommand& command, Form& form, Output& output) {
  std::string_view rest = command.sql;
  bool any = false;
  for (;;) {
    Result<Statement> statement = store.prepare(rest, &rest);
    if (!statement.ok()) return statement.status();
    if (!statement.value()) break;  // only blanks and comments are left
    any = true;
    if (!command.write && !statement.value().only_reads()) {
      return fatal("the statement changes the store; say --write if it should");
    }
    const Status status = show(statement.value(), form, output);
    if (!status.ok()) return status;
    if (output.closed()) break;
  }
  return any ? Status() : fatal("no statement: write one, such as SELECT * FROM logs");
}

int query(QueryCommand command) {
  if (command.store.empty()) command.store = os::environment("SLUICE_STORE");
  std::vector<std::string> mistakes;
  if (command.store.empty()) mistakes.push_back("no store; name it by --store FILE");
  if (command.json && command.csv) mistakes.push_back("--json and --csv: choose one");
  if (!mistakes.empty()) return refuse(mistakes);
  const storage::DatabaseUse use;
  const Result<std::unique_ptr<Connection>> store = open_store(command);
  if (!store.ok()) return refuse({store.status().message()});
  if (command.timeout_s > 0) {
    store.value()->set_deadline(os::monotonic_ns() + i64(command.timeout_s * 1e9));
  }
  std::unique_ptr<Form> form = std::make_unique<TableForm>();
  if (command.json) form = std::make_unique<JsonForm>();
  if (command.csv) form = std::make_unique<CsvForm>();
  Output output;
  const Status status = run_statements(*store.value(), command, *form, output);
  output.flush();
  if (status.ok()) return output.exit_code();
  complain(status.message());
  const bool later =
      status.error_class() == ErrorClass::kRetryable || status.error_class() == ErrorClass::kRotate;
  return later ? kProblem : kUsage;
}

}  // namespace

void add_query(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("query", "Ask a store in SQL");
  auto command = std::make_shared<QueryCommand>();
  sub->add_option("sql", command->sql, "The statement, such as \"SELECT * FROM logs\"")
      ->type_name("SQL")
      ->required();
  sub->add_option("--store", command->store, "The database (default: SLUICE_STORE)")
      ->type_name("FILE");
  sub->add_flag("--json", command->json, "One JSON object a row");
  sub->add_flag("--csv", command->csv, "CSV (RFC 4180) with the columns' names");
  sub->add_flag("--write", command->write, "Let statements change the store");
  sub->add_option("--timeout", command->timeout_s, "Give up after so many seconds")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber);
  sub->footer("Tables and views: docs/formats/store.md. Exit code 2: a mistake in the statement.");
  sub->callback([command, &chosen] { chosen = [command] { return query(*command); }; });
}

}  // namespace sluice::cli
