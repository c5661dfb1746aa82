#include "back/merger.h"

#include "back/back_fixture.h"
#include "sluice/detail/call.h"

namespace sluice::back {
namespace {

using test::Got;
using test::read_journal;

constexpr u64 kNoFloor = ~u64{0};
constexpr u32 kSite = kSiteFirstCaller;

class MergerTest : public test::RegionTest {
 protected:
  MergerTest() { define_site(kSite); }
  // Of a dead region: no clock, everything at once.
  void merge_dead(Merger& merger) {
    merger.resume(true, false);
    while (merger.merge(true, kNoFloor) == Merged::kBatch) {
    }
  }
  u64 position_ = 0;
};

TEST_F(MergerTest, TakesRingsInOrderOfTime) {
  Ring a = ring(0), b = ring(1), c = ring(2);
  for (u64 i = 0; i < 30; ++i) {
    Ring& to = i % 3 == 0 ? a : i % 3 == 1 ? b : c;
    ASSERT_TRUE(to.say(kSite, 1000 + i, i));
  }
  Merger merger(region_, {});
  merge_dead(merger);
  const std::vector<Got> all = read_journal(region_, position_);
  ASSERT_EQ(all.size(), 30u);
  for (u64 i = 0; i < 30; ++i) {
    EXPECT_EQ(all[i].number, i);
    EXPECT_EQ(all[i].sequence, i + 1);
    EXPECT_EQ(all[i].slot, i % 3);
    EXPECT_EQ(all[i].flags, 0);
  }
  EXPECT_EQ(merger.callers(), 30u);
  EXPECT_EQ(merger.next_sequence(), 31u);
}

// A clock that goes back on one thread: its order stands, the record is flagged.
TEST_F(MergerTest, OneThreadsOrderStandsAgainstItsClock) {
  Ring a = ring(0), b = ring(1);
  ASSERT_TRUE(a.say(kSite, 2000, 0));
  ASSERT_TRUE(a.say(kSite, 1000, 1));
  ASSERT_TRUE(b.say(kSite, 1500, 2));
  ASSERT_TRUE(a.say(kSite, 2500, 3));
  Merger merger(region_, {});
  merge_dead(merger);
  const std::vector<Got> all = read_journal(region_, position_);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].number, 2u);
  EXPECT_EQ(all[1].number, 0u);
  EXPECT_EQ(all[2].number, 1u);
  EXPECT_EQ(all[2].flags, kLate);
  EXPECT_EQ(all[2].ticks, 1000u) << "the time itself is not changed";
  EXPECT_EQ(all[3].number, 3u);
  EXPECT_EQ(merger.late(), 1u);
}

TEST_F(MergerTest, WaitsForTheWindowOnlyWhenThereAreOthers) {
  Ring a = ring(0);
  Merger merger(region_, {.window_ns = 3'600'000'000'000});
  merger.resume(false, false);
  ASSERT_TRUE(a.say(kSite, ticks(), 0));
  EXPECT_EQ(merger.merge(false, kNoFloor), Merged::kBatch) << "nobody else could come before it";
  Ring b = ring(1);
  ASSERT_TRUE(a.say(kSite, ticks(), 1));
  EXPECT_EQ(merger.merge(false, kNoFloor), Merged::kNothing);
  EXPECT_EQ(merger.queued(), 1u);
  // A ring that fills is worth more than the order.
  for (u64 i = 2; a.say(kSite, ticks(), i, 200); ++i) {
  }
  EXPECT_EQ(merger.merge(false, kNoFloor), Merged::kBatch);
  EXPECT_EQ(merger.merge(true, kNoFloor) == Merged::kBatch || merger.queued() == 0, true);
  ASSERT_TRUE(b.say(kSite, 5, 99));
  EXPECT_EQ(merger.merge(true, kNoFloor), Merged::kBatch);
  EXPECT_EQ(read_journal(region_, position_).back().number, 99u);
  EXPECT_EQ(merger.late(), 1u);
}

