// The clock page of a region: how ticks are wall time, for readers in any process (P17).
//
// A seqlock whose orders are on its words. The writer makes `version` odd, stores the words with
// release, and makes it even with release. A reader that loads one newer word with acquire finds
// the odd version, or a later one, when it looks at the version again; one that loads an even
// version first finds at least the words it stands for. A writer that dies half-way leaves it odd.
//
// Threading: one writer (the consumer), any number of readers. Neither waits. Of another process's
// page every word is untrusted.
#ifndef SLUICE_SRC_REGION_CLOCK_PAGE_H_
#define SLUICE_SRC_REGION_CLOCK_PAGE_H_

#include "base/bytes.h"
#include "sluice/detail/ring.h"

namespace sluice::region {

struct ClockOrders {
  static constexpr std::memory_order store_word = std::memory_order_release;       // P17
  static constexpr std::memory_order load_word = std::memory_order_acquire;        // P17
  static constexpr std::memory_order publish_version = std::memory_order_release;  // P17
  static constexpr std::memory_order read_version = std::memory_order_acquire;     // P17
};

// What the page says. `ticks` is wall_ns, monotonic_ns and boot_ns.
struct ClockWords {
  u64 ticks;
  u64 wall_ns;
  u64 monotonic_ns;
  u64 boot_ns;
  u64 ns_per_tick_2_32;
  u64 epoch;
};

template <class Sync, class Orders = ClockOrders>
struct alignas(64) ClockPageOf {
  using Word = typename Sync::template Atomic<u64>;

  Word version;
  Word ticks;
  Word wall_ns;
  Word monotonic_ns;
  Word boot_ns;
  Word ns_per_tick_2_32;
  Word epoch;

  void write(const ClockWords& words) {
    // relaxed, both: only this thread writes it; the odd one precedes the words by their release
    const u64 before = version.load(std::memory_order_relaxed);
    version.store(before + 1, std::memory_order_relaxed);
    // release, all of it: pairs with the loads in read() (P17)
    ticks.store(words.ticks, Orders::store_word);
    wall_ns.store(words.wall_ns, Orders::store_word);
    monotonic_ns.store(words.monotonic_ns, Orders::store_word);
    boot_ns.store(words.boot_ns, Orders::store_word);
    ns_per_tick_2_32.store(words.ns_per_tick_2_32, Orders::store_word);
    epoch.store(words.epoch, Orders::store_word);
    version.store(before + 2, Orders::publish_version);
  }
  // False: the words are not those of one write.
  [[nodiscard]] bool read(ClockWords& words) const {
    // acquire, all of it: pairs with the stores in write() (P17)
    const u64 before = version.load(Orders::read_version);
    words = {ticks.load(Orders::load_word),
             wall_ns.load(Orders::load_word),
             monotonic_ns.load(Orders::load_word),
             boot_ns.load(Orders::load_word),
             ns_per_tick_2_32.load(Orders::load_word),
             epoch.load(Orders::load_word)};
    // relaxed: behind the words by their acquire loads (P17)
    return before % 2 == 0 && version.load(std::memory_order_relaxed) == before;
  }
};

using ClockPage = ClockPageOf<detail::RealSync>;
static_assert(sizeof(ClockPage) == 64);

}  // namespace sluice::region

#endif  // SLUICE_SRC_REGION_CLOCK_PAGE_H_
