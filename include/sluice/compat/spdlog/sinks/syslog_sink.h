// spdlog's header of this name, over Sluice. sluice::syslog() needs no C library's lock and speaks
// RFC 5424: take it in a program of its own.
#ifndef SLUICE_COMPAT_SPDLOG_SINKS_SYSLOG_SINK_H_
#define SLUICE_COMPAT_SPDLOG_SINKS_SYSLOG_SINK_H_

#include <syslog.h>

#include "sluice/compat/spdlog.h"

namespace spdlog {
inline namespace sluice_shim {

namespace sinks {

template <class Mutex>
class syslog_sink final : public base_sink<Mutex> {
 public:
  // The record goes to syslog as it is, or in the sink's pattern.
  syslog_sink(std::string ident, int option, int facility, bool enable_formatting)
      : ident_(std::move(ident)), in_pattern_(enable_formatting) {
    ::openlog(ident_.empty() ? nullptr : ident_.c_str(), option, facility);
  }
  ~syslog_sink() override { ::closelog(); }

 protected:
  void sink_it_(const details::log_msg& record) override {
    static constexpr std::array<int, level::n_levels> kPriorities{
        LOG_DEBUG, LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR, LOG_CRIT, LOG_INFO};
    string_view_t text = record.payload;
    memory_buf_t line;
    if (in_pattern_) {
      base_sink<Mutex>::formatter_->format(record, line);
      text = {line.data(), line.size()};
    }
    ::syslog(kPriorities[static_cast<std::size_t>(record.level)], "%.*s",
             static_cast<int>(text.size()), text.data());
  }
  void flush_() override {}

 private:
  const std::string ident_;  // openlog() keeps the pointer
  const bool in_pattern_;
};

using syslog_sink_mt = syslog_sink<std::mutex>;
using syslog_sink_st = syslog_sink<details::null_mutex>;

}  // namespace sinks

template <class Factory = synchronous_factory>
std::shared_ptr<logger> syslog_logger_mt(const std::string& name, const std::string& ident = "",
                                         int option = 0, int facility = LOG_USER,
                                         bool enable_formatting = false) {
  return Factory::template create<sinks::syslog_sink_mt>(name, ident, option, facility,
                                                         enable_formatting);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> syslog_logger_st(const std::string& name, const std::string& ident = "",
                                         int option = 0, int facility = LOG_USER,
                                         bool enable_formatting = false) {
  return Factory::template create<sinks::syslog_sink_st>(name, ident, option, facility,
                                                         enable_formatting);
}

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_SPDLOG_SINKS_SYSLOG_SINK_H_
