// sluice run: nothing that a program writes is changed, lost or misjudged, however it ends.
#include <algorithm>

#include "cli/cli_fixture.h"
#include "sluice/trace.h"

namespace sluice::test {
namespace {

using nlohmann::json;

class Run : public Cli {};

TEST_F(Run, PassesBothStreamsOnByteForByteAndEndsAsTheProgramDid) {
  const Finished run =
      sh("$SLUICE run --text a.log --json-lines a.jsonl -- sh -c 'echo one; "
         "echo two >&2; printf three; exit 7'");
  EXPECT_EQ(run.code, 7);
  EXPECT_EQ(run.out, "one\nthree");
  EXPECT_EQ(run.error, "two\n");
  const auto all = records("a.jsonl");
  ASSERT_EQ(all.size(), 3u);
  std::vector<std::string> said;
  for (const json& record : all) {
    said.push_back(record["thread"].get<std::string>() + " " + record["level"].get<std::string>() +
                   " " + record["msg"].get<std::string>());
    EXPECT_EQ(record["logger"], "sh");
  }
  std::sort(said.begin(), said.end());
  EXPECT_EQ(said, (std::vector<std::string>{"stderr warning two", "stdout info one",
                                            "stdout info three"}));
  const json end = records("a.jsonl", true).back();
  EXPECT_EQ(end["event"], "run.end");
  EXPECT_EQ(end["fields"]["exit_code"], 7);
  EXPECT_EQ(end["fields"]["reason"], "exited");
  EXPECT_EQ(lines_of(text("a.log")).size(), 5u);  // run.start, three lines, run.end
}

TEST_F(Run, LinesOfLogfmtAndOtherSchemas) {
  const Finished run =
      sh("SLUICE_JSON_SCHEMA=ecs $SLUICE run --logfmt a.log --json-lines a.jsonl -- "
         "echo 'level=error a \"b\"'");
  EXPECT_EQ(run.code, 0) << run.error;
  const std::vector<std::string> lines = lines_of(text("a.log"));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_NE(lines[1].find("level=error"), std::string::npos) << lines[1];
  EXPECT_NE(lines[1].find(R"(msg="level=error a \"b\"")"), std::string::npos) << lines[1];
  const json record = json::parse(lines_of(text("a.jsonl"))[1]);
  EXPECT_EQ(record["message"], "level=error a \"b\"");
  EXPECT_EQ(record["log.level"], "error") << record.dump();
  const Finished wrong = sh("SLUICE_JSON_SCHEMA=xml $SLUICE run --logfmt b.log -- echo no");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(wrong.out, "");
  EXPECT_NE(wrong.error.find("write sluice, otel or ecs"), std::string::npos) << wrong.error;
}

TEST_F(Run, OrderOfAStreamIsKept) {
  const Finished run =
      sh("$SLUICE run --json-lines a.jsonl -- sh -c 'seq 1 20000; seq 1 20000 >&2'");
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(records("a.jsonl", true).front()["event"], "run.start");
  std::uint64_t next_out = 1, next_error = 1;
  for (const json& record : records("a.jsonl")) {
    std::uint64_t& next = record["thread"] == "stdout" ? next_out : next_error;
    EXPECT_EQ(record["msg"], std::to_string(next++));
  }
  EXPECT_EQ(next_out, 20001u);
  EXPECT_EQ(next_error, 20001u);
}

TEST_F(Run, TheProgramInheritsATrace) {
  const std::string print = " -- sh -c 'printf %s \"$TRACEPARENT\"'";
  const Finished begun = sh("unset TRACEPARENT; $SLUICE run --json-lines a.jsonl" + print);
  EXPECT_EQ(begun.code, 0);
  TraceContext trace;
  ASSERT_TRUE(trace.parse(begun.out)) << begun.out;
  EXPECT_EQ(trace.trace_flags(), "01");
  EXPECT_EQ(records("a.jsonl", true).front()["fields"]["trace_id"], trace.trace_id());
  const Finished again = sh("unset TRACEPARENT; $SLUICE run --stream s --dir ." + print);
  TraceContext other;
  ASSERT_TRUE(other.parse(again.out)) << again.out << again.error;
  EXPECT_NE(other.trace_id(), trace.trace_id());

  // One that is there goes on; what is none is left to the program, and said.
  const std::string given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
  EXPECT_EQ(sh("TRACEPARENT=" + given + " $SLUICE run --json-lines b.jsonl" + print).out, given);
  EXPECT_EQ(records("b.jsonl", true).front()["fields"]["trace_id"], given.substr(3, 32));
  const Finished none = sh("TRACEPARENT=none $SLUICE run --json-lines c.jsonl" + print);
  EXPECT_EQ(none.out, "none");
  EXPECT_NE(none.error.find("TRACEPARENT is no W3C trace context"), std::string::npos)
      << none.error;
}

TEST_F(Run, ASignalIsTheVerdict) {
  const Finished run = sh("$SLUICE run --json-lines a.jsonl -- sh -c 'kill -SEGV $$'");
  EXPECT_EQ(run.code, 128 + SIGSEGV);
  const json end = records("a.jsonl", true).back();
  EXPECT_EQ(end["fields"]["signal"], SIGSEGV);
  EXPECT_EQ(end["fields"]["reason"], "SIGSEGV");
}

TEST_F(Run, AProgramThatCannotBeStartedIs127Or126) {
  const Finished missing = sh("$SLUICE run --json-lines a.jsonl -- no-such-program");
  EXPECT_EQ(missing.code, 127);
  EXPECT_NE(missing.error.find("no such program"), std::string::npos) << missing.error;
  EXPECT_EQ(records("a.jsonl", true).back()["fields"]["reason"], "not found");
  const Finished refused = sh("echo x > plain; $SLUICE run --json-lines b.jsonl -- ./plain");
  EXPECT_EQ(refused.code, 126);
}

TEST_F(Run, RealPrograms) {
  sh("mkdir d; touch d/one d/two");
  EXPECT_EQ(sh("$SLUICE run --text a.log -- ls d").out, "one\ntwo\n");
  const Finished python =
      sh("$SLUICE run --json-lines p.jsonl -- python3 -c 'import sys; print(\"hi\"); raise "
         "ValueError(\"bad\")'");
  EXPECT_EQ(python.code, 1);
  // The two streams are two pipes: which of them is read first is nobody's promise.
  const auto has = [](const std::vector<json>& all, const char* key, const char* value) {
    return std::any_of(all.begin(), all.end(), [&](const json& one) { return one[key] == value; });
  };
  EXPECT_TRUE(has(records("p.jsonl"), "msg", "hi"));
  EXPECT_NE(python.error.find("ValueError: bad"), std::string::npos);
  const Finished make =
      sh("printf 'all:\\n\\t@echo built\\n\\t@false\\n' > Makefile; "
         "$SLUICE run --json-lines m.jsonl -- make -s; echo $?");
  EXPECT_EQ(make.out, "built\n2\n");
  EXPECT_TRUE(has(records("m.jsonl"), "level", "error"));  // make: *** [Makefile:3: all] Error 1
}

TEST_F(Run, BytesThatAreNoTextArriveAndAreEscapedInText) {
  write("bytes", std::string("a\0b\n\xff\xfe\x1b[31mred\n\r\n\n", 18));
  const Finished run = sh("$SLUICE run --text a.log --json-lines a.jsonl -- cat bytes");
  EXPECT_EQ(run.out, text("bytes"));
  const auto all = records("a.jsonl");
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0]["msg"], std::string("a\0b", 3));
  EXPECT_EQ(all[1]["msg"], "\\xff\\xfe\x1b[31mred");
  EXPECT_EQ(all[2]["msg"], "");
  EXPECT_EQ(text("a.log").find('\x1b'), std::string::npos);
  EXPECT_NE(text("a.log").find("a\\x00b"), std::string::npos);
}

TEST_F(Run, ALineLongerThanARecordComesInPiecesAndWhole) {
  const Finished run =
      sh("python3 -c 'print(\"x\\u00e4\" * 3500000)' > long; $SLUICE run --json-lines a.jsonl "
         "--segments s -- cat long | cmp - long");
  EXPECT_EQ(run.code, 0);
  std::string whole;
  unsigned part = 0;
  const auto pieces = records("a.jsonl");
  for (const json& record : pieces) {
    EXPECT_EQ(record["fields"]["part"], ++part);
    EXPECT_EQ(record["fields"]["last_part"], part == pieces.size());
    whole += record["msg"].get<std::string>();
  }
  EXPECT_GT(part, 100u);
  EXPECT_EQ(whole + "\n", text("long"));
  EXPECT_EQ(sh("$SLUICE verify s").code, 0);
}

TEST_F(Run, APromptWithoutNewlineIsSeenAtOnce) {
  ASSERT_EQ(::mkfifo(path("go").c_str(), 0600), 0);
  const pid_t pid = start(
      "$SLUICE run --text a.log -- sh -c 'printf \"name? \"; read x < go; "
      "echo $x'",
      path("out"), path("error"));
  EXPECT_TRUE(eventually([&] { return text("out") == "name? "; }));
  write("go", "ann\n");
  EXPECT_EQ(wait_for(pid), 0);
  EXPECT_EQ(text("out"), "name? ann\n");
  EXPECT_NE(text("a.log").find("name? ann"), std::string::npos);
}

TEST_F(Run, StreamsThatEndEarlyOrOutliveTheProgram) {
  const Finished early =
      sh("$SLUICE run --json-lines a.jsonl -- sh -c 'exec >&-; echo x >&2; "
         "exit 3'");
  EXPECT_EQ(early.code, 3);
  EXPECT_EQ(early.error, "x\n");
  // The grandchild keeps both pipes open for longer than any test may take.
  const auto began = std::chrono::steady_clock::now();
  const Finished late =
      sh("$SLUICE run --json-lines b.jsonl -- sh -c '(sleep 300 & echo $! > "
         "pid); echo first'; kill $(cat pid)");
  EXPECT_EQ(late.out, "first\n");
  EXPECT_EQ(records("b.jsonl").size(), 1u);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(60));
}

