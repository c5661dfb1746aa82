// spdlog's header of this name: fmt's own.
#ifndef SLUICE_COMPAT_SPDLOG_FMT_RANGES_H_
#define SLUICE_COMPAT_SPDLOG_FMT_RANGES_H_

#include <fmt/ranges.h>

#endif  // SLUICE_COMPAT_SPDLOG_FMT_RANGES_H_
