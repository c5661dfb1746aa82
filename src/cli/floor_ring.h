// The least that a call can cost: the clock, 48 bytes, one release store, into a ring that a live
// consumer empties. What `sluice bench` and bench/call_bench measure the library against, in the
// same run.
//
// One producer and one consumer thread, which naps 50 us when it finds nothing; it may hand the
// bytes on. No levels, sites, drops, merge or text: nothing that makes a log. It needs nothing of
// the library but its clock, so that a program with the shared library can have it.
#ifndef SLUICE_SRC_CLI_FLOOR_RING_H_
#define SLUICE_SRC_CLI_FLOOR_RING_H_

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>

#include "base/bytes.h"
#include "sluice/log.h"

namespace sluice::cli {

class FloorRing {
 public:
  static constexpr u64 kCapacity = 1 << 20;
  static constexpr u64 kRecordBytes = 48;
  // What becomes of the bytes; called by the consumer's thread.
  using Take = std::function<void(const char*, u64)>;

  explicit FloorRing(Take take = {}) : data_(new char[kCapacity + kSpareBytes]) {
    std::memset(data_.get(), 0, kCapacity + kSpareBytes);  // no page is touched first by a call
    consumer_ = std::thread([this, take = std::move(take)] { consume(take); });
  }
  ~FloorRing() {
    // relaxed: only tells the consumer to end; join() orders the rest
    stopping_.store(true, std::memory_order_relaxed);
    consumer_.join();
  }
  FloorRing(const FloorRing&) = delete;
  FloorRing& operator=(const FloorRing&) = delete;

  [[gnu::always_inline]] inline void put(u64 a, u64 b, double c) {
    const u64 now = ticks();
    if (limit_ - position_ < kRecordBytes) [[unlikely]]
      wait_for_room();
    char* const to = data_.get() + (position_ & (kCapacity - 1));
    const Pair head = {kRecordBytes | u64{1} << 32, now};
    const Pair first = {a, b};
    const Pair second = {std::bit_cast<u64>(c), 0};
    std::memcpy(to, &head, sizeof head);
    std::memcpy(to + 16, &first, sizeof first);
    std::memcpy(to + 32, &second, sizeof second);
    position_ += kRecordBytes;
    // release: the record before the acquire in consume(), as P1
    head_.store(position_, std::memory_order_release);
  }

  // Until the consumer has everything.
  void drain() const {
    // acquire: pairs with the release in consume(), as P2
    while (tail_.load(std::memory_order_acquire) != position_) std::this_thread::sleep_for(kNap);
  }

 private:
  using Pair = u64 __attribute__((vector_size(16)));
  static constexpr std::chrono::microseconds kNap{50};
  // Records run on over the ring's end; the place behind it takes the last one.
  static constexpr u64 kSpareBytes = 64;

  [[gnu::noinline]] void wait_for_room() {
    do {
      // acquire: pairs with the release in consume(), as P2: read before it is overwritten
      limit_ = tail_.load(std::memory_order_acquire) + kCapacity;
    } while (limit_ - position_ < kRecordBytes);
  }

  void consume(const Take& take) {
    u64 tail = 0;
    while (!stopping_.load(std::memory_order_relaxed)) {
      // acquire: pairs with the release in put(), as P1
      const u64 head = head_.load(std::memory_order_acquire);
      if (head == tail) {
        std::this_thread::sleep_for(kNap);
        continue;
      }
      if (take) {
        const u64 at = tail & (kCapacity - 1);
        const u64 first = std::min(head - tail, kCapacity - at);
        take(data_.get() + at, first);
        take(data_.get(), head - tail - first);
      }
      tail = head;
      // release: what was read before the acquire in wait_for_room(), as P2
      tail_.store(tail, std::memory_order_release);
    }
  }

  // Single-owner: the producer.
  u64 position_ = 0;
  u64 limit_ = kCapacity;
  std::unique_ptr<char[]> data_;
  alignas(128) std::atomic<u64> head_{0};  // producer writes, consumer reads: release / acquire
  alignas(128) std::atomic<u64> tail_{0};  // consumer writes, producer reads: release / acquire
  alignas(128) std::atomic<bool> stopping_{false};
  std::thread consumer_;
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_FLOOR_RING_H_
