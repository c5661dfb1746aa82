// spdlog's header of this name, over Sluice: levels from the variable SPDLOG_LEVEL.
#ifndef SLUICE_COMPAT_SPDLOG_CFG_ENV_H_
#define SLUICE_COMPAT_SPDLOG_CFG_ENV_H_

#include "sluice/compat/spdlog/cfg/helpers.h"

namespace spdlog {
inline namespace sluice_shim {

namespace cfg {

inline void load_env_levels() {
  if (const char* const levels = std::getenv("SPDLOG_LEVEL")) helpers::load_levels(levels);
}

}  // namespace cfg

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_SPDLOG_CFG_ENV_H_
