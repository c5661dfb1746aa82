// The memory of streams: a stream takes no more than it may have, what it gives back is there for
// others, and what nobody needs goes back to the system.
#include "stream/pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "support/resident.h"

namespace sluice::stream {
namespace {

using testing::resident_bytes;

constexpr u32 kLarge = 2;
constexpr u64 kPoolBytes = u64{64} << 20;

TEST(Room, GivesBackToThePoolAndToItsOwnLimit) {
  const auto pool = Pool::make(Pool::kBytesMin).value();
  const auto lines = make_lines_framing();
  Room room(*pool, *lines, u64{3} * Pool::kBytesOf[0]);
  for (int use = 0; use < 1000; ++use) {
    std::vector<u32> taken;
    for (u32 index; (index = room.take(1)) != kNoChunk;) taken.push_back(index);
    ASSERT_EQ(taken.size(), 3u) << "use " << use;
    for (const u32 index : taken) room.give(index);
  }
}

u64 resident(Pool& pool, const std::vector<u32>& indices) {
  u64 bytes = 0;
  for (const u32 index : indices) {
    bytes += resident_bytes(pool.chunk(index).bytes, pool.chunk(index).capacity);
  }
  return bytes;
}

// All large chunks there are.
std::vector<u32> take_large(Pool& pool, i64 now_ns) {
  std::vector<u32> taken;
  do {
    for (u32 index; (index = pool.take(kLarge)) != kNoChunk;) taken.push_back(index);
  } while (pool.provide(now_ns));
  return taken;
}

TEST(Pool, GivesBackToTheSystemWhatWasNotNeededForAWhile) {
  const auto pool = Pool::make(kPoolBytes).value();
  i64 now = 1;
  (void)pool->provide(now);
  const u64 at_first = pool->memory_bytes();
  const std::vector<u32> burst = take_large(*pool, now);
  const u64 burst_bytes = burst.size() * Pool::kBytesOf[kLarge];
  ASSERT_EQ(burst.size(), 3u);
  const u64 most = pool->memory_bytes();
  EXPECT_GT(most, at_first);
  EXPECT_EQ(resident(*pool, burst), burst_bytes);
  for (const u32 index : burst) pool->give(index);

  // The control: not in the period in which it was needed, nor before the next is over.
  now += Pool::kKeepNs;
  (void)pool->provide(now);
  (void)pool->provide(now + Pool::kKeepNs - 1);
  EXPECT_EQ(pool->memory_bytes(), most);
  EXPECT_EQ(resident(*pool, burst), burst_bytes);

  now += Pool::kKeepNs;
  EXPECT_TRUE(pool->provide(now));
  EXPECT_EQ(pool->memory_bytes(), at_first);
  EXPECT_EQ(resident(*pool, burst), Pool::kBytesOf[kLarge]) << "one is always ready";
  EXPECT_FALSE(pool->provide(now + Pool::kKeepNs)) << "it comes to rest";

  // Whoever takes one finds its pages there, again and again.
  std::vector<u32> again = take_large(*pool, now);
  EXPECT_EQ(again.size(), burst.size());
  EXPECT_EQ(resident(*pool, again), burst_bytes);
  EXPECT_EQ(pool->memory_bytes(), most);
}

TEST(Pool, LeavesWhatIsInUse) {
  const auto pool = Pool::make(kPoolBytes).value();
  const std::vector<u32> used = take_large(*pool, 1);
  for (const u32 index : used)
    std::memset(pool->chunk(index).bytes, 'u', pool->chunk(index).capacity);
  const u64 most = pool->memory_bytes();
  for (i64 period = 1; period < 5; ++period) (void)pool->provide(1 + period * Pool::kKeepNs);
  EXPECT_LE(most - pool->memory_bytes(), u64{4} << 20) << "but for small ones kept ready";
  const std::string expected(Pool::kBytesOf[kLarge], 'u');
  for (const u32 index : used) {
    EXPECT_EQ(std::memcmp(pool->chunk(index).bytes, expected.data(), expected.size()), 0);
  }
}

}  // namespace
}  // namespace sluice::stream
