// What is said to a sink's thread, and what it says last (P14).
//
// | word     | written by     | read by       | order                                            |
// |----------|----------------|---------------|--------------------------------------------------|
// | stopping | Engine::stop() | sink's thread | release / acquire (P14): commits before the stop |
// | ended    | sink's owner   | any           | release / acquire (P14): its last use of things  |
// | epoch    | engine, flush  | sink's thread | a wake word (P19, base/wake_word.h)              |
//
// The thread may hear of the stop before it hears of the step that wakes it for that: so the stop
// itself brings the commits that the last round must find.
//
// Threading: serve() and end() by the sink's owner; the rest by any. Only serve() waits.
#ifndef SLUICE_SRC_BACK_SINK_SIGNALS_H_
#define SLUICE_SRC_BACK_SINK_SIGNALS_H_

#include "base/wake_word.h"

namespace sluice::back {

struct SinkSignalOrders : WakeOrders {
  static constexpr std::memory_order ask_to_stop = std::memory_order_release;  // P14
  static constexpr std::memory_order see_stop = std::memory_order_acquire;     // P14
  static constexpr std::memory_order end = std::memory_order_release;          // P14
  static constexpr std::memory_order see_end = std::memory_order_acquire;      // P14
};

template <class Sync, class Orders = SinkSignalOrders>
class SinkSignals {
 public:
  using Wake = WakeWord<Sync, Orders>;
  using Epoch = typename Wake::Word;

  void ask_to_stop(Epoch& epoch) {
    // release: everything committed, for the last round of serve() (P14)
    stopping_.store(true, Orders::ask_to_stop);
    Wake::step(epoch);
  }
  // For pauses that a stop cuts short. relaxed: the step of the epoch brings it.
  [[nodiscard]] bool asked_to_stop() const { return stopping_.load(std::memory_order_relaxed); }

  // The sink's owner: nothing of the journal, nor of what the sink writes to, is touched after it.
  void end() { ended_.store(true, Orders::end); }
  // acquire: pairs with end(): what the sink did is over (P14)
  [[nodiscard]] bool ended() const { return ended_.load(Orders::see_end); }

  // The sink's thread: work() until the sink has ended, or until a stop was asked for and work()
  // finds nothing more. sleep(seen) while the epoch is what was seen.
  template <class Work, class Sleep>
  void serve(const Epoch& epoch, const Work& work, const Sleep& sleep) const {
    for (;;) {
      const u32 seen = Wake::look(epoch);
      // acquire: pairs with ask_to_stop(): this round finds everything committed before it (P14)
      const bool stopping = stopping_.load(Orders::see_stop);
      const bool more = work();
      if (ended()) return;
      if (more) continue;
      if (stopping) return;
      sleep(seen);
    }
  }

 private:
  typename Sync::template Atomic<bool> stopping_{false};
  typename Sync::template Atomic<bool> ended_{false};
};

}  // namespace sluice::back

#endif  // SLUICE_SRC_BACK_SINK_SIGNALS_H_
