// Numbers that nobody can foresee, as far as samples need them.
#ifndef SLUICE_SRC_FRONT_RANDOM_H_
#define SLUICE_SRC_FRONT_RANDOM_H_

#include <atomic>

#include "base/bytes.h"
#include "sluice/detail/call.h"

namespace sluice::front {

// splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). Any
// thread, any signal handler.
[[nodiscard]] inline u64 random_bits() {
  static constinit std::atomic<u64> state{0};
  constexpr u64 kStep = 0x9e3779b97f4a7c15;
  // relaxed: only makes the values different
  u64 bits = state.fetch_add(kStep, std::memory_order_relaxed) + ticks();
  bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
  return bits ^ bits >> 31;
}

}  // namespace sluice::front

#endif  // SLUICE_SRC_FRONT_RANDOM_H_
