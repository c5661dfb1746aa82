// spdlog's interface over Sluice: a program that logs through spdlog builds on this one unchanged.
//
// Put the folder sluice/compat of the installed headers in front (the target sluice::spdlog does
// so): "spdlog/spdlog.h" is then a header of this library, and so are the others it has. The
// program needs fmt, as with an spdlog that was built with an external fmt.
//
// A call makes its text in the caller and puts it into Sluice's ring; it never waits for a file, a
// terminal or another thread. Loggers, sinks, patterns, levels and files are as in spdlog. What is
// different, and what is not there (it does not compile), says docs/migration.md.
//
// Threading and blocking: sluice/compat/detail/spdlog_logger.h. Failure: what is made raises
// spdlog_ex; a call that logs never throws, its problems go to the error handler.
#ifndef SLUICE_COMPAT_SPDLOG_H_
#define SLUICE_COMPAT_SPDLOG_H_

#include "sluice/compat/detail/spdlog_files.h"
#include "sluice/compat/detail/spdlog_registry.h"

// Calls below it are not compiled.
#ifndef SPDLOG_ACTIVE_LEVEL
#define SPDLOG_ACTIVE_LEVEL SPDLOG_LEVEL_INFO
#endif

#define SPDLOG_LOGGER_CALL(logger, level, ...) \
  (logger)->log(::spdlog::source_loc{__FILE__, __LINE__, SPDLOG_FUNCTION}, level, __VA_ARGS__)

#if SPDLOG_ACTIVE_LEVEL <= SPDLOG_LEVEL_TRACE
#define SPDLOG_LOGGER_TRACE(logger, ...) \
  SPDLOG_LOGGER_CALL(logger, ::spdlog::level::trace, __VA_ARGS__)
#define SPDLOG_TRACE(...) SPDLOG_LOGGER_TRACE(::spdlog::default_logger_raw(), __VA_ARGS__)
#else
#define SPDLOG_LOGGER_TRACE(logger, ...) (void)0
#define SPDLOG_TRACE(...) (void)0
#endif

#if SPDLOG_ACTIVE_LEVEL <= SPDLOG_LEVEL_DEBUG
#define SPDLOG_LOGGER_DEBUG(logger, ...) \
  SPDLOG_LOGGER_CALL(logger, ::spdlog::level::debug, __VA_ARGS__)
#define SPDLOG_DEBUG(...) SPDLOG_LOGGER_DEBUG(::spdlog::default_logger_raw(), __VA_ARGS__)
#else
#define SPDLOG_LOGGER_DEBUG(logger, ...) (void)0
#define SPDLOG_DEBUG(...) (void)0
#endif

#if SPDLOG_ACTIVE_LEVEL <= SPDLOG_LEVEL_INFO
#define SPDLOG_LOGGER_INFO(logger, ...) \
  SPDLOG_LOGGER_CALL(logger, ::spdlog::level::info, __VA_ARGS__)
#define SPDLOG_INFO(...) SPDLOG_LOGGER_INFO(::spdlog::default_logger_raw(), __VA_ARGS__)
#else
#define SPDLOG_LOGGER_INFO(logger, ...) (void)0
#define SPDLOG_INFO(...) (void)0
#endif

#if SPDLOG_ACTIVE_LEVEL <= SPDLOG_LEVEL_WARN
#define SPDLOG_LOGGER_WARN(logger, ...) \
  SPDLOG_LOGGER_CALL(logger, ::spdlog::level::warn, __VA_ARGS__)
#define SPDLOG_WARN(...) SPDLOG_LOGGER_WARN(::spdlog::default_logger_raw(), __VA_ARGS__)
#else
#define SPDLOG_LOGGER_WARN(logger, ...) (void)0
#define SPDLOG_WARN(...) (void)0
#endif

#if SPDLOG_ACTIVE_LEVEL <= SPDLOG_LEVEL_ERROR
#define SPDLOG_LOGGER_ERROR(logger, ...) \
  SPDLOG_LOGGER_CALL(logger, ::spdlog::level::err, __VA_ARGS__)
#define SPDLOG_ERROR(...) SPDLOG_LOGGER_ERROR(::spdlog::default_logger_raw(), __VA_ARGS__)
#else
#define SPDLOG_LOGGER_ERROR(logger, ...) (void)0
#define SPDLOG_ERROR(...) (void)0
#endif

#if SPDLOG_ACTIVE_LEVEL <= SPDLOG_LEVEL_CRITICAL
#define SPDLOG_LOGGER_CRITICAL(logger, ...) \
  SPDLOG_LOGGER_CALL(logger, ::spdlog::level::critical, __VA_ARGS__)
