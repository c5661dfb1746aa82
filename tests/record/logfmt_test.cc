#include "record/logfmt.h"

#include <gtest/gtest.h>

#include "record/render.h"

namespace sluice {
namespace {

using namespace test;

TEST(Logfmt, WholeLine) {
  TestRecord record("paid {} \"now\"", {i32_arg(3), i32_arg(7, "user"), text_arg("a b", "item"),
                                        text_arg("bare", "word"), text_arg("", "none")});
  record.site.logger = "shop";
  record.thread_name = "main loop";
  EXPECT_EQ(logfmt_line(record),
            "ts=2023-11-14T22:13:20.123456789Z level=info logger=shop msg=\"paid 3 \\\"now\\\"\" "
            "user=7 item=\"a b\" word=bare none=\"\" source=game.cc:42 thread=\"main loop\" tid=42 "
            "seq=7\n");
}

TEST(Logfmt, KeysThatAreTakenOrImpossible) {
  TestRecord record("", {i32_arg(1, "msg"), i32_arg(2, "a b=c"), i32_arg(3, "x"), i32_arg(4, "x")});
  const std::string line = logfmt_line(record);
  EXPECT_NE(line.find(" msg_2=1 a_b_c=2 x=3 x_2=4 "), std::string::npos) << line;
}

TEST(Logfmt, ValuesAreQuotedWhenTheyMustBe) {
  TestRecord record("", {text_arg("a=b", "e"), text_arg("q\"", "q"), text_arg("n\n", "n"),
                         text_arg("\xff", "x"), text_arg("gr\xc3\xbc", "u"), f64_arg(0.5, "f")});
  const std::string line = logfmt_line(record);
  EXPECT_NE(line.find(" e=\"a=b\" q=\"q\\\"\" n=\"n\\n\" x=\"\\\\xff\" u=\"gr\xc3\xbc\" f=0.5 "),
            std::string::npos)
      << line;
}

TEST(Logfmt, KindsAndContext) {
  TestRecord event("login", {i32_arg(1, "user")}, RecordKind::kEvent);
  std::byte memory[64];
  FieldBlockWriter fields(memory);
  ASSERT_TRUE(fields.add_text("trace", "ab"));
  event.add_context(fields.bytes());
  EXPECT_NE(logfmt_line(event).find(
                " msg=\"login\" kind=event event=login user=1 context.trace=ab source="),
            std::string::npos)
      << logfmt_line(event);
  TestRecord metric("frame", {f64_arg(16.5), text_arg("lobby", "scene")}, RecordKind::kMetric);
  metric.site.unit = "ms";
  metric.site.metric = MetricKind::kTimer;
  EXPECT_NE(logfmt_line(metric).find(
                " kind=metric name=frame value=16.5 unit=ms metric=timer scene=lobby"),
            std::string::npos)
      << logfmt_line(metric);
  TestRecord state("state", {i32_arg(93, "hp")}, RecordKind::kState);
  state.set_header(kAfterGap);
  EXPECT_NE(logfmt_line(state).find(" kind=state patch=\"{\\\"hp\\\":93}\" source="),
            std::string::npos)
      << logfmt_line(state);
  EXPECT_TRUE(logfmt_line(state).ends_with(" gap=true\n"));
}

}  // namespace
}  // namespace sluice
