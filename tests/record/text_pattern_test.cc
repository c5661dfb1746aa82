#include "record/text_pattern.h"

#include <gtest/gtest.h>

#include "record/render.h"

namespace sluice {
namespace {

using namespace test;

std::string line(std::string_view pattern) {
  TestRecord record("hello {}", {i32_arg(1)});
  record.site.level = Level::warning;
  record.site.logger = "net.http";
  record.thread_name = "main";
  record.run = {"game", "1.2", "run-7", "box", 99};
  return text_line(record, pattern);
}

TEST(TextPattern, DefaultPattern) {
  EXPECT_EQ(line(kDefaultPattern),
            "2023-11-14T22:13:20.123456789Z warning  [42] game.cc:42 net.http hello 1\n");
}

TEST(TextPattern, EveryName) {
  EXPECT_EQ(line("%(time)"), "2023-11-14T22:13:20.123456789Z\n");
  EXPECT_EQ(line("%(date) %(clock) %(unix)"), "2023-11-14 22:13:20 1700000000\n");
  EXPECT_EQ(line("%(year)/%(month)/%(day) %(hour):%(minute):%(second).%(ms) %(us) %(ns)"),
            "2023/11/14 22:13:20.123 123456 123456789\n");
  EXPECT_EQ(line("%(thread_id) %(thread_name)"), "42 main\n");
  EXPECT_EQ(line("%(source)|%(file)|%(path)|%(line)|%(function)"),
            "game.cc:42|game.cc|src/game/game.cc|42|tick\n");
  EXPECT_EQ(line("%(level) %(LEVEL) %(level_short)"), "warning WARNING W\n");
  EXPECT_EQ(line("%(logger) %(message) %(kind) %(sequence)"), "net.http hello 1 log 7\n");
  EXPECT_EQ(line("%(product) %(version) %(run_id) %(host) %(pid)"), "game 1.2 run-7 box 99\n");
  EXPECT_EQ(line("100%% %(message)"), "100% hello 1\n");
  EXPECT_EQ(line(""), "\n");
}

TEST(TextPattern, SpdlogFlags) {
  EXPECT_EQ(line("[%Y-%m-%d %H:%M:%S.%e] [%n] [%l] [%t] %v"),
            "[2023-11-14 22:13:20.123] [net.http] [warning] [42] hello 1\n");
  EXPECT_EQ(
      line("%T.%f %F %E %P %L %s:%# %! %@ %z%^%$"),
      "22:13:20.123456 123456789 1700000000 99 W game.cc:42 tick src/game/game.cc:42 +00:00\n");
  EXPECT_EQ(line("%a %A %b %h %B %C %I %p|%c|%D %x|%r|%R %X"),
            "Tue Tuesday Nov Nov November 23 10 PM|Tue Nov 14 22:13:20 2023|11/14/23 11/14/23|"
            "10:13:20 PM|22:13 22:13:20\n");
  EXPECT_EQ(line("%-9l|%9l|%=9l|"), "warning  |  warning| warning |\n");
  EXPECT_EQ(line("%+"), line(kDefaultPattern));
}

TEST(TextPattern, HoursAndDaysAtTheirEdges) {
  const auto at = [](i64 seconds, std::string_view pattern) {
    TestRecord record("m");
    record.wall_ns = seconds * 1'000'000'000;
    return text_line(record, pattern);
  };
  EXPECT_EQ(at(0, "%a %I %p"), "Thu 12 AM\n");
  EXPECT_EQ(at(12 * 3600, "%a %I %p"), "Thu 12 PM\n");
  EXPECT_EQ(at(-1, "%a %I %p %E"), "Wed 11 PM -1\n");
  EXPECT_EQ(at(-86'400 * 7, "%A"), "Thursday\n");
  EXPECT_EQ(at(951'782'400, "%c"), "Tue Feb 29 00:00:00 2000\n");
}

TEST(TextPattern, ElapsedIsSinceTheLineBefore) {
  auto pattern = TextPattern::compile("%O %o %i %u");
  ASSERT_TRUE(pattern.ok());
  TestRecord record("m");
  EXPECT_EQ(line_of(pattern.value(), record), "0 0 0 0\n");
  record.wall_ns += 1'002'003'004;
  EXPECT_EQ(line_of(pattern.value(), record), "1 1002 1002003 1002003004\n");
  record.wall_ns -= 5;
  EXPECT_EQ(line_of(pattern.value(), record), "0 0 0 0\n") << "a clock that went back";
}

TEST(TextPattern, Context) {
  TestRecord record("m");
  EXPECT_EQ(text_line(record, "[%&]"), "[]\n");
  std::byte memory[64];
  FieldBlockWriter fields(memory);
  ASSERT_TRUE(fields.add_text("trace", "ab"));
  ASSERT_TRUE(fields.add_text("user", "a b"));
  record.add_context(fields.bytes());
  EXPECT_EQ(text_line(record, "[%&]"), "[trace=ab user=\"a b\"]\n");
}

TEST(TextPattern, WidthsThatCut) {
  EXPECT_EQ(line("%3!l|%-3!l|%=3!l|%9!l|%-9!l|%12!v|"),
            "war|war|war|  warning|warning  |     hello 1|\n");
  EXPECT_EQ(line("%(message:<4!)|%(level:>3!)|%(level:>9!)"), "hell|war|  warning\n");
  EXPECT_EQ(line("%2!!|%!"), "ti|tick\n") << "the function, cut and whole";
  TestRecord record("{}", {text_arg("gr\xc3\xbc\xc3\x9f")});
  EXPECT_EQ(text_line(record, "%3!v"), "gr\xc3\xbc\n") << "characters, not bytes";
}

TEST(TextPattern, Widths) {
  EXPECT_EQ(line("%(level:<9)|%(level:>9)|%(level:^9)|%(level:<2)"),
            "warning  |  warning| warning |warning\n");
  EXPECT_EQ(line("%(message:>10)|%(message:^10)|%(thread_id:<5)|"),
            "   hello 1| hello 1  |42   |\n");
  TestRecord record("{}", {text_arg("gr\xc3\xbc\xc3\x9f")});
  EXPECT_EQ(text_line(record, "%(message:>6)"), "  gr\xc3\xbc\xc3\x9f\n")
      << "characters, not bytes";
}

TEST(TextPattern, EmptyFieldsLeaveNoDoubleBlank) {
  TestRecord record("m");
  EXPECT_EQ(text_line(record, "a %(logger) %(message)"), "a m\n");
  EXPECT_EQ(text_line(record, "%(logger) %(message)"), "m\n");
  EXPECT_EQ(text_line(record, "%(thread_name) %(message)"), "m\n");
  EXPECT_EQ(text_line(record, "a %(thread_name) %(logger) %(message)"), "a m\n");
  EXPECT_EQ(text_line(record, "[%(logger)] [%(thread_name)] %(message)"), "[] [] m\n");
  EXPECT_EQ(text_line(record, "a %(logger:<4) %(message)"), "a      m\n");
  TestRecord dynamic("m", {arg(ArgType::kU32, 3)}, RecordKind::kLog, SiteFlag::kLoggerIsFirstArg);
  EXPECT_EQ(text_line(dynamic, "a %(logger) %(message)"), "a m\n");
  dynamic.logger = "db";
  EXPECT_EQ(text_line(dynamic, "a %(logger) %(message)"), "a db m\n");
  dynamic.logger = "d\nb";
  EXPECT_EQ(text_line(dynamic, "a %(logger) %(message)"), "a d\\nb m\n");
}

TEST(TextPattern, Colors) {
  EXPECT_EQ(line("%(level) %^x%$"), "warning x\n");
  TestRecord record("m");
  record.site.level = Level::error;
  EXPECT_EQ(text_line(record, "%(level:<6)|%(message)", {.color = true}),
            "\x1b[31merror \x1b[0m|m\n");
  EXPECT_EQ(text_line(record, "%^%(level) x%$ %(message)", {.color = true}),
            "\x1b[31merror x\x1b[0m m\n");
}

TEST(TextPattern, MistakesSayWhatWhereAndHow) {
  const auto error = [](std::string_view pattern) {
    const auto result = TextPattern::compile(pattern);
    return result.ok() ? std::string("compiles") : result.status().message();
  };
  EXPECT_EQ(
      error("%(time) %(mesage)")
          .find("pattern \"%(time) %(mesage)\", column 11: there is no field \"mesage\"; there are "
                "time, date, "),
      0u);
  EXPECT_NE(error("%(time").find("column 1: \"%(\" has no \")\""), std::string::npos);
  EXPECT_NE(error("%(level:8)").find("column 9: \"8\" is no width"), std::string::npos);
  EXPECT_NE(error("%(level:<)").find("is no width"), std::string::npos);
  EXPECT_NE(error("%(level:<9999)").find("at most 256"), std::string::npos);
  EXPECT_NE(error("%999l").find("at most 256"), std::string::npos);
  EXPECT_NE(error("ab %q").find("column 4: there is no flag \"%q\""), std::string::npos);
  EXPECT_NE(error("ab %q").find("there are T"), std::string::npos);
  EXPECT_NE(error("ab %3!").find("column 4: \"%\" at the end"), std::string::npos);
  EXPECT_NE(error("a %8c").find("column 3: \"%c\" stands for several fields"), std::string::npos);
  EXPECT_NE(error("50%").find("write %% for a percent sign"), std::string::npos);
  EXPECT_EQ(error("%(time)"), "compiles");
}

TEST(TextPattern, FullBufferIsLeftAsItWas) {
  auto pattern = TextPattern::compile("%(message)");
  ASSERT_TRUE(pattern.ok());
  TestRecord record("{}", {text_arg(std::string(50, 'x'))});
  ASSERT_TRUE(record.parse());
  std::vector<char> memory(200);
  TextBuffer out(memory);
  std::string all;
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    if (pattern.value().append(record.entry(), out)) continue;
    ++refused;
    all += out.text();
    out.clear();
    ASSERT_TRUE(pattern.value().append(record.entry(), out));
  }
  all += out.text();
  std::string expected;
  for (int i = 0; i < 10; ++i) expected += std::string(50, 'x') + "\n";
  EXPECT_EQ(all, expected);
  EXPECT_GT(refused, 2);
}

// Every place where the line can outgrow the fixed memory, aligned fields included.
TEST(TextPattern, AnyBufferSizeGivesTheSameLine) {
  TestRecord record("hello {} {:.2f}", {text_arg("a\nb\xff" + std::string(40, 'c')), f64_arg(1)});
  record.thread_name = "main";
  const std::string_view layout = "%(time) %(thread_name:>9) %(message:>70) %(host)|%(sequence)";
  auto pattern = TextPattern::compile(layout);
  ASSERT_TRUE(pattern.ok());
  const std::string expected = text_line(record, layout);
  ASSERT_TRUE(record.parse());
  for (std::size_t size = 0; size < 400; ++size) {
    std::vector<char> memory(size);
    TextBuffer out(memory);
    ASSERT_TRUE(pattern.value().append(record.entry(), out));
    ASSERT_EQ(out.text(), expected) << size;
  }
}

}  // namespace
}  // namespace sluice
