// spdlog's header of this name, over Sluice: factories of its loggers.
#ifndef SLUICE_COMPAT_SPDLOG_SINKS_BASIC_FILE_SINK_H_
#define SLUICE_COMPAT_SPDLOG_SINKS_BASIC_FILE_SINK_H_

#include "sluice/compat/spdlog.h"

namespace spdlog {
inline namespace sluice_shim {

template <class Factory = synchronous_factory>
std::shared_ptr<logger> basic_logger_mt(const std::string& name, const filename_t& filename,
                                        bool truncate = false,
                                        const file_event_handlers& handlers = {}) {
  return Factory::template create<sinks::basic_file_sink_mt>(name, filename, truncate, handlers);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> basic_logger_st(const std::string& name, const filename_t& filename,
                                        bool truncate = false,
                                        const file_event_handlers& handlers = {}) {
  return Factory::template create<sinks::basic_file_sink_st>(name, filename, truncate, handlers);
}

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_SPDLOG_SINKS_BASIC_FILE_SINK_H_
