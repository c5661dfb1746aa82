// Records that are held for a backtrace: what an error brings, what makes room, and what a consumer
// that is killed leaves to the next one.
#include "back/backtrace.h"

#include <random>

#include "back/back_fixture.h"

namespace sluice::back {
namespace {

using test::Got;
using test::read_journal;

constexpr u64 kNoFloor = ~u64{0};
constexpr u32 kQuiet = kSiteFirstCaller;  // below the level of the root
constexpr u32 kPlain = kSiteFirstCaller + 1;
constexpr u32 kError = kSiteFirstCaller + 2;

class BacktraceTest : public test::RegionTest {
 protected:
  BacktraceTest() {
    define_site(kQuiet, RecordKind::kLog, "n", Level::debug);
    define_site(kPlain);
    define_site(kError, RecordKind::kLog, "n", Level::error);
    root().level.store(u8(Level::info));
    set_most(4);
  }
  region::LoggerEntry& root() { return region_.loggers()[0]; }
  void set_most(u16 most) {
    root().held_most.store(most);
    root().held_group.store(most == 0 ? 0 : 1);
    region_.wake().backtraces.store(1);
  }
  static void merge_all(Merger& merger) {
    while (merger.merge(true, kNoFloor) == Merged::kBatch) {
    }
  }
  std::vector<u64> numbers() {
    std::vector<u64> all;
    for (const Got& got : read_journal(region_, position_)) all.push_back(got.number);
    return all;
  }
  u64 position_ = 0;
};

using Numbers = std::vector<u64>;

TEST_F(BacktraceTest, AnErrorBringsTheLastOnes) {
  Ring a = ring(0), b = ring(1);
  Merger merger(region_, {});
  merger.resume(false, false);
  for (u64 i = 0; i < 10; ++i) ASSERT_TRUE((i % 2 ? a : b).say(kQuiet, 1000 + i, i));
  ASSERT_TRUE(a.say(kPlain, 1010, 10));
  merge_all(merger);
  EXPECT_EQ(numbers(), Numbers{10}) << "what is held is not there";
  EXPECT_EQ(merger.held(), 10u);
  EXPECT_EQ(merger.callers(), 1u);
  ASSERT_TRUE(a.say(kError, 1011, 11));
  merge_all(merger);
  const std::vector<Got> all = read_journal(region_, position_);
  ASSERT_EQ(all.size(), 5u);
  for (u64 i = 0; i < 4; ++i) {
    EXPECT_EQ(all[i].number, 6 + i);
    EXPECT_EQ(all[i].slot, (6 + i) % 2 ? 0 : 1) << "its own thread, which says nothing now";
    EXPECT_EQ(all[i].ticks, 1006 + i);
    EXPECT_EQ(all[i].flags, kBacktrace | kLate);
  }
  EXPECT_EQ(all[4].number, 11u);
  EXPECT_EQ(all[4].flags, 0);
  EXPECT_EQ(merger.held(), 6u) << "those that had to make room";
  EXPECT_EQ(merger.callers(), 6u);
  ASSERT_TRUE(a.say(kError, 1012, 12));
  merge_all(merger);
  EXPECT_EQ(numbers(), Numbers{12}) << "once";
}

// Each logger that has one of its own; those without deliver or drop as ever.
TEST_F(BacktraceTest, ABacktraceIsItsLoggers) {
  region::LoggerEntry& other = region_.loggers()[1];
  other.level.store(u8(Level::info));
  other.held_most.store(2);
  other.held_group.store(2);
  define_site(kPlain + 10, RecordKind::kLog, "n", Level::debug);
  region_.sites()[kPlain + 10].logger.store(1);
  Ring a = ring(0);
  Merger merger(region_, {});
  merger.resume(false, false);
  ASSERT_TRUE(a.say(kQuiet, 1, 1));
  ASSERT_TRUE(a.say(kPlain + 10, 2, 2));
  ASSERT_TRUE(a.say(kError, 3, 3));
  merge_all(merger);
  EXPECT_EQ(numbers(), (Numbers{1, 3}));
  set_most(0);
  ASSERT_TRUE(a.say(kQuiet, 4, 4));
  ASSERT_TRUE(a.say(kError, 5, 5));
  merge_all(merger);
  EXPECT_EQ(numbers(), (Numbers{4, 5}));
  // What is held when a backtrace is taken back is not there any more, for a successor neither.
  set_most(4);
  ASSERT_TRUE(a.say(kQuiet, 5, 50));
  merge_all(merger);
  set_most(0);
  Merger next(region_, {});
  next.resume(true, false);
  merge_all(next);
  EXPECT_EQ(numbers(), Numbers{2}) << "the other logger's still is";
  EXPECT_EQ(next.held(), 1u);
  merger.resume(false, false);
  // A place with a level of its own is not held, whatever its logger says.
  set_most(4);
  region_.sites()[kQuiet].ruled.store(1);
  ASSERT_TRUE(a.say(kQuiet, 6, 6));
  merge_all(merger);
  EXPECT_EQ(numbers(), Numbers{6});
}

TEST_F(BacktraceTest, TheAreaIsBounded) {
  set_most(u16{region::kBacktraceRecordsMax});
  Ring a = ring(0, 512 * 1024);
  Merger merger(region_, {});
  merger.resume(false, false);
  constexpr u64 kCount = 2000;
  for (u64 i = 0; i < kCount; ++i) {
    ASSERT_TRUE(a.say(kQuiet, i + 1, i, u32(i % 5 * 100)));
    if (i % 100 == 0) merge_all(merger);
  }
  ASSERT_TRUE(a.say(kQuiet, kCount, 77, region::kHeldRecordBytesMax));
  ASSERT_TRUE(a.say(kError, kCount + 1, kCount));
  merge_all(merger);
  const Numbers all = numbers();
  ASSERT_GT(all.size(), 1000u);
  ASSERT_LT(all.size(), 1300u) << "256 KiB of some 248 bytes each";
  for (u64 i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i], kCount + 1 - all.size() + i) << "the last ones, but for the one too long";
  }
  EXPECT_EQ(merger.held(), kCount + 1 - (all.size() - 1));
}

