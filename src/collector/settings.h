// What can be set of the daemon: one table, from which the file's reader, the variables, the
// command's options, --print-config and the check of docs/serve.md are made.
//
// Each setting has a text that is its value written out; parse() and text_of() are inverse.
// Threading: values and plain functions.
#ifndef SLUICE_SRC_COLLECTOR_SETTINGS_H_
#define SLUICE_SRC_COLLECTOR_SETTINGS_H_

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "sluice/level.h"

namespace sluice::collector {

struct ServeConfig {
  std::string store_path;  // empty here and in sockets: where default_places() says
  u64 store_keep_seconds = 0;
  u64 store_keep_rows = 0;
  u64 store_keep_bytes = 0;
  bool store_keep_whole_runs = false;
  bool store_full_text = false;

  std::string ingest_socket;
  std::vector<std::string> ingest_region_directories;

  std::vector<std::string> append_sockets;
  std::vector<std::string> append_directories;
  u64 append_connections = 12'000;
  u64 append_connections_per_user = 0;
  u64 append_bytes_per_second_per_user = 0;
  u64 append_memory_bytes = u64{256} << 20;
  u64 append_rotation_check_ms = 1000;

  std::string admin_socket;

  std::string http_listen = "off";
  std::string http_token_file;
  bool http_allow_plaintext = false;

  Level log_level = Level::info;
  u64 stop_deadline_ms = 5000;

  [[nodiscard]] bool operator==(const ServeConfig&) const = default;
};

enum class SettingKind : u8 {
  kPath,      // absolute; empty: none
  kPaths,     // any number of them
  kEndpoint,  // "off", a port, ADDRESS:PORT
  kCount,     // a whole number
  kBytes,     // "10GiB" or a whole number
  kAge,       // "90s", "12h", "30d"; "0": any age
  kDuration,  // "250ms", "5s", "1m"
  kSwitch,    // true, false
  kLevel,
};

struct Setting {
  using Member = std::variant<std::string ServeConfig::*, std::vector<std::string> ServeConfig::*,
                              u64 ServeConfig::*, bool ServeConfig::*, Level ServeConfig::*>;
  std::string_view name;    // in the file: "http.listen"
  std::string_view option;  // of the command: "--http"
  SettingKind kind = SettingKind::kPath;
  Member member;
  bool live = false;  // a reload applies it; else a restart does
  u64 least = 0;      // numbers: of what is not 0, where 0 means none
  u64 most = 0;
  bool or_none = false;  // numbers: 0 is allowed beside the range
  std::string_view what;
};

// In the order of the file: a section's settings stand together.
[[nodiscard]] std::span<const Setting> settings();
[[nodiscard]] const Setting* find_setting(std::string_view name);

// "SLUICE_SERVE_HTTP_LISTEN".
[[nodiscard]] std::string variable_of(const Setting& setting);
// What its values look like, for messages and help: "a size such as 500MiB or 10GiB".
[[nodiscard]] std::string values_of(const Setting& setting);

// Sets the value that is written out; what is wrong with it, and how to mend it, or nothing. Values
// of kPaths stand between colons.
[[nodiscard]] std::string parse(const Setting& setting, std::string_view text, ServeConfig& config);
[[nodiscard]] std::string set_paths(const Setting& setting, std::vector<std::string> paths,
                                    ServeConfig& config);
[[nodiscard]] std::string set_number(const Setting& setting, u64 value, ServeConfig& config);
void set_switch(const Setting& setting, bool value, ServeConfig& config);

[[nodiscard]] std::string text_of(const Setting& setting, const ServeConfig& config);
void copy_value(const Setting& setting, const ServeConfig& from, ServeConfig& to);
[[nodiscard]] bool same_value(const Setting& setting, const ServeConfig& a, const ServeConfig& b);

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_SETTINGS_H_
