#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <vector>

#include <cstring>
#include <string>

namespace sluice {
namespace {

// RFC 3720, appendix B.4.
TEST(Crc32c, VectorsOfTheStandard) {
  unsigned char bytes[48];
  std::memset(bytes, 0, 32);
  EXPECT_EQ(crc32c(bytes, 32), 0x8a9136aau);
  std::memset(bytes, 0xff, 32);
  EXPECT_EQ(crc32c(bytes, 32), 0x62a8ab43u);
  for (unsigned char i = 0; i < 32; ++i) bytes[i] = i;
  EXPECT_EQ(crc32c(bytes, 32), 0x46dd794eu);
  for (unsigned char i = 0; i < 32; ++i) bytes[i] = static_cast<unsigned char>(31 - i);
  EXPECT_EQ(crc32c(bytes, 32), 0x113fdb5cu);
  EXPECT_EQ(crc32c("123456789", 9), 0xe3069283u);
  EXPECT_EQ(crc32c("", 0), 0u);
}

TEST(Crc32c, InPartsAsInOne) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += char(i * 7);
  const u32 whole = crc32c(text.data(), text.size());
  for (std::size_t cut = 0; cut <= text.size(); cut += 37) {
    EXPECT_EQ(crc32c(text.data() + cut, text.size() - cut, crc32c(text.data(), cut)), whole);
  }
}

TEST(Crc32c, FourAtOnceAreTheSameAsOneByOne) {
  std::vector<u8> bytes(4 * 1024);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = u8(i * 7 + i / 256);
  for (const std::size_t size : {0u, 8u, 64u, 1024u}) {
    u32 crcs[4];
    crc32c_of_four(bytes.data(), size, crcs);
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(crcs[i], crc32c(bytes.data() + i * size, size)) << size << " " << i;
    }
  }
}

// Long pieces are taken several strides at a time.
TEST(Crc32c, LongPiecesAreTheSameAsShortOnes) {
  std::vector<u8> bytes(20'011);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = u8(i * 31 + i / 251);
  for (const std::size_t size : {4095u, 4096u, 4097u, 8192u, 12'345u, 20'011u}) {
    u32 crc = 0;
    for (std::size_t i = 0; i < size; ++i) crc = crc32c(bytes.data() + i, 1, crc);
    EXPECT_EQ(crc32c(bytes.data(), size), crc) << size;
  }
}

TEST(Crc32c, SeesEveryFlippedBit) {
  std::string text(100, 'a');
  const u32 whole = crc32c(text.data(), text.size());
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    text[bit / 8] = char(text[bit / 8] ^ (1 << bit % 8));
    EXPECT_NE(crc32c(text.data(), text.size()), whole);
    text[bit / 8] = char(text[bit / 8] ^ (1 << bit % 8));
  }
}

}  // namespace
}  // namespace sluice
