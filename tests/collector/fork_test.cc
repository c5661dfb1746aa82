// sanitizers: none (forks programs that log)
//
// Children of a program under a collector: they keep nothing of its registration, and what they do
// with heartbeats that they have inherited is no promise of anybody.
#include "collector/support/regions_fixture.h"
#include "front/front.h"
#include "os/child.h"
#include "os/unix_socket.h"
#include "sluice/heartbeat.h"

namespace sluice::test {
namespace {

// Sockets and eventfds that this process has open.
u64 open_channels() {
  u64 count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    count += target.starts_with("socket:") || target == "anon_inode:[eventfd]";
  }
  return count;
}

class Forked : public Regions {
 protected:
  void TearDown() override {
    end_last_child();
    Regions::TearDown();
  }
  // The one that outlives its parent, if it lives.
  bool end_last_child() {
    const auto pid = pid_t(ledger_->calls[2].exchange(0));
    return pid > 0 && ::kill(pid, SIGKILL) == 0;
  }
  // A program that forks children, one after the other, which look for what they have inherited.
  pid_t run_parent(u32 children) {
    const pid_t pid = ::fork();
    if (pid != 0) {
      programs_.push_back(pid);
      return pid;
    }
    const u64 before = open_channels();
    if (!sluice::start(options(1))) ::_exit(97);
    SLUICE_INFO("it begins");
    for (u32 i = 0; i < children; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        ledger_->calls[1] += open_channels() - before;
        ::_exit(0);
      }
      ::waitpid(child, nullptr, 0);
      ++ledger_->flushes[1];
      ::usleep(1000);
    }
    // The last one outlives it.
    const pid_t child = ::fork();
    if (child != 0) ::_exit(5);
    ledger_->calls[2] = u64(::getpid());
    for (;;) ::pause();
  }
  std::string run_of(u32 number, const char* what) {
    const std::string product = "program" + std::to_string(number);
    for (const std::string& line : lines_of(sh("$SLUICE runs --store all.db --json").out)) {
      const nlohmann::json run = nlohmann::json::parse(line, nullptr, false);
      if (run.is_object() && run.value("product", "") == product && run[what].is_string()) {
        return run[what].get<std::string>();
      }
    }
    return {};
  }
};

TEST_F(Forked, KeepsNothingOfTheRegistration) {
  serve();
  EXPECT_EQ(wait_for_program(run_parent(20)), 5);
  ASSERT_TRUE(eventually([&] { return has_ended(1); })) << own_records();
  EXPECT_EQ(run_of(1, "reason"), "exited with 5");
  EXPECT_EQ(ledger_->calls[1], 0U) << "channels in 20 children";
  ASSERT_TRUE(eventually([&] { return ledger_->calls[2] != 0; }));
  EXPECT_TRUE(end_last_child()) << "it has lived all the time";
  EXPECT_EQ(stop(), 0) << text("error");
}

// A collector that does not answer is asked most of the time.
TEST_F(Forked, NorOfOneThatIsUnderWay) {
  std::filesystem::create_directory(path("run"));
  int listener = os::listen_unix(path("run/ingest.sock"), 64);
  ASSERT_GE(listener, 0);
  EXPECT_EQ(wait_for_program(run_parent(300)), 5);
  EXPECT_EQ(ledger_->flushes[1], 300U);
  EXPECT_EQ(ledger_->calls[1], 0U) << "channels in 300 children";
  ASSERT_TRUE(eventually([&] { return ledger_->calls[2] != 0; }));
  os::close_descriptor(listener);
}

// The child beats its parent's heart, and not its own.
TEST_F(Forked, BeatsForNobody) {
  serve();
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (!sluice::start(options(1))) ::_exit(97);
    SLUICE_INFO("it begins");
    Heartbeat parents("parent", 60'000);
    const void* const place = front::g_front.region.heartbeats();
    const pid_t child = ::fork();
    if (child != 0) {
      parents.pause();
      ledger_->calls[2] = u64(child);
      for (;;) ::pause();
    }
    Options own = options(2);
    own.sites_max = 2048;  // so that its region is laid out in another way
    if (!sluice::start(own)) ::_exit(96);
    SLUICE_INFO("it begins");
    Heartbeat childs("child", 200);
    if (parents.is_seen() || !childs.is_seen()) ::_exit(95);
    if (front::g_front.region.heartbeats() != place) ::_exit(94);
    for (;;) {
      parents.beat();
      parents.pause();
      ::usleep(1000);
    }
  }
  programs_.push_back(pid);
  ASSERT_TRUE(eventually([&] { return run_of(2, "status") == "hung"; })) << own_records();
  EXPECT_NE(run_of(2, "reason").find("child has not beaten"), std::string::npos);
  EXPECT_EQ(run_of(1, "status"), "active");
  EXPECT_TRUE(end_last_child());
  EXPECT_EQ(stop(), 0) << text("error");
}

}  // namespace
}  // namespace sluice::test
