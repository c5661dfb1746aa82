// The memory of the explorer: what C++20 allows a load to return, as far as an operational model
// goes, and happens-before clocks that find data races on plain bytes.
//
// Every atomic location keeps its stores in modification order. Every thread has a Knowledge: a
// vector clock (what happened before its next step) and, per location, the oldest store it may
// still read. A load may return any store from there on, so stale reads are ordinary; a store goes
// anywhere in modification order that coherence permits, not only at the end.
//   release store       carries the storing thread's Knowledge
//   acquire load        joins what the store it reads carries
//   RMW                 reads its predecessor in modification order, and passes on what that
//                       carried (release sequence) whatever its own order
//   fences              release: later relaxed stores carry what was known at the fence;
//                       acquire: joins what relaxed loads before it read
//   seq_cst             loads and stores keep one order per location, fences one over everything
//                       (C++20: [atomics.order]; RC11's psc)
// What it leaves out: loads that return a store which is executed later (load buffering). Where a
// reader's loads must be over before the bytes are reused, the test opens a ReadsMustEnd scope, and
// a store that is not ordered after such a load is a failure even though the model would not show
// its value. Plain accesses get the same check always: it is a data race.
//
// Threading: one thread. Failure: reported through Arbiter::fail, which does not return to a fiber.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace sluice::explorer {

inline constexpr std::size_t kThreadsMax = 5;  // thread 0: set-up and the final check
inline constexpr std::size_t kLocationsMax = 64;

// Who decides where the model leaves a choice, and hears of violations.
class Arbiter {
 public:
  virtual std::size_t choose(std::size_t count) = 0;
  virtual void fail(const char* what) = 0;

 protected:
  ~Arbiter() = default;
};

inline bool acquires(std::memory_order order) {
  return order == std::memory_order_acquire || order == std::memory_order_consume ||
         order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}
inline bool releases(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}
inline const char* name_of(std::memory_order order) {
  switch (order) {
    case std::memory_order_relaxed:
      return "relaxed";
    case std::memory_order_consume:
      return "consume";
    case std::memory_order_acquire:
      return "acquire";
    case std::memory_order_release:
      return "release";
    case std::memory_order_acq_rel:
      return "acq_rel";
    case std::memory_order_seq_cst:
      return "seq_cst";
  }
  return "?";
}

using Clock = std::array<std::uint32_t, kThreadsMax>;
using Floors = std::array<std::uint32_t, kLocationsMax>;

struct Knowledge {
  Clock clock{};
  Floors floor{};

  void join(const Knowledge& other, std::size_t locations) {
    for (std::size_t i = 0; i < kThreadsMax; ++i) {
      if (other.clock[i] > clock[i]) clock[i] = other.clock[i];
    }
    join_floors(other.floor, locations);
  }
  void join_floors(const Floors& other, std::size_t locations) {
    for (std::size_t i = 0; i < locations; ++i) {
      if (other[i] > floor[i]) floor[i] = other[i];
    }
  }
};

class Memory {
 public:
  explicit Memory(Arbiter& arbiter) : arbiter_(arbiter) {}

  // Forgets everything; the next execution starts.
  void reset() {
    locations_ = 0;
    index_.fill(0);
    ++generation_;
    for (auto& thread : threads_) thread = Thread{};
    for (std::size_t i = 0; i < kThreadsMax; ++i) threads_[i].now.clock[i] = 1;
    seq_cst_ = {};
  }

  // The location at `address`. Its first store is what the memory holds at its first use.
  std::size_t locate(const void* address, std::size_t size) {
    const auto key = reinterpret_cast<std::uintptr_t>(address);
    std::size_t slot = (key >> 2) * 0x9e3779b97f4a7c15u >> 56;
    for (; index_[slot] != 0; slot = (slot + 1) % index_.size()) {
      if (location_[index_[slot] - 1u].address == address) return index_[slot] - 1u;
    }
    if (locations_ == kLocationsMax) fatal("more than kLocationsMax atomic locations");
    Location& fresh = location_[locations_];
    fresh.address = address;
    fresh.size = size;
    fresh.must_end = {};
    fresh.stores.clear();
    Store first;
    std::memcpy(&first.value, address, size);
    first.stamp = kStampStep;
    fresh.stores.push_back(first);
    index_[slot] = static_cast<std::uint8_t>(++locations_);
    return locations_ - 1;
  }
  [[nodiscard]] const void* address_of(std::size_t location) const {
    return location_[location].address;
  }

