// spdlog's header of this name, over Sluice: levels from a text.
#ifndef SLUICE_COMPAT_SPDLOG_CFG_HELPERS_H_
#define SLUICE_COMPAT_SPDLOG_CFG_HELPERS_H_

#include <cctype>

#include "sluice/compat/spdlog.h"

namespace spdlog {
inline namespace sluice_shim {

namespace cfg {
namespace helpers {

// "info,net=trace": of all, and of loggers by their names. What is no level is passed over.
inline void load_levels(const std::string& text) {
  std::map<std::string, level::level_enum> levels;
  std::optional<level::level_enum> global;
  const auto trim = [](std::string part) {
    const char* const blanks = " \t\r\n";
    part.erase(0, std::min(part.find_first_not_of(blanks), part.size()));
    part.erase(part.find_last_not_of(blanks) + 1);
    return part;
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, end - at);
    at = end + 1;
    const std::size_t equals = part.find('=');
    std::string name = trim(part.substr(equals == std::string::npos ? 0 : equals + 1));
    for (char& letter : name) letter = static_cast<char>(std::tolower(letter));
    if (name.empty()) continue;
    const level::level_enum level = level::from_str(name);
    // A word that is no level is a mistake, not a wish for silence.
    if (level == level::off && name != "off") continue;
    if (equals == std::string::npos) {
      global = level;
    } else {
      levels[trim(part.substr(0, equals))] = level;
    }
  }
  registry::instance().set_levels(std::move(levels), global);
}

}  // namespace helpers
}  // namespace cfg

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_SPDLOG_CFG_HELPERS_H_
