#include "store/writer.h"

#include <algorithm>
#include <bit>
#include <cerrno>

#include "os/io.h"
#include "os/process.h"
#include "record/builtin.h"
#include "record/json_text.h"
#include "record/value_text.h"

namespace sluice::storage {
namespace {

constexpr i64 kLockNapNs = 1'000'000;
constexpr std::size_t kSeriesKnownMax = 65'536;

const Value* find_argument(const Entry& entry, std::string_view name, Value& out) {
  for (u32 i = entry.record.first_visible(); i < entry.record.arguments(); ++i) {
    if (entry.site.arguments[i].name != name) continue;
    out = entry.record.value(i);
    return &out;
  }
  return nullptr;
}

// A value as SQLite has it: numbers as they are (what does not fit 64 bits signed as a real), NaN
// as NULL, the rest as text. `text` holds what is not in the record as it is.
void bind_value(Statement& statement, int at, const Value& value, std::string& text) {
  switch (value.type) {
    case ArgType::kBool:
      return statement.bind(at, i64(value.word != 0));
    case ArgType::kI32:
    case ArgType::kI64:
      return statement.bind(at, i64(value.word));
    case ArgType::kU32:
    case ArgType::kU64:
      if (value.word > u64(INT64_MAX)) return statement.bind(at, double(value.word));
      return statement.bind(at, i64(value.word));
    case ArgType::kF32:
      return statement.bind(at, double(std::bit_cast<float>(u32(value.word))));
    case ArgType::kF64:
      return statement.bind(at, std::bit_cast<double>(value.word));
    default: {
      TextBuffer out;
      char* const begin = out.begin_record();
      (void)out.end_record(put_value(TextForm::kStored, out, begin, value));
      text = out.text();
      return statement.bind(at, std::string_view(text));
    }
  }
}

double number_of(const Value& value) {
  switch (value.type) {
    case ArgType::kF64:
      return std::bit_cast<double>(value.word);
    case ArgType::kF32:
      return double(std::bit_cast<float>(u32(value.word)));
    case ArgType::kI32:
    case ArgType::kI64:
      return double(i64(value.word));
    default:
      return double(value.word);
  }
}

template <class Put>
std::string_view rendered(TextBuffer& out, Put&& put) {
  out.clear();
  char* const begin = out.begin_record();
  (void)out.end_record(put(begin));
  return out.text();
}

}  // namespace

// What is worked out once per call site.
struct Writer::KnownSite {
  explicit KnownSite(const Site& site)
      : message(site, TextForm::kStored, MessagePlan::Fields::kOmit),
        fields(site),
        logger(escaped(TextForm::kStored, site.logger)),
        unit(escaped(TextForm::kStored, site.unit)) {}