TEST_F(MergerTest, AFullJournalTakesNothing) {
  Ring a = ring(0, 512 * 1024);
  Merger merger(region_, {});
  merger.resume(true, false);
  u64 said = 0, merged_full = 0;
  for (int round = 0; round < 6 && merged_full == 0; ++round) {
    while (a.say(kSite, said, said, 1000)) ++said;
    Merged merged;
    while ((merged = merger.merge(true, 0)) == Merged::kBatch) {
    }
    merged_full += merged == Merged::kJournalFull;
  }
  EXPECT_EQ(merged_full, 1u);
  EXPECT_EQ(merger.callers() + merger.queued(), said);
  // A sink gets on: so does the merge.
  std::vector<Got> all = read_journal(region_, position_);
  EXPECT_EQ(merger.merge(true, position_), Merged::kBatch);
  while (merger.merge(true, kNoFloor) == Merged::kBatch) {
  }
  EXPECT_EQ(merger.callers(), said);
  for (u64 i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].number, i);
}

// The next consumer goes on where the last stopped, wherever that was: here after the commit and
// before the tail moved.
TEST_F(MergerTest, ASuccessorRepeatsNothing) {
  Ring a = ring(0);
  for (u64 i = 0; i < 10; ++i) ASSERT_TRUE(a.say(kSite, i, i));
  {
    Merger first(region_, {});
    merge_dead(first);
  }
  a.place.tail->store(0);
  for (u64 i = 10; i < 15; ++i) ASSERT_TRUE(a.say(kSite, i, i));
  Merger second(region_, {});
  merge_dead(second);
  const std::vector<Got> all = read_journal(region_, position_);
  ASSERT_EQ(all.size(), 15u);
  for (u64 i = 0; i < 15; ++i) {
    EXPECT_EQ(all[i].number, i);
    EXPECT_EQ(all[i].sequence, i + 1);
  }
  EXPECT_EQ(second.callers(), 15u);
}

TEST_F(MergerTest, ADamagedRecordCostsTheRestOfItsRing) {
  Ring a = ring(0), b = ring(1);
  for (u64 i = 0; i < 10; ++i) {
    ASSERT_TRUE(a.say(kSite, i, i));
    ASSERT_TRUE(b.say(kSite, i, 100 + i));
  }
  store(a.place.data + 24 * 4, u64{0xffff});
  Merger merger(region_, {});
  merge_dead(merger);
  u64 of_a = 0, of_b = 0;
  for (const Got& got : read_journal(region_, position_)) ++(got.slot == 0 ? of_a : of_b);
  EXPECT_EQ(of_a, 4u);
  EXPECT_EQ(of_b, 10u);
  EXPECT_EQ(merger.damaged(), 1u);
  // What the thread says from now on comes through.
  ASSERT_TRUE(a.say(kSite, 50, 7));
  EXPECT_EQ(merger.merge(true, kNoFloor), Merged::kBatch);
  EXPECT_EQ(read_journal(region_, position_).back().number, 7u);
}

TEST_F(MergerTest, DropsBecomeRecordsWithTotals) {
  Merger merger(region_, {});
  merger.resume(true, false);
  const auto drop = [&](u64 count) {
    region_.drop_cell(kSite, DropReason::kRingFull).fetch_add(count);
    region_.wake().drops.fetch_add(count);
  };
  drop(3);
  merger.want_reports();
  EXPECT_EQ(merger.merge(true, kNoFloor), Merged::kBatch);
  drop(4);
  merger.want_reports();
  EXPECT_EQ(merger.merge(true, kNoFloor), Merged::kBatch);
  merger.want_reports();
  EXPECT_EQ(merger.merge(true, kNoFloor), Merged::kNothing) << "nothing new to say";
  std::vector<u64> totals, news;
  JournalReader<JournalSync> reader(region_.journal(), 0);
  std::vector<char> bytes(kBatchBytesMax);
  while (reader.read(bytes.data()) == JournalRead::kBatch) {
    const BatchView batch(bytes.data());
    EXPECT_EQ(batch.header().callers, 0u) << "no caller wrote it";
    batch.for_each(0, [&](const BatchRecord& record) {
      EXPECT_EQ(record.header().site, u32{kSiteDropReport});
      totals.push_back(load<u64>(record.bytes.data() + 32));
      news.push_back(load<u64>(record.bytes.data() + 40));
      return true;
    });
    reader.advance(batch.header().bytes);
  }
  EXPECT_EQ(totals, (std::vector<u64>{3, 7}));
  EXPECT_EQ(news, (std::vector<u64>{3, 4}));
}

