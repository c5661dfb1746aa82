// The calendar of this machine: times of day, in its zone or in UTC.
//
// Threading: thread-safe. Local time takes a lock of the C library: in a child that was forked
// while another thread held it, the call may not return; UTC takes none.
#ifndef SLUICE_SRC_OS_CALENDAR_H_
#define SLUICE_SRC_OS_CALENDAR_H_

#include "base/bytes.h"

namespace sluice::os {

struct TimeOfDay {
  u32 minutes = 0;  // since midnight
  bool utc = false;
};

// The first time after `unix_ns` at which clocks show `time`, also across a change to or from
// summer time: where the clocks skip it, an hour beside it.
[[nodiscard]] i64 next_time_of_day(const TimeOfDay& time, i64 unix_ns);

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_CALENDAR_H_
