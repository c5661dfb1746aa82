// Logging exceptions: the type and the text as fields `exception.type` and `exception.message`
// (OpenTelemetry's names).
#ifndef SLUICE_EXCEPTION_H_
#define SLUICE_EXCEPTION_H_

#include <exception>
#include <string_view>

#include "sluice/detail/call_site.h"
#include "sluice/level.h"

namespace sluice {
inline namespace v1 {

namespace detail {

// One call in the source: where it stands, and its site for each level.
struct ExceptionCall {
  struct Sites {
    CallSite trace{Level::trace, RecordKind::kLog};
    CallSite debug{Level::debug, RecordKind::kLog};
    CallSite info{Level::info, RecordKind::kLog};
    CallSite notice{Level::notice, RecordKind::kLog};
    CallSite warning{Level::warning, RecordKind::kLog};
    CallSite error{Level::error, RecordKind::kLog};
    CallSite critical{Level::critical, RecordKind::kLog};
  };
  Sites& sites;
  Level level;
  const char* file;
  const char* function;
  std::uint32_t line;
};
SLUICE_API void log_exception(const ExceptionCall& from, const std::exception& exception,
                              std::string_view message) noexcept;
SLUICE_API void log_current_exception(const ExceptionCall& from, std::string_view message) noexcept;

}  // namespace detail

// Logs `exception`, and those nested in it, each as a record of its own, all with the place of this
// call. Thread-safe; may allocate (to read the type's name), so not for signal handlers. Leave the
// last three arguments out: they say where the call stands.
template <class Here = decltype([] {})>
void log_exception(Level level, const std::exception& exception,
                   std::string_view message = "exception", const char* file = __builtin_FILE(),
                   const char* function = __builtin_FUNCTION(),
                   std::uint32_t line = __builtin_LINE()) noexcept {
  static constinit detail::ExceptionCall::Sites sites;
  detail::log_exception({sites, level, file, function, line}, exception, message);
}

// The same for the exception being handled, whatever its type. For use in a catch block.
template <class Here = decltype([] {})>
void log_current_exception(Level level, std::string_view message = "exception",
                           const char* file = __builtin_FILE(),
                           const char* function = __builtin_FUNCTION(),
                           std::uint32_t line = __builtin_LINE()) noexcept {
  static constinit detail::ExceptionCall::Sites sites;
  detail::log_current_exception({sites, level, file, function, line}, message);
}

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_EXCEPTION_H_