  std::uint64_t load(std::size_t thread, std::size_t at, std::memory_order order) {
    Location& location = location_[at];
    const std::size_t oldest = oldest_visible(thread, at, order);
    const std::size_t count = location.stores.size() - oldest;
    const std::size_t back = count == 1 ? 0 : arbiter_.choose(count);
    return read(thread, at, location.stores.size() - 1 - back, order);
  }

  void store(std::size_t thread, std::size_t at, std::uint64_t value, std::memory_order order) {
    Location& location = location_[at];
    const std::size_t oldest = oldest_visible(thread, at, order);
    std::array<std::size_t, kPlacesMax> places;
    std::size_t count = 0;
    for (std::size_t i = location.stores.size(); i-- > oldest && count < kPlacesMax;) {
      if (can_follow(location, i)) places[count++] = i;
    }
    const std::size_t after = places[count == 1 ? 0 : arbiter_.choose(count)];
    insert(thread, at, after, value, order, false);
  }

  // Reads, and where `next` says so writes, in one step. next(old, new&) is true when the
  // operation writes; false (a failed compare-exchange) makes it a load with order `failure`.
  template <class Next>
  std::uint64_t modify(std::size_t thread, std::size_t at, std::memory_order order,
                       std::memory_order failure, const Next& next) {
    Location& location = location_[at];
    const std::size_t oldest = oldest_visible(thread, at, order);
    std::array<std::size_t, kPlacesMax> places;
    std::size_t count = 0;
    for (std::size_t i = location.stores.size(); i-- > oldest && count < kPlacesMax;) {
      std::uint64_t unused = 0;
      if (!next(location.stores[i].value, unused) || can_follow(location, i)) places[count++] = i;
    }
    const std::size_t chosen = places[count == 1 ? 0 : arbiter_.choose(count)];
    std::uint64_t value = 0;
    if (!next(location.stores[chosen].value, value)) return read(thread, at, chosen, failure);
    const std::uint64_t old = read(thread, at, chosen, order);
    insert(thread, at, chosen, value, order, true);
    return old;
  }

  void fence(std::size_t thread, std::memory_order order) {
    Thread& self = threads_[thread];
    if (acquires(order)) self.now.join(self.acquire_at_fence, locations_);
    if (order == std::memory_order_seq_cst) {
      self.now.join_floors(seq_cst_, locations_);
      seq_cst_ = self.now.floor;
    }
    if (releases(order)) {
      self.release_fence = self.now;
      ++self.now.clock[thread];
    }
  }

  // Plain bytes: no choice, only the check that every conflicting access is ordered.
  void plain_read(std::size_t thread, const void* address, std::size_t size) {
    const Clock& clock = threads_[thread].now.clock;
    each_granule(address, size, [&](Granule& granule) {
      if (granule.write_clock > clock[granule.writer])
        race("read", thread, granule, granule.writer);
      granule.reads[thread] = clock[thread];
    });
  }
  void plain_write(std::size_t thread, void* address, std::size_t size) {
    const Clock& clock = threads_[thread].now.clock;
    each_granule(address, size, [&](Granule& granule) {
      if (granule.write_clock > clock[granule.writer])
        race("write", thread, granule, granule.writer);
      for (std::size_t i = 0; i < kThreadsMax; ++i) {
        if (granule.reads[i] > clock[i]) race("write", thread, granule, i);
      }
      granule.writer = static_cast<std::uint8_t>(thread);
      granule.write_clock = clock[thread];
    });
    Thread& self = threads_[thread];
    if (self.killable) {
      Effect effect{false, 0, 0, address, size, {}};
      if (size > effect.old_bytes.size()) fatal("a killable thread writes at most 64 plain bytes");
      std::memcpy(effect.old_bytes.data(), address, size);
      self.effects.push_back(effect);
    }
  }

  // Loads by this thread in that range are, until set anew, such as must be over before the
  // location is stored to.
  void reads_must_end(std::size_t thread, const void* begin, std::size_t bytes) {
    threads_[thread].must_end_begin = static_cast<const char*>(begin);
    threads_[thread].must_end_bytes = bytes;
  }

  void start_thread(std::size_t thread, bool killable) {
    threads_[thread].now.join(threads_[0].now, locations_);
    threads_[thread].killable = killable;
    ++threads_[0].now.clock[0];
  }
  // Everything `thread` did happens before what `into` does next.
  void join_thread(std::size_t into, std::size_t thread) {
    threads_[into].now.join(threads_[thread].now, locations_);
  }
  // What a lock hands from its last holder to its next.
  void hand_over(std::size_t thread, Knowledge& lock) {
    lock.join(threads_[thread].now, locations_);
    ++threads_[thread].now.clock[thread];
    threads_[thread].effects.clear();
  }
  void take_over(std::size_t thread, const Knowledge& lock) {
    threads_[thread].now.join(lock, locations_);
  }

