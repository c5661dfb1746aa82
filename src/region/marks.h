// Words that mark a step of work on the region: who finds the mark finds everything stored before
// it, and nothing that is stored only afterwards (P10, P15).
//
// They are for whoever takes over the region of a dead process. Death leaves of each thread what it
// has stored up to some instruction; what may still come in another order is what the compiler, or
// the next one, makes of the source. A release keeps earlier stores in front of the mark; later
// ones it would let pass, so set() ends with a fence for the compiler.
//
//   IntentHead::place, Intent::next_sequence, SinkEntry::cursor     P10
//   SinkEntry::state, RegionHeader::finished, ::handed_over         P15
//
// Threading: a mark has one writer at a time. Threads of the same process read it with acquire;
// behind a death the kernel's locks would do.
#ifndef SLUICE_SRC_REGION_MARKS_H_
#define SLUICE_SRC_REGION_MARKS_H_

#include "sluice/detail/ring.h"

namespace sluice::region {

struct MarkOrders {
  static constexpr std::memory_order set = std::memory_order_release;   // P10, P15
  static constexpr std::memory_order look = std::memory_order_acquire;  // P15
};

template <class Sync, class Orders = MarkOrders>
struct MarksOf {
  template <class Mark, class Value>
  static void set(Mark& mark, Value value) {
    mark.store(value, Orders::set);
    Sync::keep_order();
  }
  template <class Mark>
  [[nodiscard]] static auto look(const Mark& mark) {
    return mark.load(Orders::look);
  }
};

using Marks = MarksOf<detail::RealSync>;

}  // namespace sluice::region

#endif  // SLUICE_SRC_REGION_MARKS_H_
