// sanitizers: none (forks programs that log)
//
// A program whose standard error is a full pipe that nobody reads: it follows its collector as it
// comes and goes, ends in time, and has something to say only when somebody reads.
#include "collector/support/regions_fixture.h"
#include "os/child.h"

namespace sluice::test {
namespace {

constexpr char kFilling = '\0';

class FullStderr : public Regions {
 protected:
  void SetUp() override {
    Regions::SetUp();
    ASSERT_EQ(os::make_pipe(pipe_), 0);
  }
  void TearDown() override {
    Regions::TearDown();
    os::close_descriptor(pipe_.read_end);
    os::close_descriptor(pipe_.write_end);
  }
  // Logs until it is told to stop.
  pid_t run_with_pipe() {
    const pid_t pid = ::fork();
    if (pid != 0) {
      programs_.push_back(pid);
      return pid;
    }
    ::alarm(60);  // of a program that hangs
    const int out = ::open(path("console").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ::dup2(out, 1);
    ::dup2(pipe_.write_end, 2);
    os::close_descriptor(pipe_.read_end);
    Options mine = options(1);
    mine.quiet = false;
    if (!sluice::start(mine)) ::_exit(97);
    const int flags = ::fcntl(2, F_GETFL);
    ::fcntl(2, F_SETFL, flags | O_NONBLOCK);
    while (::write(2, &kFilling, 1) == 1) {
    }
    ::fcntl(2, F_SETFL, flags);
    for (u64 i = 0; ledger_->flushes[1] == 0; ++i) {
      (void)log_text(Level::info, "test", std::to_string(i));
      ledger_->calls[1] = i;
      ::usleep(200);
    }
    sluice::stop();
    ::_exit(0);
  }
  // Something that was said after this call is stored.
  [[nodiscard]] bool gets_on() {
    const u64 from = ledger_->calls[1];
    return eventually([&] {
      const auto rows = ask("SELECT max(CAST(body AS INTEGER)) FROM records WHERE logger = 'test'");
      return !rows.empty() && !rows[0][0].empty() && std::stoull(rows[0][0]) > from;
    });
  }
  void let_stop(pid_t pid) {
    ledger_->flushes[1] = 1;
    EXPECT_EQ(wait_for_program(pid), 0) << "stop() did not come back";
  }

  os::Pipe pipe_;
};

TEST_F(FullStderr, KeepsNobodyWaiting) {
  const pid_t pid = run_with_pipe();
  for (int round = 0; round < 2; ++round) {
    serve();
    ASSERT_TRUE(gets_on());
    (void)stop(SIGKILL);
    ASSERT_TRUE(gets_on()) << "without a collector";
  }
  let_stop(pid);
}

TEST_F(FullStderr, HearsTheNewestWhenItIsRead) {
  const pid_t pid = run_with_pipe();
  serve();
  ASSERT_TRUE(gets_on());
  (void)stop(SIGKILL);
  ASSERT_TRUE(gets_on());
  std::string said;
  EXPECT_TRUE(eventually([&] {
    char bytes[65536];
    while (os::readable_bytes(pipe_.read_end) > 0) {
      said.append(bytes,
                  std::size_t(std::max<ssize_t>(::read(pipe_.read_end, bytes, sizeof bytes), 0)));
    }
    const std::size_t filled = said.rfind(kFilling);
    // One that is about to go may be asked, and does not answer.
    return filled != said.npos && said.find("collector", filled) != said.npos;
  }));
  let_stop(pid);
}

}  // namespace
}  // namespace sluice::test
