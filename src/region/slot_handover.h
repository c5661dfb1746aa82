// How a thread slot, and with it a ring, goes from thread to thread (P8).
//
//   kUnused ─ take ─► kMaking ─ give ─► kReady ─ take ─► kActive ─ leave ─► kLeft ─ give ─► kReady
//             thread or backend         thread          thread             consumer
//
// | step  | by               | order   | what it orders                                           |
// |-------|------------------|---------|----------------------------------------------------------|
// | take  | thread           | acquire | the ring as its maker, or the consumer, has left it      |
// | leave | thread           | release | everything the thread published, its last head included  |
// | look  | consumer         | acquire | in kLeft: that head. Look first, then load head          |
// | give  | maker, consumer  | release | a new ring; or the ring drained, and its tail stored     |
//
// The consumer gives a slot back only when it has seen kLeft, then found the ring drained and
// committed. Taking needs no release: a thread says who it is in the slot after taking, and its
// first head (P1) publishes that. Threading: any. Never blocks.
#ifndef SLUICE_SRC_REGION_SLOT_HANDOVER_H_
#define SLUICE_SRC_REGION_SLOT_HANDOVER_H_

#include "region/layout.h"
#include "sluice/detail/ring.h"

namespace sluice::region {

struct SlotOrders {
  static constexpr std::memory_order take = std::memory_order_acquire;   // P8
  static constexpr std::memory_order leave = std::memory_order_release;  // P8
  static constexpr std::memory_order look = std::memory_order_acquire;   // P8
  static constexpr std::memory_order give = std::memory_order_release;   // P8
};

template <class Sync, class Orders = SlotOrders>
struct SlotHandover {
  using State = typename Sync::template Atomic<SlotState>;

  // False: the slot was not in `from`.
  static bool try_take(State& state, SlotState from, SlotState to) {
    // relaxed on failure: nothing is read then
    return state.compare_exchange_strong(from, to, Orders::take, std::memory_order_relaxed);
  }
  static void leave(State& state) { state.store(SlotState::kLeft, Orders::leave); }
  static SlotState look(const State& state) { return state.load(Orders::look); }
  // To kReady or kActive (made), kUnused (could not be made), kReady (drained).
  static void give(State& state, SlotState to) { state.store(to, Orders::give); }
};

}  // namespace sluice::region

#endif  // SLUICE_SRC_REGION_SLOT_HANDOVER_H_