// Killed behind the commit and before the region's words of it, or long ago.
TEST_F(MergerTest, ASuccessorTellsOnlyOfNewDrops) {
  for (const bool was_told : {true, false}) {
    auto& cell = region_.drop_cell(kSite, DropReason::kRingFull);
    u64& told = region_.reported_drops()[u64{kSite} * kDropReasons + u32(DropReason::kRingFull)];
    cell.store(cell.load() + 3);
    region_.wake().drops.fetch_add(3);
    {
      Merger killed(region_, {});
      killed.resume(true, false);
      killed.want_reports();
      ASSERT_EQ(killed.merge(true, kNoFloor), Merged::kBatch);
      EXPECT_EQ(told, cell.load());
    }
    if (!was_told) told -= 3;
    if (was_told) region_.journal_lines().reclaimed.store(region_.journal_lines().committed.load());
    Merger successor(region_, {});
    successor.resume(true, false);
    successor.want_reports();
    EXPECT_EQ(successor.merge(true, kNoFloor), Merged::kNothing) << was_told;
  }
}

// A thread's context is appended to its records and survives the consumer that read it.
TEST_F(MergerTest, ContextsSurviveTheirConsumer) {
  std::array<std::byte, 256> memory;
  FieldBlockWriter fields(memory);
  ASSERT_TRUE(fields.add("request", {ArgType::kU64, 7, {}}));
  Ring a = ring(0);
  a.context(1, fields.bytes());
  ASSERT_TRUE(a.say(kSite, 2, 1));
  {
    Merger first(region_, {});
    merge_dead(first);
  }
  ASSERT_TRUE(a.say(kSite, 3, 2));
  {
    Merger second(region_, {});
    merge_dead(second);
  }
  a.context(4, {});
  ASSERT_TRUE(a.say(kSite, 5, 3));
  Merger third(region_, {});
  merge_dead(third);
  const std::vector<Got> all = read_journal(region_, position_);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].flags, kHasContext);
  EXPECT_EQ(all[1].flags, kHasContext);
  EXPECT_EQ(all[2].flags, 0);
}

TEST_F(MergerTest, AStateAfterALostOneIsFlaggedOnce) {
  define_site(kSite + 1, RecordKind::kState);
  Ring a = ring(0);
  ASSERT_TRUE(a.say(kSiteStateGap, 1, 0));
  ASSERT_TRUE(a.say(kSite, 2, 1));
  ASSERT_TRUE(a.say(kSite + 1, 3, 2));
  ASSERT_TRUE(a.say(kSite + 1, 4, 3));
  Merger merger(region_, {});
  merge_dead(merger);
  const std::vector<Got> all = read_journal(region_, position_);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].flags, 0);
  EXPECT_EQ(all[1].flags, kAfterGap);
  EXPECT_EQ(all[2].flags, 0);
}

TEST_F(MergerTest, ASlotIsFreeOnlyWhenItsRingIsEmptyAndCommitted) {
  Ring a = ring(0);
  for (u64 i = 0; i < 5; ++i) ASSERT_TRUE(a.say(kSite, i, i));
  a.slot->state.store(region::SlotState::kLeft);
  Merger merger(region_, {});
  merger.resume(true, false);
  EXPECT_EQ(a.slot->state.load(), region::SlotState::kLeft);
  ASSERT_EQ(merger.merge(true, kNoFloor), Merged::kBatch);
  (void)merger.merge(true, kNoFloor);
  EXPECT_EQ(a.slot->state.load(), region::SlotState::kReady);
  EXPECT_EQ(a.place.tail->load(), a.place.head->load());
}

TEST_F(MergerTest, SecretsDoNotReachTheJournal) {
  define_site(kSite + 1, RecordKind::kLog, "password");
  Ring a = ring(0);
  ASSERT_TRUE(a.say(kSite + 1, 1, 0x1122334455667788));
  ASSERT_TRUE(a.say(kSite, 2, 42));
  Merger merger(region_, {});
  merge_dead(merger);
  const std::vector<Got> all = read_journal(region_, position_);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].number, 0u);
  EXPECT_EQ(all[1].number, 42u);
}

}  // namespace
}  // namespace sluice::back
