#include "record/json_lines.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "record/render.h"

namespace sluice {
namespace {

using namespace test;

TEST(JsonLines, WholeLine) {
  TestRecord record("paid {} \"now\"", {i32_arg(3), i32_arg(7, "user")});
  record.site.logger = "shop";
  record.thread_name = "main";
  EXPECT_EQ(json_line(record),
            R"({"ts":"2023-11-14T22:13:20.123456789Z","level":"info","logger":"shop",)"
            R"("msg":"paid 3 \"now\"","fields":{"user":7},"source":"game.cc:42",)"
            R"("thread":"main","tid":42,"seq":7})"
            "\n");
}

TEST(JsonLines, EveryTypeAsAField) {
  TestRecord record("", {bool_arg(true, "b"), arg(ArgType::kChar, '"', "c"), i32_arg(-1, "i"),
                         u64_arg(UINT64_MAX, "u"), i64_arg(INT64_MIN, "l"), f64_arg(0.1, "d"),
                         f32_arg(0.1f, "f"), arg(ArgType::kPointer, 255, "p"), text_arg("x\n", "s"),
                         TestArgument{ArgType::kBytes, "y", 0, std::string("\x00\xfe", 2)},
                         arg(ArgType::kTimestamp, 0, "t"), arg(ArgType::kDuration, 1'500'000, "e"),
                         json_arg("{\n\"k\": [1]}", "j"), json_arg("{bad", "k")});
  const auto fields = json_of(record)["fields"];
  EXPECT_EQ(fields["b"], true);
  EXPECT_EQ(fields["c"], "\"");
  EXPECT_EQ(fields["i"], -1);
  EXPECT_EQ(fields["u"], UINT64_MAX);
  EXPECT_EQ(fields["l"], INT64_MIN);
  EXPECT_EQ(fields["d"], 0.1);
  EXPECT_EQ(fields["f"], 0.1);
  EXPECT_EQ(fields["p"], "0xff");
  EXPECT_EQ(fields["s"], "x\n");
  EXPECT_EQ(fields["y"], "00fe");
  EXPECT_EQ(fields["t"], "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(fields["e"], 0.0015);
  EXPECT_EQ(fields["j"], nlohmann::json::parse(R"({"k":[1]})"));
  EXPECT_EQ(fields["k"], "{bad");
}

TEST(JsonLines, NumbersThatJsonDoesNotHave) {
  TestRecord record(
      "", {f64_arg(std::nan(""), "a"), f64_arg(INFINITY, "b"), f64_arg(-INFINITY, "c"),
           f32_arg(-INFINITY, "d"), f64_arg(std::numeric_limits<double>::denorm_min(), "e"),
           f64_arg(1e300, "f")});
  const auto fields = json_of(record)["fields"];
  EXPECT_EQ(fields["a"], "NaN");
  EXPECT_EQ(fields["b"], "Infinity");
  EXPECT_EQ(fields["c"], "-Infinity");
  EXPECT_EQ(fields["d"], "-Infinity");
  EXPECT_EQ(fields["e"], 5e-324);
  EXPECT_EQ(fields["f"], 1e300);
}

TEST(JsonLines, InvalidUtf8KeepsItsBytesAsText) {
  TestRecord record("{}", {text_arg("a\xff"
                                    "b")});
  EXPECT_EQ(json_of(record)["msg"],
            "a\\xff"
            "b");
}

TEST(JsonLines, Kinds) {
  TestRecord event("login", {i32_arg(1, "user")}, RecordKind::kEvent);
  auto json = json_of(event);
  EXPECT_EQ(json["kind"], "event");
  EXPECT_EQ(json["event"], "login");
  EXPECT_EQ(json["msg"], "login");
  EXPECT_EQ(json["fields"]["user"], 1);

  TestRecord payload("login", {json_arg(R"({"user":{"id":1}})")}, RecordKind::kEvent);
  EXPECT_EQ(json_of(payload)["fields"]["user"]["id"], 1);
  TestRecord no_object("login", {json_arg("[1]")}, RecordKind::kEvent);
  EXPECT_EQ(json_of(no_object)["fields"]["arg0"][0], 1);

  TestRecord metric("frame", {f64_arg(16.5), text_arg("lobby", "scene")}, RecordKind::kMetric);
  metric.site.unit = "ms";
  metric.site.metric = MetricKind::kGauge;
  json = json_of(metric);
  EXPECT_EQ(json["name"], "frame");
  EXPECT_EQ(json["value"], 16.5);
  EXPECT_EQ(json["unit"], "ms");
  EXPECT_EQ(json["metric"], "gauge");
  EXPECT_EQ(json["fields"]["scene"], "lobby");
  EXPECT_EQ(json["msg"], "frame=16.5 ms");

  TestRecord state("state", {i32_arg(93, "hp")}, RecordKind::kState);
  state.set_header(kAfterGap);
  json = json_of(state);
  EXPECT_EQ(json["patch"]["hp"], 93);
  EXPECT_EQ(json["gap"], true);
  EXPECT_FALSE(json.contains("fields"));
  TestRecord patch("state", {json_arg("null")}, RecordKind::kState);
  EXPECT_TRUE(json_of(patch)["patch"].is_null());

  TestRecord log("plain");
  EXPECT_FALSE(json_of(log).contains("kind"));
}

TEST(JsonLines, RepeatedKeysGetASuffix) {
  TestRecord record("", {i32_arg(1, "a"), i32_arg(2, "a"), i32_arg(3, "a_2"), i32_arg(4, "a")});
  EXPECT_NE(json_line(record).find(R"({"a":1,"a_2":2,"a_2_2":3,"a_3":4})"), std::string::npos)
      << json_line(record);
  std::byte memory[256];
  FieldBlockWriter fields(memory);
  for (const char* name : {"k", "k", "k_2", "k"}) ASSERT_TRUE(fields.add_text(name, "v"));
  TestRecord context("");
  context.add_context(fields.bytes());
  std::set<std::string> keys;
  const auto json = json_of(context);
  for (const auto& [key, value] : json["context"].items()) keys.insert(key);
  EXPECT_EQ(keys.size(), 4u) << json_line(context);
}

TEST(JsonLines, ContextLoggerAndRun) {
  std::byte memory[128];
  FieldBlockWriter fields(memory);
  ASSERT_TRUE(fields.add_text("tr\"ace", "a\nb"));
  ASSERT_TRUE(fields.add("n", {ArgType::kI64, u64(-1), {}}));
  TestRecord record("m", {arg(ArgType::kU32, 3)}, RecordKind::kLog, SiteFlag::kLoggerIsFirstArg);
  record.logger = "net.\"http\"";
  record.run.run_id = "run-7";
  record.add_context(fields.bytes());
  record.set_header(kLate | kBacktrace);
  const auto json = nlohmann::json::parse(json_line(record, {.run = true}));
  EXPECT_EQ(json["logger"], "net.\"http\"");
  EXPECT_EQ(json["context"]["tr\"ace"], "a\nb");
  EXPECT_EQ(json["context"]["n"], -1);
  EXPECT_EQ(json["run"], "run-7");
  EXPECT_EQ(json["late"], true);
  EXPECT_EQ(json["backtrace"], true);
}

// All fields of a log at once: no part of its message.
TEST(JsonLines, FieldsAreLastArgument) {
  TestRecord record("{}", {text_arg("hello"), json_arg(R"({"user":7,"tags":[1]})")},
                    RecordKind::kLog, SiteFlag::kFieldsAreLastArg);
  const auto object = json_of(record);
  EXPECT_EQ(object["msg"], "hello");
  EXPECT_EQ(object["fields"], nlohmann::json::parse(R"({"user":7,"tags":[1]})"));
  EXPECT_EQ(message_of(record), R"(hello {"user":7,"tags":[1]})");
  EXPECT_NE(logfmt_line(record).find(R"(msg="hello" payload=)"), std::string::npos);
  TestRecord broken("{}", {text_arg("hello"), json_arg("{oops")}, RecordKind::kLog,
                    SiteFlag::kFieldsAreLastArg);
  EXPECT_EQ(json_of(broken)["fields"]["arg0"], "{oops");
}

TEST(JsonLines, UnitIsAnArgument) {
  TestRecord record("", {text_arg("mem"), text_arg("MB\n"), f64_arg(512), text_arg("a", "host")},
                    RecordKind::kMetric, SiteFlag::kNameIsFirstArg | SiteFlag::kUnitIsNextArg);
  const auto object = json_of(record);
  EXPECT_EQ(object["name"], "mem");
  EXPECT_EQ(object["unit"], "MB\n");
  EXPECT_EQ(object["value"], 512.0);
  EXPECT_EQ(object["fields"]["host"], "a");
  EXPECT_EQ(message_of(record), "mem=512 MB\\n host=a");
  TestRecord none("", {text_arg("mem"), text_arg(""), f64_arg(512)}, RecordKind::kMetric,
                  SiteFlag::kNameIsFirstArg | SiteFlag::kUnitIsNextArg);
  EXPECT_EQ(message_of(none), "mem=512");
  EXPECT_FALSE(json_of(none).contains("unit"));
}

}  // namespace
}  // namespace sluice
