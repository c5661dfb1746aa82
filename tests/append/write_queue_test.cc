// The queue of one file's writes.
#include "append/write_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::append {
namespace {

class WriteQueueTest : public ::testing::Test {
 protected:
  Admission put(std::string_view bytes, std::string_view prefix = {}) {
    return queue_.put(prefix, bytes, asleep_, wake_);
  }
  ProxyStatistics counts() const {
    ProxyStatistics out;
    queue_.count(out);
    return out;
  }

  std::atomic<bool> asleep_{false};
  bool wake_ = false;
  WriteQueue queue_{1 << 20};
};

TEST_F(WriteQueueTest, GivesWholeBytesInOrderAndLeavesOutWhatWasBegun) {
  EXPECT_EQ(queue_.front(), "");
  EXPECT_EQ(put("aaaa"), Admission::kOk);
  EXPECT_EQ(put("bb", "BB"), Admission::kOk);
  EXPECT_EQ(put(""), Admission::kOk);
  EXPECT_EQ(put("cccc"), Admission::kOk);
  EXPECT_EQ(queue_.front(), "aaaaBBbbcccc");
  EXPECT_EQ(queue_.skip_rest_of_write(), 0U);
  queue_.pop(4);
  EXPECT_EQ(queue_.skip_rest_of_write(), 0U);
  queue_.pop(1);
  EXPECT_EQ(queue_.skip_rest_of_write(), 3U);
  EXPECT_EQ(queue_.front(), "cccc");
  EXPECT_EQ(counts().waiting_bytes, 4U);
  EXPECT_EQ(counts().accepted, 4U);
  EXPECT_EQ(queue_.skip_all(), 4U);
  EXPECT_EQ(queue_.front(), "");
  EXPECT_EQ(put("again"), Admission::kOk);
  EXPECT_EQ(queue_.front(), "again");
}

TEST_F(WriteQueueTest, ALargeWriteKeepsItsPlaceAndIsCutAsOne) {
  const std::string large(200'000, 'L');
  EXPECT_EQ(put("before"), Admission::kOk);
  EXPECT_EQ(put(large), Admission::kOk);
  EXPECT_EQ(put("behind"), Admission::kOk);
  EXPECT_EQ(queue_.front(), "before");
  queue_.pop(6);
  EXPECT_EQ(queue_.front(), large);
  queue_.pop(1);
  EXPECT_EQ(queue_.skip_rest_of_write(), large.size() - 1);
  EXPECT_EQ(queue_.front(), "behind");
}

TEST_F(WriteQueueTest, KeepsItsLimitOverManyRoundsAndWhatIsRefusedIsCounted) {
  const std::string line(1000, 'x');
  for (int round = 0; round < 50; ++round) {
    while (put(line) == Admission::kOk) {
    }
    EXPECT_LE(counts().waiting_bytes, u64{1} << 20);
    EXPECT_FALSE(queue_.has_room(line.size()));
    u64 taken = 0;
    for (std::string_view next; !(next = queue_.front()).empty();) {
      taken += next.size();
      queue_.pop(next.size());
    }
    EXPECT_EQ(taken, u64{1048} * 1000);
  }
  EXPECT_EQ(counts().refused_full, 50U);
  EXPECT_EQ(put(std::string((1 << 20) + 1, 'x')), Admission::kDroppedTooBig);
  queue_.end();
  EXPECT_TRUE(queue_.is_over());
  EXPECT_EQ(put("x"), Admission::kStopped);
  EXPECT_EQ(counts().refused_too_big, 1U);
  EXPECT_EQ(counts().refused_stopped, 1U);
}

TEST_F(WriteQueueTest, SaysThatTheReaderSleeps) {
  EXPECT_EQ(put("x"), Admission::kOk);
  EXPECT_FALSE(wake_);
  asleep_ = true;
  EXPECT_EQ(put("x"), Admission::kOk);
  EXPECT_TRUE(wake_);
}

}  // namespace
}  // namespace sluice::append
