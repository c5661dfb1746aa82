// sluice recover: what it finds, what it refuses, and what it says.
#include <map>

#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

class Recover : public Cli {
 protected:
  // A region whose process was killed, with some records in it; the program it ran is gone too.
  std::string leave_region(const std::string& options) {
    const pid_t pid = start("exec $SLUICE run --product left " + options +
                                " -- sh -c 'echo $$ > pid; echo one; echo two; exec sleep 300'",
                            path("out"), path("error"));
    EXPECT_TRUE(eventually([&] { return text("out") == "one\ntwo\n"; }));
    ::kill(pid, SIGKILL);
    wait_for(pid);
    ::kill(std::stoi(text("pid")), SIGKILL);
    for (const auto& file : std::filesystem::directory_iterator(regions_)) {
      if (file.path().extension() == ".region") return file.path();
    }
    ADD_FAILURE() << "no region was left";
    return {};
  }
};

TEST_F(Recover, NothingToDoIsSaidAndIsNoFailure) {
  const Finished none = sh("$SLUICE recover --directory $SLUICE_REGION_DIRECTORY");
  EXPECT_EQ(none.code, 0);
  EXPECT_EQ(none.out, "nothing to recover\n");
}

// Without a word in the command line it looks where programs of its environment put them.
TEST_F(Recover, TheVariableOfProgramsCounts) {
  const std::string region = leave_region("--text a.log");
  const std::string shown = sh("$SLUICE cat --product left 2>&1").out;
  EXPECT_EQ(shown.find("no region of"), std::string::npos) << shown;
  const Finished none = sh("mkdir none; $SLUICE recover --directory none");
  EXPECT_EQ(none.out, "nothing to recover\n");
  EXPECT_EQ(sh("$SLUICE recover").code, 0);
  EXPECT_FALSE(std::filesystem::exists(region));
  EXPECT_NE(text("a.log").find("two"), std::string::npos);
  const Finished wrong = sh("SLUICE_REGION_DIRECTORY=/none $SLUICE recover");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.error.find("SLUICE_REGION_DIRECTORY: cannot look into '/none'"),
            std::string::npos)
      << wrong.error;
}

TEST_F(Recover, ALiveProcessIsLeftAlone) {
  const pid_t pid = start("exec $SLUICE run --text a.log -- sh -c 'echo up; read x < /dev/zero'",
                          path("out"), path("error"));
  EXPECT_TRUE(eventually([&] { return text("out") == "up\n"; }));
  const Finished alive = sh("$SLUICE recover --json --directory $SLUICE_REGION_DIRECTORY");
  EXPECT_EQ(alive.code, 0);
  EXPECT_EQ(nlohmann::json::parse(alive.out)["state"], "alive");
  ::kill(pid, SIGTERM);
  wait_for(pid);
}

TEST_F(Recover, AnotherDestinationCanBeAdded) {
  const std::string region = leave_region("--text a.log");
  const Finished done = sh("$SLUICE recover --json-lines extra.jsonl " + region);
  EXPECT_EQ(done.code, 0) << done.out << done.error;
  std::string said;
  for (const auto& record : records("extra.jsonl")) said += record["msg"].get<std::string>() + " ";
  EXPECT_EQ(said, "one two ");
  EXPECT_FALSE(std::filesystem::exists(region));
}

TEST_F(Recover, WhatCannotBeWrittenStaysAndIsSaid) {
  std::filesystem::create_directory(path("logs"));
  const std::string region = leave_region("--text logs/a.log");
  const std::string before = text("logs/a.log");
  std::filesystem::remove_all(path("logs"));
  write("logs", "a file where the directory was");
  const Finished left = sh("$SLUICE recover --json " + region);
  EXPECT_EQ(left.code, 1);
  const auto report = nlohmann::json::parse(lines_of(left.out).at(0));
  EXPECT_EQ(report["state"], "incomplete");
  EXPECT_FALSE(report["problem"].get<std::string>().empty());
  EXPECT_TRUE(std::filesystem::exists(region));
  // Mended, it goes on.
  std::filesystem::remove(path("logs"));
  std::filesystem::create_directory(path("logs"));
  EXPECT_EQ(sh("$SLUICE recover " + region).code, 0);
  // What was written before the kill depends on the moment.
  std::map<std::string, int> said;
  for (const std::string& line : lines_of(before + text("logs/a.log"))) {
    ++said[line.substr(line.rfind(' ') + 1)];
  }
  EXPECT_EQ(said["one"], 1);
  EXPECT_EQ(said["two"], 1);
}

