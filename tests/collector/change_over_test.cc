// sanitizers: none (forks programs that log, and kills them and the daemon)
//
// Programs whose collector comes and goes while they run: what they say is in its store once,
// whoever stored it, and their callers notice nothing.
#include <map>

#include "collector/support/regions_fixture.h"

namespace sluice::test {
namespace {

class ChangeOver : public Regions {
 protected:
  void SetUp() override {
    Regions::SetUp();
    flushes_ = true;
  }
  void end(u32 number, pid_t pid) {
    ::kill(pid, SIGKILL);
    (void)wait_for_program(pid);
    ASSERT_TRUE(eventually([&] { return has_ended(number); })) << own_records();
    expect_conserved(number);
    EXPECT_GT(ledger_->flushes[number].load(), 0U);
    EXPECT_EQ(ledger_->not_in_time[number].load(), 0U) << "of its flushes";
  }
};

TEST_F(ChangeOver, GoesOnWithoutItsCollectorAndBack) {
  go_on_without_and_back([this](u32 number, pid_t pid) { end(number, pid); });
}

TEST_F(ChangeOver, ItsOwnOutputEndsWhereTheStoreBegins) {
  output_ = path("console");
  const pid_t pid = run_program(1, 0, 0);
  ASSERT_TRUE(eventually([&] { return text("console").size() > 10'000; }));
  serve();
  ASSERT_TRUE(gets_on(1));
  ::kill(pid, SIGKILL);
  (void)wait_for_program(pid);
  ASSERT_TRUE(eventually([&] { return has_ended(1); })) << own_records();
  std::map<u64, u32> seen;
  for (const std::string& line : lines_of(text("console"))) {
    const std::size_t at = line.find(" test 1 ");
    if (at != std::string::npos) ++seen[std::stoull(line.substr(at + 8))];
  }
  const u64 printed = seen.size();
  EXPECT_EQ(seen.rbegin()->first + 1, printed) << "the first ones, without a hole";
  for (const auto& row : ask("SELECT body FROM records WHERE logger = 'test' ORDER BY id")) {
    ++seen[std::stoull(row[0].substr(2))];
  }
  EXPECT_GT(seen.size(), printed + 500);
  for (u64 i = 0; i < kept(1); ++i) ASSERT_EQ(seen[i], 1U) << i << ", printed: " << printed;
  EXPECT_EQ(stop(), 0) << text("error");
}

TEST_F(ChangeOver, EndsWithoutItsCollector) {
  paced_ = true;
  serve();
  const pid_t pid = run_program(1, 20'000, 5);
  ASSERT_TRUE(eventually([&] { return stored(1) > 0; }));
  (void)stop(SIGKILL);
  EXPECT_EQ(wait_for_program(pid), 5);
  EXPECT_EQ(stored(1), 20'000U) << "it stored what was left itself";
  EXPECT_FALSE(has_ended(1));
  serve();
  ASSERT_TRUE(eventually([&] { return has_ended(1); })) << own_records();
  expect_conserved(1);
  EXPECT_EQ(stop(), 0) << text("error");
}

// A store that cannot be had is waited for, not given up.
TEST_F(ChangeOver, WaitsForAStoreThatItCannotOpen) {
  flushes_ = false;
  serve();
  const pid_t pid = run_program(1, 0, 0);
  ASSERT_TRUE(gets_on(1));
  ::kill(pid, SIGSTOP);
  (void)stop(SIGKILL);
  const std::string version = ask("PRAGMA user_version")[0][0];
  set_schema_version("1000000");
  ::kill(pid, SIGCONT);
  const u64 before = kept(1);
  ASSERT_TRUE(eventually([&] { return kept(1) > before + 2000; })) << "they wait in the journal";
  set_schema_version(version);
  ASSERT_TRUE(gets_on(1));
  serve();
  ASSERT_TRUE(eventually([&] { return taken() == 1; })) << status("--json").out;
  ::kill(pid, SIGKILL);
  (void)wait_for_program(pid);
  ASSERT_TRUE(eventually([&] { return has_ended(1); })) << own_records();
  expect_conserved(1);
  EXPECT_EQ(stop(), 0) << text("error");
}

TEST_F(ChangeOver, LosesNothingWhoeverComesAndGoes) {
  each_prints_ = true;  // when their collector has no time to answer at the start
  come_and_go(rounds(12), [this](u32 number, pid_t pid) { end(number, pid); });
}

}  // namespace
}  // namespace sluice::test
