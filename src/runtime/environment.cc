#include "runtime/environment.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "front/front.h"
#include "os/process.h"
#include "region/backtrace_area.h"

namespace sluice::runtime {
namespace {

bool parse_switch(std::string_view text, bool& out) {
  const bool on = text == "1" || text == "on" || text == "true" || text == "yes";
  const bool off = text == "0" || text == "off" || text == "false" || text == "no";
  out = on;
  return on || off;
}

// By number, or as syslog.conf(5) and RFC 5424, 6.2.1, name them.
bool parse_facility(std::string_view text, u8& facility) {
  static constexpr std::string_view kNames[] = {
      "kern", "user", "mail",     "daemon", "auth", "syslog", "lpr",   "news",
      "uucp", "cron", "authpriv", "ftp",    "ntp",  "audit",  "alert", "clock"};
  const auto named = std::ranges::find(kNames, text);
  u64 number = u64(named - std::begin(kNames));
  if (named == std::end(kNames)) {
    const bool local = text.starts_with("local");
    if (!parse_bytes(local ? text.substr(5) : text, number) || number > (local ? 7 : 23)) {
      return false;
    }
    if (local) number += std::size(kNames);
  }
  facility = u8(number);
  return true;
}

// Of "debug,net.http=info": "debug" alone, then "info" for "net.http".
struct Setting {
  std::string_view part;  // all of it
  std::string_view name;
  std::string_view value;
  bool named;
};
template <class Each>
void for_each_setting(const char* variable, const Each& each) {
  const std::string all = os::environment(variable);
  std::string_view text = all;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const auto equals = part.rfind('=');
    if (equals == std::string_view::npos) {
      each(Setting{part, {}, part, false});
    } else {
      each(Setting{part, part.substr(0, equals), part.substr(equals + 1), true});
    }
  }
}

// SLUICE_LEVEL=info,net=debug, SLUICE_SITE_LEVEL=http.cc:120=debug,main.cc=off. What has no name
// goes to `unnamed`; null: a mistake.
void read_levels(const char* variable, std::string_view example, Level* unnamed,
                 std::vector<std::pair<std::string, Level>>& named, Mistakes& mistakes) {
  for_each_setting(variable, [&](const Setting& setting) {
    Level level{};
    if (!parse_level(setting.value, level)) {
      mistakes.add(variable, "'" + std::string(setting.part) + "' names no level",
                   "use trace, debug, info, notice, warning, error, critical or off, as in " +
                       std::string(example));
    } else if (setting.named) {
      named.emplace_back(setting.name, level);
    } else if (unnamed) {
      *unnamed = level;
    } else {
      mistakes.add(variable, "'" + std::string(setting.part) + "' names no place",
                   "write FILE=LEVEL or FILE:LINE=LEVEL, as in " + std::string(example));
    }
  });
}

// SLUICE_BACKTRACE=64,net=16: records, of the root and of other loggers.
void read_backtraces(Config& config, Mistakes& mistakes) {
  const char* const variable = "SLUICE_BACKTRACE";
  for_each_setting(variable, [&](const Setting& setting) {
    u64 records = 0;
    if (!parse_bytes(setting.value, records) || records > region::kBacktraceRecordsMax) {
      mistakes.add(variable, "'" + std::string(setting.part) + "' is no number of records",
                   "write at most " + std::to_string(region::kBacktraceRecordsMax) +
                       ", as in 64,net.http=16");
    } else {
      config.backtraces.emplace_back(setting.name, u32(records));
    }
  });
}

// SLUICE_SITE_LIMIT=http.cc:120=100/s,main.cc=1/64,*=1000/s: so many in each second, or one in so
// many, of each call site at the place.
void read_site_limits(Config& config, Mistakes& mistakes) {
  const char* const variable = "SLUICE_SITE_LIMIT";
  for_each_setting(variable, [&](const Setting& setting) {
    using Kind = front::PlaceLimit::Kind;
    std::string_view number = setting.value;
    const bool rate = number.ends_with("/s"), sample = !rate && number.starts_with("1/");
    if (rate) number.remove_suffix(2);
    if (sample) number.remove_prefix(2);
    u32 amount = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), amount);
    const bool is_number = error == std::errc() && end == number.data() + number.size();
    if ((!rate && !sample) || !setting.named || setting.name.empty() || !is_number || amount == 0) {
      mistakes.add(variable, "'" + std::string(setting.part) + "' is no limit of a place",
                   "write FILE:LINE, FILE or * and =N/s or =1/N, N from 1 to 4294967295, as in "
                   "http.cc:120=100/s,main.cc=1/64");
    } else {
      config.site_limits.emplace_back(
          setting.name, front::PlaceLimit{rate ? Kind::kRate : Kind::kSample, amount});
    }
  });
}

