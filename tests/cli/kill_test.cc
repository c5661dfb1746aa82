// kill -9 of `sluice run` itself: every line it had recorded is in the file once after recovery.
#include <set>

#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

class Kill : public Cli {
 protected:
  // Kills a `sluice run` whose program counts, once it has shown `lines_seen` lines and the file
  // `written` has some too.
  void kill_counting(const std::string& options, std::size_t lines_seen,
                     const std::string& written = "out") {
    std::filesystem::remove(path("out"));
    const pid_t pid = start("exec $SLUICE run --product counter " + options +
                                " -- sh -c 'i=0; while echo line $i; do i=$((i+1)); done'",
                            path("out"), path("error"));
    EXPECT_TRUE(eventually([&] {
      return lines_of(text("out")).size() > lines_seen &&
             text(written).find("line ") != std::string::npos;
    }));
    ::kill(pid, SIGKILL);
    EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
  }

  // The numbers of `line N` in a file; a repeated one is an error.
  std::set<long> numbers(const std::string& content) {
    std::set<long> found;
    for (const std::string& line : lines_of(content)) {
      const auto at = line.rfind("line ");
      if (at == std::string::npos) continue;
      EXPECT_TRUE(found.insert(std::stol(line.substr(at + 5))).second) << line;
    }
    return found;
  }

  // What was seen on the terminal is in the log: a line is recorded before it is passed on.
  void expect_all_once(const std::string& log) {
    std::string seen = text("out");
    seen.resize(seen.rfind('\n') + 1);
    const std::set<long> shown = numbers(seen), kept = numbers(log);
    EXPECT_TRUE(std::includes(kept.begin(), kept.end(), shown.begin(), shown.end()));
    // No holes: lines are recorded in their order.
    EXPECT_EQ(long(kept.size()), *kept.rbegin() + 1);
  }
};

TEST_F(Kill, RecoverPutsEveryLineIntoTheTextFileOnce) {
  for (int i = 0; i < 5; ++i) {
    std::filesystem::remove(path("a.log"));
    kill_counting("--text a.log", 500 * std::size_t(i) + 1);
    const Finished recovered = sh("$SLUICE recover --json --directory $SLUICE_REGION_DIRECTORY");
    EXPECT_EQ(recovered.code, 0) << recovered.out << recovered.error;
    const auto report = nlohmann::json::parse(lines_of(recovered.out).at(0));
    EXPECT_EQ(report["state"], "complete");
    EXPECT_EQ(report["product"], "counter");
    EXPECT_EQ(report["dropped"], 0);
    expect_all_once(text("a.log"));
    EXPECT_EQ(report["merged"], lines_of(text("a.log")).size());
  }
}

TEST_F(Kill, TheNextRunOfTheProductRecovers) {
  kill_counting("--json-lines a.jsonl", 1000);
  ASSERT_EQ(sh("$SLUICE run --product counter --json-lines a.jsonl -- true").code, 0);
  expect_all_once([&] {
    std::string messages;
    for (const auto& record : records("a.jsonl"))
      messages += record["msg"].get<std::string>() + "\n";
    return messages;
  }());
}

TEST_F(Kill, SegmentsAreCompletedToo) {
  kill_counting("--segments s", 1000);
  const Finished recovered = sh("$SLUICE recover --directory $SLUICE_REGION_DIRECTORY");
  EXPECT_EQ(recovered.code, 0) << recovered.out << recovered.error;
  const Finished verified = sh("$SLUICE verify s");
  EXPECT_EQ(verified.code, 0) << verified.out << verified.error;
  expect_all_once(sh("$SLUICE cat s").out);
}

TEST_F(Kill, TheRegionCanBeReadBeforeRecovery) {
  // In the file: so it went through the journal, which is what can be read.
  kill_counting("--text a.log", 1000, "a.log");
  const Finished seen =
      sh("$SLUICE cat --json --product counter --directory $SLUICE_REGION_DIRECTORY --grep line");
  EXPECT_FALSE(numbers(seen.out).empty()) << seen.error;
  EXPECT_EQ(seen.out.find("\"logger\":\"sh\"") == std::string::npos, false);
  // Reading took nothing away.
  EXPECT_EQ(sh("$SLUICE recover --directory $SLUICE_REGION_DIRECTORY").code, 0);
  expect_all_once(text("a.log"));
}

}  // namespace
}  // namespace sluice::test
