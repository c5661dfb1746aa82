// The eight severities of syslog (RFC 5424, 6.2.1), which journald has too.
#ifndef SLUICE_SRC_RECORD_SEVERITY_H_
#define SLUICE_SRC_RECORD_SEVERITY_H_

#include "base/bytes.h"
#include "sluice/level.h"

namespace sluice {

inline constexpr u8 kFacilityMax = 23;

[[nodiscard]] constexpr u8 syslog_severity(Level level) {
  if (level >= Level::critical) return 2;
  if (level >= Level::error) return 3;
  if (level >= Level::warning) return 4;
  if (level >= Level::notice) return 5;
  return level >= Level::info ? 6 : 7;
}

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_SEVERITY_H_
