#include "record/otel_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "record/traced.h"

namespace sluice {
namespace {

using namespace test;

std::string otel_line(TestRecord& record) {
  OtelJson otel;
  return line_of(otel, record);
}

std::string any(const TestArgument& argument) {
  TextBuffer out;
  char* const begin = out.begin_record();
  const Value value{argument.type, argument.word, argument.text};
  (void)out.end_record(put_any_value(out, begin, value));
  return std::string(out.text());
}

TEST(OtelJson, WholeLine) {
  TestRecord record("paid {}", {i32_arg(3), i32_arg(7, "user")});
  record.site.logger = record.logger = "shop";
  record.thread_name = "main";
  record.run = {"game", "1.2", "run-7", "box", 99};
  EXPECT_EQ(
      otel_line(record),
      R"({"resourceLogs":[{"resource":{"attributes":[)"
      R"({"key":"service.name","value":{"stringValue":"game"}},)"
      R"({"key":"service.version","value":{"stringValue":"1.2"}},)"
      R"({"key":"service.instance.id","value":{"stringValue":"run-7"}},)"
      R"({"key":"host.name","value":{"stringValue":"box"}},)"
      R"({"key":"process.pid","value":{"intValue":"99"}}]},)"
      R"("scopeLogs":[{"scope":{"name":"shop"},"logRecords":[{"timeUnixNano":"1700000000123456789",)"
      R"("severityNumber":9,"severityText":"info","body":{"stringValue":"paid 3"},"attributes":[)"
      R"({"key":"user","value":{"intValue":"7"}},)"
      R"({"key":"code.file.path","value":{"stringValue":"src/game/game.cc"}},)"
      R"({"key":"code.line.number","value":{"intValue":"42"}},)"
      R"({"key":"code.function.name","value":{"stringValue":"tick"}},)"
      R"({"key":"thread.id","value":{"intValue":"42"}},)"
      R"({"key":"thread.name","value":{"stringValue":"main"}},)"
      R"({"key":"sluice.seq","value":{"intValue":"7"}}]}]}]}]})"
      "\n");
}

TEST(OtelJson, EveryType) {
  EXPECT_EQ(any(bool_arg(true)), R"({"boolValue":true})");
  EXPECT_EQ(any(i64_arg(INT64_MIN)), R"({"intValue":"-9223372036854775808"})");
  EXPECT_EQ(any(u64_arg(INT64_MAX)), R"({"intValue":"9223372036854775807"})");
  EXPECT_EQ(any(u64_arg(u64{1} << 63)), R"({"stringValue":"9223372036854775808"})");
  EXPECT_EQ(any(f64_arg(0.25)), R"({"doubleValue":0.25})");
  EXPECT_EQ(any(f64_arg(-INFINITY)), R"({"doubleValue":"-Infinity"})");
  EXPECT_EQ(any(f64_arg(NAN)), R"({"doubleValue":"NaN"})");
  EXPECT_EQ(any(text_arg("a\"\n")), R"({"stringValue":"a\"\n"})");
  EXPECT_EQ(any({ArgType::kBytes, "", 0, "\xfb\xff"}), R"({"bytesValue":"+/8="})");
  EXPECT_EQ(any({ArgType::kBytes, "", 0, "abc"}), R"({"bytesValue":"YWJj"})");
  EXPECT_EQ(any({ArgType::kBytes, "", 0, "a"}), R"({"bytesValue":"YQ=="})");
  EXPECT_EQ(any({ArgType::kBytes, "", 0, ""}), R"({"bytesValue":""})");
  EXPECT_EQ(any(arg(ArgType::kDuration, 1'500'000)), R"({"doubleValue":0.0015})");
  EXPECT_EQ(any(arg(ArgType::kPointer, 0x7f)), R"({"stringValue":"0x7f"})");
}

TEST(OtelJson, JsonBecomesLists) {
  EXPECT_EQ(any(json_arg("null")), "{}");
  EXPECT_EQ(any(json_arg("[]")), R"({"arrayValue":{"values":[]}})");
  EXPECT_EQ(any(json_arg("{}")), R"({"kvlistValue":{"values":[]}})");
  EXPECT_EQ(any(json_arg("{\"a\":[1,[2],{\"b\":{}}],\"c\":null}")),
            R"({"kvlistValue":{"values":[{"key":"a","value":{"arrayValue":{"values":[)"
            R"({"intValue":"1"},{"arrayValue":{"values":[{"intValue":"2"}]}},)"
            R"({"kvlistValue":{"values":[{"key":"b","value":{"kvlistValue":{"values":[]}}}]}}]}}},)"
            R"({"key":"c","value":{}}]}})");
  EXPECT_EQ(any(json_arg("1e3")), R"({"doubleValue":1e3})");
  EXPECT_EQ(any(json_arg("99999999999999999999")), R"({"doubleValue":99999999999999999999})");
  EXPECT_EQ(any(json_arg("{broken")), R"({"stringValue":"{broken"})");
  const std::string deep(kJsonDepthMax, '[');
  EXPECT_TRUE(nlohmann::json::accept(any(json_arg(deep + std::string(kJsonDepthMax, ']')))));
}

TEST(OtelJson, KindsAndContext) {
  TestRecord event("login", {json_arg(R"({"user":1,"at":{"x":2}})")}, RecordKind::kEvent);
  std::byte memory[64];
  FieldBlockWriter fields(memory);
  ASSERT_TRUE(fields.add_text("trace", "ab"));
  event.add_context(fields.bytes());
  const std::string line = otel_line(event);
  EXPECT_NE(line.find(R"("eventName":"login","body":)"), std::string::npos) << line;
  EXPECT_NE(line.find(R"("attributes":[{"key":"user","value":{"intValue":"1"}},)"
                      R"({"key":"at","value":{"kvlistValue":{"values":[)"
                      R"({"key":"x","value":{"intValue":"2"}}]}}},)"
                      R"({"key":"context.trace","value":{"stringValue":"ab"}},)"),
            std::string::npos)
      << line;
  TestRecord state("state", {json_arg(R"({"hp":93})")}, RecordKind::kState);
  EXPECT_NE(otel_line(state).find(R"({"key":"sluice.patch","value":{"kvlistValue":{"values":[)"
                                  R"({"key":"hp","value":{"intValue":"93"}}]}}})"),
            std::string::npos)
      << otel_line(state);
  TestRecord metric("frame", {f64_arg(16.5)}, RecordKind::kMetric);
  metric.site.unit = "ms";
  metric.site.metric = MetricKind::kTimer;
  EXPECT_NE(otel_line(metric).find(R"({"key":"sluice.value","value":{"doubleValue":16.5}},)"
                                   R"({"key":"sluice.unit","value":{"stringValue":"ms"}},)"),
            std::string::npos)
      << otel_line(metric);
}

TEST(OtelJson, TraceOfTheInnermostScope) {
  const std::string line = line_of_inner_scope<OtelJson>();
  EXPECT_NE(
      line.find(R"(,"traceId":")" + kTrace + R"(","spanId":")" + kSpan + R"(","flags":1,"body":)"),
      std::string::npos)
      << line;
}

TEST(OtelJson, WhatIsNoTraceIsContextOnly) { expect_no_trace<OtelJson>(R"("traceId")"); }

}  // namespace
}  // namespace sluice