  MessagePlan message;
  FieldPlan fields;
  std::string logger;
  std::string unit;
  i64 id = 0;  // in the table; 0: not known
};

Writer::Writer() = default;
Writer::~Writer() = default;

Result<std::unique_ptr<Writer>> Writer::open(const WriterOptions& options) {
  const DatabaseUse use;
  Result<std::unique_ptr<Connection>> connection = Connection::open(options.path, Access::kCreate);
  if (!connection.ok()) return connection.status();
  std::unique_ptr<Writer> writer(new Writer);
  writer->connection_ = std::move(connection.value());
  Connection& db = *writer->connection_;
  sqlite3_busy_timeout(db.get(), int(kLockWaitNs / 1'000'000));
  Status status = make_schema(db);
  if (status.ok()) {
    status = db.run(std::string("PRAGMA synchronous = ") +
                    (options.sync_each_commit ? "FULL" : "NORMAL") +
                    "; PRAGMA cache_size = -65536; PRAGMA foreign_keys = ON;"
                    "PRAGMA journal_size_limit = 67108864");
  }
  if (status.ok()) status = writer->prepare();
  // From here on others are waited for outside of SQLite, where a fork may come.
  sqlite3_busy_timeout(db.get(), 0);
  if (!status.ok()) return status;
  return writer;
}

Status Writer::prepare() {
  Status status;
  const auto make = [&](Statement& to, std::string_view sql) {
    if (!status.ok()) return;
    Result<Statement> made = connection_->prepare(sql);
    if (made.ok()) {
      to = std::move(made.value());
    } else {
      status = made.status();
    }
  };
  make(begin_, "BEGIN IMMEDIATE");
  make(commit_, "COMMIT");
  make(rollback_, "ROLLBACK");
  make(insert_point_,
       "INSERT INTO points(series, time_ns, value, run, sequence) VALUES(?, ?, ?, ?, ?)");
  make(insert_state_,
       "INSERT INTO states(run, time_ns, sequence, patch, after_gap) VALUES(?, ?, ?, ?, ?)");
  make(merge_state_,
       "INSERT INTO state_values(run, time_ns, value) VALUES(?1, ?2, json_patch('{}', ?3))"
       " ON CONFLICT(run) DO UPDATE SET time_ns = ?2, value = json_patch(value, ?3)");
  make(insert_track_, "INSERT INTO tracks(run, topic, time_ns, fields) VALUES(?, ?, ?, ?)");
  make(insert_param_, "INSERT OR REPLACE INTO params(run, key, value, time_ns) VALUES(?, ?, ?, ?)");
  make(insert_file_, "INSERT INTO files(run, name, time_ns, fields) VALUES(?, ?, ?, ?)");
  make(insert_site_,
       "INSERT OR IGNORE INTO sites(kind, severity, logger, file, line, function, format)"
       " VALUES(?, ?, ?, ?, ?, ?, ?)");
  make(find_site_,
       "SELECT id FROM sites WHERE kind = ? AND severity = ? AND logger = ? AND file = ?"
       " AND line = ? AND function = ? AND format = ?");
  make(insert_series_, "INSERT OR IGNORE INTO series(name, kind, unit, tags) VALUES(?, ?, ?, ?)");
  make(find_series_,
       "SELECT id FROM series WHERE name = ? AND kind = ? AND unit = ? AND tags = ?");
  make(move_cursor_,
       "INSERT INTO cursors(run, next_sequence) VALUES(?1, ?2)"
       " ON CONFLICT(run) DO UPDATE SET next_sequence = ?2");
  make(note_records_,
       "UPDATE runs SET first_record = coalesce(first_record, ?2), last_record = ?3 WHERE id = ?1");
  make(note_end_,
       "UPDATE runs SET ended_ns = ?2, exit_code = ?3, signal = ?4, reason = ?5 WHERE id = ?1");
  return status;
}

// The statement that inserts records has all columns that users have added so far.
Status Writer::look_for_columns() {
  const Result<i64> cookie = connection_->integer_of("PRAGMA schema_version");
  if (!cookie.ok()) return cookie.status();
  if (cookie.value() == schema_cookie_ && insert_record_) return {};
  Result<std::vector<CustomColumn>> columns = custom_columns(*connection_);
  if (!columns.ok()) return columns.status();
  std::string names, marks;
  for (const CustomColumn& column : columns.value()) {
    names += ", " + quoted_name(column.name);
    marks += ", ?";
  }
  Result<Statement> insert = connection_->prepare(
      "INSERT INTO records(time_ns, severity, run, sequence, thread, site, logger, event, body,"
      " attributes, context" +
      names + ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?" + marks + ")");
  if (!insert.ok()) return insert.status();
  insert_record_ = std::move(insert.value());
  columns_ = std::move(columns.value());
  column_texts_.resize(columns_.size());
  schema_cookie_ = cookie.value();
  return {};
}

Result<u64> Writer::use_run(const RunKey& key, const RunInfo& run, i64 started_ns) {
  Status status = begin();
  if (!status.ok()) return status;
  Result<u64> next = find_run(key, run, started_ns);
  if (next.ok()) {
    status = commit_.run();
    transaction_.reset();
    if (status.ok()) return next;
    next = status;
  }
  roll_back();
  return next;
}

Result<u64> Writer::find_run(const RunKey& key, const RunInfo& run, i64 started_ns) {
  const ByteView id{reinterpret_cast<const std::byte*>(key.data()), key.size()};
  Result<Statement> insert = connection_->prepare(
      "INSERT OR IGNORE INTO runs(region, run_id, product, version, host, pid, started_ns)"
      " VALUES(?, ?, ?, ?, ?, ?, ?)");
  if (!insert.ok()) return insert.status();
  const std::string texts[] = {
      escaped(TextForm::kStored, run.run_id), escaped(TextForm::kStored, run.product),
      escaped(TextForm::kStored, run.version), escaped(TextForm::kStored, run.host)};
  insert.value().bind(1, id);
  for (int i = 0; i < 4; ++i) insert.value().bind(2 + i, std::string_view(texts[i]));
  insert.value().bind(6, i64(run.pid));
  insert.value().bind(7, started_ns);
  const Status inserted = insert.value().run();
  if (!inserted.ok()) return inserted;
  Result<Statement> find = connection_->prepare(
      "SELECT id, coalesce(next_sequence, 0) FROM runs LEFT JOIN cursors ON run = id"
      " WHERE region = ?");
  if (!find.ok()) return find.status();
  find.value().bind(1, id);
  const Result<bool> row = find.value().step();
  if (!row.ok()) return row.status();
  run_ = find.value().integer(0);
  return u64(find.value().integer(1));
}

Status Writer::begin() {
  const i64 until = os::monotonic_ns() + kLockWaitNs;
  for (;;) {
    transaction_.emplace();
    Status status = begin_.run();
    if (status.ok()) {
      first_record_ = last_record_ = 0;
      status = look_for_columns();
      if (status.ok()) return status;
      roll_back();
    }
    transaction_.reset();  // a fork may come while others hold the lock
    const bool locked = status.error_class() == ErrorClass::kRetryable;
    if (!locked || os::monotonic_ns() >= until) return status;
    os::sleep_ns(kLockNapNs);
  }
}

Status Writer::commit(u64 next_sequence) {
  Status status;
  if (last_record_ != 0) {
    note_records_.bind(1, run_);
    note_records_.bind(2, first_record_);
    note_records_.bind(3, last_record_);
    status = note_records_.run();
  }
  if (status.ok()) {
    move_cursor_.bind(1, run_);
    move_cursor_.bind(2, i64(next_sequence));
    status = move_cursor_.run();
  }
  if (status.ok()) status = commit_.run();
  if (status.ok()) transaction_.reset();
  return status;
}

void Writer::roll_back() {
  if (connection_->in_transaction()) (void)rollback_.run();
  forget_ids();
  transaction_.reset();
}

// Rows that were inserted in a transaction that failed are not there.
void Writer::forget_ids() {
  sites_.clear();
  series_.clear();
}

Status Writer::sync(os::Io& io) {
  // SQLite keeps no lock on this file, so closing another descriptor of it loses none.
  const std::string path = connection_->path() + "-wal";
  const int fd = io.open(path.c_str(), os::kRead | os::kWrite);
  if (fd == -ENOENT) return {};  // everything is in the database file, and was synced on its way
  int error = fd;
  if (fd >= 0) {
    error = io.sync_data(fd);
    io.close(fd);
  }
  if (error >= 0) return {};
  return {ErrorClass::kRetryable, path + ": cannot sync: " + os::error_text(error), -error};
}

// ---- rows ----

Status Writer::add(const Entry& entry) {
  KnownSite& site =
      sites_.of(entry.site, [](const Site& of) { return std::make_unique<KnownSite>(of); });
  if (is_builtin(entry.site)) {
    if (entry.site.id == kSiteVerdict) {
      Status status = note_end(entry);
      if (!status.ok()) return status;
    }
    return add_record(entry, site);
  }
  switch (entry.site.kind) {
    case RecordKind::kMetric:
      return add_point(entry, site);
    case RecordKind::kState:
      return add_state(entry, site);
    case RecordKind::kTrack:
      return add_track(entry, site);
    case RecordKind::kParam:
      return add_param(entry, site);
    case RecordKind::kFile:
      return add_file(entry, site);
    case RecordKind::kEvent:
      if (entry.record.name() == "run.end") {
        Status status = note_end(entry);
        if (!status.ok()) return status;
      }
      break;
    default:
      break;
  }
  return add_record(entry, site);
}

std::string_view Writer::body_of(const Entry& entry, KnownSite& site) {
  return rendered(body_, [&](char* at) { return site.message.put(entry, body_, at); });
}

std::string_view Writer::fields_of(const Entry& entry, const KnownSite& site) {
  if (site.fields.empty()) return {};
  return rendered(fields_, [&](char* at) { return site.fields.put_json(fields_, at, entry.record); });
}

std::string_view Writer::context_of(const Entry& entry) {
  if (entry.record.context().empty()) return {};
  return rendered(context_,
                  [&](char* at) { return put_json_context(context_, at, entry.record.context()); });
}

Status Writer::add_record(const Entry& entry, KnownSite& site) {
  if (site.id == 0) {
    const Result<i64> id = id_of_site(entry);
    if (!id.ok()) return id.status();
    site.id = id.value();
  }
  const bool fixed_logger = (entry.site.flags & SiteFlag::kLoggerIsFirstArg) == 0;
  std::string logger, event;
  if (!fixed_logger) logger = escaped(TextForm::kStored, entry.logger);
  Statement& row = insert_record_;
  row.bind(1, entry.wall_ns);
  row.bind(2, i64(entry.site.level));
  row.bind(3, run_);
  row.bind(4, i64(entry.sequence));
  row.bind(5, i64(entry.thread.tid));
  row.bind(6, site.id);
  row.bind(7, std::string_view(fixed_logger ? site.logger : logger));
  const std::string_view body = body_of(entry, site);
  if (entry.site.kind == RecordKind::kEvent) {
    event = escaped(TextForm::kStored, entry.record.name());
    row.bind(8, std::string_view(event));
  } else {
    row.bind_null(8);
  }
  row.bind(9, body);
  const std::string_view fields = fields_of(entry, site), context = context_of(entry);
  fields.empty() ? row.bind_null(10) : row.bind(10, fields);
  context.empty() ? row.bind_null(11) : row.bind(11, context);
  if (!columns_.empty()) bind_custom_columns(entry);
  Status status = row.run();
  if (!status.ok()) return status;
  last_record_ = connection_->last_row_id();
  if (first_record_ == 0) first_record_ = last_record_;
  return {};
}

void Writer::bind_custom_columns(const Entry& entry) {
  constexpr int kFirst = 12;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const int at = kFirst + int(i);
    Value value;
    const Value* found = find_argument(entry, columns_[i].name, value);
    if (found == nullptr) {
      for (const ContextField& field : entry.record.context()) {
        if (field.name == columns_[i].name) {
          value = field.value;
          found = &value;
        }
      }
    }
    const std::string& type = columns_[i].type;
    const bool number = found != nullptr && !has_tail(value.type);
    // A strict table would refuse what does not fit the column; it is in the attributes anyway.
    const bool fits = found != nullptr && (type == "TEXT" || type == "ANY" || number);
    if (!fits) {
      insert_record_.bind_null(at);
    } else if (type == "INTEGER") {
      insert_record_.bind(at, i64(number_of(value)));
    } else {
      bind_value(insert_record_, at, value, column_texts_[i]);
    }
  }
}