// What is kept is for the program that runs now to say: the dead one's bounds hold no more.
TEST_F(Recover, RemovesNoRotatedFile) {
  std::filesystem::create_directory(path("logs"));
  ASSERT_EQ(::mkfifo(path("go").c_str(), 0600), 0);
  ::setenv("SLUICE_FILE_ROTATE_BYTES", "10", 1);  // each line is a file
  ::setenv("SLUICE_FILE_KEEP_FILES", "2", 1);
  const auto rotated = [this] {
    std::size_t count = 0;
    for (const auto& file : std::filesystem::directory_iterator(path("logs"))) {
      const std::string name = file.path().filename();
      if (name != "a.log" && name.ends_with(".log")) ++count;
    }
    return count;
  };
  const std::string said = "before 1\nbefore 2\nbefore 3\nbefore 4\n";
  const pid_t pid = start(
      "exec $SLUICE run --product left --text logs/a.log -- sh -c 'echo $$ > pid; for i in 1 2 3 "
      "4; "
      "do echo before $i; done; read go < go; for i in 1 2 3 4; do echo behind $i; done; exec "
      "sleep "
      "300'",
      path("out"), path("error"));
  EXPECT_TRUE(eventually([&] { return text("out") == said; }));
  EXPECT_TRUE(eventually([&] { return text("logs/a.log").ends_with("before 4\n"); }));
  EXPECT_TRUE(eventually([&] { return rotated() == 2; }));
  // Where nothing can be written.
  std::filesystem::rename(path("logs"), path("away"));
  write("logs", "a file where the directory was");
  write("go", "on\n");
  EXPECT_TRUE(eventually([&] { return text("out").ends_with("behind 4\n"); }));
  ::kill(pid, SIGKILL);
  wait_for(pid);
  ::kill(std::stoi(text("pid")), SIGKILL);
  std::filesystem::remove(path("logs"));
  std::filesystem::rename(path("away"), path("logs"));
  const Finished done = sh("$SLUICE recover --directory $SLUICE_REGION_DIRECTORY");
  EXPECT_EQ(done.code, 0) << done.out << done.error;
  EXPECT_GT(rotated(), 4u);
  EXPECT_TRUE(text("logs/a.log").ends_with("behind 4\n")) << text("logs/a.log");
  // The next start with these bounds does.
  EXPECT_EQ(sh("$SLUICE run --text logs/a.log -- true").code, 0);
  EXPECT_EQ(rotated(), 2u);
  ::unsetenv("SLUICE_FILE_ROTATE_BYTES");
  ::unsetenv("SLUICE_FILE_KEEP_FILES");
}

TEST_F(Recover, ARegionOfAnotherUserIsRefused) {
  const std::string region = leave_region("--text a.log");
  if (::chown(region.c_str(), 12345, 12345) != 0) GTEST_SKIP() << "needs root to give a file away";
  const Finished refused = sh("$SLUICE recover " + region);
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.out.find("another user"), std::string::npos) << refused.out;
  EXPECT_TRUE(std::filesystem::exists(region));
}

