// sanitizers: none (forks programs that log from threads, and kills them and the daemon)
//
// Programs that leave their regions to `sluice serve`: every record whose call has returned kOk is
// in the store once, whoever is killed, and how they ended is there too.
#include <random>

#include "collector/support/regions_fixture.h"

namespace sluice::test {
namespace {

constexpr u32 kPrograms = 3;

TEST_F(Regions, DrainsAndTellsHowAProgramEnded) {
  serve();
  // As many as its ring has room for: nothing is dropped, and nobody says so in a record.
  EXPECT_EQ(wait_for_program(run_program(1, 5000, 3)), 3);
  ASSERT_TRUE(eventually([&] { return has_ended(1); })) << own_records();
  expect_conserved(1);
  const auto runs = ask("SELECT exit_code, reason FROM runs WHERE product = 'program1'");
  ASSERT_EQ(runs.size(), 1U);
  // Where the kernel tells it to others than the parent.
  if (runs[0][0] != "") {
    EXPECT_EQ(runs[0][0], "3");
    EXPECT_EQ(runs[0][1], "exited with 3");
  } else {
    EXPECT_EQ(runs[0][1], "ended: it said goodbye; its exit status cannot be known");
  }
  const Finished listed = sh("$SLUICE runs --store all.db --json");
  EXPECT_EQ(listed.code, 0) << listed.error;
  EXPECT_NE(listed.out.find("\"product\":\"program1\""), std::string::npos) << listed.out;
  EXPECT_NE(listed.out.find("\"records\":5000,"), std::string::npos) << listed.out;
  const std::string id = ask("SELECT id FROM runs WHERE product = 'program1'")[0][0];
  const Finished shown = sh("$SLUICE runs --store all.db " + id);
  EXPECT_EQ(shown.code, 0) << shown.error;
  EXPECT_NE(shown.out.find("1 4950"), std::string::npos) << shown.out;
  EXPECT_EQ(shown.out.find("1 4949"), std::string::npos) << shown.out;
  EXPECT_EQ(sh("$SLUICE runs --store all.db 12345").code, 1);
  // Nothing of it is left.
  EXPECT_TRUE(eventually([&] {
    for (const auto& entry : std::filesystem::directory_iterator(regions_)) {
      if (entry.path().filename().string().starts_with("program1-")) return false;
    }
    return true;
  }));
  EXPECT_EQ(stop(), 0) << text("error");
}

TEST_F(Regions, TellsOfAKill) {
  serve();
  const pid_t pid = run_program(2, 0, 0);
  ASSERT_TRUE(eventually([&] { return ledger_->kept[2].load() > 500; }));
  ::kill(pid, SIGKILL);
  (void)wait_for_program(pid);
  ASSERT_TRUE(eventually([&] { return has_ended(2); })) << own_records();
  expect_conserved(2);
  const auto runs = ask("SELECT signal, reason FROM runs WHERE product = 'program2'");
  ASSERT_EQ(runs.size(), 1U);
  if (runs[0][0] != "") {
    EXPECT_EQ(runs[0][0], "9");
    EXPECT_TRUE(runs[0][1].starts_with("killed by SIGKILL")) << runs[0][1];
  } else {
    EXPECT_EQ(runs[0][1], "vanished: gone without goodbye");
  }
  EXPECT_EQ(stop(), 0) << text("error");
}

TEST_F(Regions, NobodyWaitsForAStoppedCollector) {
  serve();
  const pid_t program = run_program(3, 0, 0);
  ASSERT_TRUE(eventually([&] { return kept(3) > 500; }));
  ::kill(pid_, SIGSTOP);
  // Its ring is full, and it goes on: what it says is dropped and counted.
  const std::atomic<u64>& calls = ledger_->calls[3];
  ASSERT_TRUE(eventually([&] { return calls.load() > kept(3) + 100'000; }));
  const u64 before = kept(3);
  ::kill(pid_, SIGCONT);
  ASSERT_TRUE(eventually([&] { return kept(3) > before + 500; }));
  ::kill(program, SIGKILL);
  (void)wait_for_program(program);
  ASSERT_TRUE(eventually([&] { return has_ended(3); })) << own_records();
  expect_conserved(3);
  EXPECT_GE(dropped(3), 100'000U);
  EXPECT_EQ(stop(), 0) << text("error");
}

// The daemon and the programs die at any time; another daemon goes on.
TEST_F(Regions, LosesNothingWhoeverIsKilled) {
  const char* const full = std::getenv("SLUICE_TEST_FULL");
  const u32 rounds = full && full[0] == '1' ? 500 : 20;
  std::mt19937 random(rounds);
  const auto within = [&random](u32 us) { return u32(random()) % us; };
  for (u32 round = 0; round < rounds; ++round) {
    serve();
    u32 numbers[kPrograms];
    pid_t pids[kPrograms];
    for (u32 i = 0; i < kPrograms; ++i) {
      numbers[i] = 10 + i + kPrograms * (round % 8);
      ledger_->kept[numbers[i]].store(0);
      pids[i] = run_program(numbers[i], 0, 0);
    }
    ::usleep(within(60'000));
    const bool daemon_first = within(2) == 0;
    if (daemon_first) (void)stop(SIGKILL);
    ::usleep(within(10'000));
    for (const pid_t pid : pids) {
      ::kill(pid, SIGKILL);
      (void)wait_for_program(pid);
    }
    if (!daemon_first) {
      ::usleep(within(10'000));
      (void)stop(SIGKILL);
    }
    serve();
    for (u32 i = 0; i < kPrograms; ++i) {
      if (ledger_->kept[numbers[i]].load() == 0) continue;
      ASSERT_TRUE(eventually([&] { return has_ended(numbers[i]); })) << "round " << round << "\n"
                                                                     << own_records();
      expect_conserved(numbers[i]);
    }
    EXPECT_EQ(stop(), 0) << text("error");
    if (HasFailure()) break;
    for (const char* const suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(path("all.db") + suffix);
    }
  }
}

}  // namespace
}  // namespace sluice::test
