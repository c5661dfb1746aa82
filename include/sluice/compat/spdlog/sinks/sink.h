// spdlog's header of this name, over Sluice: all of it is in one.
#ifndef SLUICE_COMPAT_SPDLOG_SINKS_SINK_H_
#define SLUICE_COMPAT_SPDLOG_SINKS_SINK_H_

#include "sluice/compat/spdlog.h"

#endif  // SLUICE_COMPAT_SPDLOG_SINKS_SINK_H_
