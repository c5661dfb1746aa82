#include "cli/line_record.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/json_time.h"
#include "cli/text_header.h"
#include "record/json_text.h"

namespace sluice::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kFieldsMax = 24;  // of detail::kSiteArgumentsMax, hidden ones included
constexpr std::size_t kNameBytesMax = 255;
constexpr std::size_t kContextBytesMax = 16 * 1024;

std::string dump(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string text_of(const ordered_json& value) {
  return value.is_string() ? value.get<std::string>() : dump(value);
}

// The first of the keys that is there.
const ordered_json* find(const ordered_json& object, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    const auto found = object.find(std::string(key));
    if (found != object.end()) return &*found;
  }
  return nullptr;
}

constexpr std::string_view kHeadKeys[] = {
    "ts",     "time",   "timestamp", "@timestamp", "level",     "severity", "lvl",
    "logger", "msg",    "message",   "kind",       "event",     "name",     "value",
    "unit",   "metric", "patch",     "fields",     "context",   "source",   "thread",
    "tid",    "seq",    "late",      "gap",        "backtrace", "run"};

// Whether a key says what it says in our own lines; only then it is taken out of the fields.
bool is_head_key(std::string_view key, bool ours) {
  constexpr std::string_view kAnybodys[] = {"ts",    "time",     "timestamp", "@timestamp",
                                            "level", "severity", "lvl",       "logger",
                                            "msg",   "message"};
  if (ours)
    return std::find(std::begin(kHeadKeys), std::end(kHeadKeys), key) != std::end(kHeadKeys);
  return std::find(std::begin(kAnybodys), std::end(kAnybodys), key) != std::end(kAnybodys);
}

// Our lines begin with these and always have the last two.
bool is_ours(const ordered_json& object) {
  return object.contains("ts") && object.contains("level") && object.contains("msg") &&
         object.contains("tid") && object.contains("seq");
}

RecordKind kind_of(std::string_view name) {
  for (const RecordKind kind :
       {RecordKind::kEvent, RecordKind::kMetric, RecordKind::kState, RecordKind::kTrack,
        RecordKind::kParam, RecordKind::kFile, RecordKind::kBytes}) {
    if (kind_name(kind) == name) return kind;
  }
  return RecordKind::kLog;
}

MetricKind metric_of(std::string_view name) {
  for (const MetricKind kind :
       {MetricKind::kGauge, MetricKind::kCounter, MetricKind::kHistogram, MetricKind::kTimer}) {
    if (metric_name(kind) == name) return kind;
  }
  return MetricKind::kNone;
}

