// The phase of the process's logging (P13), and registrations beside stop() (P9).
//
//   kFresh ─ claim ─► kCreating ─ set ─► kQueueing ─ set ─► kRunning ─ stop ─► kStopped
//     ▲                    │ set: no memory                    ▲ set: start()       │
//     └────────────────────┘                                   └────────────────────┘
//
// | word        | written by           | read by    | order                                   |
// |-------------|----------------------|------------|-----------------------------------------|
// | word        | creator, start, stop | cold paths | release / acquire: the region before it |
// |             |                      |            | (P13); of a stop seq_cst (P9)           |
// | registering | cold paths           | quiesce()  | seq_cst, with the phase (P9)            |
//
// A registration counts itself in, then looks at the phase; stop() sets the phase, then looks at
// the count: each side stores, then loads the other's word, so at least one sees the other. Either
// the registration finds itself stopped, or quiesce() waits for it and closes behind it what it
// opened.
//
// Threading: any, signal handlers too. Waits only in ensure(), by what it is given for that.
#ifndef SLUICE_SRC_FRONT_PHASE_H_
#define SLUICE_SRC_FRONT_PHASE_H_

#include "base/bytes.h"
#include "sluice/detail/ring.h"

namespace sluice::front {

enum class Phase : u32 {
  kFresh = 0,     // no region
  kCreating = 1,  // a thread is making it
  kQueueing = 2,  // region, but start() has not run
  kRunning = 3,
  kStopped = 4,
};

struct PhaseOrders {
  static constexpr std::memory_order set = std::memory_order_release;          // P13
  static constexpr std::memory_order look = std::memory_order_acquire;         // P13
  static constexpr std::memory_order claim = std::memory_order_acquire;        // P13
  static constexpr std::memory_order stop = std::memory_order_seq_cst;         // P9
  static constexpr std::memory_order look_inside = std::memory_order_seq_cst;  // P9
  static constexpr std::memory_order count_in = std::memory_order_seq_cst;     // P9
  static constexpr std::memory_order count_out = std::memory_order_release;    // P9
  static constexpr std::memory_order see_count = std::memory_order_seq_cst;    // P9
};

template <class Sync, class Orders = PhaseOrders>
struct PhaseWords {
  typename Sync::template Atomic<Phase> word{Phase::kFresh};
  typename Sync::template Atomic<u32> registering{0};

  [[nodiscard]] Phase look() const { return word.load(Orders::look); }
  // release: everything before it, for who looks (P13)
  void set(Phase next) { word.store(next, Orders::set); }

  // True: there is a region, made by make() here (true: it was) or by another thread. While that is
  // at it, wait() is called; false of it gives up.
  template <class Make, class Wait>
  bool ensure(const Make& make, const Wait& wait) {
    for (;;) {
      Phase seen = look();
      if (seen >= Phase::kQueueing) return true;
      if (seen == Phase::kFresh) {
        // acquire: what another creator has left who had no memory (P13)
        // relaxed on failure: another look
        if (!word.compare_exchange_strong(seen, Phase::kCreating, Orders::claim,
                                          std::memory_order_relaxed)) {
          continue;
        }
        const bool made = make();
        set(made ? Phase::kQueueing : Phase::kFresh);
        return made;
      }
      if (!wait()) return false;
    }
  }

  // seq_cst: with count_in(), one of the two sees the other (P9)
  void stop() { word.store(Phase::kStopped, Orders::stop); }
  [[nodiscard]] u32 count() const { return registering.load(Orders::see_count); }
  // False: stopped, nothing may be opened. Either way count_out() follows.
  bool count_in() {
    registering.fetch_add(1, Orders::count_in);
    // seq_cst: with stop() and count(), one of the two sees the other (P9)
    return word.load(Orders::look_inside) != Phase::kStopped;
  }
  // release: what was opened is closed behind it (P9)
  void count_out() { registering.fetch_sub(1, Orders::count_out); }
};

}  // namespace sluice::front

#endif  // SLUICE_SRC_FRONT_PHASE_H_
