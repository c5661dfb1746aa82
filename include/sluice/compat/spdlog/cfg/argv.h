// spdlog's header of this name, over Sluice: levels from an argument SPDLOG_LEVEL=...
#ifndef SLUICE_COMPAT_SPDLOG_CFG_ARGV_H_
#define SLUICE_COMPAT_SPDLOG_CFG_ARGV_H_

#include "sluice/compat/spdlog/cfg/helpers.h"

namespace spdlog {
inline namespace sluice_shim {

namespace cfg {

inline void load_argv_levels(int argc, const char** argv) {
  constexpr std::string_view kName = "SPDLOG_LEVEL=";
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with(kName)) {
      helpers::load_levels(std::string(argument.substr(kName.size())));
    }
  }
}
inline void load_argv_levels(int argc, char** argv) {
  load_argv_levels(argc, const_cast<const char**>(argv));
}

}  // namespace cfg

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_SPDLOG_CFG_ARGV_H_
