#include "cli/import_export.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "record/filter.h"
#include "record/json_text.h"
#include "sluice/level.h"

namespace sluice::cli {
namespace {

using nlohmann::json;

constexpr std::string_view kHead = "{\"define\":\"export\",\"version\":1}";
constexpr std::string_view kDefine = "{\"define\":";
constexpr std::size_t kRegionBytes = 16;

// The value at a key of the object itself, as it stands in the line.
std::string_view raw_value(std::string_view line, std::string_view key) {
  JsonScanner scanner(line);
  bool wanted = false;
  std::size_t begin = 0;
  for (auto token = scanner.next();; token = scanner.next()) {
    if (token == JsonScanner::Token::kEnd || token == JsonScanner::Token::kError) return {};
    if (token == JsonScanner::Token::kKey && scanner.depth() == 1) {
      const std::string_view name = scanner.token_text();
      wanted = name.substr(1, name.size() - 2) == key;
      begin = 0;
      continue;
    }
    if (!wanted) continue;
    if (begin == 0) begin = scanner.begin();
    const bool ends = token != JsonScanner::Token::kOpen && token != JsonScanner::Token::kKey &&
                      scanner.depth() == 1;
    if (ends) return line.substr(begin, scanner.end() - begin);
  }
}

// Reads members of the right type; remembers whether one was not.
class Members {
 public:
  explicit Members(const json& object) : object_(object) {}
  std::string text(const char* key) {
    const auto found = object_.find(key);
    if (found == object_.end()) return {};
    if (!found->is_string()) return wrong(key), std::string();
    return found->get<std::string>();
  }
  std::optional<std::string> optional_text(const char* key) {
    return object_.contains(key) ? std::optional(text(key)) : std::nullopt;
  }
  std::optional<i64> number(const char* key) {
    const auto found = object_.find(key);
    if (found == object_.end()) return std::nullopt;
    const bool fits = found->is_number_integer() &&
                      !(found->is_number_unsigned() && found->get<u64>() > u64(INT64_MAX));
    if (!fits) return wrong(key), std::nullopt;
    return found->get<i64>();
  }
  void wrong(const char* key) {
    if (wrong_.empty()) wrong_ = key;
  }
  [[nodiscard]] Status status() const {
    return wrong_.empty() ? Status()
                          : fatal("\"" + wrong_ + "\" is not as sluice export writes it");
  }

