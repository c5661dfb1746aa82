// When a log file is finished by time: at an age, at a time of day, or whichever comes first.
//
// Threading: plain functions and values.
#ifndef SLUICE_SRC_SINK_ROTATION_TIME_H_
#define SLUICE_SRC_SINK_ROTATION_TIME_H_

#include <limits>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "os/calendar.h"

namespace sluice::sink {

inline constexpr i64 kNever = std::numeric_limits<i64>::max();

// "HH:MM", local, or "HH:MMZ", UTC. Empty: none.
[[nodiscard]] Result<std::optional<os::TimeOfDay>> parse_time_of_day(std::string_view text);

struct RotationTime {
  u64 seconds = 0;  // 0: at no age
  std::optional<os::TimeOfDay> at{};

  [[nodiscard]] bool never() const { return seconds == 0 && !at; }
  // Of a file that began then.
  [[nodiscard]] i64 due_ns(i64 began_ns) const;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_ROTATION_TIME_H_
