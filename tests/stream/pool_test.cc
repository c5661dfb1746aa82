// The memory of streams: a stream takes no more than it may have, and what it gives back is there
// for others.
#include "stream/pool.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::stream {
namespace {

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

}  // namespace
}  // namespace sluice::stream
