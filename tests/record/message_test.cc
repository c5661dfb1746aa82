#include "record/message.h"

#include <gtest/gtest.h>

#include "record/render.h"

namespace sluice {
namespace {

using namespace test;

TEST(Message, Placeholders) {
  EXPECT_EQ(message_of("int: {}, text: {}", i32_arg(-3), text_arg("ada")), "int: -3, text: ada");
  EXPECT_EQ(message_of("{1} {0} {1}", i32_arg(1), i32_arg(2)), "2 1 2");
  EXPECT_EQ(message_of("{{}} {} }}", i32_arg(7)), "{} 7 }");
  EXPECT_EQ(message_of("no arguments"), "no arguments");
  EXPECT_EQ(message_of(""), "");
  EXPECT_EQ(message_of("order {id} at {px}", u64_arg(12, "id"), f64_arg(0.25, "px")),
            "order 12 at 0.25");
  // {} and {0} count the arguments that have no name
  EXPECT_EQ(message_of("{} {id} {}", i32_arg(1), i32_arg(2, "id"), i32_arg(3)), "1 2 3");
}

TEST(Message, EveryType) {
  EXPECT_EQ(message_of("{} {}", bool_arg(true), bool_arg(false)), "true false");
  EXPECT_EQ(message_of("{}", arg(ArgType::kChar, 'x')), "x");
  EXPECT_EQ(message_of("{}", arg(ArgType::kChar, '\n')), "\\n");
  EXPECT_EQ(message_of("{}", arg(ArgType::kU32, 4'000'000'000)), "4000000000");
  EXPECT_EQ(message_of("{}", f32_arg(0.1f)), "0.1");
  EXPECT_EQ(message_of("{}", f64_arg(1.0 / 3)), "0.3333333333333333");
  EXPECT_EQ(message_of("{}", arg(ArgType::kPointer, 0x7ffe)), "0x7ffe");
  EXPECT_EQ(message_of("{}", TestArgument{ArgType::kBytes, "", 0, std::string("\x00\xff", 2)}),
            "00ff");
  EXPECT_EQ(message_of("{}", arg(ArgType::kTimestamp, 1'000'000'000)),
            "1970-01-01T00:00:01.000000000Z");
  EXPECT_EQ(message_of("{}", arg(ArgType::kDuration, 1'500'000)), "1.5ms");
  EXPECT_EQ(message_of("{}", json_arg(R"({"a": 1})")), R"({"a": 1})");
}

TEST(Message, Specifications) {
  EXPECT_EQ(message_of("{:>8.3f}|", f64_arg(3.14159)), "   3.142|");
  EXPECT_EQ(message_of("{0:04x} {0:#b}", u64_arg(10)), "000a 0b1010");
  EXPECT_EQ(message_of("{:*^9}", text_arg("mid")), "***mid***");
  EXPECT_EQ(message_of("{n:+d}", i64_arg(5, "n")), "+5");
  EXPECT_EQ(message_of("{:}", i64_arg(5)), "5");
  EXPECT_EQ(message_of("{:d}", bool_arg(true)), "1");
  EXPECT_EQ(message_of("{:>5}", arg(ArgType::kDuration, 12)), " 12ns");
  EXPECT_EQ(message_of("{:%H:%M}", arg(ArgType::kTimestamp, 3'660'000'000'000)), "01:01");
  EXPECT_EQ(message_of("{:>{}}|", i64_arg(7), i32_arg(4)), "   7|");
  EXPECT_EQ(message_of("{:.{digits}f}", f64_arg(1.5), i32_arg(2, "digits")), "1.50");
  EXPECT_EQ(message_of("{:<6}|", text_arg("a\nb")), "a\\nb   |") << "escaped after formatting";
}

TEST(Message, MistakesShowAndHideNothing) {
  EXPECT_EQ(message_of("{:d}", text_arg("abc")), "{:d}!(string abc)");
  EXPECT_EQ(message_of("a {:zzz} b", i32_arg(4)), "a {:zzz}!(i32 4) b");
  EXPECT_EQ(message_of("{} {}", i32_arg(4)), "4 {}!(missing)");
  EXPECT_EQ(message_of("{3} {name}", i32_arg(4)), "{3}!(missing) {name}!(missing) !(i32 4)");
  EXPECT_EQ(message_of("open {", i32_arg(4)), "open {!(unclosed) !(i32 4)");
  EXPECT_EQ(message_of("close } {}", i32_arg(4)), "close } {}!(unmatched }) !(i32 4)");
  EXPECT_EQ(message_of("extra", i32_arg(4), text_arg("x")), "extra !(i32 4) !(string x)");
  EXPECT_EQ(message_of("{:>{}}", i64_arg(7), text_arg("w")), "{:>{}}!(i64 7)");
  EXPECT_EQ(message_of("{:>{}}", i64_arg(7), i32_arg(-1)), "{:>{}}!(i64 7)");
  EXPECT_EQ(message_of("{:>{}}", i64_arg(7), i64_arg(1'000'000'000)), "{:>{}}!(i64 7)");
  EXPECT_EQ(message_of("{:1000000000}", i64_arg(7)), "{:1000000000}!(i64 7)");
  EXPECT_EQ(message_of("{:.99999999f}", f64_arg(7)), "{:.99999999f}!(f64 7)");
  EXPECT_EQ(message_of("\x1b[{}", i64_arg(7)), "\\x1b[7");
}

TEST(Message, HostileFormatDoesNotBlowUp) {
  std::string repeated;
  for (int i = 0; i < 10'000; ++i) repeated += "{0}";
  const std::string text(100'000, 'x');
  EXPECT_LT(message_of(repeated, text_arg(text)).size(), 5 * text.size() + 5 * repeated.size());
  EXPECT_LT(message_of(std::string(10'000, '}'), i32_arg(1)).size(), 20'000u);
  EXPECT_NE(message_of(repeated, i32_arg(1)).find("repeated too often"), std::string::npos);
}

TEST(Message, UnusedNamedArgumentsAreAppended) {
  EXPECT_EQ(message_of("slow frame", f64_arg(21.5, "ms"), text_arg("the big one", "scene")),
            "slow frame ms=21.5 scene=\"the big one\"");
  EXPECT_EQ(message_of("{ms} late", f64_arg(21.5, "ms"), i32_arg(2, "n")), "21.5 late n=2");
}

TEST(Message, OtherKinds) {
  TestRecord event("user.login", {i32_arg(7, "user"), bool_arg(true, "ok")}, RecordKind::kEvent);
  EXPECT_EQ(message_of(event), "user.login user=7 ok=true");
  TestRecord payload("user.login", {json_arg("{\"a\": [1]}")}, RecordKind::kEvent);
  EXPECT_EQ(message_of(payload), "user.login {\"a\":[1]}");
  TestRecord metric("frame", {f64_arg(16.6), text_arg("lobby", "scene")}, RecordKind::kMetric);
  metric.site.unit = "ms";
  EXPECT_EQ(message_of(metric), "frame=16.6 ms scene=lobby");
  TestRecord state("state", {i32_arg(93, "hp"), text_arg("x\ny", "name")}, RecordKind::kState);
  EXPECT_EQ(message_of(state), R"(state {"hp":93,"name":"x\ny"})");
  state.set_header(kAfterGap);
  EXPECT_EQ(message_of(state), R"(state (gap) {"hp":93,"name":"x\ny"})");
  TestRecord patch("state", {json_arg("{\"hp\":null}")}, RecordKind::kState);
  EXPECT_EQ(message_of(patch), R"(state {"hp":null})");
  TestRecord named("", {text_arg("dyn{}amic"), i32_arg(1, "a")}, RecordKind::kEvent,
                   SiteFlag::kNameIsFirstArg);
  EXPECT_EQ(message_of(named), "dyn{}amic a=1");
}

TEST(Message, ContextComesLast) {
  std::byte memory[128];
  FieldBlockWriter fields(memory);
  ASSERT_TRUE(fields.add_text("trace", "ab"));
  ASSERT_TRUE(fields.add_text("trace", "cd"));
  TestRecord record("hello", {i32_arg(1, "n")});
  record.add_context(fields.bytes());
  EXPECT_EQ(message_of(record), "hello n=1 trace=ab trace_2=cd");
}

TEST(Message, ManySitesKeepTheirOwnPlans) {
  std::vector<std::unique_ptr<TestRecord>> records;
  for (int i = 0; i < 500; ++i) {
    records.push_back(
        std::make_unique<TestRecord>("site " + std::to_string(i) + " {}", std::vector{i32_arg(i)}));
  }
  MessageText message;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 500; ++i) {
      TestRecord& record = *records[std::size_t(i * 7 % 500)];
      ASSERT_TRUE(record.parse());
      const std::string n = std::to_string(i * 7 % 500);
      ASSERT_EQ(message.of(record.entry()), "site " + n + " " + n);
    }
  }
  records[0]->site.format = "changed {}";
  ASSERT_TRUE(records[0]->parse());
  message.forget_sites();
  EXPECT_EQ(message.of(records[0]->entry()), "changed 0");
}

}  // namespace
}  // namespace sluice