Result<i64> Writer::id_of_site(const Entry& entry) {
  const Site& site = entry.site;
  const std::string texts[] = {
      escaped(TextForm::kStored, site.logger), escaped(TextForm::kStored, site.file),
      escaped(TextForm::kStored, site.function), escaped(TextForm::kStored, site.format)};
  for (Statement* statement : {&insert_site_, &find_site_}) {
    statement->bind(1, kind_name(site.kind));
    statement->bind(2, i64(site.level));
    statement->bind(3, std::string_view(texts[0]));
    statement->bind(4, std::string_view(texts[1]));
    statement->bind(5, i64(site.line));
    statement->bind(6, std::string_view(texts[2]));
    statement->bind(7, std::string_view(texts[3]));
  }
  Status status = insert_site_.run();
  if (!status.ok()) return status;
  const Result<bool> row = find_site_.step();
  if (!row.ok()) return row.status();
  const i64 id = row.value() ? find_site_.integer(0) : 0;
  find_site_.reset();
  return id;
}

Result<i64> Writer::id_of_series(const Entry& entry, KnownSite& site) {
  const std::string_view tags = fields_of(entry, site);
  const std::string_view kind = metric_name(entry.site.metric);
  series_key_ = escaped(TextForm::kStored, entry.record.name());
  const std::size_t name_bytes = series_key_.size();
  for (const std::string_view part : {kind, std::string_view(site.unit), tags}) {
    series_key_ += '\0';
    series_key_ += part;
  }
  if (const auto known = series_.find(series_key_); known != series_.end()) return known->second;
  for (Statement* statement : {&insert_series_, &find_series_}) {
    statement->bind(1, std::string_view(series_key_).substr(0, name_bytes));
    statement->bind(2, kind);
    statement->bind(3, std::string_view(site.unit));
    statement->bind(4, tags.empty() ? std::string_view("{}") : tags);
  }
  Status status = insert_series_.run();
  if (!status.ok()) return status;
  const Result<bool> row = find_series_.step();
  if (!row.ok()) return row.status();
  const i64 id = row.value() ? find_series_.integer(0) : 0;
  find_series_.reset();
  if (series_.size() >= kSeriesKnownMax) series_.clear();
  series_.emplace(series_key_, id);
  return id;
}

