#include "os/calendar.h"

#include <ctime>

#include "base/durations.h"

namespace sluice::os {
namespace {

constexpr i64 kDaySeconds = 86'400;

i64 floor_div(i64 value, i64 by) { return value / by - (value % by < 0 ? 1 : 0); }

}  // namespace

i64 next_time_of_day(const TimeOfDay& time, i64 unix_ns) {
  const i64 after = floor_div(unix_ns, kNsPerSecond);
  if (time.utc) {
    const i64 today = floor_div(after, kDaySeconds) * kDaySeconds + i64(time.minutes) * 60;
    return (today > after ? today : today + kDaySeconds) * kNsPerSecond;
  }
  const std::time_t seconds = after;
  std::tm start{};
  ::localtime_r(&seconds, &start);
  // The second day is enough but where a change of the zone takes a day away.
  for (int days = 0;; ++days) {
    std::tm day = start;
    day.tm_mday += days;
    day.tm_hour = int(time.minutes / 60);
    day.tm_min = int(time.minutes % 60);
    day.tm_sec = 0;
    day.tm_isdst = -1;
    const i64 at = std::mktime(&day);
    if (at > after) return at * kNsPerSecond;
    if (days == 2) return (after + kDaySeconds) * kNsPerSecond;
  }
}

}  // namespace sluice::os
