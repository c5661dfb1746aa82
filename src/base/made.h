// Addresses of things that are made once and stay (P18).
//
// Threading: any. Never blocks.
#ifndef SLUICE_SRC_BASE_MADE_H_
#define SLUICE_SRC_BASE_MADE_H_

#include "sluice/detail/ring.h"

namespace sluice {

struct MadeOrders {
  static constexpr std::memory_order publish = std::memory_order_release;  // P18
  static constexpr std::memory_order look = std::memory_order_acquire;     // P18
};

// `Word`: an atomic pointer, or an atomic place within a region.
template <class Orders = MadeOrders>
struct MadeWords {
  // release: the thing before its address (P18)
  template <class Word, class Address>
  static void publish(Word& word, Address made) {
    word.store(made, Orders::publish);
  }
  // acquire: pairs with publish() and publish_in_place() (P18)
  template <class Word>
  [[nodiscard]] static auto look(const Word& word) {
    return word.load(Orders::look);
  }
  // Where several make one at once, the first holds. False: it is in `before` now.
  template <class Word, class Address>
  static bool publish_in_place(Word& word, Address& before, Address made) {
    // release, and acquire of the other's: as above (P18)
    return word.compare_exchange_strong(before, made, Orders::publish, Orders::look);
  }
};

using Made = MadeWords<>;

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_MADE_H_
