// How a call is timed: bursts of 20 with about a millisecond between them, which is how Quill
// publishes its figures, and single calls between fences.
//
// Nothing is pinned and no priority is changed: these are the user's own conditions. It needs
// nothing of the library but its clock, so that a program with the shared library can have it.
#ifndef SLUICE_SRC_CLI_CALL_TIMING_H_
#define SLUICE_SRC_CLI_CALL_TIMING_H_

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "sluice/log.h"

namespace sluice::cli {

inline constexpr u32 kBurst = 20;
inline constexpr u32 kWarmBursts = 50;  // not in the samples

inline i64 steady_ns() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

// The clock, with everything before it done and nothing after it begun.
[[gnu::always_inline]] inline u64 fenced_ticks() {
#if defined(__x86_64__)
  __builtin_ia32_lfence();
  const u64 now = ticks();
  __builtin_ia32_lfence();
  return now;
#else
  return ticks();
#endif
}

// The value below which `share` (0 to 1) of `values` lie; sorts them. 0 when there is none.
inline double quantile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::size_t(share * double(values.size() - 1))];
}

// Nanoseconds a tick, and what an empty measurement costs.
struct Scale {
  double ns_per_tick = 1;
  double empty_ticks = 0;

  static Scale measure() {
    constexpr std::chrono::milliseconds kSpan{20};
    const i64 began_ns = steady_ns();
    const u64 began = ticks();
    std::this_thread::sleep_for(kSpan);
    Scale scale;
    scale.ns_per_tick = double(steady_ns() - began_ns) / double(ticks() - began);
    std::vector<double> empty(1000);
    for (double& cost : empty) {
      const u64 from = fenced_ticks();
      cost = double(fenced_ticks() - from);
    }
    scale.empty_ticks = quantile(empty, 0.5);
    return scale;
  }
  [[nodiscard]] double ns(u64 spent) const {
    return std::max(0.0, (double(spent) - empty_ticks) * ns_per_tick);
  }
};

struct CallSamples {
  std::vector<double> burst;   // mean of a burst, ns a call
  std::vector<double> single;  // ns of one call
  std::vector<double> later;   // those of `single` that were not the first after a pause
};

// Between two bursts: about half a millisecond, awake at its end as a busy program is.
inline void pause_between_bursts() {
  constexpr std::chrono::microseconds kPause{400};
  constexpr i64 kSpinNs = 20'000;
  std::this_thread::sleep_for(kPause);
  const i64 until = steady_ns() + kSpinNs;
  while (steady_ns() < until) {
  }
}

// One burst of `call(0)` to `call(19)` and the pause behind it. One in three is timed whole, the
// others call by call.
template <class Call>
[[gnu::noinline]] void time_burst(const Scale& scale, u32 round, CallSamples& samples,
                                  Call&& call) {
  constexpr u32 kWholeEvery = 3;
  if (round % kWholeEvery == 0) {
    const u64 from = fenced_ticks();
    for (u32 i = 0; i < kBurst; ++i) call(i);
    const u64 spent = fenced_ticks() - from;
    if (round >= kWarmBursts) samples.burst.push_back(scale.ns(spent) / kBurst);
  } else {
    for (u32 i = 0; i < kBurst; ++i) {
      const u64 from = fenced_ticks();
      call(i);
      const u64 spent = fenced_ticks() - from;
      if (round < kWarmBursts) continue;
      samples.single.push_back(scale.ns(spent));
      if (i > 0) samples.later.push_back(scale.ns(spent));
    }
  }
  pause_between_bursts();
}

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_CALL_TIMING_H_
