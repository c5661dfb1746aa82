// Formats known at run time: what a bad one does is to be seen in the record, with the arguments.
#include <gtest/gtest.h>
#include <sluice/runtime_format.h>
#include <sluice/sluice.h>

#include <string>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace shop {
struct Name {
  std::string first, last;
};
std::string sluice_value(const Name& name) { return name.first + " " + name.last; }
}  // namespace shop

namespace sluice::test {
namespace {

using nlohmann::json;

Options options_for(const Dirs& dirs, Kept& kept) {
  return {.product = "runtime",
          .sinks = {kept.sink()},
          .region_directory = dirs.region,
          .quiet = true,
          .redact = "pin"};
}

#define EXPECT_SAID(expected, ...)                \
  do {                                            \
    SLUICE_LOG_RUNTIME(Level::info, __VA_ARGS__); \
    EXPECT_EQ(kept.last().message, (expected));   \
  } while (0)

ISOLATED_TEST(RuntimeFormat, AsAFormatOfTheCompilers) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const std::string format = "{:>6.2f} of {}";
  EXPECT_SAID("  3.14 of pi", format, 3.14159, "pi");
  EXPECT_SAID("b a {}", "{1} {0} {{}}", 'a', "b");
  EXPECT_SAID("no arguments", "no arguments");
  EXPECT_SAID("Ada Augusta, Countess of Lovelace", "{}",
              shop::Name{"Ada Augusta,", "Countess of Lovelace"});
  EXPECT_SAID("tab\\tline\\n", "tab\tline\n");
}

ISOLATED_TEST(RuntimeFormat, NamesAreFields) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const std::string format = "order {id} by {who}";
  SLUICE_LOG_RUNTIME(Level::warning, format, 17, kv("who", "ann"), kv("paid", true));
  const auto last = kept.last();
  EXPECT_EQ(last.level, Level::warning);
  EXPECT_TRUE(last.message.starts_with("order 17 by ann")) << last.message;
  EXPECT_EQ(last.json["fields"], json::parse(R"({"id":17,"who":"ann","paid":true})"));
  const std::string place = "runtime_format_test.cc:" + std::to_string(__LINE__ - 5);
  EXPECT_NE(last.json.dump().find(place), std::string::npos) << last.json;
}

ISOLATED_TEST(RuntimeFormat, AMistakeShowsWithItsArguments) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  EXPECT_SAID("{:d}!(string abc)", "{:d}", "abc");
  EXPECT_SAID("1 {}!(missing)", "{} {}", 1);
  EXPECT_SAID("1 !(i32 5)", "{}", 1, 5);
  EXPECT_SAID("{:>9999999999}!(i32 7)", "{:>9999999999}", 7);
  EXPECT_SAID("", "");
  for (const char* format : {"{", "}", "{:", "{{}", "{!", "{0", "{:{}", "%s", "{-1}", "{0x}"}) {
    SLUICE_LOG_RUNTIME(Level::info, std::string_view(format), 4711);
    EXPECT_NE(kept.last().message.find("4711"), std::string::npos)
        << format << " gives " << kept.last().message;
  }
}

ISOLATED_TEST(RuntimeFormat, SecretsAreTakenOutOfTheMessageToo) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  SLUICE_LOG_RUNTIME(Level::info, "{password} {}", "hunter2", 1, kv("pin", "4711"));
  const auto last = kept.last();
  EXPECT_EQ(last.json.dump().find("hunter2"), std::string::npos) << last.json;
  EXPECT_EQ(last.json.dump().find("4711"), std::string::npos) << last.json;
  EXPECT_TRUE(last.message.starts_with("[redacted] 1")) << last.message;
}

ISOLATED_TEST(RuntimeFormat, WhatIsTooBigIsCountedAsThat) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  SLUICE_LOG_RUNTIME(Level::info, "{}", std::string(1 << 20, 'x'));
  SLUICE_LOG_RUNTIME(Level::debug, "{}", 1);
  EXPECT_EQ(stats().dropped_too_big, 1u);
  EXPECT_EQ(stats().filtered, 1u);
  EXPECT_EQ(stats().attempted, 2u);
}

}  // namespace
}  // namespace sluice::test
