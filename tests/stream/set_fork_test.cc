// A forked child and the streams of its parent.
//
// sanitizers: none (the child of a program with threads starts threads of its own)
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>

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

}  // namespace
}  // namespace sluice::test
