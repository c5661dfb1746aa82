#include "collector/config.h"

#include <algorithm>
#include <cerrno>

#include "collector/token_file.h"
#include "os/io.h"
#include "os/path.h"
#include "os/process.h"
#include "os/tcp_socket.h"
#include "os/unix_socket.h"
#include "record/escape.h"
#include "runtime/nearest.h"

namespace sluice::collector {
namespace {

constexpr std::string_view kVariablePrefix = "SLUICE_SERVE_";
constexpr std::string_view kFileVariable = "SLUICE_SERVE_CONFIG";

// The whole of a file of at most kConfigBytesMax bytes, or why not.
std::string read_text(const std::string& file, std::string& text) {
  os::Io& io = os::real_io();
  const int fd = io.open(file.c_str(), os::kRead | os::kFollow);
  if (fd < 0) return "cannot be opened: " + os::error_text(fd) + "; check the path";
  text.resize(kConfigBytesMax + 1);
  const i64 size = os::pread_all(io, fd, text.data(), text.size(), 0);
  io.close(fd);
  if (size < 0) return "cannot be read: " + os::error_text(int(size)) + "; check the path";
  text.resize(std::size_t(size));
  if (text.size() <= kConfigBytesMax) return {};
  return "is longer than " + std::to_string(kConfigBytesMax) + " bytes; shorten it";
}

void read_file(const std::string& file, ServeConfig& config, std::vector<std::string>& mistakes) {
  std::string text;
  const std::string mistake = read_text(file, text);
  if (mistake.empty()) {
    read_file_text(text, file, config, mistakes);
  } else {
    mistakes.push_back(file + ": " + mistake);
  }
}

void read_options(const ConfigSources& sources, ServeConfig& config,
                  std::vector<std::string>& mistakes) {
  for (const auto& [setting, values] : sources.options) {
    const bool paths = setting->kind == SettingKind::kPaths;
    const std::string mistake = paths            ? set_paths(*setting, values, config)
                                : values.empty() ? std::string()
                                                 : parse(*setting, values.back(), config);
    if (!mistake.empty()) mistakes.push_back(std::string(setting->option) + ": " + mistake);
  }
}

// The first of the paths in a variable of the service manager; empty: it has made none.
std::string managed_directory(const char* variable) {
  const std::string all = os::environment(variable);
  return all.substr(0, all.find(':'));
}

std::string run_directory() {
  const std::string managed = managed_directory("RUNTIME_DIRECTORY");
  if (!managed.empty()) return managed;
  if (os::user_id() == 0) return "/run/sluice";
  const std::string own = os::runtime_directory();
  return (own.empty() ? "/dev/shm/sluice-" + std::to_string(os::user_id()) : own + "/sluice");
}

std::string state_directory() {
  const std::string managed = managed_directory("STATE_DIRECTORY");
  if (!managed.empty()) return managed;
  if (os::user_id() == 0) return "/var/lib/sluice";
  const std::string own = os::environment("XDG_STATE_HOME");
  if (own.starts_with('/')) return own + "/sluice";
  return os::absolute_path(os::environment("HOME") + "/.local/state/sluice");
}

void check_sockets(const ServeConfig& config, std::vector<std::string>& mistakes) {
  std::vector<std::pair<std::string, std::string>> sockets = {
      {"ingest.socket", config.ingest_socket}, {"admin.socket", config.admin_socket}};
  for (const std::string& path : config.append_sockets) {
    sockets.emplace_back("append.sockets", path);
  }
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    const auto& [name, path] = sockets[i];
    if (path.size() >= os::kSocketPathSize) {
      mistakes.push_back(name + ": the path has " + std::to_string(path.size()) +
                         " bytes, and that of a socket at most " +
                         std::to_string(os::kSocketPathSize - 1) + "; use a shorter one");
    }
    for (std::size_t before = 0; before < i; ++before) {
      if (!path.empty() && sockets[before].second == path) {
        mistakes.push_back(name + ": '" + path + "' is " + sockets[before].first +
                           " too; give each a path of its own");
      }
    }
  }
}

void check_http(const ServeConfig& config, std::vector<std::string>& mistakes) {
  if (config.http_listen == "off") return;
  const Result<os::Endpoint> endpoint = os::parse_endpoint(config.http_listen);
  if (!endpoint.ok() || endpoint.value().loopback) return;
  if (config.http_token_file.empty()) {
    mistakes.push_back("http.listen: other machines reach " + config.http_listen +
                       "; set http.token_file, or listen on 127.0.0.1");
  }
  if (!config.http_allow_plaintext) {
    mistakes.push_back("http.listen: the token would cross the network to " + config.http_listen +
                       " unencrypted; listen on 127.0.0.1 behind a proxy with TLS, or set "
                       "http.allow_plaintext = true");
  }
}

std::string toml_text(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::string toml_value(const Setting& setting, const ServeConfig& config) {
  using enum SettingKind;
  const std::string text = text_of(setting, config);
  if (setting.kind == kSwitch || setting.kind == kCount) return text;
  if (setting.kind != kPaths) return toml_text(text);
  std::string list;
  for (const std::string& path :
       config.*std::get<std::vector<std::string> ServeConfig::*>(setting.member)) {
    list += (list.empty() ? "" : ", ") + toml_text(path);
  }
  return "[" + list + "]";
}

}  // namespace

std::vector<std::string> read_config(const ConfigSources& sources, ServeConfig& config) {
  std::vector<std::string> mistakes;
  const std::string file =
      sources.file.empty() ? os::environment(kFileVariable.data()) : sources.file;
  if (!file.empty()) read_file(file, config, mistakes);
  read_variables(config, mistakes);
  read_options(sources, config, mistakes);
  default_places(config);
  check_together(config, mistakes);
  const Result<std::string> token = read_token(config.http_token_file);
  if (!token.ok()) mistakes.push_back(token.status().message());
  return mistakes;
}

void read_variables(ServeConfig& config, std::vector<std::string>& mistakes) {
  std::vector<std::string> known = {std::string(kFileVariable)};
  for (const Setting& setting : settings()) {
    known.push_back(variable_of(setting));
    const std::string text = os::environment(known.back().c_str());
    const std::string mistake = text.empty() ? "" : parse(setting, text, config);
    if (!mistake.empty()) mistakes.push_back(known.back() + ": " + mistake);
  }
  const std::vector<std::string_view> names(known.begin(), known.end());
  for (const std::string& name : os::environment_names(kVariablePrefix)) {
    if (std::ranges::find(known, name) != known.end()) continue;
    mistakes.push_back(escaped(TextForm::kText, name) +
                       ": there is no such variable; did you mean " +
                       std::string(runtime::nearest(name, names)) + "?");
  }
}

void check_together(const ServeConfig& config, std::vector<std::string>& mistakes) {
  check_sockets(config, mistakes);
  check_http(config, mistakes);
}

void default_places(ServeConfig& config) {
  if (config.store_path.empty()) config.store_path = state_directory() + "/sluice.db";
  if (config.ingest_socket.empty()) config.ingest_socket = run_directory() + "/ingest.sock";
  if (config.admin_socket.empty()) config.admin_socket = run_directory() + "/admin.sock";
}

std::string to_toml(const ServeConfig& config) {
  std::string text;
  std::string_view section;
  for (const Setting& setting : settings()) {
    const std::size_t dot = setting.name.find('.');
    if (setting.name.substr(0, dot) != section) {
      section = setting.name.substr(0, dot);
      text += (text.empty() ? "[" : "\n[") + std::string(section) + "]\n";
    }
    text += std::string(setting.name.substr(dot + 1)) + " = " + toml_value(setting, config) + "\n";
  }
  return text;
}

ConfigChange changes(const ServeConfig& before, const ServeConfig& after) {
  ConfigChange change;
  for (const Setting& setting : settings()) {
    if (same_value(setting, before, after)) continue;
    (setting.live ? change.live : change.restart).push_back(setting.name);
  }
  return change;
}

}  // namespace sluice::collector