Status Writer::add_point(const Entry& entry, KnownSite& site) {
  const u32 at = entry.record.first_visible();
  if (at >= entry.record.arguments()) return add_record(entry, site);  // a metric without a value
  const Result<i64> series = id_of_series(entry, site);
  if (!series.ok()) return series.status();
  insert_point_.bind(1, series.value());
  insert_point_.bind(2, entry.wall_ns);
  insert_point_.bind(3, number_of(entry.record.value(at)));  // NaN is NULL in SQLite
  insert_point_.bind(4, run_);
  insert_point_.bind(5, i64(entry.sequence));
  return insert_point_.run();
}

Status Writer::add_state(const Entry& entry, KnownSite& site) {
  const std::string_view patch = fields_of(entry, site);
  insert_state_.bind(1, run_);
  insert_state_.bind(2, entry.wall_ns);
  insert_state_.bind(3, i64(entry.sequence));
  insert_state_.bind(4, patch.empty() ? std::string_view("{}") : patch);
  insert_state_.bind(5, i64(entry.record.header().has(kAfterGap)));
  Status status = insert_state_.run();
  if (!status.ok()) return status;
  merge_state_.bind(1, run_);
  merge_state_.bind(2, entry.wall_ns);
  merge_state_.bind(3, patch.empty() ? std::string_view("{}") : patch);
  return merge_state_.run();
}

