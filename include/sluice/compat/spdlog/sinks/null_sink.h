// spdlog's header of this name, over Sluice: factories of its loggers.
#ifndef SLUICE_COMPAT_SPDLOG_SINKS_NULL_SINK_H_
#define SLUICE_COMPAT_SPDLOG_SINKS_NULL_SINK_H_

#include "sluice/compat/spdlog.h"

namespace spdlog {
inline namespace sluice_shim {

template <class Factory = synchronous_factory>
std::shared_ptr<logger> null_logger_mt(const std::string& name) {
  return Factory::template create<sinks::null_sink_mt>(name);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> null_logger_st(const std::string& name) {
  return Factory::template create<sinks::null_sink_st>(name);
}

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_SPDLOG_SINKS_NULL_SINK_H_
