// Every kind of value a call can take comes out as what went in: as text, and as typed fields.
#include <gtest/gtest.h>
#include <sluice/sluice.h>

#include <limits>
#include <string>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace shop {

struct Price {
  long ticks;
};
auto sluice_value(const Price& price) { return double(price.ticks) * 0.01; }

struct Colour {
  int index;
};
auto sluice_value(const Colour& colour) { return std::string_view(colour.index ? "green" : "red"); }

struct Owner {
  std::string first, last;
};
// Gives back an object: it must live until its bytes are copied.
auto sluice_value(const Owner& owner) { return owner.first + " " + owner.last; }

struct Shop {
  Owner owner;
};
// Gives back another type of ours, whose own value lives no longer than the call.
auto sluice_value(const Shop& place) { return place.owner; }

enum class Side : unsigned char { buy = 1, sell = 2 };
enum Legacy { kOld = -3 };

}  // namespace shop

namespace sluice::test {
namespace {

Options options_for(const Dirs& dirs, Kept& kept) {
  return {
      .product = "values", .sinks = {kept.sink()}, .region_directory = dirs.region, .quiet = true};
}

#define EXPECT_SAID(expected, ...)              \
  do {                                          \
    SLUICE_INFO(__VA_ARGS__);                   \
    EXPECT_EQ(kept.last().message, (expected)); \
  } while (0)

ISOLATED_TEST(Values, AValueOfATypeOfOursMayBeOfAnother) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const shop::Shop place{
      {"Ada Augusta, Countess of Lovelace", "and a name too long to be in place"}};
  const std::string expected = place.owner.first + " " + place.owner.last;
  EXPECT_SAID(expected, "{}", place);
  EXPECT_SAID("sold by=" + nlohmann::json(expected).dump(), "sold", kv("by", place));
}

ISOLATED_TEST(Values, Numbers) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  EXPECT_SAID("0", "{}", 0);
  EXPECT_SAID("-1", "{}", -1);
  EXPECT_SAID("-128", "{}", std::int8_t{-128});
  EXPECT_SAID("255", "{}", std::uint8_t{255});
  EXPECT_SAID("-32768", "{}", std::int16_t{-32768});
  EXPECT_SAID("65535", "{}", std::uint16_t{65535});
  EXPECT_SAID("-2147483648", "{}", std::numeric_limits<std::int32_t>::min());
  EXPECT_SAID("4294967295", "{}", std::numeric_limits<std::uint32_t>::max());
  EXPECT_SAID("-9223372036854775808", "{}", std::numeric_limits<std::int64_t>::min());
  EXPECT_SAID("18446744073709551615", "{}", std::numeric_limits<std::uint64_t>::max());
  EXPECT_SAID("1", "{}", 1L);
  EXPECT_SAID("1", "{}", 1ULL);
  EXPECT_SAID("21.5", "{}", 21.5);
  EXPECT_SAID("0.1", "{}", 0.1f);
  EXPECT_SAID("1e+300", "{}", 1e300);
  EXPECT_SAID("2.5", "{}", 2.5L);
  EXPECT_SAID("3.142     42 0xff", "{:.3f} {:>6} {:#x}", 3.14159, 42, 255);
  EXPECT_SAID("true false", "{} {}", true, false);
  EXPECT_SAID("az", "{}{}", 'a', 'z');
}

ISOLATED_TEST(Values, Texts) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const std::string owned = "owned";
  const std::string_view view = "view";
  const char* pointer = "pointer";
  const char* none = nullptr;
  char array[16] = "array";
  char* changeable = array;
  EXPECT_SAID("literal", "{}", "literal");
  EXPECT_SAID("owned", "{}", owned);
  EXPECT_SAID("view", "{}", view);
  EXPECT_SAID("pointer", "{}", pointer);
  EXPECT_SAID("array", "{}", array);
  EXPECT_SAID("array", "{}", changeable);
  EXPECT_SAID("(null)", "{}", none);
  EXPECT_SAID("", "{}", std::string_view{});
  EXPECT_SAID("temporary text", "{}", std::string("temporary") + " text");
  EXPECT_SAID("0x0", "{}", nullptr);
  EXPECT_SAID("0x0", "{}", static_cast<const void*>(nullptr));
  EXPECT_SAID("no arguments, {braces}", "no arguments, {{braces}}");
}