// Killed in front of any commit: the successor says each once, and counts each once.
TEST_F(BacktraceTest, ASuccessorGoesOnWhereTheCommitWas) {
  std::mt19937 random(7);
  Ring a = ring(0, 64 * 1024);
  u64 said = 0;
  Numbers out, last;
  auto merger = std::make_unique<Merger>(region_, MergeOptions{});
  merger->resume(false, false);
  for (u32 round = 0; round < 3000; ++round) {
    const u64 committed = region_.journal_lines().committed.load();
    const u64 tail = a.place.tail->load();
    for (u64 i = random() % 4; i > 0; --i) {
      ++said;
      ASSERT_TRUE(a.say(kQuiet, said, said, u32(random() % 900)));
      last.push_back(said);
    }
    const bool error = random() % 3 == 0;
    if (error) {
      ++said;
      ASSERT_TRUE(a.say(kError, said, said));
    }
    merge_all(*merger);
    if (random() % 4 == 0) {
      // As if the commit had not come: everything that is written before it stays.
      region_.journal_lines().committed.store(committed);
      a.place.tail->store(tail);
      merger = std::make_unique<Merger>(region_, MergeOptions{});
      merger->resume(false, false);
      merge_all(*merger);
    }
    if (!error) continue;
    const Numbers got = numbers();
    const std::size_t most = std::min<std::size_t>(last.size(), 4);
    Numbers expected(last.end() - std::ptrdiff_t(most), last.end());
    expected.push_back(said);
    ASSERT_EQ(got, expected) << "round " << round;
    last.clear();
    out.insert(out.end(), got.begin(), got.end());
  }
  EXPECT_EQ(merger->callers(), out.size());
  EXPECT_EQ(merger->callers() + merger->held(), said);
  EXPECT_EQ(merger->damaged(), 0u);
}

// The process is dead: what is held goes behind the last record, unless it had stopped.
TEST_F(BacktraceTest, ADeadProcessHasLastWords) {
  for (const bool stopped : {false, true}) {
    region_.header().goodbye.store(stopped);
    Ring a = ring(stopped);
    for (u64 i = 1; i <= 6; ++i) ASSERT_TRUE(a.say(kQuiet, i, i));
    ASSERT_TRUE(a.say(kPlain, 7, 7));
    Merger merger(region_, {});
    merger.resume(true, false);
    merge_all(merger);
    EXPECT_EQ(numbers(), stopped ? Numbers{7} : (Numbers{7, 3, 4, 5, 6}));
    EXPECT_EQ(merger.held(), stopped ? 8u : 2u);
  }
}

TEST_F(BacktraceTest, AnyBytesInTheAreaAreBorne) {
  std::mt19937_64 random(3);
  Ring a = ring(0, 512 * 1024);
  u64 said = 0;
  for (u32 round = 0; round < 400; ++round) {
    Merger merger(region_, {});
    merger.resume(round % 2 != 0, false);
    for (u32 i = 0; i < 20; ++i) {
      ++said;
      ASSERT_TRUE(a.say(kQuiet, said, said, 40));
    }
    ASSERT_TRUE(a.say(round % 3 == 0 ? kError : kPlain, said, said));
    merge_all(merger);
    auto* const words = reinterpret_cast<char*>(&region_.backtrace());
    for (u32 i = 0; i < 4; ++i) {
      const u64 at = i == 0 ? random() % 10 : random() % (sizeof(region::BacktraceArea) / 8);
      store(words + at * 8, round % 4 < 2 ? random() : u64{1} << (random() % 64));
    }
    // By the one that has it, and by the next.
    ++said;
    ASSERT_TRUE(a.say(kError, said, said));
    merge_all(merger);
    EXPECT_EQ(read_journal(region_, position_).back().number, said) << "what is not held comes";
    position_ = region_.journal_lines().committed.load();
  }
}

}  // namespace
}  // namespace sluice::back
