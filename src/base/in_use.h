// A thing that threads use while another takes it away, to delete it (P28).
//
//   who uses   stores the thing's address in a word of its own, then loads it once more from where
//              it is published; if it is there still, it may use the thing until it stores null
//   who takes  publishes another address, has every thread pass a barrier (membarrier(2)), then
//              looks at the words of all threads: a thing that none of them has is nobody's
//
// Each side stores, then loads what the other stores; the barrier stands for the one that each use
// would need otherwise. So the second load finds the thing gone, or the look finds the word.
//
// | word                | written by | read by   | order                                          |
// |---------------------|------------|-----------|------------------------------------------------|
// | published address   | who takes  | who uses  | release / acquire (P18): the thing made        |
// | a thread's own word | who uses   | who takes | release / acquire (P28): the uses before it    |
//
// Threading: any; never blocks.
#ifndef SLUICE_SRC_BASE_IN_USE_H_
#define SLUICE_SRC_BASE_IN_USE_H_

#include "base/made.h"

namespace sluice {

struct InUseOrders {
  static constexpr std::memory_order begin = std::memory_order_release;  // P28
  static constexpr std::memory_order end = std::memory_order_release;    // P28
  static constexpr std::memory_order look = std::memory_order_acquire;   // P28
};

template <class Sync, class Orders = InUseOrders>
struct InUse {
  using Word = typename Sync::template Atomic<const void*>;

  // The thing at `published`, this thread's to use until end(); null: there is none.
  template <class Thing>
  [[nodiscard]] static Thing* begin(Word& own,
                                    const typename Sync::template Atomic<Thing*>& published) {
    Thing* seen = Made::look(published);  // acquire (P18)
    while (seen != nullptr) {
      // release: the use of the one before, where a look finds this one (P28)
      own.store(seen, Orders::begin);
      Sync::keep_order();
      Thing* const there = Made::look(published);  // acquire: the thing (P18)
      if (there == seen) return seen;
      seen = there;
    }
    end(own);
    return nullptr;
  }
  // release: its uses, before who takes it deletes it (P28)
  static void end(Word& own) { own.store(nullptr, Orders::end); }

  // Behind the barrier. acquire: uses that are over, before it is deleted (P28)
  [[nodiscard]] static bool has(const Word& own, const void* thing) {
    return own.load(Orders::look) == thing;
  }
};

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_IN_USE_H_
