// What earlier runs owe to a destination that is stuck holds up nobody: the next start delivers to
// its own destinations at once, and the rest is delivered when that one works again.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sluice/sluice.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/reporter.h"
#include "contract/isolated.h"
#include "contract/outputs.h"
#include "contract/support/victim.h"
#include "runtime/recover.h"

namespace sluice::test {
namespace {

constexpr int kRuns = 4;  // a lock is waited for a second or two, in each of them

// Holds the lock of `log` as a writer that hangs does, until it is killed.
pid_t hold_lock_of(const std::string& lock) {
  int ready[2];
  if (pipe(ready) != 0) return -1;
  const pid_t holder = fork();
  if (holder == 0) {
    const int fd = open(lock.c_str(), O_RDWR | O_CREAT, 0600);
    struct flock first {};
    first.l_type = F_WRLCK;
    first.l_len = 1;
    if (fd < 0 || fcntl(fd, F_SETLK, &first) != 0 || write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte;
  const bool held = read(ready[0], &byte, 1) == 1;
  close(ready[0]);
  close(ready[1]);
  return held ? holder : -1;
}

void run_and_be_killed(const Dirs& dirs, const std::string& log) {
  const pid_t run = fork();
  if (run == 0) {
    if (!start({.product = "neighbour",
                .sinks = {text_file(log)},
                .region_directory = dirs.region,
                .recover = false,
                .quiet = true})) {
      _exit(1);
    }
    info("owed to the old file");
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(run, &status, 0), run);
  ASSERT_TRUE(WIFSIGNALED(status));
}

struct Silent final : Reporter {
  void report(std::string_view) override {}
};

ISOLATED_TEST(StuckNeighbour, HoldsUpNobody) {
  const std::string old_log = dirs.file("old.log");
  const pid_t holder = hold_lock_of(dirs.file(".old.log.lock"));
  ASSERT_GT(holder, 0);
  for (int i = 0; i < kRuns; ++i) run_and_be_killed(dirs, old_log);
  ASSERT_TRUE(start({.product = "neighbour",
                     .sinks = {text_file(dirs.file("live.log"))},
                     .region_directory = dirs.region,
                     .quiet = true}));
  info("live");
  EXPECT_TRUE(flush(Reach::written, 3000).complete);
  EXPECT_EQ(read_lines(dirs.file("live.log")).size(), 1u);
  EXPECT_TRUE(read_lines(old_log).empty());
  kill(holder, SIGKILL);
  waitpid(holder, nullptr, 0);
  // Ours may be at it still: a region that another recovery holds is left to that one.
  Silent silent;
  const std::int64_t until = testing::now_ns() + 20'000'000'000;
  while (read_lines(old_log).size() < kRuns && testing::now_ns() < until) {
    runtime::recover_all({.directory = dirs.region}, silent);
  }
  EXPECT_EQ(read_lines(old_log).size(), std::size_t(kRuns));
  EXPECT_TRUE(stop(60'000));
}

}  // namespace
}  // namespace sluice::test