TEST_F(Run, AReaderThatGoesEndsTheProgramAsItWouldWithoutUs) {
  const Finished run =
      sh("$SLUICE run --json-lines a.jsonl -- yes | head -1; echo ${PIPESTATUS[0]}");
  EXPECT_EQ(run.out, "y\n141\n");
  EXPECT_EQ(run.error, "");
  EXPECT_EQ(records("a.jsonl", true).back()["fields"]["reason"], "SIGPIPE");
}

TEST_F(Run, OutputThatCannotBeWrittenIsSaidOnceAndRecordedToItsEnd) {
  const Finished run =
      sh("$SLUICE run --quiet --json-lines a.jsonl -- sh -c 'seq 1 50000; echo last >&2; exit 3' "
         "> /dev/full");
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(records("a.jsonl").size(), 50001u);
  EXPECT_EQ(records("a.jsonl", true).back()["fields"]["exit_code"], 3);
  const auto said = lines_of(run.error);
  ASSERT_EQ(said.size(), 2u) << run.error;
  EXPECT_NE(run.error.find("ENOSPC"), std::string::npos) << run.error;
  EXPECT_NE(run.error.find("last\n"), std::string::npos) << run.error;
}

TEST_F(Run, SignalsToUsReachTheProgram) {
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) {
    write("script",
          "trap 'echo caught; exit 5' TERM INT USR1\necho ready\nwhile true; do sleep "
          "0.05; done\n");
    std::remove(path("out").c_str());
    const pid_t pid =
        start("exec $SLUICE run --text a.log -- sh script", path("out"), path("error"));
    EXPECT_TRUE(eventually([&] { return text("out") == "ready\n"; }));
    ::kill(pid, signal);
    EXPECT_EQ(wait_for(pid), 5) << signal;
    EXPECT_EQ(text("out"), "ready\ncaught\n");
  }
}

