// The ring with real memory: wrap, padding, the reserve, positions. (Memory orders:
// tests/explorer.)
#include "ring/ring.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

namespace sluice {
namespace {

constexpr u64 kCapacity = 4096;

struct RingTest : ::testing::Test {
  alignas(64) char data[kCapacity] = {};
  std::atomic<u64> head{0}, tail{0}, call{0};
  const RingPlace<RealSync> place{data, kCapacity, &head, &tail, &call};
  detail::RingProducer<RealSync> producer{};
  RingConsumer<RealSync> consumer{place, 0};

  // Publishes a record of `bytes` that holds its own number; false: full.
  bool put(u64 bytes, u64 number, u64 usable = kCapacity) {
    u64 position = producer.load();
    producer.enter(position);
    const bool fits = producer.fits(position, bytes) ||
                      make_room(producer, place, position, bytes, usable, kCapacity / 8 * 7);
    if (fits) {
      store(producer.at(position), u64{bytes / 8} | u64{16} << 32);
      for (u64 i = 8; i < bytes; i += 8) store(producer.at(position) + i, number);
      position += bytes;
    }
    producer.leave(position);
    return fits;
  }
  // Takes one record and gives its number; -1: none.
  i64 take() {
    for (;;) {
      const u64 left = consumer.published() - consumer.position();
      if (left == 0) return -1;
      const u64 word = RealSync::read_word(consumer.at(consumer.position()));
      const u64 bytes = size_of_word(word);
      EXPECT_LE(bytes, left);
      if (site_of_word(word) != 0) {
        const u64 number = RealSync::read_word(consumer.at(consumer.position()) + 8);
        for (u64 i = 8; i < bytes; i += 8) {
          EXPECT_EQ(RealSync::read_word(consumer.at(consumer.position()) + i), number);
        }
        consumer.advance(bytes);
        consumer.consume();
        return i64(number);
      }
      consumer.advance(bytes);
    }
  }
  void SetUp() override { attach_producer(producer, place); }
};

// As a child finds it that a handler forked, wherever in a call it goes on.
TEST(RingProducer, WithoutARingThereIsNoCall) {
  detail::RingProducer<RealSync> none{};
  u64 position = 7;
  EXPECT_FALSE(none.try_enter(position));
  EXPECT_FALSE(none.in_call());
  EXPECT_EQ(position, 7u);
}

TEST_F(RingTest, ManyLapsOfEverySize) {
  std::mt19937 random(1);
  u64 put_count = 0, taken = 0;
  for (int round = 0; round < 20'000; ++round) {
    const u64 bytes = 16 + random() % 64 * 8;
    if (put(bytes, put_count)) ++put_count;
    if (random() % 2) {
      const i64 got = take();
      if (got >= 0) {
        ASSERT_EQ(u64(got), taken);
        ++taken;
      }
    }
  }
  for (i64 got = take(); got >= 0; got = take()) EXPECT_EQ(u64(got), taken++);
  EXPECT_EQ(put_count, taken);
  EXPECT_GT(head.load() / kCapacity, 100u) << "laps";
}

TEST_F(RingTest, FullLeavesTheOverrunFree) {
  u64 count = 0;
  while (put(64, count)) ++count;
  EXPECT_EQ(count, (kCapacity - detail::kOverrun) / 64);
  EXPECT_LE(head.load() + detail::kOverrun, kCapacity);
  EXPECT_FALSE(put(16 + 64, 0));
  EXPECT_EQ(take(), 0);
  EXPECT_EQ(take(), 1);
  EXPECT_TRUE(put(64, count));
}

TEST_F(RingTest, TheReserveIsOnlyForWhoAsks) {
  constexpr u64 kFast = kCapacity / 8 * 7;
  u64 count = 0;
  while (put(32, count, kFast)) ++count;
  EXPECT_GE(count * 32 + detail::kOverrun + 32, kFast);
  EXPECT_LE(count * 32, kFast);
  EXPECT_FALSE(put(32, 0, kFast));
  u64 reserve = 0;
  while (put(32, count + reserve, kCapacity)) ++reserve;
  EXPECT_GE(reserve * 32, kCapacity / 8 - 2 * 32);
  for (u64 i = 0; i < count + reserve; ++i) EXPECT_EQ(u64(take()), i);
}

TEST_F(RingTest, ANewOwnerGoesOnWhereTheLastOneWas) {
  for (u64 i = 0; i < 200; ++i) {
    ASSERT_TRUE(put(40, i));
    EXPECT_EQ(u64(take()), i);
    if (i % 7 == 0) {
      producer = {};
      attach_producer(producer, place);
    }
  }
}

TEST_F(RingTest, InsideACallIsNoPosition) {
  ASSERT_TRUE(put(32, 1));
  const u64 before = consumer.published();
  producer.enter(producer.load());
  EXPECT_EQ(consumer.published(), before);
  EXPECT_TRUE(call.load() & detail::kInCall);
  producer.leave(before);
  EXPECT_EQ(take(), 1);
}

TEST_F(RingTest, TwoThreads) {
  constexpr u64 kRecords = 200'000;
  std::thread writer([this] {
    for (u64 i = 0; i < kRecords;) {
      if (put(16 + i % 5 * 8 + 8, i)) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (u64 i = 0; i < kRecords;) {
    const i64 got = take();
    if (got >= 0) {
      ASSERT_EQ(u64(got), i);
      ++i;
    } else {
      std::this_thread::yield();
    }
  }
  writer.join();
}

}  // namespace
}  // namespace sluice