  // What the thread has written so far, a death behind this leaves.
  void keep_order(std::size_t thread) { threads_[thread].effects.clear(); }

  // The thread dies between two steps. A processor, or the compiler, may have left out any of its
  // last writes that no release store of its own has ordered yet and that nobody has seen. The very
  // last is kept: without it the death is an earlier one.
  void kill(std::size_t thread) {
    bool kept = false;
    auto& effects = threads_[thread].effects;
    while (!effects.empty()) {
      const Effect effect = effects.back();
      effects.pop_back();
      if (kept && can_be_lost(effect) && arbiter_.choose(2) == 1) {
        lose(effect);
        continue;
      }
      kept = true;
      if (effect.atomic && released_by(effect)) return;
    }
  }

  // Joins everything that ever happened, so that loads see the last store: for final checks.
  void see_everything(std::size_t thread) {
    for (std::size_t i = 0; i < kThreadsMax; ++i) join_thread(thread, i);
    see_last_stores(thread);
  }
  // Loads from here on see what is in memory now, though nothing else is ordered by that.
  void see_last_stores(std::size_t thread) {
    for (std::size_t i = 0; i < locations_; ++i) {
      threads_[thread].now.floor[i] = location_[i].stores.back().stamp;
    }
  }

  // For the report: which store the last load read, or the last store became, of how many.
  [[nodiscard]] std::string last_choice() const {
    return "#" + std::to_string(last_index_ + 1) + " of " + std::to_string(last_count_);
  }

 private:
  static constexpr std::uint32_t kStampStep = 1u << 16;
  static constexpr std::size_t kPlacesMax = 16;  // oldest places beyond this are not offered
  static constexpr std::size_t kGranules = 4096;

  struct Store {
    std::uint64_t value = 0;
    std::uint32_t stamp = 0;  // position in modification order, with gaps for later insertions
    std::uint8_t thread = 0;
    bool modifies = false;  // an RMW: nothing may come between it and its predecessor
    bool released = false;
    bool seen = false;  // by another thread
    Knowledge carries;
  };
  struct Location {
    const void* address = nullptr;
    std::size_t size = 0;
    std::vector<Store> stores;
    Clock must_end{};  // per thread, when it last loaded within ReadsMustEnd
  };
  // A write of a killable thread, newest last.
  struct Effect {
    bool atomic;
    std::size_t location;
    std::uint32_t stamp;
    void* address;
    std::size_t size;
    std::array<std::byte, 64> old_bytes;
  };
  struct Thread {
    Knowledge now;
    Knowledge acquire_at_fence;
    Knowledge release_fence;
    const char* must_end_begin = nullptr;
    std::size_t must_end_bytes = 0;
    bool killable = false;
    std::vector<Effect> effects;
  };
  // Four plain bytes.
  struct Granule {
    std::uintptr_t key = 0;
    std::uint64_t generation = 0;
    std::uint8_t writer = 0;
    std::uint32_t write_clock = 0;
    Clock reads{};
  };

  [[noreturn]] static void fatal(const char* what) {
    std::fprintf(stderr, "explorer: %s\n", what);
    std::abort();
  }

  std::size_t oldest_visible(std::size_t thread, std::size_t at, std::memory_order order) const {
    std::uint32_t floor = threads_[thread].now.floor[at];
    if (order == std::memory_order_seq_cst && seq_cst_[at] > floor) floor = seq_cst_[at];
    const auto& stores = location_[at].stores;
    std::size_t i = stores.size() - 1;
    while (i > 0 && stores[i].stamp > floor) --i;
    return i;
  }

  static bool can_follow(const Location& location, std::size_t i) {
    return i + 1 == location.stores.size() || !location.stores[i + 1].modifies;
  }

  std::uint64_t read(std::size_t thread, std::size_t at, std::size_t i, std::memory_order order) {
    Location& location = location_[at];
    Store& store = location.stores[i];
    Thread& self = threads_[thread];
    if (store.thread != thread) store.seen = true;
    if (store.stamp > self.now.floor[at]) self.now.floor[at] = store.stamp;
    if (acquires(order)) {
      self.now.join(store.carries, locations_);
    } else {
      self.acquire_at_fence.join(store.carries, locations_);
    }
    if (self.must_end_bytes != 0 &&
        static_cast<const char*>(location.address) >= self.must_end_begin &&
        static_cast<const char*>(location.address) < self.must_end_begin + self.must_end_bytes) {
      location.must_end[thread] = self.now.clock[thread];
    }
    last_index_ = i;
    last_count_ = location.stores.size();
    return store.value;
  }

