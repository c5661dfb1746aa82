#include "cli/rows.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "os/process.h"
#include "record/escape.h"
#include "record/json_text.h"

namespace sluice::cli {
namespace {

// Rows that are looked at for the widths of a table's columns, and how wide these may get.
constexpr std::size_t kTableRows = 1000;
constexpr std::size_t kColumnMax = 60;

std::string real_text(double value) {
  if (std::isinf(value)) return value > 0 ? "Inf" : "-Inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

std::string text_of(const Cell& cell) {
  if (const auto* integer = std::get_if<i64>(&cell)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&cell)) return real_text(*real);
  if (const auto* text = std::get_if<std::string_view>(&cell)) return std::string(*text);
  if (const auto* bytes = std::get_if<ByteView>(&cell)) return hex_of(*bytes);
  return {};
}

class JsonForm final : public Form {
 public:
  explicit JsonForm(std::vector<std::string> json_columns)
      : json_columns_(std::move(json_columns)) {}

  // A name that occurs twice gets a suffix: no object has a key twice.
  std::string head(std::span<const std::string> names) override {
    names_.clear();
    for (const std::string& wanted : names) {
      std::string name = wanted;
      for (int n = 2; holds(names_, name); ++n) name = wanted + "_" + std::to_string(n);
      names_.push_back(std::move(name));
    }
    keys_.clear();
    for (const std::string& name : names_) keys_.push_back(dump(name) + ":");
    return {};
  }
  std::string row(std::span<const Cell> cells) override {
    std::string line = "{";
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) line += ',';
      line += keys_[i];
      line += value_of(cells[i], holds(json_columns_, names_[i]));
    }
    TextBuffer buffer;
    char* const at = put_json_line(buffer, buffer.begin_record(), line + "}");
    (void)buffer.end_record(put_raw(buffer, at, "\n"));
    return std::string(buffer.text());
  }

 private:
  static bool holds(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }
  static std::string dump(const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  static std::string value_of(const Cell& cell, bool json) {
    if (std::holds_alternative<std::monostate>(cell)) return "null";
    if (const auto* integer = std::get_if<i64>(&cell)) return std::to_string(*integer);
    if (const auto* real = std::get_if<double>(&cell)) {
      if (std::isinf(*real)) return *real > 0 ? "\"Infinity\"" : "\"-Infinity\"";
      return dump(*real);
    }
    std::string text = text_of(cell);
    // Within the line it lies one level deeper.
    return json && is_json("[" + text + "]") ? text : dump(text);
  }

  const std::vector<std::string> json_columns_;
  std::vector<std::string> names_;
  std::vector<std::string> keys_;
};

// RFC 4180.
class CsvForm final : public Form {
 public:
  std::string head(std::span<const std::string> names) override {
    return line(names.size(), [&](std::size_t i) { return names[i]; });
  }
  std::string row(std::span<const Cell> cells) override {
    return line(cells.size(), [&](std::size_t i) { return text_of(cells[i]); });
  }

 private:
  template <class Value>
  std::string line(std::size_t count, Value&& value_at) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) text += ',';
      std::string value = value_at(i);
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
  std::string head(std::span<const std::string> names) override {
    std::vector<std::string> cells;
    for (const std::string& name : names) cells.push_back(escaped(TextForm::kText, name));
    widths_.assign(names.size(), 0);
    shown_ = false;
    kept_.clear();
    keep(std::move(cells));
    return {};
  }
  std::string row(std::span<const Cell> row) override {
    std::vector<std::string> cells;
    for (const Cell& cell : row) cells.push_back(escaped(TextForm::kText, text_of(cell)));
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
    std::size_t blanks = 0;  // before the next cell that is not empty
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::size_t width = width_of(cells[i]);
      if (width > 0) {
        text.append(blanks, ' ').append(cells[i]);
        blanks = 0;
      }
      blanks += 2 + widths_[i] - std::min(width, widths_[i]);
    }
    return text + "\n";
  }

  std::vector<std::size_t> widths_;
  std::vector<std::vector<std::string>> kept_;
  bool shown_ = false;
};

}  // namespace

void add_form_options(CLI::App& app, FormOptions& options) {
  app.add_flag("--json", options.json, "One JSON object a row");
  app.add_flag("--csv", options.csv, "CSV (RFC 4180) with the columns' names");
}

void check_form_options(const FormOptions& options, std::vector<std::string>& mistakes) {
  if (options.json && options.csv) mistakes.push_back("--json and --csv: choose one");
}

std::unique_ptr<Form> make_form(const FormOptions& options, std::vector<std::string> json_columns) {
  if (options.json) return std::make_unique<JsonForm>(std::move(json_columns));
  if (options.csv) return std::make_unique<CsvForm>();
  return std::make_unique<TableForm>();
}

std::vector<std::string> names_of(const storage::Statement& rows) {
  std::vector<std::string> names;
  for (int i = 0; i < rows.columns(); ++i) names.emplace_back(rows.name(i));
  return names;
}

void read_cells(const storage::Statement& rows, std::vector<Cell>& to) {
  to.clear();
  for (int i = 0; i < rows.columns(); ++i) {
    switch (rows.type(i)) {
      case SQLITE_NULL:
        to.emplace_back();
        break;
      case SQLITE_INTEGER:
        to.emplace_back(rows.integer(i));
        break;
      case SQLITE_FLOAT:
        to.emplace_back(rows.real(i));
        break;
      case SQLITE_BLOB:
        to.emplace_back(rows.blob(i));
        break;
      default:
        to.emplace_back(rows.text(i));
    }
  }
}

Status show_rows(storage::Statement& rows, Form& form, Output& output) {
  std::vector<Cell> cells;
  bool open = output.write(form.head(names_of(rows)));
  while (open) {
    const Result<bool> row = rows.step();
    if (!row.ok()) return row.status();
    if (!row.value()) break;
    read_cells(rows, cells);
    open = output.write(form.row(cells));
  }
  output.write(form.foot());
  return {};
}

}  // namespace sluice::cli
