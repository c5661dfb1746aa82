// ModelSync: what code under test uses in place of std::atomic while it is explored. Part of
// explorer.h.
//
// Atomic<T> has the size and the bytes of T and is known to the explorer by its address, so it may
// also be found by a cast in zeroed bytes, as in the region. An atomic lives for a whole execution.
// Outside an exploration its operations must not be called.
#pragma once

#include <type_traits>

#include "explorer/explorer.h"

namespace sluice::explorer {

template <class T>
class Atomic {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);

 public:
  static constexpr bool is_always_lock_free = true;

  constexpr Atomic() noexcept : value_() {}
  constexpr Atomic(T value) noexcept : value_(value) {}
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
    Explorer& explorer = announced(false, order);
    const std::uint64_t bits = explorer.memory().load(explorer.thread(), at(explorer), order);
    explorer.note("load", this, order, bits);
    return from_bits(bits);
  }
  void store(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
    Explorer& explorer = announced(true, order);
    explorer.memory().store(explorer.thread(), at(explorer), to_bits(value), order);
    explorer.note("store", this, order, to_bits(value));
  }
  T exchange(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return modify(order, [value](T) { return value; });
  }
  T fetch_add(T n, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return modify(order, [n](T old) { return static_cast<T>(old + n); });
  }
  T fetch_sub(T n, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return modify(order, [n](T old) { return static_cast<T>(old - n); });
  }
  T fetch_or(T n, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return modify(order, [n](T old) { return static_cast<T>(old | n); });
  }
  T fetch_and(T n, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return modify(order, [n](T old) { return static_cast<T>(old & n); });
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order success,
                               std::memory_order failure) noexcept {
    Explorer& explorer = announced(true, success);
    const std::uint64_t wanted = to_bits(expected);
    const std::uint64_t old =
        explorer.memory().modify(explorer.thread(), at(explorer), success, failure,
                                 [wanted, desired](std::uint64_t found, std::uint64_t& next) {
                                   next = to_bits(desired);
                                   return found == wanted;
                                 });
    const bool done = old == wanted;
    explorer.note(done ? "exchanged" : "not exchanged", this, done ? success : failure, old);
    expected = from_bits(old);
    return done;
  }
  bool compare_exchange_strong(T& expected, T desired,
                               std::memory_order order = std::memory_order_seq_cst) noexcept {
    return compare_exchange_strong(expected, desired, order, failure_order(order));
  }
  // Spurious failures are left out: they repeat what a failure for a reason does.
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure) noexcept {
    return compare_exchange_strong(expected, desired, success, failure);
  }
  bool compare_exchange_weak(T& expected, T desired,
                             std::memory_order order = std::memory_order_seq_cst) noexcept {
    return compare_exchange_strong(expected, desired, order);
  }

 private:
  static std::uint64_t to_bits(T value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
  }
  static T from_bits(std::uint64_t bits) {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  static std::memory_order failure_order(std::memory_order order) {
    if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
    return order == std::memory_order_release ? std::memory_order_relaxed : order;
  }
  [[nodiscard]] std::size_t at(Explorer& explorer) const {
    return explorer.memory().locate(this, sizeof(T));
  }
  Explorer& announced(bool writes, std::memory_order order) const {
    Explorer& explorer = Explorer::running();
    explorer.announce({Operation::Kind::kAtomic, writes, order == std::memory_order_seq_cst, this});
    return explorer;
  }
  template <class Change>
  T modify(std::memory_order order, const Change& change) noexcept {
    Explorer& explorer = announced(true, order);
    const std::uint64_t old =
        explorer.memory().modify(explorer.thread(), at(explorer), order, order,
                                 [&change](std::uint64_t found, std::uint64_t& next) {
                                   next = to_bits(change(from_bits(found)));
                                   return true;
                                 });
    explorer.note("modify", this, order, old);
    return from_bits(old);
  }

  T value_;  // the last store; written by the explorer
};