Status Writer::add_track(const Entry& entry, KnownSite& site) {
  const std::string topic = escaped(TextForm::kStored, entry.record.name());
  const std::string_view fields = fields_of(entry, site);
  insert_track_.bind(1, run_);
  insert_track_.bind(2, std::string_view(topic));
  insert_track_.bind(3, entry.wall_ns);
  insert_track_.bind(4, fields.empty() ? std::string_view("{}") : fields);
  return insert_track_.run();
}

Status Writer::add_param(const Entry& entry, KnownSite& site) {
  const std::string key = escaped(TextForm::kStored, entry.record.name());
  const u32 at = entry.record.first_visible();
  if (at >= entry.record.arguments()) return add_record(entry, site);
  std::string text;
  insert_param_.bind(1, run_);
  insert_param_.bind(2, std::string_view(key));
  const Value value = entry.record.value(at);
  if (value.type == ArgType::kF64 && number_of(value) != number_of(value)) {
    insert_param_.bind(3, std::string_view("NaN"));  // the column takes no NULL
  } else {
    bind_value(insert_param_, 3, value, text);
  }
  insert_param_.bind(4, entry.wall_ns);
  return insert_param_.run();
}

Status Writer::add_file(const Entry& entry, KnownSite& site) {
  const std::string name = escaped(TextForm::kStored, entry.record.name());
  const std::string_view fields = fields_of(entry, site);
  insert_file_.bind(1, run_);
  insert_file_.bind(2, std::string_view(name));
  insert_file_.bind(3, entry.wall_ns);
  fields.empty() ? insert_file_.bind_null(4) : insert_file_.bind(4, fields);
  return insert_file_.run();
}

