// The level a line names itself: what `sluice run` makes of lines that real programs write.
#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

struct Line {
  const char* level;
  const char* text;
};

constexpr Line kLines[] = {
    {"info", "plain text"},
    {"info", ""},
    {"error", "ERROR something broke"},
    {"error", "ERROR"},
    {"error", "error: cannot find it"},
    {"error", "Error: Cannot find module 'x'"},
    {"warning", "[warn] low on disk"},
    {"warning", "[WARNING] low on disk"},
    {"debug", "<debug> details"},
    {"error", "a.cc:12:3: error: expected ';'"},
    {"warning", "a.cc:12:3: warning: unused variable 'x' [-Wunused-variable]"},
    {"notice", "a.cc:1:1: note: declared here"},
    {"error", "error[E0308]: mismatched types"},
    {"error", "level=error msg=\"no route\""},
    {"warning", "ts=2025-11-22T10:00:00Z level=warn msg=slow"},
    {"error", "time=\"2025-11-22\" lvl=eror msg=x severity=error"},
    {"error", "E1122 10:00:00.123456 7 main.cc:5] no"},
    {"warning", "W20251122 10:00:00.123456 7 main.cc:5] hm"},
    {"critical", "F1122 10:00:00.123456 7 main.cc:5] dead"},
    {"info", "E1122 is a number"},
    {"error", R"({"ts":1,"level":"error","msg":"x"})"},
    {"warning", R"({"level": 40, "msg":"pino"})"},
    {"info", R"({"msg":"the level of error is high"})"},
    {"error", "2025-11-22 10:00:00,123 - app - ERROR - no"},
    {"debug", "2025-11-22 10:00:00,123 DEBUG [main] com.acme.App - x"},
    {"info", "2025-11-22T10:00:00Z info starting"},
    {"info", "2025-11-22T10:00:00Z the database error is known"},
    {"error", "Nov 22 10:00:00 host prog[7]: ERROR no"},
    {"error", "[2025-11-22 10:00:00] [thread 1] [error] no"},
    {"error", "<3>kernel says no"},
    {"debug", "<15>user.debug"},
    {"warning", "\x1b[33mWARN\x1b[0m yellow"},
    {"critical", "panic: runtime error: index out of range"},
    {"critical", "thread 'main' panicked at src/main.rs:2:5:"},
    {"critical", "fatal: not a git repository"},
    {"error", "Traceback (most recent call last):"},
    {"error", "make: *** [Makefile:3: all] Error 1"},
    {"error", "npm ERR! code ELIFECYCLE"},
    {"error", "E: Unable to locate package x"},
    {"info", "there was no error at all"},
    {"info", "errors: 0"},
    {"info", "informal greetings"},
    {"trace", "TRACE entering"}};

class LevelOfALine : public Cli {};

TEST_F(LevelOfALine, IsFoundWhereProgramsPutIt) {
  std::string input;
  for (const Line& line : kLines) input += std::string(line.text) + "\n";
  write("input", input);
  ASSERT_EQ(sh("$SLUICE run --json-lines a.jsonl -- cat input").code, 0);
  const auto all = records("a.jsonl");
  ASSERT_EQ(all.size(), std::size(kLines));
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i]["level"], kLines[i].level) << kLines[i].text;
  }
}

TEST_F(LevelOfALine, OnStandardErrorIsWarningUnlessItSaysOtherwise) {
  ASSERT_EQ(sh("$SLUICE run --json-lines a.jsonl -- sh -c 'echo x >&2; echo INFO y >&2'").code, 0);
  const auto all = records("a.jsonl");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["level"], "warning");
  EXPECT_EQ(all[1]["level"], "info");
}

TEST_F(LevelOfALine, IsLookedForInABoundedPart) {
  write("input", std::string(100'000, ' ') + "ERROR far away\n" + std::string(3'000'000, '[') +
                     "\n" + std::string(1000, 'a') + " level=error\n");
  ASSERT_EQ(sh("$SLUICE run --json-lines a.jsonl -- cat input").code, 0);
  for (const auto& record : records("a.jsonl")) EXPECT_EQ(record["level"], "info");
}

}  // namespace
}  // namespace sluice::test
