// The producer's side of a ring: one thread's single-producer, single-consumer byte queue.
//
//   position  0 ────────── tail ═════════════ head ────────────►   monotonic u64, never masked
//                          │ published, unread │
//                          consumer            producer
//
// A position's place in the ring is position % capacity. A record is contiguous: where it does not
// fit before the ring's end, a padding record (site 0) fills the rest. Vector stores may run up to
// kOverrun bytes past a record, so `limit` stays that far from the ring's end and from the reader.
//
// | word | written by | read by | order                                                     |
// |------|------------|---------|-----------------------------------------------------------|
// | head | producer   | consumer| release / acquire (P1): record bytes before the position   |
// | tail | consumer   | producer| release / acquire (P2): reads done before bytes are reused |
//
// Bit 0 of head (positions are multiples of 8) says that its thread is inside a call: what a signal
// handler on that thread, and stop(), need to know. It shares the word because stores are what a
// burst runs out of. Setting it is a release too: since C++20 a plain store ends the release
// sequence of the store before, and the consumer may read either.
//
// Templates over Sync and Orders: the product uses RealSync, tests/explorer a model of the memory
// model with each order weakened in turn. docs/memory_model.md lists the pairs.
#ifndef SLUICE_DETAIL_RING_H_
#define SLUICE_DETAIL_RING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SANITIZE_THREAD__)
#define SLUICE_THREAD_SANITIZER_ 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLUICE_THREAD_SANITIZER_ 1
#endif
#endif

namespace sluice {
inline namespace v1 {
namespace detail {

// How shared memory is touched: atomics, and plain words of record bytes.
struct RealSync {
  template <class T>
  using Atomic = std::atomic<T>;
  static void write_word(void* to, std::uint64_t value) noexcept {
    std::memcpy(to, &value, sizeof value);
  }
  static std::uint64_t read_word(const void* from) noexcept {
    std::uint64_t value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  // Sets bit 0; false when it was set. For signal handlers of the one thread that writes the word
  // this is one step: between a load and a store a handler could publish a record, and the store
  // would take it back. No other thread writes it, so the instruction needs no lock.
  static bool set_low_bit(std::atomic<std::uint64_t>& word) noexcept {
#if defined(__x86_64__) && !defined(SLUICE_THREAD_SANITIZER_)
    bool was_set;
    asm volatile("btsq $0, %0" : "+m"(word), "=@ccc"(was_set) : : "memory");
    return !was_set;
#else
    // relaxed: a read-modify-write goes on with the release sequence of the store before (P1)
    return (word.fetch_or(1, std::memory_order_relaxed) & 1) == 0;
#endif
  }
  // Adds one to a counter that only one thread, and the handlers on it, write.
  static void add_one(std::atomic<std::uint64_t>& word) noexcept {
#if defined(__x86_64__) && !defined(SLUICE_THREAD_SANITIZER_)
    asm volatile("addq $1, %0" : "+m"(word) : : "cc");
#else
    word.fetch_add(1, std::memory_order_relaxed);
#endif
  }
};

struct RingOrders {
  static constexpr std::memory_order publish_head = std::memory_order_release;  // P1
  static constexpr std::memory_order read_head = std::memory_order_acquire;     // P1
  static constexpr std::memory_order publish_tail = std::memory_order_release;  // P2
  static constexpr std::memory_order read_tail = std::memory_order_acquire;     // P2
};

inline constexpr std::size_t kOverrun = 32;

inline constexpr std::uint64_t kInCall = 1;

// What the call needs of its ring, kept in thread-local memory. All zero: no ring yet.
template <class Sync, class Orders = RingOrders>
struct RingProducer {
  using Word = typename Sync::template Atomic<std::uint64_t>;

  Word* head;                // in the region
  std::uint64_t limit;       // a record of n bytes fits when limit - position >= n
  std::uint64_t to_address;  // address = position + to_address, until the next wrap

  // The position, or with kInCall set, that of a call this one interrupts.
  [[nodiscard]] std::uint64_t load() const noexcept {
    // relaxed: only this thread writes it
    return head->load(std::memory_order_relaxed);
  }
  // Begins a call at `position`; false when this one interrupts another. Calls of handlers that
  // arrive before or after it leave the position right.
  [[nodiscard]] bool try_enter(std::uint64_t& position) noexcept {
    static_assert(kInCall == 1);
    if (!Sync::set_low_bit(*head)) return false;
    // relaxed: only this thread writes it, and no handler does while the bit is set
    position = head->load(std::memory_order_relaxed) - kInCall;
    return true;
  }
  // Within a call: moves to `position`, publishing everything before it.
  void enter(std::uint64_t position) noexcept {
    // release: what was published before stays published by this value (P1)
    head->store(position | kInCall, Orders::publish_head);
  }
  // Ends the call; publishes everything before `position`.
  void leave(std::uint64_t position) noexcept {
    // release: the record's bytes before the acquire of head in RingConsumer::published() (P1)
    head->store(position, Orders::publish_head);
  }
  [[nodiscard]] bool fits(std::uint64_t position, std::size_t bytes) const noexcept {
    // Signed: behind the limit nothing fits.
    return static_cast<std::int64_t>(limit - position) >= static_cast<std::int64_t>(bytes);
  }
  [[nodiscard]] char* at(std::uint64_t position) const noexcept {
    return reinterpret_cast<char*>(position + to_address);
  }

  // Lets the ring go, or takes one up, in an order that a handler of this thread may look into at
  // any instruction: while the rest changes, nothing fits.
  void forget() noexcept {
    limit = 0;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    head = nullptr;
  }
  void take_up(const RingProducer& other) noexcept {
    forget();
    std::atomic_signal_fence(std::memory_order_seq_cst);
    to_address = other.to_address;
    head = other.head;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    limit = other.limit;
  }
};

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_DETAIL_RING_H_