// A verdict of the engine, or the last event of `sluice run`.
Status Writer::note_end(const Entry& entry) {
  const auto bind_number = [&](int at, std::string_view name) {
    Value value;
    if (find_argument(entry, name, value) != nullptr && !has_tail(value.type)) {
      note_end_.bind(at, i64(number_of(value)));
    } else {
      note_end_.bind_null(at);
    }
  };
  std::string reason;
  note_end_.bind(1, run_);
  note_end_.bind(2, entry.wall_ns);
  bind_number(3, "exit_code");
  bind_number(4, "signal");
  Value value;
  if (find_argument(entry, "reason", value) != nullptr && has_tail(value.type)) {
    reason = escaped(TextForm::kStored, value.text);
    note_end_.bind(5, std::string_view(reason));
  } else {
    note_end_.bind_null(5);
  }
  return note_end_.run();
}

// ---- files ----

Status check_file(const std::string& path) {
  os::FileInfo info;
  if (os::real_io().stat(path.c_str(), info) < 0 || info.size == 0) return {};
  const DatabaseUse use;
  const Result<std::unique_ptr<Connection>> connection = Connection::open(path, Access::kRead);
  if (!connection.ok()) return {};
  const Result<SchemaState> state = look_at_schema(*connection.value());
  if (!state.ok()) return {};
  const SchemaState there = state.value();
  const bool will_do = there == SchemaState::kEmpty || there == SchemaState::kOlder;
  return will_do ? Status() : refuse_unless_current(there, path);
}

Result<std::string> set_aside(const std::string& path) {
  const DatabaseUse use;
  // Another process may have put a sound file there meanwhile.
  const Result<std::unique_ptr<Connection>> again = Connection::open(path, Access::kRead);
  if (again.ok()) {
    const Result<SchemaState> state = look_at_schema(*again.value());
    if (state.ok() && state.value() != SchemaState::kForeign) {
      const Result<i64> rows = again.value()->integer_of("SELECT count(*) FROM runs");
      if (rows.ok()) return std::string();
    }
  }
  os::Io& io = os::real_io();
  for (u32 n = 1;; ++n) {
    const std::string name = path + ".damaged-" + std::to_string(n);
    os::FileInfo info;
    if (io.stat(name.c_str(), info) == 0) continue;
    const int error = io.rename(path.c_str(), name.c_str());
    if (error < 0) {
      return Status{ErrorClass::kRetryable,
                    path + ": is damaged and cannot be set aside: " + os::error_text(error), -error};
    }
    for (const char* const suffix : {"-wal", "-shm"}) {
      (void)io.rename((path + suffix).c_str(), (name + suffix).c_str());
    }
    return name;
  }
}

}  // namespace sluice::storage
