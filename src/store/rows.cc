#include "store/rows.h"

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "record/builtin.h"
#include "record/json_text.h"
#include "record/value_text.h"

namespace sluice::storage {
namespace {

constexpr std::size_t kSeriesKnownMax = 65'536;

const Value* find_argument(const Entry& entry, std::string_view name, Value& out) {
  for (u32 i = entry.record.first_visible(); i < entry.record.arguments(); ++i) {
    if (entry.site.arguments[i].name != name) continue;
    out = entry.record.value(i);
    return &out;
  }
  return nullptr;
}

// The members of the JSON object that is all the fields of a record.
class PayloadFields {
 public:
  explicit PayloadFields(const Entry& entry) {
    if ((entry.site.flags & SiteFlag::kFieldsAreLastArg) == 0) return;
    const std::string_view text = entry.record.text(entry.record.arguments() - 1);
    // is_json() bounds the depth, and with it the parser's stack.
    if (is_json(text)) object_ = nlohmann::json::parse(text, nullptr, false);
  }
  // The text that `out` may refer to lives as long as this object.
  const Value* find(std::string_view name, Value& out) const {
    if (!object_.is_object()) return nullptr;
    const auto at = object_.find(name);
    if (at == object_.end() || at->is_structured() || at->is_null()) return nullptr;
    if (at->is_boolean()) {
      out = {ArgType::kBool, u64(at->get<bool>()), {}};
    } else if (at->is_number_unsigned()) {
      out = {ArgType::kU64, at->get<u64>(), {}};
    } else if (at->is_number_integer()) {
      out = {ArgType::kI64, u64(at->get<i64>()), {}};
    } else if (at->is_number()) {
      out = {ArgType::kF64, std::bit_cast<u64>(at->get<double>()), {}};
    } else {
      out = {ArgType::kString, 0, at->get_ref<const std::string&>()};
    }
    return &out;
  }

 private:
  nlohmann::json object_;
};

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

// In the context of what a backtrace has held, unless that has a field of the name.
constexpr std::string_view kBacktraceName = "backtrace";
constexpr std::string_view kBacktraceMark = R"("backtrace":true)";

template <class Put>
std::string_view rendered(TextBuffer& out, Put&& put) {
  out.clear();
  char* const begin = out.begin_record();
  (void)out.end_record(put(begin));
  return out.text();
}

// A row of a track whose time is not that of the call.
bool has_own_time(const Site& site) {
  const u32 first = site.hidden_arguments();
  return site.kind == RecordKind::kTrack && first < site.arguments.size() &&
         site.arguments[first].type == ArgType::kTimestamp &&
         site.arguments[first].name == "timestamp";
}

// The first fields that have columns of their own.
u32 without(const Site& site) {
  if (is_summary(site)) return kSummaryArguments - 1;
  return has_own_time(site) ? 1 : 0;
}

}  // namespace

// What is worked out once per call site.
struct Rows::KnownSite {
  explicit KnownSite(const Site& site)
      : message(site, TextForm::kStored, MessagePlan::Fields::kOmit),
        fields(site, {}, without(site)),
        logger(escaped(TextForm::kStored, site.logger)),
        unit(escaped(TextForm::kStored, site.unit)) {}

