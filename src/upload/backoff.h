// How long to wait before the next attempt: exponential, with full jitter.
//
// Threading: plain functions.
#ifndef SLUICE_SRC_UPLOAD_BACKOFF_H_
#define SLUICE_SRC_UPLOAD_BACKOFF_H_

#include <algorithm>

#include "base/bytes.h"

namespace sluice::upload {

inline constexpr u64 kAskedMsMax = 3'600'000;  // of what a store asks: more is no answer of a store

struct Backoff {
  u32 base_ms = 1000;
  u32 cap_ms = 64'000;

  // The longest wait behind attempt number `attempt`, the first being 0.
  [[nodiscard]] u64 ceiling_ms(u32 attempt) const {
    const u64 grown = attempt < 32 ? u64{base_ms} << attempt : u64{cap_ms};
    return std::min<u64>(grown, cap_ms);
  }
  // `asked_ms`: what the store asked for, which holds; 0: nothing. `random`: any 64 bits.
  [[nodiscard]] u64 wait_ms(u32 attempt, u64 asked_ms, u64 random) const {
    if (asked_ms > 0) return std::min(asked_ms, kAskedMsMax);
    return random % (ceiling_ms(attempt) + 1);
  }
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_BACKOFF_H_
