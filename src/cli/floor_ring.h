// The least that a call can cost: the clock, 48 bytes, one release store, into a ring that a live
// consumer empties. What `sluice bench` measures the library against, in the same run.
//
// One producer and one consumer thread, which naps 50 us when it finds nothing; it may hand the
// bytes on to a file. No levels, sites, drops, merge or text: nothing that makes a log.
#ifndef SLUICE_SRC_CLI_FLOOR_RING_H_
#define SLUICE_SRC_CLI_FLOOR_RING_H_

#include <atomic>
#include <cstring>
#include <memory>
#include <thread>

#include "base/bytes.h"
#include "sluice/log.h"

namespace sluice::cli {

class FloorRing {
 public:
  static constexpr u64 kCapacity = 1 << 20;
  static constexpr u64 kRecordBytes = 48;

  // `file`: where the consumer writes what it reads; -1: nowhere.
  explicit FloorRing(int file);
  ~FloorRing();
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
    // release: the record before the acquire in consume()
    head_.store(position_, std::memory_order_release);
  }

  // Until the consumer has everything.
  void drain() const;

 private:
  using Pair = u64 __attribute__((vector_size(16)));

  void wait_for_room();
  void consume(int file);

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
