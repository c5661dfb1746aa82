// Values of types of the standard library, and of types that are formatted in the caller: what they
// come out as, and that the program goes on when they throw, log themselves or never end.
#include <gtest/gtest.h>
#include <sluice/fmt.h>
#include <sluice/ostream.h>
#include <sluice/sluice.h>
#include <sluice/std.h>

#include <deque>
#include <map>
#include <ostream>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace shop {

struct Price {
  long ticks;
};
auto sluice_value(const Price& price) { return double(price.ticks) * 0.01; }

struct Streamed {
  int n;
};
std::ostream& operator<<(std::ostream& out, const Streamed& value) {
  if (value.n == 13) throw std::runtime_error("unlucky");
  if (value.n == 14) throw value.n;  // no std::exception
  return out << "streamed " << value.n << ' ' << 1000.5;
}

struct Formatted {
  int n;
};
std::ostream& operator<<(std::ostream& out, const Formatted&) { return out << "not this"; }

enum class Side { buy, sell };
inline auto format_as(Side side) { return side == Side::buy ? "buy" : "sell"; }

// Logs while it is formatted: one below it, as often as it says.
struct Talkative {
  int below;
};
std::ostream& operator<<(std::ostream& out, const Talkative& value) {
  if (value.below != 0) SLUICE_INFO("inner {}", Talkative{value.below - 1});
  return out << "talkative " << value.below;
}

}  // namespace shop

template <>
struct fmt::formatter<shop::Formatted> : fmt::formatter<int> {
  auto format(const shop::Formatted& value, fmt::format_context& context) const {
    if (value.n == 13) throw std::runtime_error("unlucky");
    return fmt::format_to(context.out(), "formatted {}", value.n);
  }
};

namespace sluice::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

Options options_for(const Dirs& dirs, Kept& kept) {
  return {.product = "std", .sinks = {kept.sink()}, .region_directory = dirs.region, .quiet = true};
}

#define EXPECT_SAID(expected, ...)              \
  do {                                          \
    SLUICE_INFO(__VA_ARGS__);                   \
    EXPECT_EQ(kept.last().message, (expected)); \
  } while (0)

// The value as the field `v`.
#define EXPECT_FIELD(expected, ...)                                                    \
  do {                                                                                 \
    SLUICE_INFO("x", kv("v", __VA_ARGS__));                                            \
    EXPECT_EQ(kept.last().json["fields"]["v"], json::parse(expected)) << #__VA_ARGS__; \
  } while (0)

ISOLATED_TEST(StdValues, Times) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  EXPECT_FIELD("1.5", 1500ms);
  EXPECT_FIELD("-0.000000001", -1ns);
  EXPECT_FIELD("7200.0", 2h);
  EXPECT_FIELD("0.25", std::chrono::duration<double>(0.25));
  EXPECT_FIELD("9223372036.854775807", std::chrono::hours::max());
  EXPECT_FIELD("-9223372036.854775808", std::chrono::duration<float, std::ratio<3600>>(-1e30f));
  const std::chrono::system_clock::time_point then(1'700'000'000'123'456'789ns);
  EXPECT_FIELD(R"("2023-11-14T22:13:20.123456789Z")", then);
  EXPECT_FIELD(R"("2023-11-14T22:13:20.000000000Z")",
               std::chrono::sys_seconds(std::chrono::seconds(1'700'000'000)));
  EXPECT_FIELD("5.0", std::chrono::steady_clock::time_point(5s));
}

ISOLATED_TEST(StdValues, PathsOptionalsPairsTuples) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  EXPECT_SAID("/a b/c", "{}", std::filesystem::path("/a b/c"));
  EXPECT_FIELD("7", std::optional<int>(7));
  EXPECT_FIELD("null", std::optional<int>());
  EXPECT_FIELD(R"("a\"b")", std::optional<std::string>("a\"b"));
  EXPECT_FIELD(R"([1,"x"])", std::pair(1, "x"));
  EXPECT_FIELD(R"([1,2.5,true,"c",null])",
               std::tuple(1, 2.5, true, 'c', std::optional<std::string>()));
  EXPECT_FIELD("[]", std::tuple<>());
  EXPECT_FIELD("[99.5,0.001]", std::pair(shop::Price{9950}, 1ms));
}

ISOLATED_TEST(StdValues, RangesAndMaps) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  EXPECT_FIELD("[]", std::vector<int>());
  EXPECT_FIELD("[1,2,3]", std::vector{1, 2, 3});
  EXPECT_FIELD("[true,false]", std::vector<bool>{true, false});
  EXPECT_FIELD(R"([["a"],[]])", std::vector<std::deque<std::string>>{{"a"}, {}});
  EXPECT_FIELD(R"({"a":[1],"b\n":[]})",
               std::map<std::string, std::vector<int>>{{"a", {1}}, {"b\n", {}}});
  EXPECT_FIELD("[[1,2.0]]", std::map<int, double>{{1, 2.0}});
  EXPECT_FIELD("[3,4]", std::set<unsigned char>{3, 4});
  EXPECT_SAID("texts stay texts", "{}", std::string("texts stay texts"));
  SLUICE_INFO("{v}", std::vector<int>(100'000, 7));
  const json cut = kept.last().json["fields"]["v"];
  EXPECT_EQ(cut.back(), "...");
  EXPECT_LT(cut.size(), 10'000u);
}

ISOLATED_TEST(StdValues, FormattersAndStreams) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  EXPECT_SAID("streamed 1 1000.5", "{}", shop::Streamed{1});
  EXPECT_SAID("formatted 2", "{}", shop::Formatted{2});
  EXPECT_SAID("99.5", "{}", shop::Price{9950});
  EXPECT_FIELD(R"(["streamed 3 1000.5"])", std::vector{shop::Streamed{3}});
  EXPECT_SAID(std::string(50'000, 'x'), "{}", std::string(50'000, 'x'));
}

ISOLATED_TEST(StdValues, WhatThrowsSaysSo) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  EXPECT_SAID("a !(threw unlucky) b", "a {} {}", shop::Streamed{13}, "b");
  EXPECT_SAID("!(threw)", "{}", shop::Streamed{14});
  EXPECT_SAID("!(threw unlucky)", "{}", shop::Formatted{13});
  EXPECT_FIELD(R"x(["!(threw unlucky)",["streamed 1 1000.5"]])x",
               std::pair(shop::Streamed{13}, std::optional(std::vector{shop::Streamed{1}})));
}

ISOLATED_TEST(StdValues, WhatLogsWhileItIsFormatted) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  SLUICE_INFO("outer {}", shop::Talkative{2});
  EXPECT_EQ(kept.messages(), (std::vector<std::string>{"inner talkative 0", "inner talkative 1",
                                                       "outer talkative 2"}));
  // Would never end.
  SLUICE_INFO("outer {}", shop::Talkative{1'000'000'000});
  const auto all = kept.messages();
  ASSERT_EQ(all.size(), 9u);
  EXPECT_EQ(all.front(), "inner !(formats itself)");
  EXPECT_EQ(all.back(), "outer talkative 1000000000");
  EXPECT_SAID("talkative 0", "{}", shop::Talkative{0});
}

}  // namespace
}  // namespace sluice::test