// Ordinary memory: unordered conflicting accesses are a failure.
template <class T>
class Plain {
 public:
  constexpr Plain() : value_() {}
  constexpr Plain(T value) : value_(value) {}
  [[nodiscard]] T get() const {
    Explorer& explorer = Explorer::running();
    explorer.memory().plain_read(explorer.thread(), this, sizeof value_);
    return value_;
  }
  void set(T value) {
    Explorer& explorer = Explorer::running();
    explorer.memory().plain_write(explorer.thread(), this, sizeof value_);
    value_ = value;
  }

 private:
  alignas(alignof(T) < 4 ? 4 : alignof(T)) T value_;
};

// A lock whose holder may die: the next one gets it, as with the kernel's file locks.
class Mutex {
 public:
  void lock() {
    Explorer& explorer = Explorer::running();
    explorer.announce({Operation::Kind::kLock, true, false, this});
    take(explorer);
  }
  bool try_lock() {
    Explorer& explorer = Explorer::running();
    explorer.announce({Operation::Kind::kAtomic, true, false, this});
    if (explorer.mutex(this).holder != 0) return false;
    take(explorer);
    return true;
  }
  void unlock() {
    Explorer& explorer = Explorer::running();
    explorer.announce({Operation::Kind::kUnlock, true, false, this});
    auto& state = explorer.mutex(this);
    if (state.holder != explorer.thread())
      explorer.fail("unlock by a thread that is not the holder");
    state.holder = 0;
    explorer.memory().hand_over(explorer.thread(), state.passes_on);
  }

 private:
  void take(Explorer& explorer) {
    auto& state = explorer.mutex(this);
    state.holder = explorer.thread();
    explorer.memory().take_over(explorer.thread(), state.passes_on);
  }
};

// Loads by the running thread of the atomics in `bytes` bytes from `begin` must, while this lives,
// be over (ordered) before those are stored to: for readers that rely on them staying as they are.
class ReadsMustEnd {
 public:
  ReadsMustEnd(const void* begin, std::size_t bytes) : thread_(thread_number()) {
    Explorer::running().memory().reads_must_end(thread_, begin, bytes);
  }
  ~ReadsMustEnd() { Explorer::running().memory().reads_must_end(thread_, nullptr, 0); }
  ReadsMustEnd(const ReadsMustEnd&) = delete;
  ReadsMustEnd& operator=(const ReadsMustEnd&) = delete;

 private:
  std::size_t thread_;
};

struct ModelSync {
  template <class T>
  using Atomic = explorer::Atomic<T>;

  static void write_word(void* to, std::uint64_t value) noexcept {
    Explorer& explorer = Explorer::running();
    explorer.memory().plain_write(explorer.thread(), to, sizeof value);
    std::memcpy(to, &value, sizeof value);
  }
  static std::uint64_t read_word(const void* from) noexcept {
    Explorer& explorer = Explorer::running();
    explorer.memory().plain_read(explorer.thread(), from, sizeof(std::uint64_t));
    std::uint64_t value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static std::uint64_t fetch_add_one(Atomic<std::uint64_t>& word) noexcept {
    return word.fetch_add(1, std::memory_order_relaxed);
  }
  // Words of shared bytes that are atomics one by one, as the journal's are.
  static void store_word(void* to, std::uint64_t value, std::memory_order order) {
    static_cast<explorer::Atomic<std::uint64_t>*>(to)->store(value, order);
  }
  static std::uint64_t load_word(const void* from, std::memory_order order) {
    return static_cast<const explorer::Atomic<std::uint64_t>*>(from)->load(order);
  }
  static void keep_order() noexcept {
    Explorer& explorer = Explorer::running();
    explorer.announce({Operation::Kind::kFence, false, false, nullptr});
    explorer.memory().keep_order(explorer.thread());
  }
  static void fence(std::memory_order order) noexcept {
    Explorer& explorer = Explorer::running();
    explorer.announce(
        {Operation::Kind::kFence, false, order == std::memory_order_seq_cst, nullptr});
    explorer.memory().fence(explorer.thread(), order);
  }
};

}  // namespace sluice::explorer
