#include "record/filter.h"

#include <gtest/gtest.h>

#include "record/render.h"
#include "record/time_text.h"

namespace sluice {
namespace {

using namespace test;

constexpr i64 kNow = 1'700'000'000 * kNsPerSecond;  // 2023-11-14T22:13:20Z
constexpr i64 kMinute = 60 * kNsPerSecond;
constexpr i64 kDay = 24 * 60 * kMinute;

bool matches(const Filter& filter, TestRecord& record) {
  MessageText message;
  EXPECT_TRUE(record.parse());
  return filter.matches(record.entry(), message.of(record.entry()));
}

TEST(Filter, EmptyMatchesEverything) {
  TestRecord record("m");
  EXPECT_TRUE(matches({}, record));
  EXPECT_FALSE(Filter{}.needs_message());
}

TEST(Filter, LevelTimeRunAndGrep) {
  TestRecord record("disk {} is full", {i32_arg(3)});
  record.site.level = Level::warning;
  record.wall_ns = kNow;
  record.run.run_id = "abc123";
  EXPECT_TRUE(matches({.level = Level::warning}, record));
  EXPECT_FALSE(matches({.level = Level::error}, record));
  EXPECT_TRUE(matches({.since_ns = kNow, .until_ns = kNow + 1}, record));
  EXPECT_FALSE(matches({.since_ns = kNow + 1}, record));
  EXPECT_FALSE(matches({.until_ns = kNow}, record)) << "until is not included";
  EXPECT_TRUE(matches({.grep = "disk 3 is"}, record));
  EXPECT_FALSE(matches({.grep = "disk 4"}, record));
  EXPECT_TRUE(matches({.run = "abc"}, record));
  EXPECT_FALSE(matches({.run = "abd"}, record));
}

TEST(Filter, Loggers) {
  EXPECT_TRUE(logger_matches("api.*", "api.x"));
  EXPECT_TRUE(logger_matches("api.*", "api.x.y"));
  EXPECT_FALSE(logger_matches("api.*", "api"));
  EXPECT_FALSE(logger_matches("api.*", "apis.x"));
  EXPECT_TRUE(logger_matches("api", "api"));
  EXPECT_FALSE(logger_matches("api", "api.x"));
  EXPECT_TRUE(logger_matches("*", ""));
  EXPECT_TRUE(logger_matches("*.db", "a.b.db"));
  EXPECT_TRUE(logger_matches("a*b*c", "aXbXbXc"));
  EXPECT_FALSE(logger_matches("a*b*c", "aXbX"));
  TestRecord record("m");
  record.site.logger = "api.users";
  EXPECT_TRUE(matches({.logger = "api.*"}, record));
  EXPECT_FALSE(matches({.logger = "db.*"}, record));
}

TEST(Filter, Fields) {
  std::byte memory[128];
  FieldBlockWriter fields(memory);
  ASSERT_TRUE(fields.add_text("trace", "ab"));
  TestRecord record("{}", {text_arg("positional"), i32_arg(123, "user_id"), f64_arg(1.5, "cost"),
                           bool_arg(true, "ok"), text_arg("x=y", "eq"),
                           json_arg(R"({"id":7,"a.b":{"c":"deep"},"n":null})", "order")});
  record.add_context(fields.bytes());
  const auto has = [&](std::string_view text) {
    const auto match = parse_field(text);
    return match.ok() && matches({.fields = {match.value()}}, record);
  };
  for (const char* yes : {"user_id=123", "cost=1.5", "cost=1.50", "ok=true", "eq=x=y", "trace=ab",
                          "order.id=7", "order.a.b.c=deep", "order.n=null"}) {
    EXPECT_TRUE(has(yes)) << yes;
  }
  for (const char* no : {"user_id=12", "user_id=", "cost=1.6", "ok=1", "trace=a", "order.id=8",
                         "order=7", "order.a=deep", "nothing=1", "order.idx=7"}) {
    EXPECT_FALSE(has(no)) << no;
  }
  EXPECT_FALSE(matches({.fields = {{"user_id", "123"}, {"ok", "false"}}}, record)) << "all of them";
  TestRecord payload("login", {json_arg(R"({"user":{"id":1}})")}, RecordKind::kEvent);
  EXPECT_TRUE(matches({.fields = {{"user.id", "1"}}}, payload));
}

TEST(Filter, FieldsOfAJsonObject) {
  constexpr std::string_view kObject =
      R"({"id":7,"cost":1.5,"ok":true,"who":"a b","order":{"x.y":{"z":null}}})";
  const auto has = [&](std::string_view text) {
    return json_field_matches(kObject, parse_field(text).value());
  };
  for (const char* yes : {"id=7", "cost=1.50", "ok=true", "who=a b", "order.x.y.z=null",
                          R"(order={"x.y":{"z":null}})"}) {
    EXPECT_TRUE(has(yes)) << yes;
  }
  for (const char* no : {"id=7.0", "ok=1", "who=a", "z=null", "order.x=1"}) {
    EXPECT_FALSE(has(no)) << no;
  }
  EXPECT_FALSE(json_field_matches("no JSON", {"a", "b"}));
}

TEST(FilterParse, Times) {
  const auto time = [](std::string_view text) {
    const auto result = parse_time(text, kNow);
    return result.ok() ? result.value() : INT64_MIN;
  };
  EXPECT_EQ(time("10m"), kNow - 10 * kMinute);
  EXPECT_EQ(time("2h"), kNow - 120 * kMinute);
  EXPECT_EQ(time("30s"), kNow - 30 * kNsPerSecond);
  EXPECT_EQ(time("500ms"), kNow - 500'000'000);
  EXPECT_EQ(time("7d"), kNow - 7 * kDay);
  EXPECT_EQ(time("1w"), kNow - 7 * kDay);
  EXPECT_EQ(time("now"), kNow);
  EXPECT_EQ(time("today"), time("2023-11-14"));
  EXPECT_EQ(time("yesterday"), time("2023-11-13"));
  EXPECT_EQ(time("@1700000000"), kNow);
  EXPECT_EQ(time("@1700000000.25"), kNow + 250'000'000);
  EXPECT_EQ(time("@-1.5"), -1'500'000'000);
  EXPECT_EQ(time("2023-11-14T22:13:20Z"), kNow);
  EXPECT_EQ(time("2023-11-14t22:13:20.000000001z"), kNow + 1);
  EXPECT_EQ(time("2023-11-15T00:13:20+02:00"), kNow);
  EXPECT_EQ(time("2023-11-14 22:13:20"), kNow);
  EXPECT_EQ(time("2023-11-14 22:13"), kNow - 20 * kNsPerSecond);
  EXPECT_EQ(time("2024-02-29"), time("2024-02-28") + kDay);
}

TEST(FilterParse, TimesThatAreNone) {
  for (const char* bad : {"",
                          "10",
                          "10 m",
                          "10y",
                          "m",
                          "-10m",
                          "tomorrow",
                          "@",
                          "@x",
                          "@1e3",
                          "@1700000000000000000",
                          "2023-13-01",
                          "2023-00-01",
                          "2023-02-29",
                          "2023-11-31",
                          "2023-11-14T24:00:00Z",
                          "2023-11-14T22:61",
                          "2023-11-14T22:13:20+2",
                          "2023-11-14T22:13:20Zx",
                          "2023-11-14X",
                          "9999-01-01",
                          "1500-01-01",
                          "999999999999w",
                          "99999999999999999999s",
                          "2023-1-1"}) {
    const auto result = parse_time(bad, kNow);
    EXPECT_FALSE(result.ok()) << bad;
    if (result.ok()) continue;
    const std::string message = result.status().message();
    EXPECT_EQ(message.find("time \"" + std::string(bad) + "\": "), 0u) << message;
    EXPECT_NE(message.find("write 10m, 2h"), std::string::npos) << message;
  }
}

TEST(FilterParse, OtherOptions) {
  EXPECT_EQ(parse_field("a=b=c").value().value, "b=c");
  EXPECT_EQ(parse_field("a=").value().value, "");
  EXPECT_NE(parse_field("user").status().message().find("write key=value"), std::string::npos);
  EXPECT_NE(parse_field("=x").status().message().find("no key"), std::string::npos);
  EXPECT_EQ(parse_level_option("WARN").value(), Level::warning);
  EXPECT_NE(parse_level_option("loud").status().message().find("trace, debug, info"),
            std::string::npos);
  EXPECT_FALSE(parse_level_option("off").ok());
  EXPECT_EQ(parse_limit("100").value(), 100u);
  for (const char* bad : {"", "0", "-1", "1x", "99999999999999999999"}) {
    EXPECT_FALSE(parse_limit(bad).ok()) << bad;
  }
  EXPECT_EQ(parse_duration("90s").value(), 90 * kNsPerSecond);
  EXPECT_EQ(parse_duration("1d").value(), kDay);
  for (const char* bad : {"", "0s", "10", "-1m", "1y", "999999999999w", "m"}) {
    EXPECT_NE(parse_duration(bad).status().message().find("write for example 10s"),
              std::string::npos)
        << bad;
  }
}

}  // namespace
}  // namespace sluice
