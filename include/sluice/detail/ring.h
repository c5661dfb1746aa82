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
// | call | producer   | stop()  | release / acquire (P9): head before "in no call"           |
//
// `call` is the producer's own copy of its position. Bit 0 (positions are multiples of 8) says that
// its thread is inside a call: what a signal handler on that thread, and stop(), need to know. The
// producer never loads `head`: its line is with the consumer after every look, and to fetch it back
// costs the first call of a burst a hundred nanoseconds.
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
  // What is stored before stays before what is stored afterwards, for a handler on this thread and
  // for who looks after a death: the compiler moves nothing over it.
  static void keep_order() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }
  // Adds one and returns what was there. For signal handlers of the one thread that writes the word
  // this is one step: between a load and a store a handler could publish a record, and the store
  // would take it back. No other thread writes it, so the instruction needs no lock.
  static std::uint64_t fetch_add_one(std::atomic<std::uint64_t>& word) noexcept {
#if defined(__x86_64__) && !defined(SLUICE_THREAD_SANITIZER_)
    std::uint64_t before = 1;
    asm volatile("xaddq %1, %0" : "+m"(word), "+r"(before) : : "memory", "cc");
    return before;
#else
    // relaxed: stop() that reads this value waits for the next one (P9)
    return word.fetch_add(1, std::memory_order_relaxed);
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

struct CallOrders {
  static constexpr std::memory_order leave_call = std::memory_order_release;    // P9
  static constexpr std::memory_order look_at_call = std::memory_order_acquire;  // P9
};
struct RingOrders : CallOrders {
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

  Word* head;                // in the region, as is `call`
  Word* call;                // null: no ring
  std::uint64_t limit;       // a record of n bytes fits when limit - position >= n
  std::uint64_t to_address;  // address = position + to_address, until the next wrap

  // The position, or with kInCall set, that of a call this one interrupts.
  [[nodiscard]] std::uint64_t load() const noexcept {
    // relaxed: only this thread writes it
    return call->load(std::memory_order_relaxed);
  }
  // There is a ring, and this interrupts a call on it.
  [[nodiscard]] bool in_call() const noexcept {
    Word* const mine = call;  // looked at once: a handler that forks lets the child's ring go
    // relaxed: only this thread writes it
    return mine != nullptr && (mine->load(std::memory_order_relaxed) & kInCall) != 0;
  }
  // Begins a call at `position`; false when there is no ring, or this one interrupts another. Calls
  // of handlers that arrive before or after it leave the position right.
  [[nodiscard]] bool try_enter(std::uint64_t& position) noexcept {
    static_assert(kInCall == 1);
    Word* const mine = call;  // looked at once, as above
    if (mine == nullptr) [[unlikely]]
      return false;
    // relaxed: only this thread writes it. Once the bit is clear here it stays so until the next
    // step sets it: a handler that arrives in between has left again.
    if (mine->load(std::memory_order_relaxed) & kInCall) return false;
    position = Sync::fetch_add_one(*mine);
    if (mine == call) [[likely]]
      return true;
    // A handler in between has forked, this is its child, and the child has a ring of its own.
    mine->store(position, Orders::leave_call);
    return false;
  }
  // Within a call: moves to `position`, publishing everything before it.
  void enter(std::uint64_t position) noexcept {
    // release: the bytes before `position` before the acquire of head (P1)
    head->store(position, Orders::publish_head);
    // relaxed: still inside the call, for which stop() waits (P9)
    call->store(position | kInCall, std::memory_order_relaxed);
  }
  // Ends the call; publishes everything before `position`.
  void leave(std::uint64_t position) noexcept {
    // release: the record's bytes before the acquire of head in RingConsumer::published() (P1)
    head->store(position, Orders::publish_head);
    // release: head before the acquire of the call word in quiesce() (P9)
    call->store(position, Orders::leave_call);
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
    call = nullptr;
  }
  void take_up(const RingProducer& other) noexcept {
    forget();
    std::atomic_signal_fence(std::memory_order_seq_cst);
    to_address = other.to_address;
    head = other.head;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    call = other.call;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    limit = other.limit;
  }
};

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_DETAIL_RING_H_
