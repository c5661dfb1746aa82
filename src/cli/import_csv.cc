#include "cli/import_csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "cli/command.h"
#include "cli/import_file.h"
#include "record/escape.h"
#include "record/filter.h"
#include "record/json_text.h"
#include "sluice/level.h"

namespace sluice::cli {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // some programs write it first
constexpr std::string_view kLogs[] = {"timestamp", "level",      "module",  "message", "thread_id",
                                      "event",     "attributes", "context", "run",     "sequence"};
constexpr std::string_view kMetrics[] = {"timestamp", "metric_name", "kind", "unit",  "value",
                                         "tags",      "sequence",    "run",  "weight"};
constexpr std::size_t kWeight = std::size(kMetrics) - 1;
constexpr std::size_t kRunIdsMax = 65'536;

std::string_view without_mark(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

Status wrong(std::string_view column, std::string_view wanted) {
  return fatal("has in its column " + in_quotes(column) + " no " + std::string(wanted));
}

Status read_integer(const CsvField& field, std::string_view column, std::optional<i64>& to) {
  if (field.is_null()) return {};
  to = number_of<i64>(field.text);
  return to ? Status() : wrong(column, "whole number");
}

Status read_time(const CsvField& field, i64& to) {
  const Result<i64> time = parse_time(field.text, 0);
  // Times that depend on today's are none of a stored row.
  const bool absolute = field.text.find('T') != std::string::npos;
  if (!time.ok() || !absolute) return wrong("timestamp", "time as 2026-01-02T03:04:05.678Z");
  to = time.value();
  return {};
}

Status read_level(const CsvField& field, i64& to) {
  Level level = Level::info;
  if (const std::optional<i64> number = number_of<i64>(field.text)) {
    to = *number;
  } else if (parse_level(field.text, level)) {
    to = i64(level);
  } else {
    return wrong("level", "level");
  }
  return {};
}

Status read_object(const CsvField& field, std::string_view column, std::optional<std::string>& to) {
  if (field.is_null()) return {};
  if (!is_json(field.text) || !is_json_object(field.text)) return wrong(column, "JSON object");
  to = field.text;
  return {};
}

// Any text, in the form in which stored texts are: UTF-8 without NUL.
std::string stored(const CsvField& field) { return escaped(TextForm::kStored, field.text); }

}  // namespace

bool ExportedCsv::is_csv(std::string_view path, std::string_view head) {
  head = without_mark(head);
  if (head.starts_with("timestamp,") || head.starts_with("id,timestamp,")) return true;
  for (const std::string_view suffix : {".gz", ".zst"}) {
    if (path.ends_with(suffix)) path.remove_suffix(suffix.size());
  }
  return path.ends_with(".csv") && !ExportedLines::is_export(head);
}

Status ExportedCsv::set_columns(std::string_view record,
                                const std::vector<storage::CustomColumn>& custom) {
  const Result<Fields> names = csv_fields(without_mark(record));
  if (!names.ok()) return fatal("its first line " + names.status().message());
  const auto has = [&](std::string_view name) {
    return std::any_of(names.value().begin(), names.value().end(),
                       [&](const CsvField& field) { return field.text == name; });
  };
  metrics_ = has("metric_name");
  columns_ = names.value().size();
  const std::size_t own = metrics_ ? std::size(kMetrics) : std::size(kLogs);
  const std::string mend =
      "; only CSV of `sluice export --csv` is taken, with the columns it wrote: write it so, or"
      " JSON Lines";
  for (std::size_t i = 0; i < own; ++i) {
    const std::string_view name = metrics_ ? kMetrics[i] : kLogs[i];
    if (i < columns_ && names.value()[i].text == name) continue;
    if (i == columns_ && name == kMetrics[kWeight]) break;  // of an older version
    return fatal(
        "its first line has " +
        (i < columns_ ? "the column " + in_quotes(names.value()[i].text) : std::string("nothing")) +
        " where " + in_quotes(name) + " should be (column " + std::to_string(i + 1) + ")" + mend);
  }
  custom_.clear();
  Status unknown;
  for (std::size_t i = own; i < columns_; ++i) {
    const std::string& name = names.value()[i].text;
    const bool twice = std::any_of(names.value().begin(), names.value().begin() + std::ptrdiff_t(i),
                                   [&](const CsvField& field) { return field.text == name; });
    if (metrics_ || name.empty() || twice) {
      return fatal("its first line has " + std::string(twice ? "twice the column " : "a column ") +
                   in_quotes(name) + " (column " + std::to_string(i + 1) + ")" + mend);
    }
    const auto known = std::find_if(custom.begin(), custom.end(),
                                    [&](const auto& column) { return column.name == name; });
    if (known != custom.end()) {
      custom_.push_back(*known);
    } else if (unknown.ok()) {
      unknown = fatal(
          "its first line has a column " + in_quotes(name) + " (column " + std::to_string(i + 1) +
          ") that the store has not, and CSV says no types: make it, as by --column " + name +
          "=TEXT (or INTEGER, REAL, ANY), or import JSON Lines of `sluice export`");
    }
  }
  return unknown;
}

// A run of its own for an id: the files of one store's logs and metrics share it.
Result<std::optional<i64>> ExportedCsv::run_of(const CsvField& field, i64 time_ns) {
  if (field.is_null()) return std::optional<i64>();
  if (const auto known = run_ids_.find(field.text); known != run_ids_.end()) {
    return std::optional(known->second);
  }
  const ImportFile::Key key = ImportFile::key_of_text("run of CSV", field.text);
  storage::RunRow run;
  run.region.assign(reinterpret_cast<const char*>(key.data()), key.size());
  run.run_id = stored(field);
  run.started_ns = time_ns;
  const Result<i64> id = restorer_.run(run);
  if (!id.ok()) return id.status();
  if (run_ids_.size() >= kRunIdsMax) run_ids_.clear();
  run_ids_[field.text] = id.value();
  return std::optional(id.value());
}

Status ExportedCsv::read_column(const CsvField& field, const storage::CustomColumn& column,
                                storage::LogRow& row) const {
  if (field.is_null()) return {};
  if (column.type == "INTEGER") {
    const auto number = number_of<i64>(field.text);
    if (!number) return wrong(column.name, "whole number");
    row.columns.emplace_back(column.name, *number);
  } else if (column.type == "REAL") {
    const auto number = number_of<double>(field.text);
    if (!number || std::isnan(*number)) return wrong(column.name, "number");
    row.columns.emplace_back(column.name, *number);
  } else {
    row.columns.emplace_back(column.name, stored(field));
  }
  return {};
}

Status ExportedCsv::read_log(const Fields& fields, storage::LogRow& row) const {
  Status status = read_time(fields[0], row.time_ns);
  if (status.ok()) status = read_level(fields[1], row.severity);
  row.logger = stored(fields[2]);
  row.body = stored(fields[3]);
  std::optional<i64> thread;
  if (status.ok()) status = read_integer(fields[4], "thread_id", thread);
  if (status.ok() && !thread) status = wrong("thread_id", "whole number");
  row.thread = thread.value_or(0);
  if (!fields[5].is_null()) row.event = stored(fields[5]);
  if (status.ok()) status = read_object(fields[6], "attributes", row.attributes);
  if (status.ok()) status = read_object(fields[7], "context", row.context);
  if (status.ok()) status = read_integer(fields[9], "sequence", row.sequence);
  for (std::size_t i = 0; status.ok() && i < custom_.size(); ++i) {
    status = read_column(fields[std::size(kLogs) + i], custom_[i], row);
  }
  return status;
}

Status ExportedCsv::read_point(const Fields& fields, storage::PointRow& row) const {
  Status status = read_time(fields[0], row.time_ns);
  row.name = stored(fields[1]);
  row.kind = stored(fields[2]);
  row.unit = stored(fields[3]);
  if (!fields[4].is_null()) {
    row.value = number_of<double>(fields[4].text);
    if (status.ok() && !row.value) status = wrong("value", "number");
    if (row.value && std::isnan(*row.value)) row.value = std::nullopt;
  }
  std::optional<std::string> tags;
  if (status.ok()) status = read_object(fields[5], "tags", tags);
  row.tags = tags.value_or("{}");
  if (status.ok()) status = read_integer(fields[6], "sequence", row.sequence);
  if (status.ok() && fields.size() > kWeight) {
    status = read_integer(fields[kWeight], "weight", row.weight);
  }
  return status;
}

Status ExportedCsv::add(std::string_view record) {
  const Result<Fields> fields = csv_fields(record);
  if (!fields.ok()) return fields.status();
  if (fields.value().size() != columns_) {
    return fatal("has " + std::to_string(fields.value().size()) + " fields for " +
                 std::to_string(columns_) + " columns");
  }
  const auto add_row = [&](auto& row, const CsvField& run) {
    const auto id = run_of(run, row.time_ns);
    if (!id.ok()) return id.status();
    row.run = id.value();
    ++rows_;
    return restorer_.add(row);
  };
  if (metrics_) {
    storage::PointRow row;
    const Status status = read_point(fields.value(), row);
    return status.ok() ? add_row(row, fields.value()[7]) : status;
  }
  storage::LogRow row;
  const Status status = read_log(fields.value(), row);
  return status.ok() ? add_row(row, fields.value()[8]) : status;
}

}  // namespace sluice::cli
