#include "record/text_buffer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice {
namespace {

bool add(TextBuffer& out, const std::string& text) {
  char* at = out.begin_record();
  if (at == nullptr) return false;
  for (char c : text) {  // one room() a byte: the buffer may move at any of them
    at = out.room(at, 1);
    *at++ = c;
  }
  return out.end_record(at);
}

TEST(TextBuffer, GrowsAndKeepsEverything) {
  TextBuffer out;
  std::string all;
  for (int i = 0; i < 2000; ++i) {
    const std::string text = "record " + std::to_string(i) + ";";
    ASSERT_TRUE(add(out, text));
    all += text;
  }
  EXPECT_EQ(out.text(), all);
  out.clear();
  EXPECT_TRUE(out.empty());
}

TEST(TextBuffer, FixedMemoryRefusesWhatDoesNotFitAndStaysAsItWas) {
  std::vector<char> memory(128);
  TextBuffer out(memory);
  ASSERT_TRUE(add(out, std::string(60, 'a')));
  EXPECT_FALSE(add(out, std::string(60, 'b')));
  EXPECT_EQ(out.text(), std::string(60, 'a'));
  EXPECT_TRUE(add(out, std::string(10, 'c')));  // a shorter one still fits
  EXPECT_EQ(out.text(), std::string(60, 'a') + std::string(10, 'c'));
  out.clear();
  EXPECT_TRUE(add(out, std::string(60, 'b')));
  EXPECT_EQ(out.text(), std::string(60, 'b'));
  EXPECT_EQ(out.text().data(), memory.data());
}

TEST(TextBuffer, RecordLongerThanTheMemoryGoesElsewhereAlone) {
  std::vector<char> memory(128);
  TextBuffer out(memory);
  const std::string large(10'000, 'x');
  ASSERT_TRUE(add(out, "first"));
  EXPECT_FALSE(add(out, large));
  EXPECT_EQ(out.text(), "first");
  out.clear();
  EXPECT_TRUE(add(out, large));
  EXPECT_EQ(out.text(), large);
  EXPECT_FALSE(add(out, "next")) << "must be taken away first";
  EXPECT_EQ(out.text(), large);
  out.clear();
  EXPECT_TRUE(add(out, "next"));
  EXPECT_EQ(out.text().data(), memory.data());
}

TEST(TextBuffer, NeverWritesOutsideFixedMemory) {
  std::vector<char> memory(256, '#');
  TextBuffer out(std::span<char>(memory).subspan(64, 128));
  for (int i = 0; i < 100; ++i) {
    if (!add(out, std::string(std::size_t(i), 'y'))) out.clear();
  }
  EXPECT_EQ(std::string(memory.begin(), memory.begin() + 64), std::string(64, '#'));
  EXPECT_EQ(std::string(memory.begin() + 192, memory.end()), std::string(64, '#'));
}

TEST(TextBuffer, MemoryTooSmallToUseIsAsNone) {
  char tiny[8] = {'#'};
  TextBuffer out(tiny);
  EXPECT_TRUE(add(out, "longer than that"));
  EXPECT_TRUE(add(out, "!"));
  EXPECT_EQ(out.text(), "longer than that!");
  EXPECT_EQ(tiny[0], '#');
}

}  // namespace
}  // namespace sluice
