// File names, numbers, and where a region's sequences end.
#include "segment/directory.h"

#include <gtest/gtest.h>

#include "segment/writer.h"
#include "segment_fixture.h"
#include "support/fault_io.h"

namespace sluice::testing {
namespace {

TEST(SegmentNames, ComeBackAsTheyWereAndNothingElseIsTaken) {
  EXPECT_EQ(segment_file_name("app", 7), "app-000007.seg");
  EXPECT_EQ(segment_file_name("a-1", 12'345'678), "a-1-12345678.seg");
  for (const u64 number : {u64{0}, u64{1}, u64{999'999}, u64{1'000'000}, ~u64{0}}) {
    const auto parsed = parse_segment_file_name(segment_file_name("a-1.b", number));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->name, "a-1.b");
    EXPECT_EQ(parsed->number, number);
  }
  for (const char* wrong :
       {"", ".seg", "app.seg", "app-.seg", "app-7.seg", "app-0000007.seg", "app-00000x.seg",
        "-000001.seg", ".app-000001.seg", "a/b-000001.seg", "app-000001.seg.tmp",
        "app-99999999999999999999999.seg", "app--00001.seg", "a b-000001.seg"}) {
    EXPECT_FALSE(parse_segment_file_name(wrong)) << wrong;
  }
  EXPECT_FALSE(is_segment_name(std::string(kSegmentNameBytesMax + 1, 'a')));
  EXPECT_FALSE(is_segment_name("a\nb"));
}

TEST(SegmentNames, NextNumberIsAboveTheHighestOfItsOwnName) {
  MemoryIo disk;
  disk.make_directory("/d");
  EXPECT_EQ(next_number(disk, "/d", "app").value(), 1u);
  for (const char* path : {"/d/app-000002.seg", "/d/app-1000000.seg", "/d/other-2000000.seg",
                           "/d/app-x.seg", "/d/app-000009.txt"}) {
    disk.put(path, {});
  }
  EXPECT_EQ(next_number(disk, "/d", "app").value(), 1'000'001u);
  EXPECT_EQ(list_segments(disk, "/d").value().size(), 3u);
  EXPECT_EQ(next_number(disk, "/none", "app").status().error_class(), ErrorClass::kDisableSink);
}

class LastSequence : public ::testing::Test {
 protected:
  LastSequence() { disk_.make_directory("/d"); }

  // A file of `name` with sequences [first, end), written but not sealed.
  void write(const std::string& name, u8 region, u64 first, u64 end, bool sealed) {
    RunDefinition run = test_run();
    run.region_id[0] = region;
    auto writer = SegmentWriter::open({.directory = "/d", .name = name, .io = &disk_}, run);
    for (u64 i = first; i < end; ++i) {
      ASSERT_TRUE(writer.value()->append(i, make_record(16, 0, i, 40, i), nullptr).ok());
      ASSERT_TRUE(writer.value()->flush().ok());
    }
    if (sealed) {
      ASSERT_TRUE(writer.value()->seal().ok());
    }
  }

  std::optional<u64> last(u8 region) {
    RegionId id = test_run().region_id;
    id[0] = region;
    return last_sequence(disk_, "/d", id).value();
  }

  MemoryIo disk_;
};

TEST_F(LastSequence, IsTheHighestOfTheRegionOverFilesAndNames) {
  EXPECT_EQ(last(1), std::nullopt);
  write("app", 1, 1, 10, true);
  write("app", 1, 10, 20, false);
  write("app", 2, 0, 1, true);
  write("other", 1, 30, 33, true);
  write("app", 3, 500, 501, false);
  EXPECT_EQ(last(1), 32u);
  EXPECT_EQ(last(2), 0u);
  EXPECT_EQ(last(3), 500u);
  EXPECT_EQ(last(4), std::nullopt);
}

TEST_F(LastSequence, TornTailsAndFilesWithNothingLeftAreSteppedOver) {
  write("app", 1, 1, 4, false);
  const Bytes whole = disk_.bytes("/d/app-000001.seg");
  write("app", 1, 4, 5, false);
  Bytes& second = disk_.bytes("/d/app-000002.seg");
  second.resize(second.size() - 64);  // its only record
  disk_.put("/d/app-000003.seg", {});
  disk_.put("/d/app-000004.seg", Bytes(500, std::byte{'x'}));
  EXPECT_EQ(last(1), 3u);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    disk_.bytes("/d/app-000001.seg").assign(whole.begin(), whole.begin() + i64(length));
    const std::optional<u64> found = last(1);
    ASSERT_TRUE(!found || (*found >= 1 && *found <= 3)) << length;
  }
}

TEST_F(LastSequence, SkippedSequencesCount) {
  auto writer = SegmentWriter::open({.directory = "/d", .name = "app", .io = &disk_}, test_run());
  ASSERT_TRUE(writer.value()->skip(5, 10).ok());
  ASSERT_TRUE(writer.value()->flush().ok());
  EXPECT_EQ(last_sequence(disk_, "/d", test_run().region_id).value(), 14u);
}

}  // namespace
}  // namespace sluice::testing
