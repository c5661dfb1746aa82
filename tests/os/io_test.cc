// Files, locks, and which descriptors a forked child loses.
#include "os/io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <set>
#include <thread>

#include "contract/isolated.h"
#include "os/fork.h"
#include "support/fault_io.h"

namespace sluice::os {
namespace {

class IoTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path(const char* name) const { return dirs_.get().file(name); }
  test::OwnDirs dirs_;
  Io& io_ = real_io();
};

TEST_F(IoTest, FilesAreOursAloneAndLinksAreRefused) {
  const int fd = io_.open(path("a").c_str(), kRead | kWrite | kCreate | kExclusive);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(io_.open(path("a").c_str(), kWrite | kCreate | kExclusive), -EEXIST);
  FileInfo info;
  ASSERT_EQ(io_.stat_fd(fd, info), 0);
  EXPECT_EQ(info.mode, 0600u);
  EXPECT_TRUE(info.regular);
  EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  ASSERT_EQ(::symlink(path("a").c_str(), path("link").c_str()), 0);
  EXPECT_EQ(io_.open(path("link").c_str(), kRead), -ELOOP);
  const int followed = io_.open(path("link").c_str(), kRead | kFollow);
  EXPECT_GE(followed, 0);
  EXPECT_EQ(io_.open(path("none").c_str(), kRead), -ENOENT);
  EXPECT_EQ(io_.make_directory(path("d").c_str()), 0);
  ASSERT_EQ(io_.stat(path("d").c_str(), info), 0);
  EXPECT_TRUE(info.directory);
  EXPECT_EQ(info.mode, 0700u);
  EXPECT_EQ(io_.close(followed), 0);
  EXPECT_EQ(io_.close(fd), 0);
  EXPECT_EQ(io_.close(fd), -EBADF);
}

TEST_F(IoTest, WholeReadsAndWrites) {
  const int fd = io_.open(path("a").c_str(), kRead | kWrite | kCreate);
  const std::string text = "0123456789";
  std::size_t done = 0;
  EXPECT_EQ(pwrite_all(io_, fd, text.data(), text.size(), 5, &done), 10);
  EXPECT_EQ(done, 10u);
  char back[32] = {};
  EXPECT_EQ(pread_all(io_, fd, back, sizeof back, 5), 10) << "less only at the end of the file";
  EXPECT_EQ(std::string_view(back, 10), text);
  EXPECT_EQ(io_.truncate(fd, 7), 0);
  EXPECT_EQ(pread_all(io_, fd, back, sizeof back, 0), 7);
  EXPECT_EQ(io_.allocate(fd, 0, 4096), 0);
  EXPECT_EQ(io_.sync_data(fd), 0);
  EXPECT_EQ(io_.sync_directory(dirs_.get().files.c_str()), 0);
  EXPECT_EQ(io_.close(fd), 0);
  EXPECT_EQ(pwrite_all(io_, fd, "x", 1, 0), -EBADF);
}

TEST_F(IoTest, ListsAndRenames) {
  for (const char* name : {"a", "b", "c"}) {
    io_.close(io_.open(path(name).c_str(), kWrite | kCreate));
  }
  EXPECT_EQ(io_.rename(path("a").c_str(), path("z").c_str()), 0);
  EXPECT_EQ(io_.unlink(path("b").c_str()), 0);
  std::set<std::string> names;
  EXPECT_EQ(io_.list(dirs_.get().files.c_str(), [&](const char* name) { names.insert(name); }), 0);
  EXPECT_EQ(names, (std::set<std::string>{"c", "z"}));
  EXPECT_EQ(io_.list(path("none").c_str(), [](const char*) {}), -ENOENT);
}

// What tells a file from a later one that got its inode.
TEST_F(IoTest, AFileKeepsItsTimeOfBirthAndALaterOneHasAnother) {
  const int fd = io_.open(path("a").c_str(), kRead | kWrite | kCreate);
  FileInfo first;
  ASSERT_EQ(io_.stat_fd(fd, first), 0);
  if (first.born_ns == 0) GTEST_SKIP() << "this file system keeps no time of birth";
  EXPECT_EQ(pwrite_all(io_, fd, "x", 1, 0), 1);
  EXPECT_EQ(io_.rename(path("a").c_str(), path("b").c_str()), 0);
  FileInfo later;
  ASSERT_EQ(io_.stat(path("b").c_str(), later), 0);
  EXPECT_EQ(later.id(), first.id());
  EXPECT_EQ(io_.close(fd), 0);
  // The clock of a file system moves in steps.
  for (int i = 0; i < 1'000'000 && later.born_ns == first.born_ns; ++i) {
    EXPECT_EQ(io_.unlink(path("b").c_str()), 0);
    EXPECT_EQ(io_.close(io_.open(path("b").c_str(), kWrite | kCreate)), 0);
    ASSERT_EQ(io_.stat(path("b").c_str(), later), 0);
  }
  EXPECT_GT(later.born_ns, first.born_ns);
}

// Locks are between processes.
TEST_F(IoTest, ALockEndsWithItsProcess) {
  const int fd = io_.open(path("a").c_str(), kRead | kWrite | kCreate);
  int ready[2], go[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(go), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const int mine = real_io().open(path("a").c_str(), kRead | kWrite);
    const char locked = real_io().lock(mine, 0, false) == 0 ? 'y' : 'n';
    (void)!::write(ready[1], &locked, 1);
    char wait;
    (void)!::read(go[0], &wait, 1);
    ::kill(::getpid(), SIGKILL);
  }
  char locked = 0;
  ASSERT_EQ(::read(ready[0], &locked, 1), 1);
  ASSERT_EQ(locked, 'y');
  EXPECT_EQ(io_.lock(fd, 0, false), -EAGAIN);
  EXPECT_EQ(io_.lock(fd, 1, false), 0) << "another byte is another lock";
  ASSERT_EQ(::write(go[1], "x", 1), 1);
  EXPECT_EQ(io_.lock(fd, 0, true), 0);
  EXPECT_EQ(io_.unlock(fd, 0), 0);
  int status;
  ::waitpid(child, &status, 0);
}

TEST_F(IoTest, AForkedChildLosesWhatIsTracked) {
  const int tracked = io_.open(path("a").c_str(), kWrite | kCreate);
  const int other = ::open(path("b").c_str(), O_WRONLY | O_CREAT, 0600);
  EXPECT_EQ(test::exit_code_of([&] {
              before_fork();  // the handlers come in pairs
              close_inherited();
              EXPECT_EQ(::fcntl(tracked, F_GETFD), -1);
              EXPECT_NE(::fcntl(other, F_GETFD), -1);
              // A number that was given up and taken by somebody else is not ours to close.
              const int taken = ::dup2(STDERR_FILENO, tracked);
              before_fork();
              close_inherited();
              EXPECT_NE(::fcntl(taken, F_GETFD), -1);
            }),
            0);
  EXPECT_EQ(io_.close(tracked), 0);
  ::close(other);
}

// Forks beside a thread that opens and closes; how many of the children kept a descriptor.
int children_that_kept(const std::string& file, bool handlers) {
  constexpr int kForks = 400;
  std::atomic<bool> done{false};
  std::thread opener([&] {
    while (!done.load()) real_io().close(real_io().open(file.c_str(), kWrite | kCreate));
  });
  int kept = 0;
  for (int i = 0; i < kForks; ++i) {
    if (handlers) before_fork();
    const pid_t child = ::fork();
    if (child == 0) {
      close_inherited();
      char target[4096];
      bool found = false;
      for (int fd = 3; fd < 64; ++fd) {
        const std::string link = "/proc/self/fd/" + std::to_string(fd);
        const ssize_t size = ::readlink(link.c_str(), target, sizeof target);
        found = found || (size > 0 && std::string_view(target, std::size_t(size)) == file);
      }
      ::_exit(found ? 1 : 0);
    }
    if (handlers) after_fork();
    int status = 0;
    ::waitpid(child, &status, 0);
    kept += status == 0 ? 0 : 1;
  }
  done.store(true);
  opener.join();
  return kept;
}

TEST_F(IoTest, AForkDoesNotFallBetweenADescriptorAndItsEntry) {
  EXPECT_EQ(children_that_kept(path("a"), true), 0);
  EXPECT_GT(children_that_kept(path("a"), false), 0) << "the control: nobody waits";
}

TEST_F(IoTest, AForkWaitsForAChangeButNotForever) {
  DescriptorChange own;
  before_fork();  // its own thread's change does not count
  after_fork();
  std::atomic<int> step{0};
  std::thread changer([&] {
    DescriptorChange held;
    step.store(1);
    while (step.load() != 2) std::this_thread::yield();
  });
  while (step.load() != 1) std::this_thread::yield();
  before_fork();  // returns, though the change goes on
  step.store(2);
  changer.join();
  after_fork();
}

TEST(ErrorText, HasTheNameAndTheWords) {
  EXPECT_EQ(error_text(-ENOSPC), "ENOSPC (No space left on device)");
  EXPECT_EQ(error_text(ENOENT), "ENOENT (No such file or directory)");
  EXPECT_NE(error_text(99999).find("99999"), std::string::npos);
}

}  // namespace
}  // namespace sluice::os
