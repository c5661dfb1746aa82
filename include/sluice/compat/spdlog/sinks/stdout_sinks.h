// spdlog's header of this name, over Sluice: factories of its loggers.
#ifndef SLUICE_COMPAT_SPDLOG_SINKS_STDOUT_SINKS_H_
#define SLUICE_COMPAT_SPDLOG_SINKS_STDOUT_SINKS_H_

#include "sluice/compat/spdlog.h"

namespace spdlog {
inline namespace sluice_shim {

template <class Factory = synchronous_factory>
std::shared_ptr<logger> stdout_logger_mt(const std::string& name) {
  return Factory::template create<sinks::stdout_sink_mt>(name);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> stdout_logger_st(const std::string& name) {
  return Factory::template create<sinks::stdout_sink_st>(name);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> stderr_logger_mt(const std::string& name) {
  return Factory::template create<sinks::stderr_sink_mt>(name);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> stderr_logger_st(const std::string& name) {
  return Factory::template create<sinks::stderr_sink_st>(name);
}

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_SPDLOG_SINKS_STDOUT_SINKS_H_
