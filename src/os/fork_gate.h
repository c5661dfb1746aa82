// Scopes that a fork must not fall into, and forks that such scopes wait for (P20).
//
// A scope counts itself in, then looks whether a fork is under way; a fork counts itself in, then
// looks whether anybody is inside: each side stores, then loads the other's word, so at least one
// sees the other, and waits. A scope that sees a fork goes out again and tries anew.
//
// | word    | written by | read by | order                                                     |
// |---------|------------|---------|-----------------------------------------------------------|
// | inside  | scopes     | forks   | seq_cst in; release out: what a scope did before a copy |
// | forking | forks      | scopes  | seq_cst in; release out: the copy, before what scopes do  |
//
// Threading: any; no function waits.
#ifndef SLUICE_SRC_OS_FORK_GATE_H_
#define SLUICE_SRC_OS_FORK_GATE_H_

#include "base/bytes.h"
#include "sluice/detail/ring.h"

namespace sluice::os {

struct ForkOrders {
  static constexpr std::memory_order enter = std::memory_order_seq_cst;       // P20
  static constexpr std::memory_order see_forks = std::memory_order_seq_cst;   // P20
  static constexpr std::memory_order leave = std::memory_order_release;       // P20
  static constexpr std::memory_order begin = std::memory_order_seq_cst;       // P20
  static constexpr std::memory_order see_inside = std::memory_order_seq_cst;  // P20
  static constexpr std::memory_order end = std::memory_order_release;         // P20
};

template <class Sync, class Orders = ForkOrders>
struct ForkGate {
  using Count = typename Sync::template Atomic<u32>;

  // A scope. The number of forks under way: leave() again when there is one.
  [[nodiscard]] static u32 enter(Count& inside, const Count& forking) {
    // seq_cst, both: with begin() and how_many_inside(), one sees the other (P20)
    inside.fetch_add(1, Orders::enter);
    return forking.load(Orders::see_forks);
  }
  // release: what the scope did, before the fork that waits for it (P20)
  static void leave(Count& inside) { inside.fetch_sub(1, Orders::leave); }

  // A fork. seq_cst, both: with enter(), one sees the other (P20)
  static void begin(Count& forking) { forking.fetch_add(1, Orders::begin); }
  [[nodiscard]] static u32 how_many_inside(const Count& inside) {
    return inside.load(Orders::see_inside);
  }
  // release: the copy before what scopes do next (P20)
  static void end(Count& forking) { forking.fetch_sub(1, Orders::end); }
};

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_FORK_GATE_H_