  void insert(std::size_t thread, std::size_t at, std::size_t after, std::uint64_t value,
              std::memory_order order, bool modifies) {
    Location& location = location_[at];
    Thread& self = threads_[thread];
    for (std::size_t i = 0; i < kThreadsMax; ++i) {
      if (i != thread && location.must_end[i] > self.now.clock[i]) {
        char text[128];
        std::snprintf(text, sizeof text, "thread %zu overwrites what thread %zu may still read",
                      thread, i);
        arbiter_.fail(text);
      }
    }
    Store store;
    store.value = value;
    store.thread = static_cast<std::uint8_t>(thread);
    store.modifies = modifies;
    store.released = releases(order);
    const std::uint32_t low = location.stores[after].stamp;
    const bool last = after + 1 == location.stores.size();
    store.stamp = last ? low + kStampStep : low + (location.stores[after + 1].stamp - low) / 2;
    if (store.stamp == low) fatal("too many stores in one place of a modification order");
    self.now.floor[at] = store.stamp;
    store.carries = store.released ? self.now : self.release_fence;
    if (modifies) store.carries.join(location.stores[after].carries, locations_);
    store.carries.floor[at] = std::max(store.carries.floor[at], store.stamp);
    if (order == std::memory_order_seq_cst) seq_cst_[at] = std::max(seq_cst_[at], store.stamp);
    ++self.now.clock[thread];
    if (self.killable) self.effects.push_back({true, at, store.stamp, nullptr, 0, {}});
    location.stores.insert(location.stores.begin() + static_cast<std::ptrdiff_t>(after) + 1, store);
    last_index_ = after + 1;
    last_count_ = location.stores.size();
    mirror(location);
  }

  // The bytes at the address are those of the last store, for whoever looks after the execution.
  static void mirror(const Location& location) {
    std::memcpy(const_cast<void*>(location.address), &location.stores.back().value, location.size);
  }

  template <class Visit>
  void each_granule(const void* address, std::size_t size, const Visit& visit) {
    const auto begin = reinterpret_cast<std::uintptr_t>(address);
    for (std::uintptr_t key = begin >> 2; key <= (begin + size - 1) >> 2; ++key) {
      std::size_t slot = (key * 0x9e3779b97f4a7c15u >> 52) % kGranules;
      for (std::size_t probes = 0;; slot = (slot + 1) % kGranules) {
        if (++probes == kGranules) fatal("too many plain bytes");
        Granule& granule = granule_[slot];
        if (granule.generation != generation_) {
          granule = Granule{};
          granule.key = key;
          granule.generation = generation_;
        }
        if (granule.key != key) continue;
        visit(granule);
        break;
      }
    }
  }

  void race(const char* what, std::size_t thread, const Granule& granule, std::size_t other) {
    char text[128];
    std::snprintf(text, sizeof text,
                  "data race: %s by thread %zu at %#zx, unordered with thread %zu", what, thread,
                  static_cast<std::size_t>(granule.key << 2), other);
    arbiter_.fail(text);
  }

  bool released_by(const Effect& effect) const {
    for (const Store& store : location_[effect.location].stores) {
      if (store.stamp == effect.stamp) return store.released;
    }
    return false;
  }
  // Plain bytes that somebody has seen without a race were ordered by a release that is kept, or by
  // a lock, and either ends the walk before it comes to them.
  bool can_be_lost(const Effect& effect) const {
    if (!effect.atomic) return true;
    const Store& last = location_[effect.location].stores.back();
    return last.stamp == effect.stamp && !last.seen;
  }
  void lose(const Effect& effect) {
    if (effect.atomic) {
      Location& location = location_[effect.location];
      location.stores.pop_back();
      mirror(location);
    } else {
      std::memcpy(effect.address, effect.old_bytes.data(), effect.size);
    }
  }

  Arbiter& arbiter_;
  std::size_t locations_ = 0;
  std::array<std::uint8_t, 256> index_{};  // hash of the address -> location + 1
  std::array<Location, kLocationsMax> location_;
  std::array<Thread, kThreadsMax> threads_;
  Floors seq_cst_{};
  std::uint64_t generation_ = 0;
  std::vector<Granule> granule_ = std::vector<Granule>(kGranules);
  std::size_t last_index_ = 0;
  std::size_t last_count_ = 0;
};

}  // namespace sluice::explorer
