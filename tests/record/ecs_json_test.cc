#include "record/ecs_json.h"

#include <gtest/gtest.h>

#include "record/traced.h"

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

TEST(EcsJson, TraceOfTheInnermostScope) {
  const std::string line = line_of_inner_scope<EcsJson>();
  EXPECT_NE(line.find(R"(,"trace.id":")" + kTrace + R"(","span.id":")" + kSpan +
                      R"(","sluice.context":)"),
            std::string::npos)
      << line;
}

TEST(EcsJson, WhatIsNoTraceIsContextOnly) { expect_no_trace<EcsJson>(R"("trace.id")"); }

}  // namespace
}  // namespace sluice