// Lengths around every branch of the copy, with what stands before and behind intact.
ISOLATED_TEST(Values, TextsOfEveryLength) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  std::string source;
  for (int i = 0; i < 300; ++i) source += char('a' + i % 26);
  for (std::size_t size = 0; size <= 300; ++size) {
    SLUICE_INFO("<{}|{}|{}>", 1, std::string_view(source.data(), size), "end");
  }
  const auto messages = kept.messages();
  ASSERT_EQ(messages.size(), 301u);
  for (std::size_t size = 0; size <= 300; ++size) {
    EXPECT_EQ(messages[size], "<1|" + source.substr(0, size) + "|end>");
  }
}

ISOLATED_TEST(Values, TypesOfTheUser) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  EXPECT_SAID("12.5", "{}", shop::Price{1250});
  EXPECT_SAID("12.50", "{:.2f}", shop::Price{1250});
  EXPECT_SAID("red green", "{} {}", shop::Colour{0}, shop::Colour{1});
  EXPECT_SAID("Ada Lovelace of a name that no small buffer holds", "{}",
              shop::Owner{"Ada", "Lovelace of a name that no small buffer holds"});
  EXPECT_SAID("2 -3", "{} {}", shop::Side::sell, shop::kOld);
  EXPECT_SAID("owner A B", "owner {owner}", kv("owner", shop::Owner{"A", "B"}));
}

ISOLATED_TEST(Values, TimesBytesAndJson) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const unsigned char raw[] = {0x00, 0xff, 0x10};
  SLUICE_INFO("at {t} for {d}: {b} {j}", Timestamp{1'700'000'000'123'456'789},
              Duration{1'500'000'000}, Bytes{raw, sizeof raw}, Json{R"({"a":[1,2]})"});
  const auto fields = kept.last().json["fields"];
  EXPECT_EQ(fields["t"], "2023-11-14T22:13:20.123456789Z");
  EXPECT_EQ(fields["d"], 1.5);
  EXPECT_EQ(fields["b"], "00ff10");
  EXPECT_EQ(fields["j"], nlohmann::json::parse(R"({"a":[1,2]})"));
}

ISOLATED_TEST(Values, NamesMakeTypedFields) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  SLUICE_INFO("order {id} at {px} by {who}", 17, 99.5, "ann", kv("paid", true), kv("n", -2));
  auto last = kept.last();
  EXPECT_EQ(last.message, "order 17 at 99.5 by ann paid=true n=-2");
  EXPECT_EQ(last.json["fields"],
            nlohmann::json::parse(R"({"id":17,"px":99.5,"who":"ann","paid":true,"n":-2})"));
  // A kv() of the placeholder's name feeds it, wherever it stands among the arguments.
  SLUICE_INFO("{a} {b}", kv("b", 2), 1);
  last = kept.last();
  EXPECT_EQ(last.message, "1 2");
  EXPECT_EQ(last.json["fields"], nlohmann::json::parse(R"({"a":1,"b":2})"));
  // One name twice is one argument; indexes may repeat and be out of order.
  EXPECT_SAID("5 5", "{x} {x}", 5);
  EXPECT_SAID("b a b", "{1} {0} {1}", "a", "b");
  EXPECT_SAID("1 2", "{0} {extra}", 1, kv("extra", 2));
}

ISOLATED_TEST(Values, ThirtyOneArguments) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  EXPECT_SAID("1234567890a2345678901b34567890c",
              "{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}", 1, 2, 3, 4, 5, 6, 7,
              8, 9, 0, "a", 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, "b", 3, 4, 5, 6, 7, 8, 9, 0, "c");
}

// The macro must evaluate its arguments once, and not at all when the level is off.
ISOLATED_TEST(Values, EvaluatedOnceOrNever) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  int evaluated = 0;
  for (int i = 0; i < 3; ++i) SLUICE_INFO("{}", ++evaluated);
  EXPECT_EQ(evaluated, 3);
  for (int i = 0; i < 3; ++i) SLUICE_DEBUG("{}", ++evaluated);
  // The first call of a site does not know its level yet: registration happens behind it.
  EXPECT_LE(evaluated, 4);
  (void)flush();
  EXPECT_EQ(kept.count(), 3u);
}

}  // namespace
}  // namespace sluice::test
