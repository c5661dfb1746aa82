// Bytes, fixed texts, Status.
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/fixed_text.h"
#include "base/status.h"

namespace sluice {
namespace {

TEST(ByteReader, ReadsInOrderAndSaysWhatIsLeft) {
  const char bytes[] = {1, 2, 0, 3, 0, 0, 0, 'a', 'b', 'c'};
  ByteReader reader(as_bytes({bytes, sizeof bytes}));
  EXPECT_EQ(reader.read<u8>(), 1);
  EXPECT_EQ(reader.read<u16>(), 2);
  EXPECT_EQ(reader.read<u32>(), 3u);
  EXPECT_EQ(reader.left(), 3u);
  EXPECT_EQ(reader.read_text(2), "ab");
  EXPECT_TRUE(reader.ok());
}

TEST(ByteReader, StaysInsideForGood) {
  const char bytes[] = {1, 2, 3};
  ByteReader reader(as_bytes({bytes, sizeof bytes}));
  EXPECT_EQ(reader.read<u32>(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.read<u8>(), 0) << "nothing more after the first failure";
  EXPECT_TRUE(reader.read_bytes(1).empty());
  ByteReader huge(as_bytes({bytes, sizeof bytes}));
  EXPECT_TRUE(huge.read_bytes(~std::size_t{0}).empty());
  EXPECT_FALSE(huge.ok());
  ByteReader none{ByteView{}};
  EXPECT_TRUE(none.read_bytes(0).empty());
  EXPECT_TRUE(none.ok());
}

TEST(FixedText, CutsAndEndsWithZero) {
  char to[8];
  std::memset(to, 'x', sizeof to);
  FixedText text(to, sizeof to);
  text.text("ab").number(12).number(255, 16);
  EXPECT_STREQ(to, "ab12ff");
  EXPECT_FALSE(text.cut());
  text.text("long");
  EXPECT_STREQ(to, "ab12ffl");
  EXPECT_TRUE(text.cut());
  copy_text(to, "0123456789");
  EXPECT_EQ(field_text(to), "0123456");
  std::memset(to, 'y', sizeof to);
  EXPECT_EQ(field_text(to), "yyyyyyyy") << "without an ending zero";
  char digits[32];
  FixedText(digits, sizeof digits).number(~u64{0});
  EXPECT_STREQ(digits, "18446744073709551615");
  FixedText(digits, sizeof digits).number(0);
  EXPECT_STREQ(digits, "0");
}

TEST(RoundUp, ToTheNextStep) {
  EXPECT_EQ(round_up(0, 8), 0u);
  EXPECT_EQ(round_up(1, 8), 8u);
  EXPECT_EQ(round_up(8, 8), 8u);
  EXPECT_EQ(round_up(4097, 4096), 8192u);
}

TEST(Status, CarriesWhatToDoNext) {
  const Status good;
  EXPECT_TRUE(good.ok());
  EXPECT_EQ(good.os_error(), 0);
  const Status bad(ErrorClass::kRotate, "disk", 5);
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.error_class(), ErrorClass::kRotate);
  EXPECT_EQ(bad.message(), "disk");
  EXPECT_EQ(bad.os_error(), 5);
  Result<int> value(7);
  EXPECT_TRUE(value.ok());
  EXPECT_EQ(value.value(), 7);
  EXPECT_TRUE(value.status().ok());
  const Result<int> none(fatal("no"));
  EXPECT_FALSE(none.ok());
  EXPECT_EQ(none.status().error_class(), ErrorClass::kFatal);
}

}  // namespace
}  // namespace sluice
