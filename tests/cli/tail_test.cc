// sluice tail: begins with the last records and follows what is written, wherever it is written.
#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

class TailTest : public Cli {
 protected:
  void append(const std::string& name, const std::string& more) const {
    std::ofstream(path(name), std::ios::app) << more;
  }
  // What the tail has shown is just this, soon.
  ::testing::AssertionResult shows(const std::string& wanted) {
    return eventually([&] { return text("out") == wanted; }) << text("out") << text("error");
  }
  int stop(pid_t pid, int signal = SIGINT) {
    ::kill(pid, signal);
    return wait_for(pid);
  }
};

TEST_F(TailTest, LastLinesThenNewOnesUntilInterrupted) {
  write("a.log", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n");
  const pid_t pid = start("exec $SLUICE tail -n 2 a.log", path("out"), path("error"));
  EXPECT_TRUE(shows("11\n12\n"));
  append("a.log", "13\nhalf ");
  EXPECT_TRUE(shows("11\n12\n13\n"));
  append("a.log", "a line\n");
  EXPECT_TRUE(shows("11\n12\n13\nhalf a line\n"));
  EXPECT_EQ(stop(pid), 0);
  EXPECT_EQ(text("error"), "");
}

TEST_F(TailTest, LimitEndsIt) {
  write("a.log", "1\n");
  const pid_t pid = start("exec $SLUICE tail --limit 3 a.log", path("out"), path("error"));
  EXPECT_TRUE(shows("1\n"));
  append("a.log", "2\n3\n4\n");
  EXPECT_EQ(wait_for(pid), 0);
  EXPECT_EQ(text("out"), "1\n2\n3\n");
}

TEST_F(TailTest, ARotatedFileIsReadToItsEndAndTheFilesBetweenToo) {
  write("a.log", "1\n");
  const pid_t pid = start("exec $SLUICE tail a.log", path("out"), path("error"));
  EXPECT_TRUE(shows("1\n"));
  append("a.log", "2\n");
  std::filesystem::rename(path("a.log"), path("a.1.log"));
  write("a.2.log", "3\n");  // written and finished while nobody looked
  write("a.log", "4\n");
  EXPECT_TRUE(shows("1\n2\n3\n4\n"));
  append("a.log", "5\n");
  EXPECT_TRUE(shows("1\n2\n3\n4\n5\n"));
  EXPECT_EQ(stop(pid, SIGTERM), 0);
}

TEST_F(TailTest, AFileThatIsCutIsReadFromItsStart) {
  write("a.log", "1\n2\n3\n");
  const pid_t pid = start("exec $SLUICE tail a.log", path("out"), path("error"));
  EXPECT_TRUE(shows("1\n2\n3\n"));
  write("a.log", "");
  append("a.log", "4\n");
  EXPECT_TRUE(shows("1\n2\n3\n4\n"));
  EXPECT_EQ(stop(pid), 0);
}

TEST_F(TailTest, ALinkIsFollowedToWhereItLeads) {
  write("one.log", "1\n2\n");
  write("two.log", "3\n");
  write("other.log", "");
  std::filesystem::create_symlink("one.log", path("link"));
  const pid_t pid = start("exec $SLUICE tail -n 1 link other.log", path("out"), path("error"));
  EXPECT_TRUE(shows("2\n"));
  // The round that shows this has looked at the link, which has nothing new.
  append("other.log", "x\n");
  EXPECT_TRUE(shows("2\nx\n"));
  std::filesystem::create_symlink("two.log", path("new"));
  std::filesystem::rename(path("new"), path("link"));
  EXPECT_TRUE(shows("2\nx\n3\n"));
  append("two.log", "4\n");
  EXPECT_TRUE(shows("2\nx\n3\n4\n"));
  EXPECT_EQ(stop(pid), 0);
}

// What is rotated is the file that the link leads to, where that stands.
TEST_F(TailTest, ALinkToARotatingFileMissesNoneOfTheFilesBetween) {
  std::filesystem::create_directory(path("logs"));
  write("logs/a.log", "1\n");
  std::filesystem::create_symlink("logs/a.log", path("now"));
  const pid_t pid = start("exec $SLUICE tail now", path("out"), path("error"));
  EXPECT_TRUE(shows("1\n"));
  ::kill(pid, SIGSTOP);
  append("logs/a.log", "2\n");
  std::filesystem::rename(path("logs/a.log"), path("logs/a.1.log"));
  write("logs/a.2.log", "3\n");
  write("logs/a.log", "4\n");
  ::kill(pid, SIGCONT);
  EXPECT_TRUE(shows("1\n2\n3\n4\n"));
  append("logs/a.log", "5\n");
  EXPECT_TRUE(shows("1\n2\n3\n4\n5\n"));
  EXPECT_EQ(stop(pid), 0);
}

// A writer that was killed before its first frame leaves a file of no bytes.
TEST_F(TailTest, LastRecordsAlsoWhereTheNewestSegmentsHaveFewer) {
  ASSERT_EQ(sh("$SLUICE run --product p --segments s -- echo first").code, 0);
  ASSERT_EQ(sh("$SLUICE run --product p --segments s -- echo second").code, 0);
  write("s/p-000003.seg", "");
  const auto messages = [this](const std::string& lines) {
    const Finished run =
        sh("timeout 1 $SLUICE tail -n " + lines + " --json s; test $? = 124 || echo ended");
    EXPECT_EQ(run.error, "");
    std::string all;
    for (const std::string& line : lines_of(run.out)) {
      all += nlohmann::json::parse(line)["msg"].get<std::string>() + ";";
    }
    return all;
  };
  EXPECT_EQ(messages("2"), "second;run.end;");
  EXPECT_EQ(messages("5"), "first;run.end;run.start;second;run.end;");
  EXPECT_EQ(messages("0"), "");
}

TEST_F(TailTest, AnUnfinishedLineBeforeARotationOrACutIsALineOfItsOwn) {
  write("a.log", "1\nhalf");
  const pid_t pid = start("exec $SLUICE tail a.log", path("out"), path("error"));
  EXPECT_TRUE(shows("1\n"));
  std::filesystem::rename(path("a.log"), path("a.1.log"));
  write("new", "2\nother half");
  std::filesystem::rename(path("new"), path("a.log"));
  EXPECT_TRUE(shows("1\nhalf\n2\n"));
  write("a.log", "");
  EXPECT_TRUE(shows("1\nhalf\n2\nother half\n"));
  append("a.log", "3\n");
  EXPECT_TRUE(shows("1\nhalf\n2\nother half\n3\n"));
  EXPECT_EQ(stop(pid), 0);
}

TEST_F(TailTest, SegmentsOfRunAfterRun) {
  ASSERT_EQ(sh("$SLUICE run --product p --segments s -- echo one").code, 0);
  const pid_t pid = start(
      "exec $SLUICE tail --pattern '%(message)' --grep o --level info s "
      "--logger ''",
      path("out"), path("error"));
  const auto said = [&](const char* word) {
    return eventually([&] { return text("out").find(word) != std::string::npos; });
  };
  EXPECT_TRUE(said("one\n"));
  ASSERT_EQ(sh("$SLUICE run --product p --segments s -- echo two").code, 0);
  EXPECT_TRUE(said("two\n"));
  ASSERT_EQ(sh("$SLUICE run --product q --segments s -- echo of another name").code, 0);
  EXPECT_TRUE(said("of another name\n"));
  EXPECT_EQ(stop(pid), 0);
}

TEST_F(TailTest, ALiveRegionUntilItsProcessEnds) {
  ASSERT_EQ(::mkfifo(path("go").c_str(), 0600), 0);
  const pid_t run = start(
      "exec $SLUICE run --product live --text a.log -- sh -c 'echo first; "
      "read x < go; echo $x'",
      path("run.out"), path("error"));
  EXPECT_TRUE(eventually([&] { return text("run.out") == "first\n"; }));
  const pid_t pid = start(
      "exec $SLUICE tail --product live --directory $SLUICE_REGION_DIRECTORY "
      "--pattern '%(thread_name) %(message)' --logger sh",
      path("out"), path("error"));
  EXPECT_TRUE(shows("stdout first\n"));
  write("go", "third\n");
  EXPECT_EQ(wait_for(run), 0);
  EXPECT_EQ(wait_for(pid), 0);  // by itself
  EXPECT_EQ(text("out"), "stdout first\nstdout third\n");
}

TEST_F(TailTest, EndsWithItsReader) {
  write("a.log", "1\n");
  const Finished run = sh("timeout 60 $SLUICE tail a.log | head -1; echo ${PIPESTATUS[0]}");
  EXPECT_EQ(run.out, "1\n0\n");
}

TEST_F(TailTest, Mistakes) {
  EXPECT_EQ(sh("$SLUICE tail").code, 2);
  EXPECT_EQ(sh("$SLUICE tail - < /dev/null").code, 2);
  EXPECT_EQ(sh("$SLUICE tail missing").code, 2);
  const Finished nowhere = sh("$SLUICE tail --product p --directory missing");
  EXPECT_EQ(nowhere.code, 2);
  EXPECT_NE(nowhere.error.find("--directory: cannot look into 'missing'"), std::string::npos)
      << nowhere.error;
}

}  // namespace
}  // namespace sluice::test
