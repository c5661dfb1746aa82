// spdlog's header of this name, over Sluice: all of it is in one.
#ifndef SLUICE_COMPAT_SPDLOG_PATTERN_FORMATTER_H_
#define SLUICE_COMPAT_SPDLOG_PATTERN_FORMATTER_H_

#include "sluice/compat/spdlog.h"

#endif  // SLUICE_COMPAT_SPDLOG_PATTERN_FORMATTER_H_
