// emulator: no (two hundred thousand mutations, which take minutes there)
//
// Is it JSON, and how does it come on one line? Judged by another parser.
#include "record/json_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

namespace sluice {
namespace {

std::string one_line(std::string_view json) {
  TextBuffer out;
  char* const begin = out.begin_record();
  EXPECT_TRUE(out.end_record(put_json_line(out, begin, json)));
  return std::string(out.text());
}

TEST(JsonText, AcceptsValues) {
  for (const char* good :
       {"1", "-0", "0.5e+10", "\"\"", "\"a\\u00e9\\n\"", "true", "null", "[]", "{}", " [1, 2] ",
        R"({"a":{"b":[1,2,{"c":null}]},"d":"x"})", R"("\ud83d\ude80")", "[[],[]]"}) {
    EXPECT_TRUE(is_json(good)) << good;
    EXPECT_TRUE(nlohmann::json::accept(good)) << good;
  }
}

TEST(JsonText, RefusesWhatIsNone) {
  for (const char* bad : {"",
                          " ",
                          "01",
                          "1.",
                          ".5",
                          "-",
                          "+1",
                          "1e",
                          "tru",
                          "truex",
                          "'a'",
                          "\"a",
                          "\"\\x\"",
                          "\"\\u12g4\"",
                          "\"\t\"",
                          "[1,]",
                          "[,1]",
                          "[1",
                          "]",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{a:1}",
                          "{\"a\":1,}",
                          "1 2",
                          "[1}",
                          "{]",
                          "NaN",
                          "\"\xff\"",
                          "\"\\ud800\"",
                          "\"\\ud800\\u0041\"",
                          "\"\\udc00\"",
                          "1e999",
                          "[1]x",
                          "\"\\u12\""}) {
    EXPECT_FALSE(is_json(bad)) << bad;
    EXPECT_FALSE(nlohmann::json::accept(bad)) << bad;
  }
  EXPECT_FALSE(is_json(std::string_view("\0", 1)));
  EXPECT_FALSE(is_json(std::string_view("1\0", 2)));
}

TEST(JsonText, DepthIsBounded) {
  const auto nested = [](unsigned depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(is_json(nested(kJsonDepthMax)));
  EXPECT_FALSE(is_json(nested(kJsonDepthMax + 1)));
  EXPECT_FALSE(is_json(std::string(100'000, '[')));
}

// Random mutations of a valid text: this checker and nlohmann's must always agree.
TEST(JsonText, AgreesWithAnotherParser) {
  const std::string seed = R"({"a":[1,-2.5e3,"x\u00e4\\\"",true],"b":{"c":null},"d":""})";
  const std::string alphabet = "{}[]\",:0123456789.eE+-truefalsn\\u \t";
  std::mt19937 random(11);
  int valid = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string text = seed;
    for (auto n = random() % 4; n > 0; --n) {
      const auto at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          text.erase(at, 1 + random() % 3);
          break;
        default:
          text.insert(at, 1, alphabet[random() % alphabet.size()]);
          break;
      }
      if (text.empty()) text = "1";
    }
    const bool ours = is_json(text);
    ASSERT_EQ(ours, nlohmann::json::accept(text)) << text;
    if (!ours) continue;
    ++valid;
    ASSERT_EQ(nlohmann::json::parse(one_line(text)), nlohmann::json::parse(text)) << text;
  }
  EXPECT_GT(valid, 1000) << "the mutations leave nothing to compare";
}

TEST(JsonText, OneLineWithoutUnsafeCharacters) {
  EXPECT_EQ(one_line("{\n \"a\" : [ 1,\t2 ] }\r\n"), R"({"a":[1,2]})");
  EXPECT_EQ(one_line("\"a b\\\" c\""), "\"a b\\\" c\"");
  EXPECT_EQ(one_line("\"\x7f\xc2\x85\xe2\x80\xae\xc3\xa4\""), "\"\\u007f\\u0085\\u202e\xc3\xa4\"");
  EXPECT_TRUE(is_json_object(" {}"));
  EXPECT_FALSE(is_json_object("[{}]"));
}

}  // namespace
}  // namespace sluice