#define SPDLOG_CRITICAL(...) SPDLOG_LOGGER_CRITICAL(::spdlog::default_logger_raw(), __VA_ARGS__)
#else
#define SPDLOG_LOGGER_CRITICAL(logger, ...) (void)0
#define SPDLOG_CRITICAL(...) (void)0
#endif

namespace spdlog {
inline namespace sluice_shim {

// --- the registry's functions ---

[[nodiscard]] inline std::shared_ptr<logger> get(const std::string& name) {
  return registry::instance().get(name);
}
[[nodiscard]] inline std::shared_ptr<logger> default_logger() {
  return registry::instance().default_logger();
}
[[nodiscard]] inline logger* default_logger_raw() { return registry::instance().default_raw(); }
inline void set_default_logger(std::shared_ptr<logger> to) {
  registry::instance().set_default(std::move(to));
}
inline void register_logger(std::shared_ptr<logger> added) {
  registry::instance().register_logger(std::move(added));
}
inline void initialize_logger(std::shared_ptr<logger> added) {
  registry::instance().initialize_logger(std::move(added));
}
inline void set_automatic_registration(bool on) {
  registry::instance().set_automatic_registration(on);
}
template <class Sink, class... A>
std::shared_ptr<logger> create(std::string name, A&&... argument) {
  return synchronous_factory::create<Sink>(std::move(name), std::forward<A>(argument)...);
}
inline void drop(const std::string& name) { registry::instance().drop(name); }
inline void drop_all() { registry::instance().drop_all(); }
inline void shutdown() { registry::instance().shutdown(); }
inline void apply_all(const std::function<void(std::shared_ptr<logger>)>& function) {
  registry::instance().apply_all(function);
}

inline void set_formatter(std::unique_ptr<formatter> to) {
  registry::instance().set_formatter(std::move(to));
}
inline void set_pattern(std::string pattern,
                        pattern_time_type time_type = pattern_time_type::local) {
  set_formatter(std::make_unique<pattern_formatter>(std::move(pattern), time_type));
}
inline void set_level(level::level_enum level) { registry::instance().set_level(level); }
[[nodiscard]] inline level::level_enum get_level() { return default_logger_raw()->level(); }
[[nodiscard]] inline bool should_log(level::level_enum level) {
  return default_logger_raw()->should_log(level);
}
inline void enable_backtrace(std::size_t records_max) {
  registry::instance().enable_backtrace(records_max);
}
inline void disable_backtrace() { registry::instance().enable_backtrace(0); }
inline void dump_backtrace() { default_logger_raw()->dump_backtrace(); }
inline void flush_on(level::level_enum level) { registry::instance().flush_on(level); }
template <class Rep, class Period>
void flush_every(std::chrono::duration<Rep, Period> interval) {
  registry::instance().flush_every(interval);
}
inline void set_error_handler(err_handler handler) {
  registry::instance().set_error_handler(std::move(handler));
}

// --- the default logger's ---

template <class First, class... A>
void log(source_loc source, level::level_enum level, format_string_t<First, A...> format,
         First&& first, A&&... rest) {
  default_logger_raw()->log(source, level, format, std::forward<First>(first),
                            std::forward<A>(rest)...);
}
template <class First, class... A>
void log(level::level_enum level, format_string_t<First, A...> format, First&& first, A&&... rest) {
  default_logger_raw()->log(level, format, std::forward<First>(first), std::forward<A>(rest)...);
}
template <class T>
  requires details::kIsMessage<T>
void log(source_loc source, level::level_enum level, const T& message) {
  default_logger_raw()->log(source, level, message);
}
template <class T>
  requires details::kIsMessage<T>
void log(level::level_enum level, const T& message) {
  default_logger_raw()->log(level, message);
}

#define SLUICE_COMPAT_LEVEL_FUNCTION_(name)                                                   \
  template <class First, class... A>                                                          \
  void name(format_string_t<First, A...> format, First&& first, A&&... rest) {                \
    default_logger_raw()->name(format, std::forward<First>(first), std::forward<A>(rest)...); \
  }                                                                                           \
  template <class T>                                                                          \
  void name(const T& message) {                                                               \
    default_logger_raw()->name(message);                                                      \
  }
SLUICE_COMPAT_LEVEL_FUNCTION_(trace)
SLUICE_COMPAT_LEVEL_FUNCTION_(debug)
SLUICE_COMPAT_LEVEL_FUNCTION_(info)
SLUICE_COMPAT_LEVEL_FUNCTION_(warn)
SLUICE_COMPAT_LEVEL_FUNCTION_(error)
SLUICE_COMPAT_LEVEL_FUNCTION_(critical)
#undef SLUICE_COMPAT_LEVEL_FUNCTION_

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_SPDLOG_H_
