// spdlog's header of this name, over Sluice: factories of its loggers.
#ifndef SLUICE_COMPAT_SPDLOG_SINKS_CALLBACK_SINK_H_
#define SLUICE_COMPAT_SPDLOG_SINKS_CALLBACK_SINK_H_

#include "sluice/compat/spdlog.h"

namespace spdlog {
inline namespace sluice_shim {

template <class Factory = synchronous_factory>
std::shared_ptr<logger> callback_logger_mt(
    const std::string& name, const std::function<void(const details::log_msg&)>& callback) {
  return Factory::template create<sinks::callback_sink_mt>(name, callback);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> callback_logger_st(
    const std::string& name, const std::function<void(const details::log_msg&)>& callback) {
  return Factory::template create<sinks::callback_sink_st>(name, callback);
}

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_SPDLOG_SINKS_CALLBACK_SINK_H_
