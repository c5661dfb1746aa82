// How sites and loggers become known, and how control bytes stay right while levels change and
// logging stops, all beside each other and without a lock.
//
// P6   A definition is written, then its place is published by one word.
// P16  A logger's name is written, then its length is published.
// P12  A control byte (and a logger's threshold) is computed from levels and stored; a change of
//      levels between the two would be lost. So whoever changes levels stores them, steps the
//      epoch, and then computes everything that is published; whoever publishes something computes
//      until it finds the epoch where it was before. Every look at the epoch is a read-modify-write
//      of it: of a look and a step one comes first, and is seen by the other. If the look does, the
//      step's owner sees what was published and stores after it; if the step does, the look finds
//      it moved.
// Closed control bytes stay closed: nobody who computed his value before stop() reopens one.
//
// | word          | written by             | read by           | order                           |
// |---------------|------------------------|-------------------|---------------------------------|
// | text          | registering thread     | readers           | release / acquire (P6)          |
// | bytes         | registering thread     | readers           | release / acquire (P16)         |
// | epoch         | changes of levels      | registrations     | acq_rel RMW by both (P12)       |
// | control       | both, stop()           | callers           | relaxed RMW: a hint to callers  |
//
// Threading: any number of registrations and changes, also in signal handlers: a registration that
// interrupts a change goes on with what is there, and the change goes on after it.
// Never blocks: another round is taken only when levels have changed again.
#ifndef SLUICE_SRC_REGION_REGISTRATION_H_
#define SLUICE_SRC_REGION_REGISTRATION_H_

#include "base/bytes.h"
#include "sluice/detail/ring.h"
#include "sluice/detail/thread_block.h"

namespace sluice::region {

struct RegistrationOrders {
  static constexpr std::memory_order publish_text = std::memory_order_release;   // P6
  static constexpr std::memory_order read_text = std::memory_order_acquire;      // P6
  static constexpr std::memory_order publish_name = std::memory_order_release;   // P16
  static constexpr std::memory_order read_name = std::memory_order_acquire;      // P16
  static constexpr std::memory_order step_epoch = std::memory_order_acq_rel;     // P12
  static constexpr std::memory_order look_at_epoch = std::memory_order_acq_rel;  // P12
};

template <class Sync, class Orders = RegistrationOrders>
struct Registration {
  using Text = typename Sync::template Atomic<u64>;
  using Length = typename Sync::template Atomic<u16>;
  using Epoch = typename Sync::template Atomic<u32>;
  using Control = typename Sync::template Atomic<u8>;

  // `place` is never 0: that says that nothing is published.
  static void publish_text(Text& text, u64 place) { text.store(place, Orders::publish_text); }
  static u64 read_text(const Text& text) { return text.load(Orders::read_text); }
  // Of a name in its place; 0: not published.
  static void publish_name(Length& bytes, u16 length) { bytes.store(length, Orders::publish_name); }
  static u16 read_name(const Length& bytes) { return bytes.load(Orders::read_name); }

  // After something was published: compute() stores what levels make of it.
  template <class Compute>
  static void settle(Epoch& epoch, const Compute& compute) {
    settle_from(epoch, epoch.fetch_add(0, Orders::look_at_epoch), compute);
  }
  // After levels were stored: compute() does so for everything that is published.
  template <class Compute>
  static void settle_change(Epoch& epoch, const Compute& compute) {
    settle_from(epoch, epoch.fetch_add(1, Orders::step_epoch) + 1, compute);
  }

  static void set_control(Control& control, u8 value) {
    u8 old = control.load(std::memory_order_relaxed);
    while (old != detail::kClosed &&
           !control.compare_exchange_weak(old, value, std::memory_order_relaxed)) {
    }
  }

 private:
  template <class Compute>
  static void settle_from(Epoch& epoch, u32 seen, const Compute& compute) {
    for (;;) {
      compute();
      const u32 now = epoch.fetch_add(0, Orders::look_at_epoch);
      if (now == seen) return;
      seen = now;
    }
  }
};

}  // namespace sluice::region

#endif  // SLUICE_SRC_REGION_REGISTRATION_H_
