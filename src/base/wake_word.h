// A futex word between those who bring work and the thread that does it (P19).
//
//   who brings    stores what is to be found, steps the word, wakes
//   who works     loads the word, then looks for everything, then sleeps as long as the word is
//                 what was loaded
//
// Either the load has seen a step, and with it what was stored before; or it has not, and the sleep
// ends at once. So nothing is slept over.
//
// Threading: any. Never blocks: sleeping and waking are os::wait_on() and os::wake_all().
#ifndef SLUICE_SRC_BASE_WAKE_WORD_H_
#define SLUICE_SRC_BASE_WAKE_WORD_H_

#include "base/bytes.h"
#include "sluice/detail/ring.h"

namespace sluice {

struct WakeOrders {
  static constexpr std::memory_order step = std::memory_order_release;  // P19
  static constexpr std::memory_order look = std::memory_order_acquire;  // P19
};

template <class Sync, class Orders = WakeOrders>
struct WakeWord {
  using Word = typename Sync::template Atomic<u32>;

  // What the word held.
  static u32 step(Word& word) { return word.fetch_add(1, Orders::step); }
  [[nodiscard]] static u32 look(const Word& word) { return word.load(Orders::look); }
};

using Wake = WakeWord<detail::RealSync>;

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_WAKE_WORD_H_
