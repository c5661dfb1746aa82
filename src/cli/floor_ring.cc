#include "cli/floor_ring.h"

#include "os/child.h"
#include "os/process.h"

namespace sluice::cli {
namespace {

constexpr i64 kNapNs = 50'000;
// Records run on over the ring's end; the place behind it takes the last one.
constexpr u64 kSpareBytes = 64;

}  // namespace

FloorRing::FloorRing(int file) : data_(new char[kCapacity + kSpareBytes]) {
  std::memset(data_.get(), 0, kCapacity + kSpareBytes);  // no page is touched first by a call
  consumer_ = std::thread([this, file] { consume(file); });
}

FloorRing::~FloorRing() {
  // relaxed: only tells the consumer to end; join() orders the rest
  stopping_.store(true, std::memory_order_relaxed);
  consumer_.join();
}

void FloorRing::wait_for_room() {
  do {
    // acquire: pairs with the release in consume(): read before it is overwritten
    limit_ = tail_.load(std::memory_order_acquire) + kCapacity;
  } while (limit_ - position_ < kRecordBytes);
}

void FloorRing::drain() const {
  // acquire: pairs with the release in consume()
  while (tail_.load(std::memory_order_acquire) != position_) os::sleep_ns(kNapNs);
}

void FloorRing::consume(int file) {
  os::block_signals();
  u64 tail = 0;
  while (!stopping_.load(std::memory_order_relaxed)) {
    // acquire: pairs with the release in put()
    const u64 head = head_.load(std::memory_order_acquire);
    if (head == tail) {
      os::sleep_ns(kNapNs);
      continue;
    }
    if (file >= 0) {
      const u64 at = tail & (kCapacity - 1);
      const u64 first = std::min(head - tail, kCapacity - at);
      (void)os::write_fully(file, data_.get() + at, first);
      (void)os::write_fully(file, data_.get(), head - tail - first);
    }
    tail = head;
    // release: what was read before the acquire in wait_for_room()
    tail_.store(tail, std::memory_order_release);
  }
}

}  // namespace sluice::cli