void check_places(const Config& config, Mistakes& mistakes) {
  std::set<std::string_view> places;
  for (const auto& [place, level] : config.site_levels) places.insert(place);
  for (const auto& [place, limit] : config.site_limits) places.insert(place);
  if (places.size() > front::kSiteRulesMax) {
    mistakes.add(
        "SLUICE_SITE_LEVEL, SLUICE_SITE_LIMIT",
        "they name " + std::to_string(places.size()) + " places",
        "name at most " + std::to_string(front::kSiteRulesMax) + "; FILE is all lines of a file");
  }
}

void read_number(const char* name, u64& value, Mistakes& mistakes) {
  const std::string text = os::environment(name);
  if (text.empty()) return;
  u64 read = 0;
  if (parse_bytes(text, read)) {
    value = read;
  } else {
    mistakes.add(name, "'" + text + "' is no number", "write digits, with K, M or G if you like");
  }
}

void read_number(const char* name, u32& value, Mistakes& mistakes) {
  u64 wide = value;
  read_number(name, wide, mistakes);
  if (wide > 0xffffffff) {
    mistakes.add(name, "the number is too large", "write at most 4294967295");
  } else {
    value = u32(wide);
  }
}

void read_switch(const char* name, bool& value, Mistakes& mistakes) {
  const std::string text = os::environment(name);
  if (!text.empty() && !parse_switch(text, value)) {
    mistakes.add(name, "'" + text + "' is neither on nor off", "write 1 or 0");
  }
}

void read_text(const char* name, std::string& value) {
  const std::string text = os::environment(name);
  if (!text.empty()) value = text;
}

// A sink given by a variable: added, or replacing the one of the same kind.
void read_sink(const char* name, SinkKind kind, Config& config) {
  const std::string path = os::environment(name);
  if (path.empty()) return;
  std::erase_if(config.sinks, [kind](const auto& sink) { return sink.kind == kind; });
  Sink sink;
  sink.kind = kind;
  sink.path = path;
  config.sinks.push_back(sink_config(sink));
  config.sinks.back().variable = name;
}

// False: no console, whatever else there is.
bool read_console(Config& config, Mistakes& mistakes) {
  bool wanted = true;
  const std::string choice = os::environment("SLUICE_CONSOLE");
  if (choice.empty()) return true;
  if (!parse_switch(choice, wanted)) {
    mistakes.add("SLUICE_CONSOLE", "'" + choice + "' is neither on nor off", "write 1 or 0");
    return true;
  }
  std::erase_if(config.sinks, [](const auto& s) { return s.kind == SinkKind::console; });
  if (wanted) config.sinks.push_back(sink_config(console()));
  return wanted;
}

void read_age(const char* name, u64& seconds, Mistakes& mistakes) {
  const std::string text = os::environment(name);
  if (!text.empty() && !parse_age(text, seconds)) {
    mistakes.add(name, "'" + text + "' is no age",
                 "write a number and its unit, such as 90s, 30m, 12h, 7d or 4w; 0: any age");
  }
}