TEST_F(Run, StandardInputIsTheProgramsOwn) {
  EXPECT_EQ(sh("echo hello | $SLUICE run --text a.log -- tr a-z A-Z").out, "HELLO\n");
}

TEST_F(Run, TheProgramHasTheSignalsItWouldHave) {
  // SIGPIPE ends it, nothing is blocked, what was ignored stays ignored.
  const Finished run =
      sh("trap '' HUP; $SLUICE run --text a.log -- grep -E "
         "'^Sig(Blk|Ign)' /proc/self/status; "
         "grep -E '^Sig(Blk|Ign)' /proc/self/status");
  const auto lines = lines_of(run.out);
  ASSERT_EQ(lines.size(), 4u);
  // The C library's two internal signals (32 and 33) are ignored in whatever it spawns.
  const auto mask = [](const std::string& line) {
    return std::stoull(line.substr(line.find('\t') + 1), nullptr, 16) & 0x7fffffff;
  };
  EXPECT_EQ(mask(lines[0]), mask(lines[2]));
  EXPECT_EQ(mask(lines[1]), mask(lines[3]));
}

TEST_F(Run, ClosedStandardDescriptorsDoNoHarm) {
  EXPECT_EQ(sh("$SLUICE run --text a.log -- echo x >&- 2>&- <&-; cat a.log").code, 0);
  EXPECT_NE(text("a.log").find(" echo x\n"), std::string::npos);
}

