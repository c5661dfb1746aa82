// spdlog's header of this name: fmt itself.
#ifndef SLUICE_COMPAT_SPDLOG_FMT_FMT_H_
#define SLUICE_COMPAT_SPDLOG_FMT_FMT_H_

#include <fmt/core.h>
#include <fmt/format.h>

#endif  // SLUICE_COMPAT_SPDLOG_FMT_FMT_H_
