// sluice run --stream: what a program says is in the stream's files, each line once and whole,
// however the program or the command ends.
#include <algorithm>

#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

class RunStream : public Cli {
 protected:
  // The lines of the finished files in the order of their numbers.
  std::vector<std::string> kept() {
    return lines_of(sh("ls out/s_*.log | sort -t_ -k4 -n | xargs cat").out);
  }
  // Those that begin so, without it.
  static std::vector<std::string> of(const std::vector<std::string>& lines, char first) {
    std::vector<std::string> found;
    for (const std::string& line : lines) {
      if (!line.empty() && line[0] == first) found.push_back(line.substr(1));
    }
    return found;
  }
  // "1", "2" and so on.
  static std::vector<std::string> numbers(int count) {
    std::vector<std::string> lines;
    for (int i = 1; i <= count; ++i) lines.push_back(std::to_string(i));
    return lines;
  }
};

TEST_F(RunStream, KeepsBothStreamsPassesThemOnAndEndsAsTheProgramDid) {
  const Finished run = sh(
      "$SLUICE run --stream s --dir out -- sh -c 'echo one; echo two >&2; printf three; exit 7'");
  EXPECT_EQ(run.code, 7);
  EXPECT_EQ(run.out, "one\nthree");
  EXPECT_EQ(run.error, "two\n");
  std::vector<std::string> lines = kept();
  std::sort(lines.begin(), lines.end());
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "three", "two"}));
  EXPECT_EQ(sh("ls out").out.substr(0, 2), "s_") << "the file is finished";
}

