// spdlog's header of this name: fmt's own.
#ifndef SLUICE_COMPAT_SPDLOG_FMT_COMPILE_H_
#define SLUICE_COMPAT_SPDLOG_FMT_COMPILE_H_

#include <fmt/compile.h>

#endif  // SLUICE_COMPAT_SPDLOG_FMT_COMPILE_H_
