// spdlog's header of this name, over Sluice: factories of its loggers.
#ifndef SLUICE_COMPAT_SPDLOG_SINKS_ROTATING_FILE_SINK_H_
#define SLUICE_COMPAT_SPDLOG_SINKS_ROTATING_FILE_SINK_H_

#include "sluice/compat/spdlog.h"

namespace spdlog {
inline namespace sluice_shim {

template <class Factory = synchronous_factory>
std::shared_ptr<logger> rotating_logger_mt(const std::string& name, const filename_t& filename,
                                           std::size_t max_size, std::size_t max_files,
                                           bool rotate_on_open = false,
                                           const file_event_handlers& handlers = {}) {
  return Factory::template create<sinks::rotating_file_sink_mt>(name, filename, max_size, max_files,
                                                                rotate_on_open, handlers);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> rotating_logger_st(const std::string& name, const filename_t& filename,
                                           std::size_t max_size, std::size_t max_files,
                                           bool rotate_on_open = false,
                                           const file_event_handlers& handlers = {}) {
  return Factory::template create<sinks::rotating_file_sink_st>(name, filename, max_size, max_files,
                                                                rotate_on_open, handlers);
}

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_SPDLOG_SINKS_ROTATING_FILE_SINK_H_