// Halves of lines in turn, so that pipes hold parts of lines at every moment.
TEST_F(RunStream, LinesOfTheTwoStreamsAreNeverMixedAndStayInOrder) {
  write("program",
        "import os\n"
        "for i in range(1, 20001):\n"
        "  os.write(1, b'o%d' % i); os.write(2, b'e'); os.write(1, b'\\n')\n"
        "  os.write(2, b'%d\\n' % i)\n");
  const Finished run =
      sh("$SLUICE run --stream s --dir out --rotate-bytes 64KiB -- python3 program > o 2> e");
  EXPECT_EQ(run.code, 0);
  const std::vector<std::string> lines = kept();
  EXPECT_EQ(lines.size(), 40'000u);
  EXPECT_EQ(of(lines, 'o'), numbers(20'000));
  EXPECT_EQ(of(lines, 'e'), numbers(20'000));
  EXPECT_EQ(of(lines_of(text("o")), 'o'), numbers(20'000));
  EXPECT_EQ(of(lines_of(text("e")), 'e'), numbers(20'000));
  EXPECT_EQ(sh("ls out/s_*_4.log | wc -l; find out -size +64k").out, "1\n");
}

TEST_F(RunStream, WhatAKilledProgramHadSaidIsInTheFile) {
  const Finished run =
      sh("$SLUICE run --stream s --dir out -- sh -c 'seq 1 5000; printf half; kill -KILL $$' > o");
  EXPECT_EQ(run.code, 128 + SIGKILL);
  std::vector<std::string> wanted = numbers(5000);
  wanted.emplace_back("half");
  EXPECT_EQ(kept(), wanted);
}

// What was passed on had been accepted. Without the option most of it is lost; with it the next
// writer writes it, or an uploader.
TEST_F(RunStream, WhatItHadTakenSurvivesAKill) {
  const std::string writer = "true | $SLUICE stream write s --dir out && cat out/s_*";
  const std::string uploader =
      "$SLUICE upload out --to file://$PWD/there --quiet && cat $(find there -name 's_*')";
  for (const auto& [option, then] : {std::pair<std::string, std::string>{"--survive-kill", writer},
                                     {"--survive-kill", uploader},
                                     {"", writer}}) {
    sh("rm -rf out o there");
    const pid_t pid = start("exec $SLUICE run --stream s --dir out " + option +
                                " -- sh -c 'i=0; while echo $((i+=1)); do :; done'",
                            path("o"), path("e"));
    EXPECT_TRUE(eventually([&] { return lines_of(text("o")).size() > 1000; }));
    ::kill(pid, SIGKILL);
    EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
    std::string shown = text("o");
    shown.resize(shown.rfind('\n') + 1);
    const std::size_t count = lines_of(shown).size();
    const Finished next = sh(then);
    const std::vector<std::string> there = lines_of(next.out);
    if (option.empty()) {
      EXPECT_LT(there.size(), count);
      EXPECT_NE(next.error.find(" are lost"), std::string::npos) << next.error;
    } else {
      EXPECT_EQ(next.code, 0) << next.error;
      EXPECT_GE(there.size(), count);
      EXPECT_EQ(there, numbers(int(there.size())));
    }
  }
}

TEST_F(RunStream, AnEndSignalIsPassedOnAndThenAllIsTaken) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    sh("rm -rf out");
    write("script",
          "trap 'seq 1 20000; exit 5' TERM INT HUP\necho ready\nwhile true; do sleep 0.05; done\n");
    std::remove(path("o").c_str());
    const pid_t pid =
        start("exec $SLUICE run --stream s --dir out -- sh script", path("o"), path("e"));
    ASSERT_TRUE(eventually([&] { return text("o") == "ready\n"; }));
    ::kill(pid, signal);
    EXPECT_EQ(wait_for(pid), 5) << signal;
    std::vector<std::string> wanted = numbers(20'000);
    wanted.insert(wanted.begin(), "ready");
    EXPECT_EQ(kept(), wanted) << signal;
  }
}

TEST_F(RunStream, AProgramThatDiesOfTheSignalIsTheVerdict) {
  const pid_t pid = start("exec $SLUICE run --stream s --dir out -- sh -c 'echo x; exec sleep 60'",
                          path("o"), path("e"));
  ASSERT_TRUE(eventually([&] { return text("o") == "x\n"; }));
  ::kill(pid, SIGTERM);
  EXPECT_EQ(wait_for(pid), 128 + SIGTERM);
  EXPECT_EQ(kept(), std::vector<std::string>{"x"});
}

TEST_F(RunStream, WhoeverOutlivesTheProgramDoesNotHoldItUp) {
  const auto began = std::chrono::steady_clock::now();
  const Finished run =
      sh("$SLUICE run --stream s --dir out -- sh -c '(sleep 300 & echo $! > pid); echo first'; "
         "kill $(cat pid)");
  EXPECT_EQ(run.out, "first\n");
  EXPECT_EQ(kept(), std::vector<std::string>{"first"});
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(60));
}

TEST_F(RunStream, ASignalFinishesTheFile) {
  ASSERT_EQ(::mkfifo(path("go").c_str(), 0600), 0);
  const pid_t pid = start(
      "exec $SLUICE run --stream s --dir out --flush-interval 10 -- "
      "sh -c 'echo one; read x < go; echo two'",
      path("o"), path("e"));
  ASSERT_TRUE(eventually([&] { return text("out/s.log") == "one\n"; }));
  ::kill(pid, SIGUSR1);
  ASSERT_TRUE(eventually([&] { return sh("cat out/s_*_1.log").out == "one\n"; }));
  EXPECT_FALSE(std::filesystem::exists(path("out/s.log")));
  write("go", "on\n");
  EXPECT_EQ(wait_for(pid), 0) << "the signal is not passed on: " << text("e");
  EXPECT_EQ(sh("cat out/s_*_2.log").out, "two\n");
}

// The program writes far more than memory and disk hold. It waits, which shows in what is passed on
// (a line is kept before), and nothing is dropped.
TEST_F(RunStream, ItsPipeWaitsForAFullDisk) {
  write("script",
        "mount -t tmpfs -o size=1m none out\n"
        "$SLUICE run --stream s --dir out --flush-interval 10 -- seq 1 15000000 > o 2> e &\n"
        "until grep -q ENOSPC e && [ $(stat -c %s o) = $last ]; do\n"
        "  last=$(stat -c %s o); sleep 0.2\n"
        "done\n"
        "mount -o remount,size=200m out\n"
        "wait $! && cmp o out/s_*_1.log && seq 1 15000000 | cmp - o && echo $last\n");
  const Finished run = sh("mkdir out; unshare -m sh script 2> script_e");
  ASSERT_EQ(run.code, 0) << text("script_e") << text("e");
  EXPECT_LT(std::stoull(run.out), 80u << 20) << "it did not wait";
}

// The disk stays full: whoever asks it to end must not have to kill it.
TEST_F(RunStream, OnADiskThatStaysFullASignalEndsItAndTheLossIsSaid) {
  ASSERT_EQ(sh("mkdir out").code, 0);
  const pid_t pid = start(
      "exec unshare -m sh -c 'mount -t tmpfs -o size=1m none out && exec $SLUICE run --stream s"
      " --dir out --flush-interval 10 -- yes > /dev/null'",
      path("o"), path("e"));
  ASSERT_TRUE(eventually([&] { return text("e").find("ENOSPC") != std::string::npos; }));
  ::kill(pid, SIGTERM);
  EXPECT_EQ(wait_for(pid), 128 + SIGTERM);
  EXPECT_NE(text("e").find("accepted records are lost"), std::string::npos) << text("e");
}

TEST_F(RunStream, AProgramThatCannotBeStartedIs127AndLeavesNoFile) {
  EXPECT_EQ(sh("$SLUICE run --stream s --dir out -- no-such-program").code, 127);
  EXPECT_EQ(sh("ls out").out, "");
}

TEST_F(RunStream, Mistakes) {
  EXPECT_EQ(sh("$SLUICE run --stream s -- touch started").code, 2);
  EXPECT_EQ(sh("$SLUICE run --text t --dir out -- touch started").code, 2);
  EXPECT_EQ(sh("$SLUICE run --text t --rotate-bytes 1MiB -- touch started").code, 2);
  const Finished both = sh("$SLUICE run --text t --stream s --dir out -- touch started");
  EXPECT_EQ(both.code, 2);
  EXPECT_NE(both.error.find("--stream"), std::string::npos) << both.error;
  EXPECT_EQ(sh("$SLUICE run --stream '' --dir out -- touch started").code, 2);
  const Finished taken =
      sh("$SLUICE run --stream s --dir out -- $SLUICE run --stream s --dir out -- touch started");
  EXPECT_EQ(taken.code, 2);
  EXPECT_NE(taken.error.find("somebody else writes this stream"), std::string::npos);
  EXPECT_EQ(sh("$SLUICE run --stream s --dir out").code, 2) << "no program";
  EXPECT_FALSE(std::filesystem::exists(path("started")));
}

}  // namespace
}  // namespace sluice::test
