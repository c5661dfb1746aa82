// sanitizers: none (forks programs that log)
//
// Where the kernel does not say how a process ended, its parent's word counts, told before the
// collector has seen the end or after; without one nothing is guessed.
#include "collector/drainer.h"
#include "collector/support/regions_fixture.h"
#include "os/unix_socket.h"

namespace sluice::test {
namespace {

os::ProcessEnd nothing_known(int, u32, u64) { return {}; }

// What `sluice run` runs below: a program that leaves its region to the collector.
TEST(DISABLED_Program, Ends) {
  const std::string how = os::environment("HOW");
  if (!sluice::start({.product = how, .recover = false, .quiet = true})) ::_exit(97);
  SLUICE_INFO("it begins");
  if (how == "kill") ::raise(SIGKILL);
  if (how == "stop") sluice::stop();
  ::_exit(how == "stop" ? 0 : std::stoi(how));
}

class ToldEnd : public Regions {
 protected:
  void SetUp() override {
    Regions::SetUp();
    std::filesystem::create_directory(path("run"));
    const int listener = os::listen_unix(path("run/ingest.sock"), 16);
    ASSERT_GE(listener, 0);
    auto drainer = collector::Drainer::start({.store = path("all.db"),
                                              .directories = {regions_},
                                              .listener = listener,
                                              .end_of = nothing_known,
                                              .say = [](std::string_view) {}});
    ASSERT_TRUE(drainer.ok()) << drainer.status().message();
    drainer_ = std::move(drainer.value());
  }
  void TearDown() override {
    Regions::TearDown();
    ASSERT_NE(drainer_, nullptr);
    EXPECT_EQ(drainer_->stop(u64(os::monotonic_ns()) + 10'000'000'000), 0U);
  }

  // Of the run, when it has ended: its reason, exit code, signal.
  std::vector<std::string> end_of(const std::string& product) {
    std::vector<std::vector<std::string>> rows;
    EXPECT_TRUE(eventually([&] {
      rows =
          ask("SELECT reason, ifnull(exit_code, ''), ifnull(signal, '') FROM runs"
              " WHERE product = '" +
              product + "' AND ended_ns IS NOT NULL");
      return !rows.empty();
    }));
    return rows.empty() ? std::vector<std::string>(3) : rows[0];
  }
  // A program that does nothing but wait for its death, drained by now.
  pid_t wait_for_death() {
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (!sluice::start(options(1))) ::_exit(97);
      SLUICE_INFO("it begins");
      for (;;) ::pause();
    }
    programs_.push_back(pid);
    EXPECT_TRUE(
        eventually([&] { return !ask("SELECT 1 FROM records WHERE body = 'it begins'").empty(); }));
    return pid;
  }
  static EndMessage message_of(pid_t pid) {
    EndMessage message{};
    message.magic = kEndMagic;
    message.version = kEndVersion;
    message.pid = u32(pid);
    message.start_time = os::start_time(u32(pid));
    message.pid_namespace = os::pid_namespace();
    return message;
  }
  [[nodiscard]] int tell(const EndMessage& message, int socket = -1) const {
    if (socket < 0) socket = os::connect_unix(path("run/ingest.sock"));
    EXPECT_EQ(os::send_some(socket, &message, sizeof message), i64(sizeof message));
    return socket;
  }
  void kill_program(pid_t pid) {
    ::kill(pid, SIGKILL);
    (void)wait_for_program(pid);
  }

  std::unique_ptr<collector::Drainer> drainer_;
};

TEST_F(ToldEnd, BySluiceRun) {
  struct Case {
    const char* how;
    std::vector<std::string> end;
  };
  const Case cases[] = {{"0", {"exited with 0", "0", ""}},
                        {"stop", {"exited with 0", "0", ""}},
                        {"37", {"exited with 37", "37", ""}},
                        {"kill", {"killed by SIGKILL", "", "9"}}};
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  for (const Case& each : cases) {
    (void)sh("SLUICE_COLLECTOR=auto SLUICE_COLLECTOR_SOCKET=" + path("run/ingest.sock") +
             " HOW=" + each.how + " $SLUICE run --text a.log -- " + self +
             " --gtest_filter=*Program.Ends --gtest_also_run_disabled_tests");
    std::vector<std::string> ended = end_of(each.how);
    // Whether there was memory is asked of the machine.
    ended[0] = ended[0].substr(0, ended[0].find(", cause"));
    EXPECT_EQ(ended, each.end) << each.how;
  }
}

TEST_F(ToldEnd, LongAfterItWasSeen) {
  const pid_t pid = wait_for_death();
  EndMessage message = message_of(pid);
  int parent = tell(message);
  kill_program(pid);
  ::usleep(500'000);  // nothing may come of it
  message.ended = 1;
  message.exit_code = 41;
  (void)tell(message, parent);
  os::close_descriptor(parent);
  EXPECT_EQ(end_of("program1")[0], "exited with 41");
}

// The region is where nobody looks until its program has gone.
TEST_F(ToldEnd, BeforeItsRegionWasSeen) {
  const std::string aside = regions_ + "-aside";
  std::filesystem::create_directory(aside);
  std::filesystem::permissions(aside, std::filesystem::perms::owner_all);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::setenv("SLUICE_REGION_DIRECTORY", aside.c_str(), 1);
    Options mine = options(1);
    mine.collector = Collector::only;
    mine.collector_socket = path("run/none.sock");
    if (!sluice::start(mine)) ::_exit(97);
    SLUICE_INFO("it begins");
    ledger_->calls[1] = 1;
    for (;;) ::pause();
  }
  programs_.push_back(pid);
  ASSERT_TRUE(eventually([&] { return ledger_->calls[1] == 1; }));
  EndMessage message = message_of(pid);
  message.ended = 1;
  message.signal = SIGTERM;
  int parent = tell(message);
  EXPECT_TRUE(os::wait_readable(parent, -1, 10'000'000'000).first) << "hung up on when it is kept";
  os::close_descriptor(parent);
  kill_program(pid);
  ASSERT_FALSE(std::filesystem::is_empty(aside));
  for (const auto& file : std::filesystem::directory_iterator(aside)) {
    std::filesystem::rename(file.path(), regions_ + "/" + file.path().filename().string());
  }
  std::filesystem::remove_all(aside);
  EXPECT_EQ(end_of("program1")[0], "killed by SIGTERM");
}

// Of another process with this number, and by a parent who has gone without a word.
TEST_F(ToldEnd, IsNeverAGuess) {
  const pid_t pid = wait_for_death();
  EndMessage message = message_of(pid);
  int parent = tell(message);
  message.start_time += 1;
  message.ended = 1;
  int other = tell(message);
  os::close_descriptor(other);
  os::close_descriptor(parent);
  kill_program(pid);
  EXPECT_EQ(end_of("program1")[0], "vanished: gone without goodbye");
}

}  // namespace
}  // namespace sluice::test
