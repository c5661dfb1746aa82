// spdlog's header of this name: fmt's own.
#ifndef SLUICE_COMPAT_SPDLOG_FMT_OSTR_H_
#define SLUICE_COMPAT_SPDLOG_FMT_OSTR_H_

#include <fmt/ostream.h>

#endif  // SLUICE_COMPAT_SPDLOG_FMT_OSTR_H_