// Of a metric; what JSON has no number for is a text (record/json_lines.h).
double number_of(const ordered_json& value) {
  if (value.is_number()) return value.get<double>();
  if (value == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (value == "Infinity") return std::numeric_limits<double>::infinity();
  if (value == "-Infinity") return -std::numeric_limits<double>::infinity();
  return 0;
}

Level level_of(const ordered_json& value) {
  Level level = Level::info;
  if (value.is_string()) {
    (void)parse_level(value.get_ref<const std::string&>(), level);
  } else if (value.is_number_integer()) {
    // pino's and Bunyan's numbers.
    const i64 number = value.get<i64>();
    level = number >= 60   ? Level::critical
            : number >= 50 ? Level::error
            : number >= 40 ? Level::warning
            : number >= 30 ? Level::info
            : number >= 20 ? Level::debug
                           : Level::trace;
  }
  return level == Level::off ? Level::info : level;
}

u64 unsigned_of(const ordered_json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<u64>() : 0;
}

std::string string_of(const ordered_json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_true(const ordered_json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

std::string_view cut(std::string_view text, std::size_t size) { return text.substr(0, size); }

}  // namespace

std::string_view LineRecord::keep(std::string text) {
  kept_.push_back(std::move(text));
  return kept_.back();
}

void LineRecord::read_head(const ordered_json& object, Head& head) {
  if (const auto* level = find(object, {"level", "severity", "lvl"})) head.level = level_of(*level);
  if (const auto* message = find(object, {"msg", "message"})) head.message = text_of(*message);
  head.logger = string_of(object, "logger");
  if (!is_ours(object)) return;
  head.kind = kind_of(string_of(object, "kind"));
  head.metric = metric_of(string_of(object, "metric"));
  head.unit = string_of(object, "unit");
  head.source = string_of(object, "source");
  head.name = string_of(object, head.kind == RecordKind::kEvent ? "event" : "name");
  head.thread = string_of(object, "thread");
  head.tid = u32(unsigned_of(object, "tid"));
  head.sequence = unsigned_of(object, "seq");
  if (is_true(object, "late")) head.flags |= kLate;
  if (is_true(object, "backtrace")) head.flags |= kBacktrace;
  if (is_true(object, "gap")) head.flags |= kAfterGap;
  run_.run_id = string_of(object, "run");
}

void LineRecord::add_value(std::string_view name, const ordered_json& value) {
  Argument argument;
  argument.name = cut(name, kNameBytesMax);
  switch (value.type()) {
    case ordered_json::value_t::boolean:
      argument.type = ArgType::kBool;
      argument.word = value.get<bool>();
      break;
    case ordered_json::value_t::number_integer:
      argument.type = ArgType::kI64;
      argument.word = u64(value.get<i64>());
      break;
    case ordered_json::value_t::number_unsigned:
      argument.type = ArgType::kU64;
      argument.word = value.get<u64>();
      break;
    case ordered_json::value_t::number_float:
      argument.type = ArgType::kF64;
      argument.word = std::bit_cast<u64>(value.get<double>());
      break;
    case ordered_json::value_t::string:
      argument.text = keep(value.get<std::string>());
      break;
    default:
      argument.type = ArgType::kJson;
      argument.text = keep(dump(value));
  }
  arguments_.push_back(argument);
}

void LineRecord::add_fields(const ordered_json& object) {
  const bool ours = is_ours(object);
  if (const auto fields = object.find("fields");
      ours && fields != object.end() && fields->is_object()) {
    for (const auto& [name, value] : fields->items()) add_value(keep(name), value);
  }
  for (const auto& [name, value] : object.items()) {
    if (!is_head_key(name, ours)) add_value(keep(name), value);
  }
  const auto context = object.find("context");
  if (!ours || context == object.end() || !context->is_object()) return;
  context_.resize(kContextBytesMax);
  FieldBlockWriter writer(context_);
  for (const auto& [name, value] : context->items()) {
    add_value(keep(name), value);
    const Argument argument = arguments_.back();
    // What does not fit a context stays a field.
    if (writer.add(argument.name, {argument.type, argument.word, argument.text})) {
      arguments_.pop_back();
    }
  }
  context_bytes_ = writer.bytes().size();
}

void LineRecord::add_arguments(const ordered_json& object, const Head& head) {
  if (head.kind == RecordKind::kLog) {
    arguments_.push_back({ArgType::kString, 0, cut(head.message, kTextBytesMax), {}});
  } else if (head.kind == RecordKind::kState) {
    const auto patch = object.find("patch");
    const std::string text = patch == object.end() ? "{}" : dump(*patch);
    arguments_.push_back({ArgType::kJson, 0, keep(text), {}});
    return;
  } else {
    arguments_.push_back({ArgType::kString, 0, head.name, {}});
  }
  if (head.kind == RecordKind::kMetric) {
    const auto value = object.find("value");
    const double sample = value == object.end() ? 0 : number_of(*value);
    arguments_.push_back({ArgType::kF64, std::bit_cast<u64>(sample), {}, {}});
  }
  first_field_ = arguments_.size();
  add_fields(object);
}

// All fields as one, where there are too many of them or of their shapes.
void LineRecord::pack_fields() {
  ordered_json all = ordered_json::object();
  for (std::size_t i = first_field_; i < arguments_.size(); ++i) {
    const Argument& argument = arguments_[i];
    ordered_json& slot = all[std::string(argument.name)];
    switch (argument.type) {
      case ArgType::kBool:
        slot = argument.word != 0;
        break;
      case ArgType::kI64:
        slot = i64(argument.word);
        break;
      case ArgType::kU64:
        slot = argument.word;
        break;
      case ArgType::kF64:
        slot = std::bit_cast<double>(argument.word);
        break;
      case ArgType::kJson:
        slot = ordered_json::parse(argument.text, nullptr, false);
        break;
      default:
        slot = std::string(argument.text);
    }
  }
  arguments_.resize(first_field_);
  arguments_.push_back({ArgType::kJson, 0, keep(dump(all)), "fields"});
}

// Of a metric: the value is the mean of as many as the first field says.
bool LineRecord::has_summary() const {
  const Argument* const fields = arguments_.data() + first_field_;
  return arguments_.size() >= first_field_ + 2 && first_field_ > 0 &&
         fields[-1].type == ArgType::kF64 && fields[0].type == ArgType::kU64 &&
         fields[0].name == "count" && fields[1].type == ArgType::kJson &&
         fields[1].name == "buckets";
}

const Site& LineRecord::site_of(const Head& head) {
  const bool many_shapes = shapes_.size() >= kShapesMax;
  const std::size_t fields = arguments_.size() - first_field_;
  if (fields > kFieldsMax || (many_shapes && fields > 0)) pack_fields();
  // Past the limit only what has few values tells shapes apart.
  const std::string_view source = many_shapes ? std::string_view() : std::string_view(head.source);
  const std::string_view unit = many_shapes ? std::string_view() : std::string_view(head.unit);
  std::string shape{char(head.kind), char(head.level), char(head.metric)};
  shape.append(unit).append(1, '\n').append(source);
  for (const Argument& argument : arguments_) {
    shape += '\n';
    shape += char(argument.type);
    shape += argument.name;
  }
  auto& slot = shapes_[shape];
  if (slot) return *slot;
  slot = std::make_unique<Site>();
  slot->id = kSiteFirstCaller + u32(shapes_.size());
  slot->kind = head.kind;
  slot->level = head.level;
  slot->metric = head.metric;
  slot->unit = unit;
  slot->flags = SiteFlag::kLoggerIsFirstArg;
  slot->arguments.push_back({ArgType::kU32, {}});
  if (head.kind == RecordKind::kLog) {
    slot->format = "{}";
  } else if (head.kind == RecordKind::kState) {
    slot->format = "state";
  } else {
    slot->flags |= SiteFlag::kNameIsFirstArg;
  }
  if (head.kind == RecordKind::kMetric && has_summary()) slot->flags |= SiteFlag::kIsSummary;
  const auto colon = source.rfind(':');
  slot->file = source.substr(0, colon);
  if (colon != std::string_view::npos) {
    (void)std::from_chars(source.data() + colon + 1, source.data() + source.size(), slot->line);
  }
  for (const Argument& argument : arguments_) {
    slot->arguments.push_back({argument.type, std::string(argument.name)});
  }
  return *slot;
}

bool LineRecord::encode(const Site& site, const Head& head) {
  std::size_t tail = kRecordHeaderBytes + 8 * (arguments_.size() + 1);
  std::size_t bytes = tail;
  for (const Argument& argument : arguments_) bytes += argument.text.size();
  const u64 whole = round_up(bytes, 8);
  if (whole > kRecordBytesMax) return false;
  bytes_.assign(whole + context_block_bytes(u32(context_bytes_)), std::byte{0});
  store(bytes_.data(), RecordHeader{u16(whole / 8), head.flags, site.id, 0});
  std::byte* word = bytes_.data() + kRecordHeaderBytes + 8;  // behind the logger's, which is 0
  for (const Argument& argument : arguments_) {
    store(word, has_tail(argument.type) ? u64(argument.text.size()) : argument.word);
    word += 8;
    if (!argument.text.empty()) {
      std::memcpy(bytes_.data() + tail, argument.text.data(), argument.text.size());
    }
    tail += argument.text.size();
  }
  if (context_bytes_ > 0) {
    (void)append_context(bytes_, u32(whole), ByteView(context_).first(context_bytes_));
  }
  return RecordView::parse(bytes_, site, view_);
}

const Entry& LineRecord::finish(const Site& site, const Head& head, i64 wall_ns) {
  logger_ = head.logger;
  thread_ = head.thread;
  last_wall_ns_ = wall_ns;
  entry_.reset();  // an Entry holds references
  entry_.emplace(Entry{.record = view_,
                       .site = site,
                       .sequence = head.sequence,
                       .wall_ns = wall_ns,
                       .thread = {head.tid, thread_},
                       .logger = logger_,
                       .run = &run_});
  return *entry_;
}

const Entry* LineRecord::from_json(std::string_view line) {
  if (!is_json(line) || !is_json_object(line)) return nullptr;
  const ordered_json object = ordered_json::parse(line, nullptr, false);
  if (!object.is_object()) return nullptr;
  arguments_.clear();
  kept_.clear();
  context_bytes_ = 0;
  first_field_ = 1;
  run_ = {};
  Head head;
  read_head(object, head);
  add_arguments(object, head);
  const Site* site = &site_of(head);
  if (!encode(*site, head)) {
    // Too much for a record: what a line says comes before its fields.
    arguments_.resize(std::min(arguments_.size(), first_field_));
    context_bytes_ = 0;
    site = &site_of(head);
    if (!encode(*site, head)) return nullptr;
  }
  return &finish(*site, head, json_time(object, line).value_or(last_wall_ns_));
}

const Entry& LineRecord::from_text(std::string_view line) {
  const TextHeader header = parse_text_header(line);
  arguments_.clear();
  kept_.clear();
  context_bytes_ = 0;
  run_ = {};
  Head head;
  head.level = header.level.value_or(Level::info);
  head.tid = header.tid;
  head.source = header.source;
  arguments_.push_back({ArgType::kString, 0, cut(header.message, kTextBytesMax), {}});
  first_field_ = 1;
  const Site& site = site_of(head);
  (void)encode(site, head);
  return finish(site, head, header.wall_ns.value_or(last_wall_ns_));
}

}  // namespace sluice::cli
