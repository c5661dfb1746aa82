// spdlog's header of this name, over Sluice: factories of its loggers.
#ifndef SLUICE_COMPAT_SPDLOG_SINKS_STDOUT_COLOR_SINKS_H_
#define SLUICE_COMPAT_SPDLOG_SINKS_STDOUT_COLOR_SINKS_H_

#include "sluice/compat/spdlog.h"

namespace spdlog {
inline namespace sluice_shim {

template <class Factory = synchronous_factory>
std::shared_ptr<logger> stdout_color_mt(const std::string& name,
                                        color_mode mode = color_mode::automatic) {
  return Factory::template create<sinks::stdout_color_sink_mt>(name, mode);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> stdout_color_st(const std::string& name,
                                        color_mode mode = color_mode::automatic) {
  return Factory::template create<sinks::stdout_color_sink_st>(name, mode);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> stderr_color_mt(const std::string& name,
                                        color_mode mode = color_mode::automatic) {
  return Factory::template create<sinks::stderr_color_sink_mt>(name, mode);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> stderr_color_st(const std::string& name,
                                        color_mode mode = color_mode::automatic) {
  return Factory::template create<sinks::stderr_color_sink_st>(name, mode);
}

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_SPDLOG_SINKS_STDOUT_COLOR_SINKS_H_
