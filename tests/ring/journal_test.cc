// The journal with real memory: batches that wrap, reclaiming, readers that are passed, damage.
// (Memory orders: tests/explorer.)
#include "ring/journal.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace sluice {
namespace {

constexpr u64 kCapacity = 1 << 16;
constexpr u64 kNoFloor = ~u64{0};

struct JournalTest : ::testing::Test {
  std::unique_ptr<u64[]> words = std::make_unique<u64[]>(kCapacity / 8);
  std::atomic<u64> committed{0}, reclaimed{0}, reclaimed_sequence{0};
  const JournalPlace<JournalSync> place{reinterpret_cast<char*>(words.get()), kCapacity, &committed,
                                        &reclaimed, &reclaimed_sequence};
  JournalWriter<JournalSync> writer{place, 0, 0};
  u64 sequence = 1;

  static std::vector<char> batch(u64 number, u32 record_bytes, u64 first_sequence) {
    std::vector<char> bytes(sizeof(BatchHeader) + record_bytes, char(number));
    BatchHeader header{};
    header.magic = kBatchMagic;
    header.bytes = u32(bytes.size());
    header.first_sequence = first_sequence;
    header.records = header.callers = 1;
    header.record_bytes = record_bytes;
    header.crc = batch_crc(header, nullptr);
    store(bytes.data(), header);
    return bytes;
  }
  bool put(u64 number, u32 record_bytes, u64 floor = kNoFloor) {
    const std::vector<char> bytes = batch(number, record_bytes, sequence);
    if (!writer.make_space(bytes.size(), floor)) return false;
    writer.put_words(writer.position(), bytes.data(), bytes.size());
    writer.commit(bytes.size());
    ++sequence;
    return true;
  }
};

TEST_F(JournalTest, EveryBatchComesBackOverManyLaps) {
  JournalReader<JournalSync> reader(place, 0);
  std::vector<char> to(kBatchBytesMax);
  for (u64 i = 0; i < 500; ++i) {
    const u32 size = u32(8 + i * 104 % 9000);
    ASSERT_TRUE(put(i, size, reader.position()));
    ASSERT_EQ(reader.read(to.data()), JournalRead::kBatch);
    const auto header = load<BatchHeader>(to.data());
    EXPECT_EQ(header.first_sequence, i + 1);
    EXPECT_EQ(header.record_bytes, size);
    for (u32 at = 0; at < size; ++at) ASSERT_EQ(to[sizeof header + at], char(i));
    reader.advance(header.bytes);
    EXPECT_EQ(reader.read(to.data()), JournalRead::kNothing);
  }
  EXPECT_GT(writer.position() / kCapacity, 10u);
}

TEST_F(JournalTest, TheFloorHoldsBackWhatARequiredSinkHasNotRead) {
  u64 count = 0;
  while (put(count, 4000, 0)) ++count;
  EXPECT_EQ(count, kCapacity / (4000 + sizeof(BatchHeader)));
  EXPECT_EQ(reclaimed.load(), 0u);
  EXPECT_FALSE(put(0, 4000, 4063));
  EXPECT_TRUE(put(0, 4000, 4064)) << "exactly the first batch is given up";
  EXPECT_EQ(reclaimed.load(), 4064u);
  EXPECT_EQ(reclaimed_sequence.load(), 2u);
}

TEST_F(JournalTest, AReaderThatIsPassedKnowsAndGoesOn) {
  JournalReader<JournalSync> slow(place, 0);
  std::vector<char> to(kBatchBytesMax);
  for (u64 i = 0; i < 100; ++i) ASSERT_TRUE(put(i, 4000));
  ASSERT_EQ(slow.read(to.data()), JournalRead::kPassed);
  slow.skip_to_oldest();
  ASSERT_EQ(slow.read(to.data()), JournalRead::kBatch);
  const u64 first = load<BatchHeader>(to.data()).first_sequence;
  EXPECT_EQ(first, reclaimed_sequence.load());
  u64 read = 0;
  while (slow.read(to.data()) == JournalRead::kBatch) {
    slow.advance(load<BatchHeader>(to.data()).bytes);
    ++read;
  }
  EXPECT_EQ(first + read, sequence);
}

TEST_F(JournalTest, DamageIsSeenAndNeverLeavesTheBuffer) {
  std::vector<char> to(kBatchBytesMax);
  ASSERT_TRUE(put(1, 800));
  for (u64 word = 0; word < sizeof(BatchHeader) / 8; ++word) {
    for (const u64 flip : {u64{1}, u64{1} << 33, ~u64{0}}) {
      words[word] ^= flip;
      EXPECT_EQ(JournalReader<JournalSync>(place, 0).read(to.data()), JournalRead::kDamaged)
          << word;
      words[word] ^= flip;
    }
  }
  EXPECT_EQ(JournalReader<JournalSync>(place, 0).read(to.data()), JournalRead::kBatch);
  for (const u64 position : {u64{1}, u64{4}, u64{8}, kCapacity - 8, kCapacity * 5, ~u64{0} - 7}) {
    const auto result = JournalReader<JournalSync>(place, position).read(to.data());
    EXPECT_EQ(result, JournalRead::kDamaged) << position;
  }
}

// A successor with a journal that something wrote over must not run in circles.
TEST_F(JournalTest, MakingSpaceOverDamageEnds) {
  u64 count = 0;
  while (put(count, 4000, 0)) ++count;
  store(words.get(), BatchHeader{});
  EXPECT_TRUE(writer.make_space(4000, kNoFloor));
  EXPECT_LE(reclaimed.load(), writer.position());
}

TEST_F(JournalTest, OneWriterTwoReaders) {
  std::atomic<u64> cursor{0};
  constexpr u64 kBatches = 20'000;
  const auto check = [](const std::vector<char>& bytes) {
    const auto header = load<BatchHeader>(bytes.data());
    const char expected = char(header.first_sequence - 1);
    for (u32 i = 0; i < header.record_bytes; ++i) {
      ASSERT_EQ(bytes[sizeof header + i], expected);
    }
  };
  std::thread required([&] {
    JournalReader<JournalSync> reader(place, 0);
    std::vector<char> to(kBatchBytesMax);
    for (u64 next = 1; next <= kBatches;) {
      const JournalRead result = reader.read(to.data());
      if (result == JournalRead::kNothing) {
        std::this_thread::yield();
        continue;
      }
      ASSERT_EQ(result, JournalRead::kBatch);
      ASSERT_EQ(load<BatchHeader>(to.data()).first_sequence, next++);
      check(to);
      reader.advance(load<BatchHeader>(to.data()).bytes);
      cursor.store(reader.position(), std::memory_order_release);
    }
  });
  std::atomic<bool> done{false};
  std::thread best_effort([&] {
    JournalReader<JournalSync> reader(place, 0);
    std::vector<char> to(kBatchBytesMax);
    u64 last = 0;
    while (!done.load()) {
      switch (reader.read(to.data())) {
        case JournalRead::kBatch:
          ASSERT_GT(load<BatchHeader>(to.data()).first_sequence, last);
          last = load<BatchHeader>(to.data()).first_sequence;
          check(to);
          reader.advance(load<BatchHeader>(to.data()).bytes);
          break;
        case JournalRead::kPassed:
          reader.skip_to_oldest();
          break;
        case JournalRead::kNothing:
          std::this_thread::yield();
          break;
        case JournalRead::kDamaged:
          FAIL() << "a torn batch was taken";
      }
    }
  });
  for (u64 i = 0; i < kBatches;) {
    if (put(i, u32(8 + i % 200 * 8), cursor.load(std::memory_order_acquire))) {
      ++i;
    } else {
      std::this_thread::yield();
    }
  }
  required.join();
  done = true;
  best_effort.join();
}

}  // namespace
}  // namespace sluice
