#include "cli/import_line.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/json_time.h"
#include "cli/line_level.h"
#include "cli/text_header.h"
#include "record/escape.h"
#include "record/filter.h"
#include "record/json_text.h"

namespace sluice::cli {

std::string stored_text(std::string_view text) { return escaped(TextForm::kStored, text); }
std::string stored_json(std::string_view text) {
  return '"' + escaped(TextForm::kJson, stored_text(text)) + '"';
}

namespace {

using nlohmann::ordered_json;

// A JSON string's text; other values as they stand.
std::string text_of(std::string_view value) {
  if (!value.starts_with('"')) return std::string(value);
  const ordered_json parsed = ordered_json::parse(value, nullptr, false);
  return parsed.is_string() ? stored_text(parsed.get_ref<const std::string&>())
                            : std::string(value);
}

// Of a metric's fields, the tags. Those of a summary say how many samples the value is the mean of.
std::string take_summary(std::string_view fields, std::optional<i64>& weight) {
  ordered_json tags = ordered_json::parse(fields, nullptr, false);
  if (!tags.is_object() || !tags.contains("buckets") || !tags["buckets"].is_array() ||
      !tags.contains("count") || !tags["count"].is_number_unsigned()) {
    return std::string(fields);
  }
  weight = tags["count"].get<i64>();
  tags.erase("count");
  tags.erase("buckets");
  return tags.dump();
}

std::optional<i64> integer_of(std::string_view value) {
  i64 number = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
  if (read.ec != std::errc() || read.ptr != value.data() + value.size()) return std::nullopt;
  return number;
}

i64 severity_of(std::string_view value) {
  // line_level() knows the words and numbers of the usual programs where they stand in a line.
  const std::string line = "{\"level\":" + std::string(value) + "}";
  return i64(line_level(line).value_or(Level::info));
}

template <class Container>
bool is_one_of(const Container& all, std::string_view text) {
  return std::find(std::begin(all), std::end(all), text) != std::end(all);
}

constexpr std::string_view kTimeKeys[] = {"ts", "time", "timestamp", "@timestamp"};
constexpr std::string_view kLevelKeys[] = {"level", "severity", "lvl", "levelname", "loglevel"};
constexpr std::string_view kMessageKeys[] = {"msg", "message"};
constexpr std::string_view kOwnKeys[] = {
    "kind",   "event", "name", "value", "unit", "metric",    "fields", "context", "source",
    "thread", "tid",   "seq",  "late",  "gap",  "backtrace", "run",    "patch"};

}  // namespace

ImportedRow ImportLines::parse(std::string_view line) {
  ImportedRow row{ImportedLog{}};
  if (line.starts_with('{') && parse_json(line, row)) return row;
  ImportedLog& log = std::get<ImportedLog>(row);
  if (parse_syslog(line, log) || parse_logfmt(line, log)) return row;
  parse_text(line, log);
  return row;
}

void ImportLines::set_time(std::optional<i64> wall_ns, i64& to) {
  to = last_ns_ = wall_ns.value_or(last_ns_);
}

// ---- JSON ----

bool ImportLines::parse_json(std::string_view line, ImportedRow& to) {
  if (!is_json(line)) return false;
  std::vector<Member> members;
  JsonScanner scanner(line);
  std::string_view key;
  std::size_t value_begin = 0;
  for (auto token = scanner.next();; token = scanner.next()) {
    if (token == JsonScanner::Token::kEnd || token == JsonScanner::Token::kError) break;
    if (token == JsonScanner::Token::kKey && scanner.depth() == 1) {
      key = scanner.token_text();
      key = key.substr(1, key.size() - 2);
      value_begin = 0;
      continue;
    }
    if (key.data() == nullptr) continue;
    if (value_begin == 0) value_begin = scanner.begin();
    // The value ends where the depth is that of its key again.
    const bool ends = token != JsonScanner::Token::kOpen && token != JsonScanner::Token::kKey &&
                      scanner.depth() == 1;
    if (!ends) continue;
    members.push_back({key, line.substr(value_begin, scanner.end() - value_begin)});
    key = {};
  }
  from_members(line, members, to);
  return true;
}

void ImportLines::from_members(std::string_view line, const std::vector<Member>& members,
                               ImportedRow& to) {
  const auto find = [&](std::string_view key) -> std::string_view {
    for (const Member& member : members) {
      if (member.key == key) return member.value;
    }
    return {};
  };
  const bool ours = !find("ts").empty() && !find("level").empty() && !find("msg").empty() &&
                    !find("tid").empty() && !find("seq").empty();
  ImportedLog log;
  std::string attributes;
  std::string_view level, time_key;
  bool has_message = false;
  const ordered_json object = ordered_json::parse(line, nullptr, false);
  const std::optional<i64> wall_ns = json_time(object, line);
  set_time(wall_ns, log.row.time_ns);
  for (const std::string_view key : kTimeKeys) {
    // The one that json_time() has taken; what is no time, and others, stay fields.
    if (wall_ns && time_key.empty() && !find(key).empty()) time_key = key;
  }
  for (const auto& [key, value] : members) {
    if (key == time_key) continue;
    if (is_one_of(kLevelKeys, key) && level.empty() && !value.starts_with('{') &&
        !value.starts_with('[')) {
      level = value;
    } else if (is_one_of(kMessageKeys, key) && !has_message) {
      has_message = true;
      log.row.body = text_of(value);
    } else if (key == "logger" && value.starts_with('"')) {
      log.row.logger = text_of(value);
    } else if (!ours || !is_one_of(kOwnKeys, key)) {
      add_attribute(attributes, key, value);
    }
  }
  log.row.severity = level.empty() ? i64(Level::info) : severity_of(level);
  if (ours) {
    const std::string kind = text_of(find("kind"));
    if (kind == "metric") {
      storage::PointRow point;
      point.name = text_of(find("name"));
      if (const auto metric = text_of(find("metric")); !metric.empty()) point.kind = metric;
      point.unit = text_of(find("unit"));
      if (const auto fields = find("fields"); !fields.empty()) {
        point.tags = without_secrets(take_summary(fields, point.weight));
      }
      point.time_ns = log.row.time_ns;
      const ordered_json value = ordered_json::parse(find("value"), nullptr, false);
      if (value.is_number()) point.value = value.get<double>();
      if (value == "Infinity") point.value = std::numeric_limits<double>::infinity();
      if (value == "-Infinity") point.value = -std::numeric_limits<double>::infinity();
      to = std::move(point);
      return;
    }
    log.row.thread = integer_of(find("tid")).value_or(0);
    if (!find("event").empty()) log.row.event = text_of(find("event"));
    const std::string_view fields = find("fields").empty() ? find("patch") : find("fields");
    if (fields.starts_with('{') && attributes.empty()) {
      attributes = without_secrets(fields);
      attributes.pop_back();
    }
    if (const auto context = find("context"); context.starts_with('{')) {
      log.row.context = without_secrets(context);
    }
    const std::string source = text_of(find("source"));
    const std::size_t colon = source.rfind(':');
    if (colon != std::string::npos) {
      log.site = storage::SiteRow{.kind = kind.empty() ? "log" : kind,
                                  .severity = log.row.severity,
                                  .logger = log.row.logger,
                                  .file = source.substr(0, colon),
                                  .line = integer_of(source.substr(colon + 1)).value_or(0),
                                  .function = {},
                                  .format = {}};
    }
  }
  if (!attributes.empty()) log.row.attributes = attributes + "}";
  to = std::move(log);
}

void ImportLines::add_attribute(std::string& json, std::string_view key, std::string_view value) {
  json += json.empty() ? '{' : ',';
  json.append(1, '"').append(key).append("\":");
  json += redactor_.is_secret(key) ? "\"[redacted]\"" : without_secrets(value);
}

// At any depth below an object or array.
std::string ImportLines::without_secrets(std::string_view json) const {
  if (!json.starts_with('{') && !json.starts_with('[')) return std::string(json);
  std::string out;
  std::size_t copied = 0;
  JsonScanner scanner(json);
  unsigned secret_depth = 0;  // of the key whose value is left out; 0: none
  for (auto token = scanner.next();; token = scanner.next()) {
    if (token == JsonScanner::Token::kEnd || token == JsonScanner::Token::kError) break;
    if (secret_depth != 0) {
      const bool ends = token != JsonScanner::Token::kOpen && token != JsonScanner::Token::kKey &&
                        scanner.depth() == secret_depth;
      if (!ends) continue;
      secret_depth = 0;
      copied = scanner.end();
    } else if (token == JsonScanner::Token::kKey) {
      std::string_view key = scanner.token_text();
      if (!redactor_.is_secret(key.substr(1, key.size() - 2))) continue;
      out.append(json.substr(copied, scanner.end() - copied)).append(":\"[redacted]\"");
      secret_depth = scanner.depth();
    }
  }
  return out.append(json.substr(copied));
}

// ---- logfmt ----

bool ImportLines::parse_logfmt(std::string_view line, ImportedLog& to) {
  std::vector<std::pair<std::string, std::string>> pairs;  // keys, values as JSON
  std::size_t at = 0;
  bool telling = false;
  while (at < line.size()) {
    if (line[at] == ' ') {
      ++at;
      continue;
    }
    const std::size_t key_end = line.find_first_of("= \"", at);
    // Every word must be a pair: a text that has one somewhere is a text.
    if (key_end == std::string_view::npos || line[key_end] != '=' || key_end == at) return false;
    const std::string_view key = line.substr(at, key_end - at);
    telling = telling || is_one_of(kLevelKeys, key) || is_one_of(kMessageKeys, key);
    at = key_end + 1;
    std::string value;
    bool is_text = true;
    if (at < line.size() && line[at] == '"') {
      std::size_t end = at + 1;
      while (end < line.size() && line[end] != '"') end += line[end] == '\\' ? 2 : 1;
      if (end >= line.size()) return false;
      const std::string_view text = line.substr(at, end + 1 - at);
      value = is_json(text) ? text_of(text) : std::string(text.substr(1, text.size() - 2));
      at = end + 1;
    } else {
      const std::size_t end = std::min(line.find(' ', at), line.size());
      value = line.substr(at, end - at);
      at = end;
      is_text = !(is_json(value) && value.find_first_of("\"[{n") == std::string::npos);
    }
    pairs.emplace_back(escaped(TextForm::kJson, stored_text(key)),
                       is_text ? stored_json(value) : value);
  }
  if (pairs.size() < 2 || !telling) return false;
  std::vector<Member> members;
  std::string json = "{";
  for (const auto& [key, value] : pairs) {
    members.push_back({key, value});
    json += (json.size() > 1 ? ",\"" : "\"") + key + "\":" + value;
  }
  ImportedRow row{ImportedLog{}};
  from_members(json + "}", members, row);
  if (!std::holds_alternative<ImportedLog>(row)) return false;
  to = std::move(std::get<ImportedLog>(row));
  return true;
}

// ---- text ----

void ImportLines::parse_text(std::string_view line, ImportedLog& to) {
  const TextHeader header = parse_text_header(line);
  set_time(header.wall_ns, to.row.time_ns);
  to.row.severity = i64(header.level.value_or(Level::info));
  to.row.thread = header.tid;
  to.row.body = stored_text(header.message);
  const std::size_t colon = header.source.rfind(':');
  if (colon == std::string::npos) return;
  to.site = storage::SiteRow{.severity = to.row.severity,
                             .logger = {},
                             .file = stored_text(header.source.substr(0, colon)),
                             .line = integer_of(header.source.substr(colon + 1)).value_or(0),
                             .function = {},
                             .format = {}};
}

}  // namespace sluice::cli