// How all files of lines rotate, and what they keep.
void read_file_options(Config& config, Mistakes& mistakes) {
  back::SinkConfig read;
  read_number("SLUICE_FILE_ROTATE_BYTES", read.rotate_bytes, mistakes);
  read_age("SLUICE_FILE_ROTATE_AGE", read.rotate_seconds, mistakes);
  read_text("SLUICE_FILE_ROTATE_AT", read.rotate_at);
  read_number("SLUICE_FILE_KEEP_FILES", read.keep_files, mistakes);
  read_age("SLUICE_FILE_KEEP_AGE", read.keep_seconds, mistakes);
  read_number("SLUICE_FILE_KEEP_BYTES", read.keep_bytes, mistakes);
  read_switch("SLUICE_FILE_COMPRESS", read.compress, mistakes);
  const auto is_set = [](const char* name) { return !os::environment(name).empty(); };
  for (back::SinkConfig& sink : config.sinks) {
    if (!back::is_line_file(sink.kind)) continue;
    if (is_set("SLUICE_FILE_ROTATE_BYTES")) sink.rotate_bytes = read.rotate_bytes;
    if (is_set("SLUICE_FILE_ROTATE_AGE")) sink.rotate_seconds = read.rotate_seconds;
    if (is_set("SLUICE_FILE_ROTATE_AT")) sink.rotate_at = read.rotate_at;
    if (is_set("SLUICE_FILE_KEEP_FILES")) sink.keep_files = read.keep_files;
    if (is_set("SLUICE_FILE_COMPRESS")) sink.compress = read.compress;
    if (is_set("SLUICE_FILE_KEEP_AGE")) sink.keep_seconds = read.keep_seconds;
    if (is_set("SLUICE_FILE_KEEP_BYTES")) sink.keep_bytes = read.keep_bytes;
  }
}

// How JSON Lines and messages to syslog and journald look.
void read_form_options(Config& config, Mistakes& mistakes) {
  const std::string schema = os::environment("SLUICE_JSON_SCHEMA");
  const std::string facility = os::environment("SLUICE_SYSLOG_FACILITY");
  JsonSchema form{};
  u8 number = 0;
  if (schema == "otel") {
    form = JsonSchema::otel;
  } else if (schema == "ecs") {
    form = JsonSchema::ecs;
  } else if (!schema.empty() && schema != "sluice") {
    mistakes.add("SLUICE_JSON_SCHEMA", "'" + schema + "' is no schema",
                 "write sluice, otel or ecs");
  }
  if (!facility.empty() && !parse_facility(facility, number)) {
    mistakes.add("SLUICE_SYSLOG_FACILITY", "'" + facility + "' is no facility",
                 "write a name, such as user, daemon or local0, or 0 to 23");
  }
  for (back::SinkConfig& sink : config.sinks) {
    if (!schema.empty() && sink.kind == SinkKind::json_lines) sink.schema = form;
    const bool receives = sink.kind == SinkKind::syslog || sink.kind == SinkKind::journald;
    if (!facility.empty() && receives) sink.facility = number;
  }
}

// What all stores keep, and index.
void read_store_options(Config& config, Mistakes& mistakes) {
  const bool has_age = !os::environment("SLUICE_STORE_KEEP_AGE").empty();
  u64 seconds = 0, rows = 0, bytes = 0;
  const bool has_rows = !os::environment("SLUICE_STORE_KEEP_ROWS").empty();
  bool full_text = false;
  const bool has_text = !os::environment("SLUICE_STORE_FULL_TEXT").empty();
  const bool has_bytes = !os::environment("SLUICE_STORE_KEEP_BYTES").empty();
  read_switch("SLUICE_STORE_FULL_TEXT", full_text, mistakes);
  read_number("SLUICE_STORE_KEEP_ROWS", rows, mistakes);
  read_number("SLUICE_STORE_KEEP_BYTES", bytes, mistakes);
  read_age("SLUICE_STORE_KEEP_AGE", seconds, mistakes);
  bool whole_runs = false;
  const bool has_whole_runs = !os::environment("SLUICE_STORE_KEEP_WHOLE_RUNS").empty();
  read_switch("SLUICE_STORE_KEEP_WHOLE_RUNS", whole_runs, mistakes);
  for (back::SinkConfig& sink : config.sinks) {
    if (sink.kind != SinkKind::store) continue;
    if (has_text) sink.full_text = full_text;
    if (has_age) sink.keep_seconds = seconds;
    if (has_rows) sink.keep_rows = rows;
    if (has_bytes) sink.keep_bytes = bytes;
    if (has_whole_runs) sink.keep_whole_runs = whole_runs;
  }
}

}  // namespace

