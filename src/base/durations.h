// How many nanoseconds are in what people count time in.
#ifndef SLUICE_SRC_BASE_DURATIONS_H_
#define SLUICE_SRC_BASE_DURATIONS_H_

#include "base/bytes.h"

namespace sluice {

inline constexpr i64 kNsPerMs = 1'000'000;
inline constexpr i64 kNsPerSecond = 1'000'000'000;

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_DURATIONS_H_
