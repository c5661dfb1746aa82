#include "store/restore.h"

#include <algorithm>

#include "store/values.h"

namespace sluice::storage {
namespace {

constexpr std::size_t kKnownMax = 65'536;

void bind(Statement& statement, int at, const std::optional<i64>& value) {
  value ? statement.bind(at, *value) : statement.bind_null(at);
}
void bind(Statement& statement, int at, const std::optional<std::string>& value) {
  value ? statement.bind(at, std::string_view(*value)) : statement.bind_null(at);
}

}  // namespace

Status Restorer::prepare() {
  Status status;
  const auto make = [&](Statement& to, std::string_view sql) {
    if (status.ok()) status = connection_.prepare_into(to, sql);
  };
  make(insert_run_,
       "INSERT OR IGNORE INTO runs(region, run_id, product, version, host, pid, started_ns,"
       " ended_ns, exit_code, signal, reason) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  make(find_run_, "SELECT id FROM runs WHERE region = ?");
  make(insert_point_, kInsertPoint);
  make(widen_run_,
       "UPDATE runs SET first_record = min(coalesce(first_record, ?2), ?2),"
       " last_record = max(coalesce(last_record, ?3), ?3) WHERE id = ?1");
  if (status.ok()) status = ids_.prepare(connection_);
  return status.ok() ? look_for_columns() : status;
}

Status Restorer::look_for_columns() {
  Result<std::vector<CustomColumn>> columns = custom_columns(connection_);
  if (!columns.ok()) return columns.status();
  const Status status = connection_.prepare_into(insert_log_, insert_record_sql(columns.value()));
  if (!status.ok()) return status;
  columns_ = std::move(columns.value());
  columns_known_ = true;
  return {};
}

Status Restorer::column(const CustomColumn& column) {
  Status status = as_answer(add_column(connection_, column.name, column.type));
  columns_known_ = columns_known_ && !status.ok();
  return status;
}

void Restorer::forget() {
  ranges_.clear();
  sites_.clear();
  series_.clear();
  columns_known_ = false;
}

Result<i64> Restorer::run(const RunRow& row) {
  const ByteView region{reinterpret_cast<const std::byte*>(row.region.data()), row.region.size()};
  insert_run_.bind(1, region);
  insert_run_.bind(2, std::string_view(row.run_id));
  insert_run_.bind(3, std::string_view(row.product));
  insert_run_.bind(4, std::string_view(row.version));
  insert_run_.bind(5, std::string_view(row.host));
  insert_run_.bind(6, row.pid);
  insert_run_.bind(7, row.started_ns);
  bind(insert_run_, 8, row.ended_ns);
  bind(insert_run_, 9, row.exit_code);
  bind(insert_run_, 10, row.signal);
  bind(insert_run_, 11, row.reason);
  find_run_.bind(1, region);
  return insert_and_find(insert_run_, find_run_);
}

Result<i64> Restorer::site(const SiteRow& row) {
  std::string key =
      row.kind + '\n' + std::to_string(row.severity) + '\n' + std::to_string(row.line);
  for (const std::string* text : {&row.logger, &row.file, &row.function, &row.format}) {
    key.append(1, '\n').append(std::to_string(text->size())).append(1, '\n').append(*text);
  }
  if (const auto known = sites_.find(key); known != sites_.end()) return known->second;
  const Result<i64> id = ids_.site({.kind = row.kind,
                                    .severity = row.severity,
                                    .logger = row.logger,
                                    .file = row.file,
                                    .line = row.line,
                                    .function = row.function,
                                    .format = row.format});
  if (!id.ok()) return id;
  if (sites_.size() >= kKnownMax) sites_.clear();
  sites_.emplace(std::move(key), id.value());
  return id;
}

Status Restorer::add(const LogRow& row) {
  if (!columns_known_) {
    const Status status = look_for_columns();
    if (!status.ok()) return status;
  }
  Statement& to = insert_log_;
  to.bind(1, row.time_ns);
  to.bind(2, row.severity);
  bind(to, 3, row.run);
  bind(to, 4, row.sequence);
  to.bind(5, row.thread);
  bind(to, 6, row.site);
  to.bind(7, std::string_view(row.logger));
  bind(to, 8, row.event);
  to.bind(9, std::string_view(row.body));
  bind(to, 10, row.attributes);
  bind(to, 11, row.context);
  bind_columns(row);
  const Status status = to.run();
  if (!status.ok()) return status;
  const i64 id = connection_.last_row_id();
  if (row.run) {
    auto& [first, last] = ranges_[*row.run];
    if (first == 0) first = id;
    last = id;
  }
  return {};
}

void Restorer::bind_columns(const LogRow& row) {
  Statement& to = insert_log_;
  for (int at = 1; at <= int(columns_.size()); ++at) to.bind_null(kOwnRecordMarks + at);
  for (const auto& [name, value] : row.columns) {
    const auto column = std::find_if(columns_.begin(), columns_.end(),
                                     [&](const auto& there) { return there.name == name; });
    if (column == columns_.end()) {
      if (std::find(missing_.begin(), missing_.end(), name) == missing_.end()) {
        missing_.push_back(name);
      }
      continue;
    }
    const int at = kOwnRecordMarks + 1 + int(column - columns_.begin());
    if (const i64* integer = std::get_if<i64>(&value)) to.bind(at, *integer);
    if (const double* real = std::get_if<double>(&value)) to.bind(at, *real);
    if (const std::string* text = std::get_if<std::string>(&value)) {
      to.bind(at, std::string_view(*text));
    }
  }
}

Status Restorer::add(const PointRow& row) {
  std::string key = std::to_string(row.name.size()) + '\n' + row.name + '\n' + row.kind + '\n' +
                    std::to_string(row.unit.size()) + '\n' + row.unit + '\n' + row.tags;
  auto known = series_.find(key);
  if (known == series_.end()) {
    const Result<i64> id =
        ids_.series({.name = row.name, .kind = row.kind, .unit = row.unit, .tags = row.tags});
    if (!id.ok()) return id.status();
    if (series_.size() >= kKnownMax) series_.clear();
    known = series_.emplace(std::move(key), id.value()).first;
  }
  insert_point_.bind(1, known->second);
  insert_point_.bind(2, row.time_ns);
  row.value ? insert_point_.bind(3, *row.value) : insert_point_.bind_null(3);
  bind(insert_point_, 4, row.run);
  bind(insert_point_, 5, row.sequence);
  bind(insert_point_, 6, row.weight);
  return insert_point_.run();
}

Status Restorer::finish() {
  for (const auto& [run, range] : ranges_) {
    widen_run_.bind(1, run);
    widen_run_.bind(2, range.first);
    widen_run_.bind(3, range.second);
    const Status status = widen_run_.run();
    if (!status.ok()) return status;
  }
  ranges_.clear();
  return {};
}

}  // namespace sluice::storage
