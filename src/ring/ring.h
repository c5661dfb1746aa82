// The slow half of a ring's producer and the whole of its consumer. The fast half and the picture
// are in sluice/detail/ring.h.
//
// Neither allocates, waits or makes a system call. Threading: one producer, one consumer at a time.
#ifndef SLUICE_SRC_RING_RING_H_
#define SLUICE_SRC_RING_RING_H_

#include "base/bytes.h"
#include "sluice/detail/ring.h"

namespace sluice {

using detail::RealSync;
using detail::RingOrders;

// First word of a padding record of `bytes` bytes: site 0, size in words.
[[nodiscard]] constexpr u64 padding_word(u64 bytes) { return bytes / 8; }
[[nodiscard]] constexpr u64 size_of_word(u64 word) { return (word & 0xffff) * 8; }
[[nodiscard]] constexpr u32 site_of_word(u64 word) { return u32(word >> 32); }

// Where a ring is. Capacity is a power of two.
template <class Sync>
struct RingPlace {
  using Word = typename Sync::template Atomic<u64>;
  char* data = nullptr;
  u64 capacity = 0;
  Word* head = nullptr;
  Word* tail = nullptr;
  Word* call = nullptr;
  u64 record_bytes_max = ~u64{0};  // what is longer never fits()
};

// Points `producer` at the ring, going on from what the last owner published.
template <class Sync, class Orders>
void attach_producer(detail::RingProducer<Sync, Orders>& producer, const RingPlace<Sync>& ring) {
  // relaxed: the slot's state made the ring ours (P8)
  const u64 position = ring.head->load(std::memory_order_relaxed);
  // relaxed: in no call, as the last owner left it
  ring.call->store(position, std::memory_order_relaxed);
  producer.take_up(
      {ring.head, ring.call, position,  // the first call asks for room
       reinterpret_cast<std::uintptr_t>(ring.data) - (position & ~(ring.capacity - 1))});
}

// Makes room, inside a call at `position`, for a record of `bytes` (a multiple of 8) within the
// first `usable` bytes of the ring's capacity; pads to the ring's end and wraps when needed, which
// moves `position`. Sets `limit` as far as `usable_fast` allows, so that only callers entitled to
// the reserve come here again to use it, and never so far that a record which is too long would fit
// unseen. False: the ring is full.
template <class Sync, class Orders>
bool make_room(detail::RingProducer<Sync, Orders>& producer, const RingPlace<Sync>& ring,
               u64& position, u64 bytes, u64 usable, u64 usable_fast) {
  const u64 needed = bytes + detail::kOverrun;
  // acquire: the consumer has read what it freed, from its release in RingConsumer::consume() (P2)
  const u64 tail = ring.tail->load(Orders::read_tail);
  u64 used = position - tail;
  u64 to_end = ring.capacity - (position & (ring.capacity - 1));
  if (to_end < needed) {
    if (used + to_end + needed > usable) return false;
    Sync::write_word(producer.at(position), padding_word(to_end));
    position += to_end;
    producer.to_address -= ring.capacity;
    producer.enter(position);
    used += to_end;
    to_end = ring.capacity;
  }
  if (used + needed > usable) return false;
  const u64 fast = used >= usable_fast ? 0 : usable_fast - used;
  u64 room = fast < to_end ? fast : to_end;
  room = room > detail::kOverrun ? room - detail::kOverrun : 0;
  producer.limit = position + (room < ring.record_bytes_max ? room : ring.record_bytes_max);
  return true;
}

template <class Sync, class Orders = RingOrders>
class RingConsumer {
 public:
  RingConsumer() = default;
  RingConsumer(const RingPlace<Sync>& ring, u64 position) : ring_(ring), position_(position) {}

  // The producer's position: everything from position() up to it may be read.
  [[nodiscard]] u64 published() const {
    // acquire: pairs with the releases in RingProducer::leave() and enter() (P1)
    return ring_.head->load(Orders::read_head);
  }
  [[nodiscard]] u64 position() const { return position_; }
  [[nodiscard]] const char* at(u64 position) const {
    return ring_.data + (position & (ring_.capacity - 1));
  }
  [[nodiscard]] u64 capacity() const { return ring_.capacity; }
  // Moves past what was read; the producer may not reuse it before consume().
  void advance(u64 bytes) { position_ += bytes; }
  // Gives everything before position() back to the producer.
  void consume() {
    // release: our reads before the producer's acquire of tail in make_room() (P2)
    ring_.tail->store(position_, Orders::publish_tail);
  }

 private:
  RingPlace<Sync> ring_;
  u64 position_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_SRC_RING_RING_H_
