// Severity levels, stored as OpenTelemetry severity numbers
// (https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber).
#ifndef SLUICE_LEVEL_H_
#define SLUICE_LEVEL_H_

#include <cstdint>
#include <string_view>

#include "sluice/detail/api.h"

namespace sluice {
inline namespace v1 {

enum class Level : std::uint8_t {
  trace = 1,
  debug = 5,
  info = 9,
  notice = 10,
  warning = 13,
  error = 17,
  critical = 21,
  off = 255,  // as a threshold: nothing passes; never the level of a record
};

// Lower-case name ("info"); "unknown" for a number that is no level.
[[nodiscard]] constexpr std::string_view level_name(Level level) noexcept {
  switch (level) {
    case Level::trace:
      return "trace";
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::notice:
      return "notice";
    case Level::warning:
      return "warning";
    case Level::error:
      return "error";
    case Level::critical:
      return "critical";
    case Level::off:
      return "off";
  }
  return "unknown";
}

// Parses a name or alias (warn, err, fatal), ignoring ASCII case. False when `text` is no level.
[[nodiscard]] SLUICE_API bool parse_level(std::string_view text, Level& out) noexcept;

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_LEVEL_H_