  MessagePlan message;
  FieldPlan fields;
  std::string logger;
  std::string unit;
  i64 id = 0;         // in the table
  u64 ids_known = 0;  // Rows::ids_known_ when it was looked up
};

Rows::Rows(Connection& connection) : connection_(connection) {}
Rows::~Rows() = default;

Status Rows::prepare() {
  Status status;
  const auto make = [&](Statement& to, std::string_view sql) {
    if (status.ok()) status = connection_.prepare_into(to, sql);
  };
  make(insert_point_, kInsertPoint);
  make(insert_state_,
       "INSERT INTO states(run, time_ns, sequence, patch, after_gap) VALUES(?, ?, ?, ?, ?)");
  make(merge_state_,
       "INSERT INTO state_values(run, time_ns, value) VALUES(?1, ?2, json_patch('{}', ?3))"
       " ON CONFLICT(run) DO UPDATE SET time_ns = ?2, value = json_patch(value, ?3)");
  make(insert_track_, "INSERT INTO tracks(run, topic, time_ns, fields) VALUES(?, ?, ?, ?)");
  make(insert_param_, "INSERT OR REPLACE INTO params(run, key, value, time_ns) VALUES(?, ?, ?, ?)");
  make(insert_file_, "INSERT INTO files(run, name, time_ns, fields, bytes) VALUES(?, ?, ?, ?, ?)");
  make(note_end_,
       "UPDATE runs SET ended_ns = ?2, exit_code = ?3, signal = ?4, reason = ?5 WHERE id = ?1");
  return status.ok() ? ids_.prepare(connection_) : status;
}

Status Rows::begin(i64 run) {
  run_ = run;
  first_record_ = last_record_ = 0;
  return look_for_columns();
}

void Rows::forget() {
  sites_.clear();
  series_.clear();
}

void Rows::forget_ids() {
  ++ids_known_;
  series_.clear();
}

// The statement that inserts records has all columns that users have added so far.
Status Rows::look_for_columns() {
  const Result<i64> cookie = connection_.integer_of("PRAGMA schema_version");
  if (!cookie.ok()) return cookie.status();
  if (cookie.value() == schema_cookie_ && insert_record_) return {};
  Result<std::vector<CustomColumn>> columns = custom_columns(connection_);
  if (!columns.ok()) return columns.status();
  Result<Statement> insert = connection_.prepare(insert_record_sql(columns.value()));
  if (!insert.ok()) return insert.status();
  insert_record_ = std::move(insert.value());
  columns_ = std::move(columns.value());
  column_texts_.resize(columns_.size());
  schema_cookie_ = cookie.value();
  return {};
}

Status Rows::add(const Entry& entry) {
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

std::string_view Rows::body_of(const Entry& entry, KnownSite& site) {
  return rendered(body_, [&](char* at) { return site.message.put(entry, body_, at); });
}

std::string_view Rows::fields_of(const Entry& entry, const KnownSite& site) {
  if (site.fields.empty()) return {};
  return rendered(fields_,
                  [&](char* at) { return site.fields.put_json(fields_, at, entry.record); });
}

std::string_view Rows::context_of(const Entry& entry) {
  const FieldBlock context = entry.record.context();
  std::string_view mark;
  if (entry.record.header().has(kBacktrace)) mark = kBacktraceMark;
  if (context.empty() && mark.empty()) return {};
  for (const ContextField& field : context) {
    if (field.name == kBacktraceName) mark = {};
  }
  return rendered(context_,
                  [&](char* at) { return put_json_context(context_, at, context, mark); });
}

Status Rows::add_record(const Entry& entry, KnownSite& site) {
  if (site.ids_known != ids_known_) {
    const Result<i64> id = id_of_site(entry);
    if (!id.ok()) return id.status();
    site.id = id.value();
    site.ids_known = ids_known_;
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
  last_record_ = connection_.last_row_id();
  if (first_record_ == 0) first_record_ = last_record_;
  return {};
}

void Rows::bind_custom_columns(const Entry& entry) {
  const PayloadFields payload(entry);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const int at = kOwnRecordMarks + 1 + int(i);
    Value value;
    const Value* found = find_argument(entry, columns_[i].name, value);
    if (found == nullptr) found = payload.find(columns_[i].name, value);
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

Result<i64> Rows::id_of_site(const Entry& entry) {
  const Site& site = entry.site;
  const std::string texts[] = {
      escaped(TextForm::kStored, site.logger), escaped(TextForm::kStored, site.file),
      escaped(TextForm::kStored, site.function), escaped(TextForm::kStored, site.format)};
  return ids_.site({.kind = kind_name(site.kind),
                    .severity = i64(site.level),
                    .logger = texts[0],
                    .file = texts[1],
                    .line = i64(site.line),
                    .function = texts[2],
                    .format = texts[3]});
}

Result<i64> Rows::id_of_series(const Entry& entry, KnownSite& site) {
  const std::string_view tags = fields_of(entry, site);
  const std::string_view kind = metric_name(entry.site.metric);
  const bool fixed_unit = (entry.site.flags & SiteFlag::kUnitIsNextArg) == 0;
  const std::string unit = fixed_unit ? site.unit : escaped(TextForm::kStored, entry.record.unit());
  series_key_ = escaped(TextForm::kStored, entry.record.name());
  const std::size_t name_bytes = series_key_.size();
  for (const std::string_view part : {kind, std::string_view(unit), tags}) {
    series_key_ += '\0';
    series_key_ += part;
  }
  if (const auto known = series_.find(series_key_); known != series_.end()) return known->second;
  const Result<i64> id = ids_.series({.name = std::string_view(series_key_).substr(0, name_bytes),
                                      .kind = kind,
                                      .unit = unit,
                                      .tags = tags.empty() ? std::string_view("{}") : tags});
  if (!id.ok()) return id;
  if (series_.size() >= kSeriesKnownMax) series_.clear();
  series_.emplace(series_key_, id.value());
  return id;
}

Status Rows::add_point(const Entry& entry, KnownSite& site) {
  const u32 at = entry.record.first_visible();
  if (at >= entry.record.arguments()) return add_record(entry, site);  // a metric without a value
  const Result<i64> series = id_of_series(entry, site);
  if (!series.ok()) return series.status();
  insert_point_.bind(1, series.value());
  insert_point_.bind(2, entry.wall_ns);
  insert_point_.bind(3, number_of(entry.record.value(at)));  // NaN is NULL in SQLite
  insert_point_.bind(4, run_);
  insert_point_.bind(5, i64(entry.sequence));
  insert_point_.bind_null(6);
  return is_summary(entry.site) ? add_summary(entry) : insert_point_.run();
}

// A row for each bucket, else as add_point() has bound it.
Status Rows::add_summary(const Entry& entry) {
  samples_of(entry.record, samples_);
  for (const WeightedValue& one : samples_) {
    insert_point_.bind(3, one.value);
    insert_point_.bind(6, i64(std::min(one.weight, u64{INT64_MAX})));
    const Status status = insert_point_.run();
    if (!status.ok()) return status;
  }
  return {};
}

Status Rows::add_state(const Entry& entry, KnownSite& site) {
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

Status Rows::add_track(const Entry& entry, KnownSite& site) {
  const std::string topic = escaped(TextForm::kStored, entry.record.name());
  const std::string_view fields = fields_of(entry, site);
  insert_track_.bind(1, run_);
  insert_track_.bind(2, std::string_view(topic));
  insert_track_.bind(3, has_own_time(entry.site)
                            ? i64(entry.record.word(entry.record.first_visible()))
                            : entry.wall_ns);
  insert_track_.bind(4, fields.empty() ? std::string_view("{}") : fields);
  return insert_track_.run();
}

Status Rows::add_param(const Entry& entry, KnownSite& site) {
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

Status Rows::add_file(const Entry& entry, KnownSite& site) {
  const std::string name = escaped(TextForm::kStored, entry.record.name());
  const std::string_view fields = fields_of(entry, site);
  insert_file_.bind(1, run_);
  insert_file_.bind(2, std::string_view(name));
  insert_file_.bind(3, entry.wall_ns);
  fields.empty() ? insert_file_.bind_null(4) : insert_file_.bind(4, fields);
  Value bytes;
  const bool sized = find_argument(entry, "bytes", bytes) != nullptr && bytes.type == ArgType::kU64;
  sized ? insert_file_.bind(5, i64(bytes.word)) : insert_file_.bind_null(5);
  return insert_file_.run();
}

// A verdict of the engine, or the last event of `sluice run`.
Status Rows::note_end(const Entry& entry) {
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

}  // namespace sluice::storage