TEST_F(Run, TwoAtOnceIntoOneFileTearNothing) {
  const Finished run =
      sh("$SLUICE run --text one.log --logger a -- seq 1 20000 > /dev/null & "
         "$SLUICE run --text one.log --logger b -- seq 1 20000 > /dev/null; wait; "
         "grep -c ' a [0-9]*$' one.log; grep -c ' b [0-9]*$' one.log; "
         "grep -vcE '^20[^ ]+Z [a-z]+ +\\[[0-9]+\\] (a|b|run.cc:[0-9]+) ' one.log");
  EXPECT_EQ(run.out, "20000\n20000\n0\n");
}

TEST_F(Run, EveryMistakeAtOnce) {
  const Finished nothing = sh("$SLUICE run");
  EXPECT_EQ(nothing.code, 2);
  EXPECT_EQ(lines_of(nothing.error).size(), 2u) << nothing.error;
  const Finished unwritable =
      sh("mkdir d; $SLUICE run --text d --json-lines /dev/null/x --product $(printf %070d 1) -- "
         "touch started");
  EXPECT_EQ(unwritable.code, 2);
  EXPECT_FALSE(std::filesystem::exists(path("started")));
  EXPECT_NE(unwritable.error.find("product"), std::string::npos) << unwritable.error;
  const Finished nowhere = sh("$SLUICE run --text /proc/nope/x.log -- touch started");
  EXPECT_EQ(nowhere.code, 2);
  EXPECT_NE(nowhere.error.find("/proc/nope/x.log"), std::string::npos) << nowhere.error;
  const Finished unshared =
      sh("SLUICE_REGION_DIRECTORY=/none $SLUICE run --text a.log -- touch started");
  EXPECT_EQ(unshared.code, 2);
  EXPECT_NE(unshared.error.find("SLUICE_REGION_DIRECTORY"), std::string::npos) << unshared.error;
  EXPECT_FALSE(std::filesystem::exists(path("started")));
  EXPECT_EQ(sh("$SLUICE run --text a b -- true").code, 2);
  EXPECT_EQ(sh("$SLUICE run --colour -- true").code, 2);
  EXPECT_EQ(sh("$SLUICE cat x -- true").code, 2);
}

TEST_F(Run, SaysNothingOfItsOwnOffATerminal) {
  const Finished run = sh("$SLUICE run --text a.log -- true");
  EXPECT_EQ(run.out + run.error, "");
  const Finished odd = sh("SLUICE_LEVLE=debug $SLUICE run --text a.log -- true");
  EXPECT_EQ(odd.error,
            "sluice: SLUICE_LEVLE is no variable of Sluice; did you mean SLUICE_LEVEL?\n");
  EXPECT_EQ(sh("SLUICE_LEVLE=debug $SLUICE run --quiet --text a.log -- true").error, "");
}

}  // namespace
}  // namespace sluice::test
