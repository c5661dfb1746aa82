#include "record/escape.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace sluice {
namespace {

std::string text(std::string_view in) { return escaped(TextForm::kText, in); }
std::string json(std::string_view in) { return escaped(TextForm::kJson, in); }

TEST(Escape, ControlsLineBreaksAndTerminalEscapes) {
  EXPECT_EQ(text("a\nb\tc\rd"), "a\\nb\\tc\\rd");
  EXPECT_EQ(text("\x1b[31mred"), "\\x1b[31mred");
  EXPECT_EQ(text(std::string_view("\0\x07\x08\x7f", 4)), "\\x00\\x07\\x08\\x7f");
  EXPECT_EQ(text("\xc2\x9b"
                 "31m"),
            "\\u009b31m")
      << "C1: CSI as UTF-8";
  EXPECT_EQ(text("abc\xe2\x80\xae"
                 "def"),
            "abc\\u202edef");
  EXPECT_EQ(text("\xe2\x80\xa8\xe2\x80\xa9"), "\\u2028\\u2029");
  EXPECT_EQ(text("say \"hi\" c:\\new"), "say \"hi\" c:\\new");
}

TEST(Escape, JsonStrings) {
  EXPECT_EQ(json("a\nb\"c\\d"), "a\\nb\\\"c\\\\d");
  EXPECT_EQ(json("\x1b\x7f\b\f"), "\\u001b\\u007f\\b\\f");
  EXPECT_EQ(json("\xff"), "\\\\xff");
  EXPECT_EQ(json("\xe2\x80\xae"), "\\u202e");
}

TEST(Escape, InvalidUtf8ByteByByteAndValidUntouched) {
  EXPECT_EQ(text("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(text("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(text("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
  EXPECT_EQ(text("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "above U+10FFFF";
  EXPECT_EQ(text("\xe2\x82"), "\\xe2\\x82") << "cut short";
  const std::string good = "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\x80 end";
  EXPECT_EQ(text(good), good);
  EXPECT_EQ(json(good), good);
}

// Where the fast path hands over is where a mistake would hide: every byte at every distance from
// both ends of texts of every length around the vector sizes.
TEST(Escape, EveryByteAtEveryPlace) {
  for (std::size_t size = 1; size <= 35; ++size) {
    for (std::size_t place = 0; place < size; ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string in(size, 'a');
        in[place] = char(byte);
        const std::string one = text(std::string_view(&in[place], 1));
        const std::string expected =
            std::string(place, 'a') + one + std::string(size - place - 1, 'a');
        ASSERT_EQ(text(in), expected) << size << " " << place << " " << byte;
        const std::string one_json = json(std::string_view(&in[place], 1));
        ASSERT_EQ(json(in),
                  std::string(place, 'a') + one_json + std::string(size - place - 1, 'a'));
        const bool plain = byte >= 0x20 && byte < 0x7f;
        ASSERT_EQ(one.size() == 1, plain);
        ASSERT_EQ(one_json.size() == 1, plain && byte != '"' && byte != '\\');
      }
    }
  }
}

TEST(Escape, ValidTextSurvivesJsonExactly) {
  std::mt19937 random(7);
  const std::string pieces[] = {"a",
                                "\n",
                                "\x01",
                                "\"",
                                "\\",
                                "\xc3\xa4",
                                "\xe2\x80\xae",
                                "\xf0\x9f\x9a\x80",
                                "0123456789abcdef",
                                "\x7f",
                                "\xc2\x85"};
  for (int round = 0; round < 2000; ++round) {
    std::string in;
    for (auto n = random() % 12; n > 0; --n) in += pieces[random() % std::size(pieces)];
    const auto back = nlohmann::json::parse("\"" + json(in) + "\"", nullptr, false);
    ASSERT_TRUE(back.is_string()) << json(in);
    ASSERT_EQ(back.get<std::string>(), in);
  }
}

}  // namespace
}  // namespace sluice
