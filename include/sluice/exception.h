// Logging exceptions: the type and the text as fields `exception.type` and `exception.message`
// (OpenTelemetry's names).
#ifndef SLUICE_EXCEPTION_H_
#define SLUICE_EXCEPTION_H_

#include <exception>
#include <string_view>

#include "sluice/level.h"

namespace sluice {
inline namespace v1 {

// Logs `exception`, and those nested in it, each as a record of its own. Thread-safe; may allocate
// (to read the type's name).
SLUICE_API void log_exception(Level level, const std::exception& exception,
                              std::string_view message = "exception") noexcept;

// The same for the exception being handled, whatever its type. For use in a catch block.
SLUICE_API void log_current_exception(Level level, std::string_view message = "exception") noexcept;

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_EXCEPTION_H_
