// spdlog's header of this name: fmt's own.
#ifndef SLUICE_COMPAT_SPDLOG_FMT_CHRONO_H_
#define SLUICE_COMPAT_SPDLOG_FMT_CHRONO_H_

#include <fmt/chrono.h>

#endif  // SLUICE_COMPAT_SPDLOG_FMT_CHRONO_H_
