// The ring under every interleaving and every stale read: what the producer published arrives once,
// in order, whole, and no byte is reused while the consumer may still read it (P1, P2).
#include "ring/ring.h"

#include <gtest/gtest.h>

#include "explorer/explorer.h"
#include "explorer/orders.h"
#include "explorer/report.h"

namespace sluice::explorer {
namespace {

constexpr u64 kCapacity = 128;

struct Ring {
  alignas(64) char data[kCapacity] = {};
  Atomic<u64> head{0};
  Atomic<u64> tail{0};
  Atomic<u64> call{0};
  // Each written by one thread, looked at in the end.
  u32 accepted = 0;
  u32 received = 0;
  u64 drained = 0;
  bool padded = false;

  [[nodiscard]] RingPlace<ModelSync> place() { return {data, kCapacity, &head, &tail, &call}; }
};

constexpr u64 record_word(u64 bytes, u32 site) { return u64{site} << 32 | bytes / 8; }

// Writes a record as the call does: whole words, and up to kOverrun bytes beyond its end.
void write_record(char* to, u64 bytes, u32 site) {
  ModelSync::write_word(to, record_word(bytes, site));
  for (u64 i = 8; i < bytes + detail::kOverrun; i += 8) ModelSync::write_word(to + i, site + i);
}

template <class Orders>
void produce(Ring& ring, u32 attempts, u64 bytes, u64 usable) {
  detail::RingProducer<ModelSync, Orders> producer{};
  attach_producer(producer, ring.place());
  for (u32 i = 0; i < attempts; ++i) {
    u64 position = 0;
    check(producer.try_enter(position), "nobody is inside a call");
    if (producer.fits(position, bytes) ||
        make_room(producer, ring.place(), position, bytes, usable, usable)) {
      write_record(producer.at(position), bytes, ++ring.accepted);
      position += bytes;
    }
    producer.leave(position);
  }
}

// Reads what is published, checks it, and gives it back.
template <class Orders>
void consume(Ring& ring, RingConsumer<ModelSync, Orders>& consumer) {
  const u64 published = consumer.published();
  check(published - consumer.position() <= kCapacity, "never more than the ring holds");
  if (published == consumer.position()) return;
  while (consumer.position() < published) {
    const char* at = consumer.at(consumer.position());
    const u64 word = ModelSync::read_word(at);
    const u64 bytes = size_of_word(word);
    check(bytes != 0 && consumer.position() + bytes <= published, "a size that fits");
    if (site_of_word(word) == 0) {
      ring.padded = true;
    } else {
      check(site_of_word(word) == ring.received + 1, "the next record, once");
      for (u64 i = 8; i < bytes; i += 8) {
        check(ModelSync::read_word(at + i) == site_of_word(word) + i, "a whole record");
      }
      ++ring.received;
    }
    consumer.advance(bytes);
  }
  consumer.consume();
}

template <class Orders>
Result explore_ring(u64 bytes, bool* padded = nullptr, u64 usable = kCapacity) {
  const Options options{.preemptions = bytes == 16 ? 2 : -1};
  return explore(options, [=](Scenario& s) {
    auto& ring = s.make<Ring>();
    s.name(&ring.head, "head");
    s.name(&ring.tail, "tail");
    s.thread("producer", [=, &ring] { produce<Orders>(ring, bytes == 16 ? 7 : 4, bytes, usable); });
    s.thread("consumer", [&ring] {
      RingConsumer<ModelSync, Orders> consumer(ring.place(), 0);
      for (int i = 0; i < 3; ++i) consume(ring, consumer);
      ring.drained = consumer.position();
    });
    s.finally([=, &ring] {
      RingConsumer<ModelSync, Orders> consumer(ring.place(), ring.drained);
      consume(ring, consumer);
      check(ring.received == ring.accepted, "everything accepted arrived");
      if (padded != nullptr && ring.padded) *padded = true;
    });
  });
}

TEST(Ring, HoldsInEveryExecution) {
  bool padded = false;
  expect_holds("7 records of 16 bytes, 2 preemptions", explore_ring<RingOrders>(16, &padded));
  expect_holds("4 records of 48 bytes", explore_ring<RingOrders>(48, &padded));
  EXPECT_TRUE(padded) << "no execution wrapped";
}

// The bytes beyond a record's end count: a ring that gave them away would be seen to.
TEST(Ring, OverrunIntoUnreadBytesIsCaught) {
  const Result result = explore_ring<RingOrders>(16, nullptr, kCapacity + detail::kOverrun);
  print("overrun into unread bytes", result);
  EXPECT_TRUE(result.failed);
}

SLUICE_WEAKER(RingOrders, publish_head, relaxed);
SLUICE_WEAKER(RingOrders, read_head, relaxed);
SLUICE_WEAKER(RingOrders, publish_tail, relaxed);
SLUICE_WEAKER(RingOrders, read_tail, relaxed);

TEST(Ring, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {
      {"publish_head", [] { return explore_ring<RingOrders_publish_head>(48); }},
      {"read_head", [] { return explore_ring<RingOrders_read_head>(48); }},
      {"publish_tail", [] { return explore_ring<RingOrders_publish_tail>(48); }},
      {"read_tail", [] { return explore_ring<RingOrders_read_tail>(48); }},
  };
  expect_all_listed("include/sluice/detail/ring.h", "RingOrders", weakenings);
  expect_each_caught(weakenings);
}

}  // namespace
}  // namespace sluice::explorer
