// The checker of the examples: it must see each thing that the examples say did not happen.
#include "../examples/tally.h"

#include <gtest/gtest.h>

#include <string>

namespace {

Tally tally_of(std::string text, std::uint64_t expected) {
  std::FILE* file = fmemopen(text.data(), text.size(), "r");
  const Tally tally = tally_lines(file, expected);
  std::fclose(file);
  return tally;
}

TEST(TallyTest, CountsTextAndJson) {
  const Tally tally = tally_of(
      "12:00 info an enemy n=1\n"
      "{\"msg\":\"an enemy\",\"fields\":{\"id\":9,\"n\":2}}\n"
      "12:00 info state {\"n\":3}\n",
      3);
  EXPECT_EQ(tally.present, 3u);
  EXPECT_EQ(tally.lost(3), 0u);
  EXPECT_EQ(tally.duplicates + tally.torn + tally.beyond, 0u);
}

TEST(TallyTest, SeesALostRecord) { EXPECT_EQ(tally_of("a n=1\na n=3\n", 3).lost(3), 1u); }

TEST(TallyTest, SeesARepeatedRecord) {
  const Tally tally = tally_of("a n=1\na n=2\na n=1\n", 2);
  EXPECT_EQ(tally.duplicates, 1u);
  EXPECT_EQ(tally.present, 2u);
}

TEST(TallyTest, SeesALineWithoutItsEnd) {
  EXPECT_EQ(tally_of("a n=1\na n=2", 2).torn, 1u);
  EXPECT_EQ(tally_of("a n=1\n2025-11-22T2\n", 1).torn, 1u);
  // The rest of a torn line may be followed by a whole one: two times of day in one line.
  EXPECT_EQ(tally_of("12:00 a n=1\n12:00 a n=12:01 a n=2\n", 2).torn, 1u);
}

TEST(TallyTest, SeesARecordNobodyPublished) { EXPECT_EQ(tally_of("a n=1\na n=7\n", 1).beyond, 1u); }

TEST(TallyTest, PassesOverTheLibrarysOwnDropReports) {
  const Tally tally =
      tally_of("a n=1\n12:00 warning dropped 1 record of a.cc:1 (x), 1 in all\n", 1);
  EXPECT_EQ(tally.present, 1u);
  EXPECT_EQ(tally.torn, 0u);
}

}  // namespace
