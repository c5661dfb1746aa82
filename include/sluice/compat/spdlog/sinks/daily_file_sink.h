// spdlog's header of this name, over Sluice: factories of its loggers.
#ifndef SLUICE_COMPAT_SPDLOG_SINKS_DAILY_FILE_SINK_H_
#define SLUICE_COMPAT_SPDLOG_SINKS_DAILY_FILE_SINK_H_

#include "sluice/compat/spdlog.h"

namespace spdlog {
inline namespace sluice_shim {

template <class Factory = synchronous_factory>
std::shared_ptr<logger> daily_logger_mt(const std::string& name, const filename_t& filename,
                                        int hour = 0, int minute = 0, bool truncate = false,
                                        std::uint16_t max_files = 0,
                                        const file_event_handlers& handlers = {}) {
  return Factory::template create<sinks::daily_file_sink_mt>(name, filename, hour, minute, truncate,
                                                             max_files, handlers);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> daily_logger_st(const std::string& name, const filename_t& filename,
                                        int hour = 0, int minute = 0, bool truncate = false,
                                        std::uint16_t max_files = 0,
                                        const file_event_handlers& handlers = {}) {
  return Factory::template create<sinks::daily_file_sink_st>(name, filename, hour, minute, truncate,
                                                             max_files, handlers);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> daily_logger_format_mt(const std::string& name, const filename_t& filename,
                                               int hour = 0, int minute = 0, bool truncate = false,
                                               std::uint16_t max_files = 0,
                                               const file_event_handlers& handlers = {}) {
  return Factory::template create<sinks::daily_file_format_sink_mt>(name, filename, hour, minute,
                                                                    truncate, max_files, handlers);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> daily_logger_format_st(const std::string& name, const filename_t& filename,
                                               int hour = 0, int minute = 0, bool truncate = false,
                                               std::uint16_t max_files = 0,
                                               const file_event_handlers& handlers = {}) {
  return Factory::template create<sinks::daily_file_format_sink_st>(name, filename, hour, minute,
                                                                    truncate, max_files, handlers);
}

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_SPDLOG_SINKS_DAILY_FILE_SINK_H_