TEST_F(Recover, WhatIsNoRegionIsRefused) {
  write("x.region", std::string(10'000, 'x'));
  EXPECT_EQ(sh("$SLUICE recover x.region").code, 1);
  EXPECT_EQ(text("x.region").size(), 10'000u);
}

// What nobody can deliver takes shared memory with every run: each start says how much, even quiet.
TEST_F(Recover, AStartSaysHowMuchEarlierRunsStillHold) {
  std::filesystem::create_directory(path("logs"));
  ::setenv("SLUICE_RECOVER", "0", 1);
  leave_region("--text logs/a.log");
  std::filesystem::remove(path("out"));
  leave_region("--text logs/a.log");
  ::unsetenv("SLUICE_RECOVER");
  std::filesystem::remove_all(path("logs"));
  write("logs", "a file where the directory was");
  const Finished next = sh("$SLUICE run --quiet --product left --text b.log -- sleep 0.3");
  EXPECT_EQ(next.code, 0);
  const std::size_t at = next.error.find("sluice: 2 region(s) of earlier runs still hold records");
  EXPECT_NE(at, std::string::npos) << next.error;
  EXPECT_NE(next.error.find("MiB of shared memory; `sluice recover` tries"), std::string::npos);
  EXPECT_NE(next.error.find("logs/a.log"), std::string::npos) << next.error;
  EXPECT_NE(next.error.find("--give-up"), std::string::npos) << next.error;
  // Mended, the next start delivers and has nothing to say.
  std::filesystem::remove(path("logs"));
  std::filesystem::create_directory(path("logs"));
  EXPECT_EQ(sh("$SLUICE run --quiet --product left --text b.log -- sleep 0.3").error, "");
  EXPECT_EQ(sh("$SLUICE recover --directory $SLUICE_REGION_DIRECTORY").out, "nothing to recover\n");
}

// Its places of bytes under way are of another size: nothing of it may be guessed.
TEST_F(Recover, ARegionOfAnOlderFormatIsRefusedAndStays) {
  const std::string region = leave_region("--text a.log");
  {
    std::fstream file(region, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(8);
    const std::uint32_t version = 1;
    file.write(reinterpret_cast<const char*>(&version), sizeof version);
  }
  const std::string before = text("a.log");
  const Finished one = sh("$SLUICE recover " + region);
  EXPECT_EQ(one.code, 1);
  EXPECT_NE(
      (one.out + one.error).find("another version; recover it with the sluice of its program"),
      std::string::npos)
      << one.out << one.error;
  EXPECT_EQ(sh("$SLUICE recover --directory $SLUICE_REGION_DIRECTORY").code, 1);
  EXPECT_EQ(sh("$SLUICE recover --directory $SLUICE_REGION_DIRECTORY --product other").code, 0);
  const Finished seen = sh("$SLUICE cat " + region);
  EXPECT_EQ(seen.code, 2);
  EXPECT_NE(seen.error.find("another version"), std::string::npos) << seen.error;
  // The next start goes on without it, and says so.
  std::filesystem::copy_file(region, region.substr(0, region.rfind('-')) + "-2.region");
  const Finished next = sh("$SLUICE run --product left --text a.log -- sleep 0.3");
  EXPECT_EQ(next.code, 0);
  EXPECT_NE(next.error.find("another version"), std::string::npos) << next.error;
  EXPECT_NE(next.error.find(" (and 1 more)\n"), std::string::npos) << next.error;
  EXPECT_EQ(lines_of(next.error).size(), 1u) << next.error;
  // Not every program of this user.
  EXPECT_EQ(sh("$SLUICE run --product other --text b.log -- sleep 0.3").error, "");
  EXPECT_TRUE(text("a.log").starts_with(before));
  EXPECT_TRUE(std::filesystem::exists(region));
}

TEST_F(Recover, WhatIsNotThereIsAMistakeAndNothingIsDone) {
  const std::string region = leave_region("--text a.log");
  const Finished path = sh("$SLUICE recover missing.region . " + region);
  EXPECT_EQ(path.code, 2);
  EXPECT_EQ(path.out, "");
  EXPECT_EQ(lines_of(path.error).size(), 2u) << path.error;
  EXPECT_NE(path.error.find("'missing.region': ENOENT"), std::string::npos) << path.error;
  EXPECT_NE(path.error.find("--directory"), std::string::npos) << path.error;
  const Finished directory = sh("$SLUICE recover --directory missing");
  EXPECT_EQ(directory.code, 2);
  EXPECT_EQ(directory.out, "");
  EXPECT_NE(directory.error.find("--directory: cannot look into 'missing': ENOENT"),
            std::string::npos)
      << directory.error;
  EXPECT_EQ(sh("$SLUICE recover --directory " + region).code, 2);
  EXPECT_TRUE(std::filesystem::exists(region));
}

TEST_F(Recover, ARegionWithoutAPlaceForAnotherDestinationSaysSoAndStays) {
  std::string eight;
  for (int i = 1; i <= 8; ++i) eight += " --text " + std::to_string(i) + ".log";
  const std::string region = leave_region(eight);
  const Finished full = sh("$SLUICE recover --json --text ninth.log " + region);
  EXPECT_EQ(full.code, 1);
  const auto report = nlohmann::json::parse(lines_of(full.out).at(0));
  EXPECT_EQ(report["state"], "incomplete");
  EXPECT_NE(report.value("problem", "").find("ninth.log"), std::string::npos) << full.out;
  EXPECT_TRUE(std::filesystem::exists(region));
  // One that it has already takes no place.
  EXPECT_EQ(sh("$SLUICE recover --text 8.log " + region).code, 0);
  EXPECT_FALSE(std::filesystem::exists(region));
  for (int i = 1; i <= 8; ++i) {
    EXPECT_EQ(lines_of(text(std::to_string(i) + ".log")).size(), 3u);  // run.start, one, two
  }
}

// A destination that is gone for good: its records go elsewhere, and the region goes too.
TEST_F(Recover, WhatItsOwnDestinationLacksMayGoElsewhere) {
  std::filesystem::create_directory(path("logs"));
  const std::string region = leave_region("--text logs/a.log");
  std::filesystem::remove_all(path("logs"));
  write("logs", "a file where the directory was");
  const Finished left = sh("$SLUICE recover --json --text rescue.log " + region);
  EXPECT_EQ(left.code, 1);
  EXPECT_TRUE(std::filesystem::exists(region));
  EXPECT_EQ(sh("$SLUICE recover --give-up " + region).code, 2) << "where else?";
  EXPECT_EQ(sh("$SLUICE recover --give-up --text logs/b.log " + region).code, 2);
  EXPECT_TRUE(std::filesystem::exists(region));
  const Finished done = sh("$SLUICE recover --give-up --text rescue.log " + region);
  EXPECT_EQ(done.code, 0) << done.out << done.error;
  EXPECT_FALSE(std::filesystem::exists(region));
  int one = 0;
  for (const std::string& line : lines_of(text("rescue.log"))) one += line.ends_with(" one");
  EXPECT_EQ(one, 1);
}

TEST_F(Recover, APathCannotHarmATerminal) {
  write("x\x1b[31m\xc2\x9b.region", std::string(10'000, 'x'));
  for (const char* options : {"", "--json "}) {
    const Finished run = sh("$SLUICE recover " + std::string(options) + "x*.region");
    EXPECT_EQ(run.code, 1);
    EXPECT_EQ(lines_of(run.out).size(), 1u);
    EXPECT_EQ(run.out.find('\x1b'), std::string::npos);
    EXPECT_EQ(run.out.find("\xc2\x9b"), std::string::npos);
  }
  // A region that is delivered, and one that is not.
  const std::string odd = regions_ + "/\x1b[31m.region";
  const std::string region = leave_region("--text 'logs\x1b[31m/a.log'");
  std::filesystem::rename(region, odd);
  std::error_code not_made_yet;  // the program may have been killed before
  std::filesystem::rename(path("logs\x1b[31m"), path("gone"), not_made_yet);
  write("logs\x1b[31m", "a file where the directory was");
  const Finished left = sh("$SLUICE recover --directory $SLUICE_REGION_DIRECTORY");
  EXPECT_EQ(left.code, 1);
  EXPECT_NE(left.out.find("NOT complete"), std::string::npos) << left.out;
  EXPECT_EQ(left.out.find('\x1b'), std::string::npos);
  std::filesystem::remove(path("logs\x1b[31m"));
  const Finished done = sh("$SLUICE recover --directory $SLUICE_REGION_DIRECTORY");
  EXPECT_EQ(done.code, 0) << done.out;
  EXPECT_EQ(done.out.find('\x1b'), std::string::npos);
}

TEST_F(Recover, WhatAKillLeftOfARegionThatWasBeingMadeGoes) {
  std::ofstream(regions_ + "/.new-0123456789abcdef") << "a draft that nobody holds";
  std::ofstream(regions_ + "/other") << "no draft";
  EXPECT_EQ(sh("$SLUICE recover --quiet --directory $SLUICE_REGION_DIRECTORY").code, 0);
  EXPECT_FALSE(std::filesystem::exists(regions_ + "/.new-0123456789abcdef"));
  EXPECT_TRUE(std::filesystem::exists(regions_ + "/other"));
}

}  // namespace
}  // namespace sluice::test
