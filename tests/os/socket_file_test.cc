// sanitizers: address
// One thread; children are forked to hold locks.
#include "os/socket_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "os/unix_socket.h"
#include "support/own_directory.h"
#include "support/read_file.h"

namespace sluice::os {
namespace {

class SocketFileTest : public ::testing::Test {
 protected:
  static bool can_connect(const std::string& path) {
    const int fd = connect_unix(path);
    if (fd >= 0) ::close(fd);
    return fd >= 0;
  }
  // What listen() says in a process of its own: "" when it listens.
  std::string said_by_another() {
    const std::string said = folder_.path() + "/said";
    const pid_t pid = ::fork();
    if (pid == 0) {
      const auto file = SocketFile::listen({.path = path_});
      std::ofstream(said) << file.status().message();
      ::_exit(file.ok() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return test::read_file(said);
  }

  const test::OwnDirectory folder_;
  const std::string path_ = folder_.path() + "/run/socket";
};

TEST_F(SocketFileTest, ListensInADirectoryOfItsOwnWithItsMode) {
  {
    const auto file = SocketFile::listen({.path = path_, .mode = 0600});
    ASSERT_TRUE(file.ok()) << file.status().message();
    struct stat info {};
    ASSERT_EQ(::stat(path_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U);
    ASSERT_EQ(::stat((folder_.path() + "/run").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700U);
    EXPECT_TRUE(can_connect(path_));
  }
  EXPECT_FALSE(std::filesystem::exists(path_)) << "removed at the end";
}

TEST_F(SocketFileTest, ASecondServerIsRefused) {
  const auto file = SocketFile::listen({.path = path_});
  ASSERT_TRUE(file.ok());
  EXPECT_NE(said_by_another().find("a server listens there already"), std::string::npos);
  EXPECT_TRUE(can_connect(path_)) << "and has changed nothing";
}

TEST_F(SocketFileTest, AServerWithoutTheLockIsSeenToo) {
  std::filesystem::create_directory(folder_.path() + "/run");
  std::filesystem::permissions(folder_.path() + "/run", std::filesystem::perms::owner_all);
  const int listener = listen_unix(path_, 1);
  ASSERT_GE(listener, 0);
  EXPECT_NE(said_by_another().find("a server listens there already"), std::string::npos);
  ::close(listener);
  EXPECT_EQ(said_by_another(), "") << "nobody listens any more: it is stale, and replaced";
}

TEST_F(SocketFileTest, TheSocketOfAKilledServerIsReplaced) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const auto file = SocketFile::listen({.path = path_});
    ::_exit(file.ok() ? 0 : 1);  // without its destructor
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  ASSERT_EQ(status, 0);
  ASSERT_TRUE(std::filesystem::exists(path_));
  EXPECT_FALSE(can_connect(path_));
  const auto file = SocketFile::listen({.path = path_});
  EXPECT_TRUE(file.ok()) << file.status().message();
  EXPECT_TRUE(can_connect(path_));
}

TEST_F(SocketFileTest, OfManyThatStartAtOnceOverAStaleSocketOneListens) {
  constexpr int kServers = 6;
  for (int round = 0; round < 30; ++round) {
    int begin[2], end[2], told[2];
    ASSERT_EQ(::pipe(begin), 0);
    ASSERT_EQ(::pipe(end), 0);
    ASSERT_EQ(::pipe(told), 0);
    for (int i = 0; i < kServers; ++i) {
      if (::fork() != 0) continue;
      ::close(begin[1]);
      ::close(end[1]);
      char byte = 0;
      (void)!::read(begin[0], &byte, 1);  // all go on when the parent closes it
      const auto file = SocketFile::listen({.path = path_});
      byte = file.ok() ? 'y' : 'n';
      (void)!::write(told[1], &byte, 1);
      (void)!::read(end[0], &byte, 1);
      ::_exit(0);  // without its destructor: the next round finds a stale socket
    }
    ::close(begin[1]);
    ::close(told[1]);
    int listening = 0;
    char byte = 0;
    for (int i = 0; i < kServers && ::read(told[0], &byte, 1) == 1; ++i) listening += byte == 'y';
    EXPECT_EQ(listening, 1) << "round " << round;
    EXPECT_TRUE(can_connect(path_));
    ::close(end[1]);
    while (::wait(nullptr) > 0) {
    }
    for (const int fd : {begin[0], end[0], told[0]}) ::close(fd);
  }
}

TEST_F(SocketFileTest, WhatIsNoSocketStays) {
  std::filesystem::create_directory(folder_.path() + "/run");
  std::filesystem::permissions(folder_.path() + "/run", std::filesystem::perms::owner_all);
  std::ofstream(path_) << "precious";
  EXPECT_NE(said_by_another().find("no socket"), std::string::npos);
  EXPECT_EQ(test::read_file(path_), "precious");
  std::filesystem::remove(path_);
  std::filesystem::create_symlink("/dev/null", path_);
  EXPECT_NE(said_by_another().find("no socket"), std::string::npos);
}

TEST_F(SocketFileTest, ADirectoryInWhichOthersMakeFilesIsRefused) {
  std::filesystem::create_directory(folder_.path() + "/run");
  std::filesystem::permissions(folder_.path() + "/run", std::filesystem::perms(0777));
  EXPECT_NE(said_by_another().find("use one of mode 0700"), std::string::npos);
}

TEST_F(SocketFileTest, AnotherSocketAtItsNameIsNotRemoved) {
  auto file = SocketFile::listen({.path = path_});
  ASSERT_TRUE(file.ok());
  std::filesystem::remove(path_);
  const int other = listen_unix(path_, 1);
  ASSERT_GE(other, 0);
  file.value().reset();
  EXPECT_TRUE(can_connect(path_));
  ::close(other);
}

TEST_F(SocketFileTest, TheListenerIsGivenOnce) {
  const auto file = SocketFile::listen({.path = path_});
  ASSERT_TRUE(file.ok());
  const int listener = file.value()->take_listener();
  EXPECT_GE(listener, 0);
  EXPECT_EQ(file.value()->take_listener(), -1);
  ::close(listener);
}

TEST_F(SocketFileTest, APathThatIsTooLongIsSaid) {
  const auto file = SocketFile::listen({.path = "/" + std::string(kSocketPathSize, 'x')});
  EXPECT_NE(file.status().message().find("longer"), std::string::npos);
}

}  // namespace
}  // namespace sluice::os
