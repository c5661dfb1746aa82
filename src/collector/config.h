// The daemon's effective configuration: file < environment < options of the command.
//
//     sluice serve --config FILE.toml          keys as docs/serve.md lists them
//     SLUICE_SERVE_HTTP_LISTEN=9464            the same, per variable
//     sluice serve --http 9464                 the same, per option
//
// Everything is read and checked together: every mistake is one line that says where it stands,
// what it is and how to mend it. Only where the file is no TOML is nothing behind that line of it
// looked at.
//
// Threading: plain functions; the environment is read as getenv() does. The file's text and the
// variables are untrusted.
#ifndef SLUICE_SRC_COLLECTOR_CONFIG_H_
#define SLUICE_SRC_COLLECTOR_CONFIG_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/settings.h"

namespace sluice::collector {

inline constexpr std::size_t kConfigBytesMax = std::size_t{1} << 20;

struct ConfigSources {
  std::string file;  // empty: none
  // What options said: values written out, those of kPaths one by one.
  std::vector<std::pair<const Setting*, std::vector<std::string>>> options;
};

// Fills `config`; returns every mistake.
[[nodiscard]] std::vector<std::string> read_config(const ConfigSources& sources,
                                                   ServeConfig& config);

// The parts of read_config(): each adds to `mistakes`.
void read_file_text(std::string_view untrusted, const std::string& file, ServeConfig& config,
                    std::vector<std::string>& mistakes);
void read_variables(ServeConfig& config, std::vector<std::string>& mistakes);
void check_together(const ServeConfig& config, std::vector<std::string>& mistakes);

// Fills in the paths that nobody has set: /run/sluice and /var/lib/sluice for root or as a system
// service, else $XDG_RUNTIME_DIR/sluice and $XDG_STATE_HOME/sluice.
void default_places(ServeConfig& config);

// As a file that reads back to the same.
[[nodiscard]] std::string to_toml(const ServeConfig& config);

// The names of the settings in which the two differ, those that a reload applies and the others.
struct ConfigChange {
  std::vector<std::string_view> live;
  std::vector<std::string_view> restart;
};
[[nodiscard]] ConfigChange changes(const ServeConfig& before, const ServeConfig& after);

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_CONFIG_H_
