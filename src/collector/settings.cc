#include "collector/settings.h"

#include <algorithm>
#include <charconv>

#include "os/tcp_socket.h"
#include "record/escape.h"
#include "runtime/config.h"

namespace sluice::collector {
namespace {

constexpr u64 kAny = 0;
constexpr u64 kRowsMax = u64{1} << 40;
constexpr u64 kBytesMax = u64{1} << 50;
constexpr u64 kAgeMax = u64{100} * 366 * 86'400;  // a century, as runtime::parse_age() has it
constexpr u64 kMinuteMs = 60'000;
constexpr std::size_t kPathsMax = 64;

using enum SettingKind;

// clang-format off
constexpr Setting kSettings[] = {
    {"store.path", "--store", kPath, &ServeConfig::store_path, false, kAny, kAny, false,
     "the database that everything goes to"},
    {"store.keep_age", "--keep-age", kAge, &ServeConfig::store_keep_seconds, false,
     1, kAgeMax, true, "rows that are older are removed"},
    {"store.keep_rows", "--keep-rows", kCount, &ServeConfig::store_keep_rows, false,
     1, kRowsMax, true, "so many rows of a table are kept at most"},
    {"store.keep_bytes", "--keep-bytes", kBytes, &ServeConfig::store_keep_bytes, false,
     u64{1} << 20, kBytesMax, true, "the size that the database is kept to"},
    {"store.keep_whole_runs", "--keep-whole-runs", kSwitch, &ServeConfig::store_keep_whole_runs,
     false, kAny, kAny, false, "runs that are over go as a whole, before single rows do"},
    {"store.full_text", "--full-text", kSwitch, &ServeConfig::store_full_text, false,
     kAny, kAny, false, "messages are indexed for full-text search when there is time"},
    {"ingest.socket", "--ingest-socket", kPath, &ServeConfig::ingest_socket, false,
     kAny, kAny, false, "where programs announce their regions"},
    {"ingest.region_directories", "--region-directory", kPaths,
     &ServeConfig::ingest_region_directories, false, kAny, kAny, false,
     "where regions are looked for; none: where programs of this user put them"},
    {"append.sockets", "--append-socket", kPaths, &ServeConfig::append_sockets, false,
     kAny, kAny, false, "where files are appended to on behalf of others"},
    {"append.directories", "--append-directory", kPaths, &ServeConfig::append_directories, true,
     kAny, kAny, false, "the only directories, with those below, in which files are appended to"},
    {"append.connections", "--append-connections", kCount, &ServeConfig::append_connections, true,
     1, 1'000'000, false, "clients at once"},
    {"append.connections_per_user", "--append-connections-per-user", kCount,
     &ServeConfig::append_connections_per_user, true, 1, 1'000'000, true,
     "clients of one user at once; 0: no bound of their own"},
    {"append.bytes_per_second_per_user", "--append-bytes-per-second-per-user", kBytes,
     &ServeConfig::append_bytes_per_second_per_user, false, u64{64} << 10, u64{1} << 40, true,
     "what is taken a second from the clients of one user; they wait; 0: no bound"},
    {"append.memory_bytes", "--append-memory", kBytes, &ServeConfig::append_memory_bytes, true,
     u64{1} << 20, u64{1} << 40, false, "what has been received and not written, of all clients"},
    {"append.rotation_check", "--append-rotation-check", kDuration,
     &ServeConfig::append_rotation_check_ms, true, 10, kMinuteMs, false,
     "how often it is looked whether a file was renamed or removed"},
    {"admin.socket", "--admin-socket", kPath, &ServeConfig::admin_socket, false,
     kAny, kAny, false, "where `sluice status` asks"},
    {"http.listen", "--http", kEndpoint, &ServeConfig::http_listen, false, kAny, kAny, false,
     "where /metrics and /health are answered"},
    {"http.token_file", "--http-token-file", kPath, &ServeConfig::http_token_file, true,
     kAny, kAny, false, "a file of mode 0600 with the token that every request must bear"},
    {"http.allow_plaintext", "--http-allow-plaintext", kSwitch, &ServeConfig::http_allow_plaintext,
     false, kAny, kAny, false,
     "the token may cross a network unencrypted: needed to listen for other machines"},
    {"log.level", "--log-level", kLevel, &ServeConfig::log_level, true, kAny, kAny, false,
     "what the daemon says of its own doings"},
    {"stop.deadline", "--stop-deadline", kDuration, &ServeConfig::stop_deadline_ms, true,
     10, 10 * kMinuteMs, false, "how long a stop may take to write what has come"},
};
// clang-format on

bool parse_whole(std::string_view text, u64& value) {
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && at == end && !text.empty();
}

bool parse_duration_ms(std::string_view text, u64& ms) {
  if (text.ends_with("ms")) return parse_whole(text.substr(0, text.size() - 2), ms);
  u64 seconds = 0;
  if (!runtime::parse_age(text, seconds)) return false;
  ms = seconds * 1000;
  return true;
}

// "90s" as "90s" and not "1m": the largest unit that leaves no rest.
std::string age_text(u64 seconds) {
  constexpr std::pair<u64, char> kUnits[] = {
      {7 * 86'400, 'w'}, {86'400, 'd'}, {3600, 'h'}, {60, 'm'}};
  if (seconds == 0) return "0";
  for (const auto& [unit, name] : kUnits) {
    if (seconds % unit == 0) return std::to_string(seconds / unit) + name;
  }
  return std::to_string(seconds) + 's';
}

std::string duration_text(u64 ms) {
  return ms % 1000 == 0 ? age_text(ms / 1000) : std::to_string(ms) + "ms";
}

std::string bytes_text(u64 bytes) {
  constexpr std::pair<unsigned, const char*> kUnits[] = {{30, "GiB"}, {20, "MiB"}, {10, "KiB"}};
  for (const auto& [shift, name] : kUnits) {
    if (bytes != 0 && bytes % (u64{1} << shift) == 0) return std::to_string(bytes >> shift) + name;
  }
  return std::to_string(bytes);
}

std::string number_text(SettingKind kind, u64 value) {
  if (kind == kBytes) return bytes_text(value);
  if (kind == kAge) return age_text(value);
  if (kind == kDuration) return duration_text(value);
  return std::to_string(value);
}

bool parse_number(SettingKind kind, std::string_view text, u64& value) {
  if (kind == kBytes) return runtime::parse_bytes(text, value);
  if (kind == kAge) return runtime::parse_age(text, value);
  if (kind == kDuration) return parse_duration_ms(text, value);
  return parse_whole(text, value);
}

std::string in_quotes(std::string_view text) { return "'" + escaped(TextForm::kText, text) + "'"; }

// Text that a file of TOML can hold and a system call takes whole.
bool is_clean(std::string_view text) {
  while (!text.empty()) {
    u32 code_point = 0;
    const std::size_t size = decode_utf8(text, code_point);
    if (size == 0 || code_point < 0x20 || code_point == 0x7f || is_unsafe_code_point(code_point)) {
      return false;
    }
    text.remove_prefix(size);
  }
  return true;
}

// Why it can be no path, or nothing.
std::string path_mistake(std::string_view path) {
  if (!is_clean(path)) {
    return in_quotes(path) + " has control characters or is no UTF-8; use a path without them";
  }
  if (!path.starts_with('/')) {
    return in_quotes(path) + " is no absolute path; write it from the / on";
  }
  if (path.size() > 4000) return "the path is longer than 4000 bytes; use a shorter one";
  return {};
}

std::string set_path(const Setting& setting, std::string_view text, ServeConfig& config) {
  std::string mistake = text.empty() ? "" : path_mistake(text);
  if (mistake.empty()) config.*std::get<std::string ServeConfig::*>(setting.member) = text;
  return mistake;
}

std::string set_endpoint(const Setting& setting, std::string_view text, ServeConfig& config) {
  std::string canonical = "off";
  if (text != "off") {
    const Result<os::Endpoint> endpoint = os::parse_endpoint(text);
    if (!endpoint.ok()) return endpoint.status().message();
    canonical = endpoint.value().text();
  }
  config.*std::get<std::string ServeConfig::*>(setting.member) = canonical;
  return {};
}

}  // namespace

std::span<const Setting> settings() { return kSettings; }

const Setting* find_setting(std::string_view name) {
  const auto found = std::ranges::find(kSettings, name, &Setting::name);
  return found == std::end(kSettings) ? nullptr : &*found;
}

std::string variable_of(const Setting& setting) {
  std::string name = "SLUICE_SERVE_";
  for (const char c : setting.name) {
    name += c == '.' ? '_' : c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c;
  }
  return name;
}

std::string values_of(const Setting& setting) {
  const auto range = [&setting] {
    return number_text(setting.kind, setting.least) + " to " +
           number_text(setting.kind, setting.most) + (setting.or_none ? ", or 0" : "");
  };
  switch (setting.kind) {
    case kPath:
      return "an absolute path";
    case kPaths:
      return "absolute paths, " + std::to_string(kPathsMax) + " at most";
    case kEndpoint:
      return "off, a port of this machine, or ADDRESS:PORT";
    case kCount:
      return "a whole number, " + range();
    case kBytes:
      return "a size such as 500MiB, " + range();
    case kAge:
      return "an age such as 90s, 12h or 30d, " + range();
    case kDuration:
      return "a time such as 250ms, 5s or 1m, " + range();
    case kSwitch:
      return "true or false";
    case kLevel:
      break;
  }
  return "trace, debug, info, notice, warning, error, critical or off";
}

std::string parse(const Setting& setting, std::string_view text, ServeConfig& config) {
  const auto refused = [&] {
    return in_quotes(text) + " is not that; write " + values_of(setting);
  };
  switch (setting.kind) {
    case kPath:
      return set_path(setting, text, config);
    case kPaths: {
      std::vector<std::string> paths;
      while (!text.empty()) {
        const std::string_view one = text.substr(0, text.find(':'));
        text.remove_prefix(std::min(text.size(), one.size() + 1));
        if (!one.empty()) paths.emplace_back(one);
      }
      return set_paths(setting, std::move(paths), config);
    }
    case kEndpoint:
      return set_endpoint(setting, text, config);
    case kSwitch:
      if (text != "true" && text != "false" && text != "1" && text != "0") return refused();
      set_switch(setting, text == "true" || text == "1", config);
      return {};
    case kLevel: {
      Level level{};
      if (!parse_level(text, level)) return refused();
      config.*std::get<Level ServeConfig::*>(setting.member) = level;
      return {};
    }
    default: {
      u64 value = 0;
      return parse_number(setting.kind, text, value) ? set_number(setting, value, config)
                                                     : refused();
    }
  }
}

std::string set_paths(const Setting& setting, std::vector<std::string> paths, ServeConfig& config) {
  if (paths.size() > kPathsMax) {
    return "more than " + std::to_string(kPathsMax) + " paths; leave some out";
  }
  for (const std::string& path : paths) {
    std::string mistake = path_mistake(path);
    if (!mistake.empty()) return mistake;
    if (std::ranges::count(paths, path) > 1) {
      return in_quotes(path) + " stands there twice; leave one out";
    }
  }
  config.*std::get<std::vector<std::string> ServeConfig::*>(setting.member) = std::move(paths);
  return {};
}

std::string set_number(const Setting& setting, u64 value, ServeConfig& config) {
  const bool in_range = value >= setting.least && value <= setting.most;
  if (!in_range && !(setting.or_none && value == 0)) {
    return number_text(setting.kind, value) + " is out of range; write " + values_of(setting);
  }
  config.*std::get<u64 ServeConfig::*>(setting.member) = value;
  return {};
}

void set_switch(const Setting& setting, bool value, ServeConfig& config) {
  config.*std::get<bool ServeConfig::*>(setting.member) = value;
}

std::string text_of(const Setting& setting, const ServeConfig& config) {
  switch (setting.kind) {
    case kPath:
    case kEndpoint:
      return config.*std::get<std::string ServeConfig::*>(setting.member);
    case kPaths: {
      std::string text;
      for (const std::string& path :
           config.*std::get<std::vector<std::string> ServeConfig::*>(setting.member)) {
        text += (text.empty() ? "" : ":") + path;
      }
      return text;
    }
    case kSwitch:
      return config.*std::get<bool ServeConfig::*>(setting.member) ? "true" : "false";
    case kLevel:
      return std::string(level_name(config.*std::get<Level ServeConfig::*>(setting.member)));
    default:
      return number_text(setting.kind, config.*std::get<u64 ServeConfig::*>(setting.member));
  }
}

void copy_value(const Setting& setting, const ServeConfig& from, ServeConfig& to) {
  std::visit([&](const auto member) { to.*member = from.*member; }, setting.member);
}

bool same_value(const Setting& setting, const ServeConfig& a, const ServeConfig& b) {
  return std::visit([&](auto member) { return a.*member == b.*member; }, setting.member);
}

}  // namespace sluice::collector
