// A forked child and the streams of its parent.
//
// sanitizers: none (the child of a program with threads starts threads of its own)
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "sluice/stream.h"
#include "stream/stream_files.h"

namespace sluice::test {
namespace {

// A child has the handles and none of the threads: it is told so, and opens streams of its own,
// which it keeps when the handles of its parent go.
TEST(StreamSet, AForkedChildIsStoppedAndOpensItsOwn) {
  const OwnDirectory directory;
  auto set = std::make_unique<StreamSet>(StreamSet::open(directory.path()).value());
  ASSERT_EQ(set->write("parent", "p"), Admission::kOk);
  int told[2], go[2];
  ASSERT_EQ(::pipe(told), 0);
  ASSERT_EQ(::pipe(go), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (set->write("parent", "c") != Admission::kStopped) ::_exit(1);
    if (set->write("new", "c") != Admission::kStopped) ::_exit(2);
    if (Stream::open(directory.path(), "parent").ok()) ::_exit(3);
    auto own = Stream::open(directory.path(), "child");
    if (!own.ok() || own.value().write("c") != Admission::kOk) ::_exit(4);
    set.reset();
    char byte = 0;
    if (::write(told[1], &byte, 1) != 1 || ::read(go[0], &byte, 1) != 1) ::_exit(5);
    ::_exit(own.value().close().ok() ? 0 : 6);
  }
  ::close(told[1]);
  char byte = 0;
  if (::read(told[0], &byte, 1) == 1) {
    EXPECT_FALSE(set->initialize("child").ok()) << "the child writes it";
    EXPECT_EQ(::write(go[1], &byte, 1), 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << WEXITSTATUS(status);
  EXPECT_TRUE(set->close().ok());
  EXPECT_EQ(records_of_stream(directory.path(), "parent"), (std::vector<std::string>{"p"}));
  EXPECT_EQ(records_of_stream(directory.path(), "child"), (std::vector<std::string>{"c"}));
  for (const int fd : {told[0], go[0], go[1]}) ::close(fd);
}

// While other threads of the parent hold every lock there is, again and again, and wait for
// answers: a child that waits for one of them never ends.
TEST(StreamSet, AForkedChildIsToldWithoutALock) {
  constexpr int kForks = 300;
  constexpr unsigned kAtMostSeconds = 20;
  const OwnDirectory directory;
  auto set = std::make_unique<StreamSet>(StreamSet::open(directory.path()).value());
  auto stream = std::make_unique<Stream>(Stream::open(directory.path(), "one").value());
  ASSERT_EQ(set->write("parent", "p"), Admission::kOk);
  ASSERT_EQ(stream->write("p"), Admission::kOk);
  std::atomic<bool> enough{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!enough.load()) {
        (void)set->statistics();
        (void)stream->statistics();
      }
    });
    threads.emplace_back([&] {
      while (!enough.load()) {
        (void)set->flush();
        (void)stream->flush();
      }
    });
  }
  for (int i = 0; i < kForks && !HasFailure(); ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(kAtMostSeconds);
      if (set->write("parent", "c") != Admission::kStopped) ::_exit(1);
      if (set->write("new", "c") != Admission::kStopped) ::_exit(2);
      const StreamStatistics told = set->statistics();
      if (told.accepted != 1 || told.dropped_stopped != 2) ::_exit(3);
      if (stream->write("c") != Admission::kStopped) ::_exit(4);
      if (stream->statistics().dropped_stopped != 1 || stream->statistics().accepted != 1) {
        ::_exit(5);
      }
      if (set->status().ok() || stream->status().ok()) ::_exit(6);
      if (set->flush_metrics().flushes + stream->flush_metrics().flushes != 0) ::_exit(7);
      if (set->flush() || stream->flush() || stream->rotate()) ::_exit(8);
      if (set->close().ok() || set->close_stream("parent").ok() || stream->close().ok()) ::_exit(9);
      if (!set->has("parent") || set->names().size() != 1) ::_exit(10);
      set.reset();
      stream.reset();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_FALSE(WIFSIGNALED(status)) << "it has waited until signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  enough = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(set->close().ok());
  EXPECT_TRUE(stream->close().ok());
  EXPECT_EQ(set->statistics().accepted, 1u);
}

}  // namespace
}  // namespace sluice::test
