#include "record/ecs_json.h"

#include <gtest/gtest.h>

#include "record/render.h"

namespace sluice {
namespace {

using namespace test;

std::string ecs_line(TestRecord& record) {
  EcsJson ecs;
  return line_of(ecs, record);
}

TEST(EcsJson, WholeLine) {
  TestRecord record("paid {}", {i32_arg(3), i32_arg(7, "user")});
  record.site.logger = record.logger = "shop";
  record.thread_name = "main";
  record.run = {"game", "1.2", "run-7", "box", 99};
  EXPECT_EQ(ecs_line(record),
            R"({"@timestamp":"2023-11-14T22:13:20.123456789Z","log.level":"info",)"
            R"("message":"paid 3","ecs.version":"8.11.0","log.logger":"shop",)"
            R"("sluice.fields":{"user":7},"log.origin.file.name":"src/game/game.cc",)"
            R"("log.origin.file.line":42,"log.origin.function":"tick","process.thread.id":42,)"
            R"("process.thread.name":"main","process.pid":99,"service.name":"game",)"
            R"("service.version":"1.2","service.node.name":"run-7","host.name":"box",)"
            R"("event.sequence":7})"
            "\n");
}

TEST(EcsJson, KindsAndContext) {
  TestRecord event("login", {json_arg(R"({"user":1})")}, RecordKind::kEvent);
  std::byte memory[64];
  FieldBlockWriter fields(memory);
  ASSERT_TRUE(fields.add_text("trace", "ab"));
  event.add_context(fields.bytes());
  EXPECT_NE(ecs_line(event).find(R"("event.action":"login","sluice.fields":{"user":1},)"
                                 R"("sluice.context":{"trace":"ab"},)"),
            std::string::npos)
      << ecs_line(event);
  TestRecord state("state", {json_arg(R"({"hp":93})")}, RecordKind::kState);
  EXPECT_NE(ecs_line(state).find(R"("sluice.kind":"state","sluice.patch":{"hp":93},)"),
            std::string::npos)
      << ecs_line(state);
  TestRecord metric("frame", {f64_arg(16.5)}, RecordKind::kMetric);
  metric.site.unit = "ms";
  metric.site.metric = MetricKind::kTimer;
  EXPECT_NE(ecs_line(metric).find(R"("sluice.kind":"metric","sluice.name":"frame",)"
                                  R"("sluice.value":16.5,"sluice.unit":"ms",)"
                                  R"("sluice.metric":"timer")"),
            std::string::npos)
      << ecs_line(metric);
}

std::string with_context(TestRecord& record,
                         std::initializer_list<std::pair<const char*, std::string>> fields) {
  std::byte memory[512];
  FieldBlockWriter block(memory);
  for (const auto& [name, text] : fields) EXPECT_TRUE(block.add_text(name, text));
  record.add_context(block.bytes());
  return ecs_line(record);
}

const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736", kSpan = "00f067aa0ba902b7";

TEST(EcsJson, TraceOfTheInnermostScope) {
  TestRecord within("hit");
  EXPECT_NE(with_context(within, {{"trace_id", std::string(32, 'a')},
                                  {"span_id", std::string(16, 'b')},
                                  {"trace_flags", "00"},
                                  {"trace_id", kTrace},
                                  {"span_id", kSpan},
                                  {"trace_flags", "01"}})
                .find(R"(,"trace.id":")" + kTrace + R"(","span.id":")" + kSpan +
                      R"(","sluice.context":)"),
            std::string::npos);
}

TEST(EcsJson, WhatIsNoTraceIsContextOnly) {
  const std::string zeros(32, '0');
  const std::string long_one = kTrace + "a", upper = "4BF92F3577B34DA6A3CE929D0E0E4736";
  for (const auto& [trace, span] :
       {std::pair(kTrace, zeros.substr(16)), std::pair(zeros, kSpan), std::pair(long_one, kSpan),
        std::pair(upper, kSpan), std::pair(kTrace, std::string("\"}]"))}) {
    TestRecord other("hit");
    const std::string line = with_context(other, {{"trace_id", trace}, {"span_id", span}});
    EXPECT_EQ(line.find(R"("trace.id")"), std::string::npos) << line;
    EXPECT_NE(line.find(trace), std::string::npos) << line;
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  }
}

}  // namespace
}  // namespace sluice
