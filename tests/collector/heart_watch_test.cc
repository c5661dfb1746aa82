#include "collector/heart_watch.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/fixed_text.h"

namespace sluice::collector {
namespace {

constexpr i64 kMs = 1'000'000;

class HeartWatchTest : public ::testing::Test {
 protected:
  void promise(u32 at, std::string_view name, u32 within_ms) {
    entries_[at].token.store(at + 1);
    copy_text(entries_[at].name, name);
    entries_[at].within_ms.store(within_ms);
  }
  std::string look(i64 ms) { return watch_.look(entries_.get(), ms * kMs); }

  std::unique_ptr<region::HeartbeatEntry[]> entries_ =
      std::make_unique<region::HeartbeatEntry[]>(region::kHeartbeatsMax);
  HeartWatch watch_;
};

TEST_F(HeartWatchTest, NothingIsDueWithoutAPromise) {
  EXPECT_EQ(look(0), "");
  EXPECT_EQ(look(1'000'000), "");
  EXPECT_FALSE(watch_.has_promises());
}

TEST_F(HeartWatchTest, SaysWhoDoesNotBeatAndWhenItDoes) {
  promise(0, "main loop", 200);
  promise(15, "loader", 500);
  EXPECT_EQ(look(1000), "");
  EXPECT_TRUE(watch_.has_promises());
  EXPECT_EQ(look(1200), "") << "in time";
  EXPECT_EQ(look(1201), "main loop has not beaten for 200 ms");
  entries_[15].beats.fetch_add(1);
  EXPECT_EQ(look(1501), "main loop has not beaten for 200 ms") << "the same as long as it hangs";
  EXPECT_EQ(look(2002), "main loop has not beaten for 200 ms, loader has not beaten for 500 ms");
  entries_[0].beats.fetch_add(1);
  EXPECT_EQ(look(2003), "loader has not beaten for 500 ms");
  EXPECT_EQ(look(2204), "main loop has not beaten for 200 ms, loader has not beaten for 500 ms");
}

TEST_F(HeartWatchTest, APauseEndsWithTheNextBeat) {
  promise(3, "frames", 100);
  entries_[3].beats.store(7);
  entries_[3].resting.store(8);
  EXPECT_EQ(look(0), "");
  EXPECT_EQ(look(60'000), "") << "it rests";
  entries_[3].beats.store(8);
  EXPECT_EQ(look(60'050), "");
  EXPECT_EQ(look(60'151), "frames has not beaten for 100 ms");
}

TEST_F(HeartWatchTest, AnotherInTheSamePlaceHasItsOwnTime) {
  promise(0, "first", 100);
  EXPECT_EQ(look(0), "");
  entries_[0].within_ms.store(0);
  EXPECT_EQ(look(1000), "") << "gone";
  promise(0, "second", 100);
  entries_[0].token.store(77);
  EXPECT_EQ(look(2000), "");
  EXPECT_EQ(look(2101), "second has not beaten for 100 ms");
}

TEST_F(HeartWatchTest, WhoHasNotLookedAccusesNobody) {
  promise(0, "main loop", 100);
  EXPECT_EQ(look(0), "");
  entries_[0].beats.fetch_add(1);  // once in an hour: but nobody can know
  EXPECT_EQ(look(3'600'000), "");
}

TEST_F(HeartWatchTest, NamesCannotObeyATerminal) {
  promise(0, "\x1b[2J", 100);
  entries_[1].name[35] = 'x';  // and have an end without a zero
  (void)look(0);
  EXPECT_EQ(look(1000).find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace sluice::collector