 private:
  const json& object_;
  std::string wrong_;
};

std::optional<double> real_of(const json& value) {
  if (value.is_number()) return value.get<double>();
  if (value == "Infinity") return std::numeric_limits<double>::infinity();
  if (value == "-Infinity") return -std::numeric_limits<double>::infinity();
  return std::nullopt;  // NaN, which is NULL
}

std::optional<std::string> object_at(const json& object, std::string_view line,
                                     const std::string& key, Members& members) {
  if (object.contains(key + "_text")) return members.text((key + "_text").c_str());
  if (!object.contains(key)) return std::nullopt;
  if (!object[key].is_object()) members.wrong(key.c_str());
  return std::string(raw_value(line, key));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

bool ExportedLines::is_export(std::string_view head) { return head.starts_with(kHead); }
bool ExportedLines::is_definition(std::string_view line) { return line.starts_with(kDefine); }

void ExportedLines::forget() {
  run_ids_.clear();
  site_ids_.clear();
}

Status ExportedLines::define(std::string_view line) {
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return fatal("is no JSON object");
  Members members(object);
  const std::string what = members.text("define");
  if (what == "export") return {};
  if (what == "column") {
    const storage::CustomColumn column{members.text("name"), members.text("type")};
    return members.status().ok() ? restorer_.column(column) : members.status();
  }
  const std::optional<i64> row = members.number("row");
  if (!row) return fatal("defines nothing");
  if (what == "run") {
    storage::RunRow run;
    const std::string hex = members.text("region");
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
      const int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);
      if (high < 0 || low < 0) members.wrong("region");
      run.region += char(high * 16 + low);
    }
    if (run.region.empty() || run.region.size() > kRegionBytes || hex.size() % 2 != 0) {
      members.wrong("region");
    }
    run.run_id = members.text("run");
    run.product = members.text("product");
    run.version = members.text("version");
    run.host = members.text("host");
    run.pid = members.number("pid").value_or(0);
    run.started_ns = members.number("started_ns").value_or(0);
    run.ended_ns = members.number("ended_ns");
    run.exit_code = members.number("exit_code");
    run.signal = members.number("signal");
    run.reason = members.optional_text("reason");
    if (members.status().ok()) runs_[*row] = std::move(run);
  } else if (what == "site") {
    storage::SiteRow site;
    site.kind = members.text("site");
    site.severity = members.number("severity").value_or(0);
    site.logger = members.text("logger");
    site.file = members.text("file");
    site.line = members.number("line").value_or(0);
    site.function = members.text("function");
    site.format = members.text("format");
    if (members.status().ok()) sites_[*row] = std::move(site);
  } else {
    return fatal("defines what is not known here; use the version of Sluice that wrote it");
  }
  return members.status();
}

Status ExportedLines::add(std::string_view line) {
  if (!is_json(line)) return fatal("is no JSON");
  if (is_definition(line)) return define(line);
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return fatal("is no JSON object");
  Members members(object);
  const auto id_of = [&](const char* key, auto& defined, auto& ids,
                         auto&& make) -> Result<std::optional<i64>> {
    const std::optional<i64> row = members.number(key);
    if (!row) return std::optional<i64>();
    if (const auto known = ids.find(*row); known != ids.end()) return std::optional(known->second);
    const auto found = defined.find(*row);
    if (found == defined.end()) return fatal(std::string(key) + " was not defined before");
    const Result<i64> id = make(found->second);
    if (!id.ok()) return id.status();
    ids[*row] = id.value();
    return std::optional(id.value());
  };
  const auto run = id_of("run_row", runs_, run_ids_,
                         [&](const storage::RunRow& row) { return restorer_.run(row); });
  if (!run.ok()) return run.status();
  const Result<i64> time = parse_time(members.text("ts"), 0);
  if (!time.ok()) return time.status();
  if (members.text("kind") == "metric") {
    storage::PointRow point;
    point.time_ns = time.value();
    point.name = members.text("name");
    point.kind = members.text("metric");
    point.unit = members.text("unit");
    point.tags = object_at(object, line, "fields", members).value_or("{}");
    if (object.contains("value")) point.value = real_of(object["value"]);
    point.run = run.value();
    point.sequence = members.number("seq");
    point.weight = members.number("weight");
    if (!members.status().ok()) return members.status();
    ++rows_;
    return restorer_.add(point);
  }
  const auto site = id_of("site_row", sites_, site_ids_,
                          [&](const storage::SiteRow& row) { return restorer_.site(row); });
  if (!site.ok()) return site.status();
  storage::LogRow row;
  row.time_ns = time.value();
  Level level = Level::info;
  if (!parse_level(members.text("level"), level)) members.wrong("level");
  row.severity = members.number("severity").value_or(i64(level));
  row.run = run.value();
  row.sequence = members.number("seq");
  row.thread = members.number("tid").value_or(0);
  row.site = site.value();
  row.logger = members.text("logger");
  row.event = members.optional_text("event");
  row.body = members.text("msg");
  row.attributes = object_at(object, line, "fields", members);
  row.context = object_at(object, line, "context", members);
  if (const auto columns = object.find("columns"); columns != object.end()) {
    if (!columns->is_object()) return fatal("\"columns\" is no object");
    for (const auto& [name, value] : columns->items()) {
      if (value.is_number_integer()) row.columns.emplace_back(name, value.get<i64>());
      if (value.is_number_float()) row.columns.emplace_back(name, value.get<double>());
      if (value.is_string()) row.columns.emplace_back(name, value.get<std::string>());
    }
  }
  if (!members.status().ok()) return members.status();
  ++rows_;
  return restorer_.add(row);
}

}  // namespace sluice::cli