void read_environment(Config& config, Mistakes& mistakes) {
  read_text("SLUICE_PRODUCT", config.product);
  read_text("SLUICE_RUN_ID", config.run_id);
  read_text("SLUICE_REGION_DIRECTORY", config.region_directory);
  read_text("SLUICE_REDACT", config.redact);
  read_levels("SLUICE_LEVEL", "info,net.http=debug", &config.level, config.logger_levels, mistakes);
  read_backtraces(config, mistakes);
  read_levels("SLUICE_SITE_LEVEL", "http.cc:120=debug", nullptr, config.site_levels, mistakes);
  read_site_limits(config, mistakes);
  check_places(config, mistakes);
  read_number("SLUICE_RING_BYTES", config.ring_bytes, mistakes);
  read_number("SLUICE_JOURNAL_BYTES", config.journal_bytes, mistakes);
  read_number("SLUICE_BLOCK_DEADLINE_MS", config.block_deadline_ms, mistakes);
  read_number("SLUICE_MERGE_WINDOW_US", config.merge_window_us, mistakes);
  read_number("SLUICE_STOP_DEADLINE_MS", config.stop_deadline_ms, mistakes);
  read_number("SLUICE_SYNC_INTERVAL_MS", config.sync_interval_ms, mistakes);
  read_number("SLUICE_METRICS_INTERVAL_MS", config.metrics_interval_ms, mistakes);
  read_number("SLUICE_SITES_MAX", config.sites_max, mistakes);
  read_switch("SLUICE_MEASURE_CALLS", config.measure_calls, mistakes);
  read_switch("SLUICE_RECOVER", config.recover, mistakes);
  read_switch("SLUICE_QUIET", config.quiet, mistakes);
  read_text("SLUICE_COLLECTOR_SOCKET", config.collector_socket);
  const std::string collector = os::environment("SLUICE_COLLECTOR");
  if (collector == "auto") {
    config.collector = Collector::automatic;
  } else if (collector == "only") {
    config.collector = Collector::only;
  } else if (collector == "off") {
    config.collector = Collector::off;
  } else if (!collector.empty()) {
    mistakes.add("SLUICE_COLLECTOR", "'" + collector + "' is none of its values",
                 "write off, auto or only");
  }
  const std::string mode = os::environment("SLUICE_MODE");
  if (mode == "immediate") {
    config.mode = Mode::immediate;
  } else if (mode == "asynchronous" || mode == "async") {
    config.mode = Mode::asynchronous;
  } else if (!mode.empty()) {
    mistakes.add("SLUICE_MODE", "'" + mode + "' is no mode", "write asynchronous or immediate");
  }
  const std::string overflow = os::environment("SLUICE_OVERFLOW");
  if (overflow == "block") {
    config.overflow = Overflow::block;
  } else if (overflow == "drop_newest" || overflow == "discard_new") {
    config.overflow = Overflow::drop_newest;
  } else if (!overflow.empty()) {
    mistakes.add("SLUICE_OVERFLOW", "'" + overflow + "' is no policy",
                 "write drop_newest or block");
  }
  read_sink("SLUICE_TEXT", SinkKind::text, config);
  read_sink("SLUICE_JSON_LINES", SinkKind::json_lines, config);
  read_sink("SLUICE_LOGFMT", SinkKind::logfmt, config);
  read_sink("SLUICE_SYSLOG", SinkKind::syslog, config);
  read_sink("SLUICE_JOURNALD", SinkKind::journald, config);
  read_sink("SLUICE_SEGMENTS", SinkKind::segments, config);
  read_sink("SLUICE_STORE", SinkKind::store, config);
  read_file_options(config, mistakes);
  read_form_options(config, mistakes);
  read_store_options(config, mistakes);
  // Without any sink the console gets it, unless the variable says no.
  if (read_console(config, mistakes) && config.sinks.empty()) {
    config.console_by_default = true;
    config.sinks.push_back(sink_config(console()));
  }
}

}  // namespace sluice::runtime
