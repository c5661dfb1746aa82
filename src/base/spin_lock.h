// A lock for a few instructions that a forked child can open: in a std::mutex, a thread that the
// child does not have may stay for ever (P21).
//
// Threading: any but signal handlers. lock() calls wait() while another thread is inside.
#ifndef SLUICE_SRC_BASE_SPIN_LOCK_H_
#define SLUICE_SRC_BASE_SPIN_LOCK_H_

#include "sluice/detail/ring.h"

namespace sluice {

struct SpinOrders {
  static constexpr std::memory_order lock = std::memory_order_acquire;    // P21
  static constexpr std::memory_order unlock = std::memory_order_release;  // P21
};

template <class Sync, class Orders = SpinOrders>
class SpinLock {
 public:
  template <class Wait>
  void lock(const Wait& wait) {
    // acquire: what was done inside before (P21)
    while (inside_.exchange(true, Orders::lock)) wait();
  }
  // release: what was done inside, for the next (P21)
  void unlock() { inside_.store(false, Orders::unlock); }

 private:
  typename Sync::template Atomic<bool> inside_{false};
};

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_SPIN_LOCK_H_
