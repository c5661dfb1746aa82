#include "runtime/config.h"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(ParseBytes, NumbersWithUnits) {
  const struct {
    const char* text;
    u64 value;
  } good[] = {{"0", 0},
              {"17", 17},
              {"64K", 65536},
              {"64k", 65536},
              {"8MiB", 8 << 20},
              {"1G", u64{1} << 30},
              {"3KB", 3072},
              {"5B", 5},
              {"18446744073709551615", ~u64{0}},
              {"17179869183G", u64{17179869183} << 30}};
  for (const auto& each : good) {
    u64 value = 0;
    EXPECT_TRUE(parse_bytes(each.text, value)) << each.text;
    EXPECT_EQ(value, each.value) << each.text;
  }
  for (const char* bad : {"", "K", "B", "-1", "1.5K", " 1", "1 ", "0x10", "K1", "1T", "1KK",
                          "18446744073709551616", "17179869184G"}) {
    u64 value = 0;
    EXPECT_FALSE(parse_bytes(bad, value)) << bad;
  }
}

TEST(MakeConfig, TextsAreOwnedAndPathsAbsolute) {
  Config config;
  {
    std::string path = "relative.log", product = "product";
    const std::vector<std::string> mistakes =
        make_config({.product = product, .sinks = {text_file(path)}}, config);
    EXPECT_TRUE(mistakes.empty());
    path.assign(path.size(), '#');
    product.assign(product.size(), '#');
  }
  EXPECT_EQ(config.product, "product");
  ASSERT_EQ(config.sinks.size(), 1u);
  EXPECT_EQ(config.sinks[0].path.front(), '/');
  EXPECT_TRUE(config.sinks[0].path.ends_with("/relative.log"));
  EXPECT_EQ(config.run_id.size(), 32u);
  Config other;
  (void)make_config({}, other);
  EXPECT_NE(other.run_id, config.run_id);
  EXPECT_EQ(other.sinks.size(), 1u);
  EXPECT_EQ(other.sinks[0].kind, SinkKind::console);
}

TEST(MakeConfig, WhatIsRequiredByItself) {
  Config config;
  const auto nothing = [](const CallbackRecord&, void*) {};
  (void)make_config({.sinks = {console(), text_file("a"), json_file("b"), segment_files("c"),
                               callback(nothing), text_file("d", {.need = Sink::Need::best_effort}),
                               callback(nothing, nullptr, {.need = Sink::Need::required})}},
                    config);
  const bool expected[] = {false, true, true, true, false, false, true};
  ASSERT_EQ(config.sinks.size(), std::size(expected));
  for (std::size_t i = 0; i < std::size(expected); ++i) {
    EXPECT_EQ(config.sinks[i].required, expected[i]) << i;
  }
}

}  // namespace
}  // namespace sluice::runtime
