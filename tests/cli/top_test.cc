// sanitizers: none (forks programs with threads, and kills them)
//
// sluice top: every record, drop, filtered call and add of a program is in just one of its looks,
// whoever drains the program.
#include "cli/top_fixture.h"

namespace sluice::test {
namespace {

class Top : public TopPrograms {
 protected:
  void SetUp() override {
    TopPrograms::SetUp();
    collector_ = Collector::off;
    own_file_ = true;
  }

  // Follows the program from before its first record until after its last.
  Sums follow(u32 number, u64 rounds) {
    const pid_t pid = run(number);
    const pid_t top = start_top(std::to_string(pid));
    EXPECT_EQ(sums_of(text("looks")).said, 0u);
    say(number, rounds);
    end(number, pid);
    EXPECT_EQ(wait_for(top), 0) << "ends with the process";
    return sums_of(text("looks"));
  }
};

TEST_F(Top, CountsWhatAProgramSaysOnce) { expect_all(follow(1, 5000), 5000); }

TEST_F(Top, CountsWhatACollectorDrains) {
  serve();
  own_file_ = false;
  collector_ = Collector::automatic;
  expect_all(follow(2, 5000), 5000);
}

TEST_F(Top, OneLookInWords) {
  const pid_t pid = run(3);
  may_say(3) = 1u << 30;
  const Finished run = sh("$SLUICE top --once --interval 0.3");
  EXPECT_EQ(run.code, 0) << run.error;
  expect_words(run.out, 3, pid);
  EXPECT_EQ(lines_of(sh("$SLUICE top --once --interval 0.1 --limit 1 program3").out)[3],
            "  and 2 more call sites");
}

TEST_F(Top, ThoseThatComeAndGo) {
  const pid_t first = run(4);
  const pid_t top = start("exec $SLUICE top --json --interval 0.05", path("looks"), path("e"));
  const auto shows = [&](u32 number) {
    const std::vector<std::string> lines = lines_of(text("looks"));
    return !lines.empty() &&
           lines.back().find("\"program" + std::to_string(number) + "\"") != std::string::npos;
  };
  ASSERT_TRUE(eventually([&] { return shows(4); }));
  ::kill(first, SIGKILL);
  (void)wait_for_program(first);
  (void)run(5);
  ASSERT_TRUE(eventually([&] { return shows(5); }));
  ::kill(top, SIGINT);
  EXPECT_EQ(wait_for(top), 0);
}

TEST_F(Top, Mistakes) {
  const Finished none = sh("$SLUICE top --once");
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.error.find("no program of this user has a region"), std::string::npos);
  EXPECT_EQ(sh("$SLUICE top nobody").code, 2);
  EXPECT_EQ(sh("$SLUICE top --once --interval 0").code, 2);
}

}  // namespace
}  // namespace sluice::test
