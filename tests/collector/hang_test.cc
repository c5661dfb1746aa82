// sanitizers: none (forks programs that log)
//
// A program that does not keep what its heartbeats promise is one that hangs, until it goes on.
#include "collector/support/regions_fixture.h"
#include "sluice/heartbeat.h"

namespace sluice::test {
namespace {

class Hang : public Regions {
 protected:
  static constexpr u32 kWithinMs = 400;
  // What the program does, as told to it.
  enum Mode : u64 { kBeat, kHang, kPause, kWithout, kEnd };

  // A program with a heartbeat of 400 ms; its mode is a word of the ledger.
  pid_t run_heart() {
    const pid_t pid = ::fork();
    if (pid != 0) {
      programs_.push_back(pid);
      return pid;
    }
    if (!sluice::start(options(1))) ::_exit(97);
    SLUICE_INFO("it begins");
    std::atomic<u64>& mode = ledger_->flushes[0];
    {
      Heartbeat heart("main loop", kWithinMs);
      if (!heart.is_seen()) ::_exit(98);
      while (mode != kWithout) {
        if (mode == kBeat) heart.beat();
        if (mode == kPause) {
          heart.pause();
          wait_while(mode, kPause);
        }
        if (mode == kHang) wait_while(mode, kHang);
        ::usleep(1000);
      }
    }
    wait_while(mode, kWithout);
    sluice::stop();
    ::_exit(0);
  }
  static void wait_while(const std::atomic<u64>& mode, Mode same) {
    while (mode == same) ::usleep(1000);
  }
  void set(Mode mode) { ledger_->flushes[0].store(mode); }
  // Of the program, as `sluice runs` has it; its reason in reason_.
  std::string status_of_run() {
    for (const std::string& line : lines_of(sh("$SLUICE runs --store all.db --json").out)) {
      const nlohmann::json run = nlohmann::json::parse(line, nullptr, false);
      if (!run.is_object() || run.value("product", "") != "program1") continue;
      reason_ = run["reason"].is_string() ? run["reason"].get<std::string>() : "";
      return run.value("status", "");
    }
    return "none";
  }
  [[nodiscard]] bool becomes(const std::string& status) {
    return eventually([&] { return status_of_run() == status; });
  }

  std::string reason_;
};

TEST_F(Hang, IsSeenAndItsEndToo) {
  serve();
  const pid_t pid = run_heart();
  ASSERT_TRUE(becomes("active")) << own_records();
  set(kHang);
  ASSERT_TRUE(becomes("hung")) << own_records();
  EXPECT_TRUE(reason_.starts_with("hangs: main loop has not beaten for 400 ms; threads: "))
      << reason_;
  EXPECT_NE(own_records().find("main loop has not beaten for 400 ms"), std::string::npos);
  set(kBeat);
  ASSERT_TRUE(becomes("active")) << own_records();
  EXPECT_EQ(reason_, "");
  EXPECT_NE(own_records().find("goes on after "), std::string::npos) << own_records();
  // A stopped process is one that hangs, and says so.
  ::kill(pid, SIGSTOP);
  ASSERT_TRUE(becomes("hung")) << own_records();
  EXPECT_NE(reason_.find(" T"), std::string::npos) << reason_;
  ::kill(pid, SIGKILL);
  (void)wait_for_program(pid);
  ASSERT_TRUE(eventually([&] { return has_ended(1); })) << own_records();
  (void)status_of_run();
  EXPECT_TRUE(reason_.ends_with(", while it hung: main loop has not beaten for 400 ms")) << reason_;
  EXPECT_EQ(stop(), 0) << text("error");
}

TEST_F(Hang, IsNotWhatIsMeant) {
  serve();
  const pid_t pid = run_heart();
  ASSERT_TRUE(becomes("active")) << own_records();
  for (const Mode mode : {kPause, kBeat, kWithout}) {
    set(mode);
    ::usleep(3 * kWithinMs * 1000);  // nothing may come of it
    EXPECT_EQ(status_of_run(), "active") << mode << ": " << reason_;
  }
  set(kEnd);
  EXPECT_EQ(wait_for_program(pid), 0);
  ASSERT_TRUE(eventually([&] { return has_ended(1); })) << own_records();
  EXPECT_EQ(own_records().find("has not beaten"), std::string::npos);
  EXPECT_EQ(stop(), 0) << text("error");
}

// One that hung when its collector died, and has gone on meanwhile.
TEST_F(Hang, IsForgottenByTheNextCollector) {
  serve();
  const pid_t pid = run_heart();
  ASSERT_TRUE(becomes("active"));
  set(kHang);
  ASSERT_TRUE(becomes("hung")) << own_records();
  (void)stop(SIGKILL);
  set(kBeat);
  serve();
  ASSERT_TRUE(becomes("active")) << own_records();
  set(kHang);
  ASSERT_TRUE(becomes("hung")) << own_records();
  set(kWithout);
  ASSERT_TRUE(becomes("active")) << own_records();
  set(kEnd);
  EXPECT_EQ(wait_for_program(pid), 0);
  EXPECT_EQ(stop(), 0) << text("error");
}

}  // namespace
}  // namespace sluice::test
