#include "os/unix_socket.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "contract/support/victim.h"

namespace sluice::os {
namespace {

using sluice::testing::TempDirectory;

constexpr i64 kLong = 10'000'000'000;

class UnixSocket : public ::testing::Test {
 protected:
  UnixSocket() {
    path_ = folder_ / "socket";
    listener_ = listen_unix(path_, 2);
    EXPECT_GE(listener_, 0);
  }
  ~UnixSocket() override {
    for (const int fd : {listener_, client_, server_}) {
      if (fd >= 0) ::close(fd);
    }
  }
  void connect() {
    client_ = connect_unix(path_);
    ASSERT_GE(client_, 0);
    server_ = accept_unix(listener_);
    ASSERT_GE(server_, 0);
  }
  i64 receive(int socket) { return receive_some(socket, received_, sizeof received_); }

  TempDirectory folder_;
  std::string path_;
  int listener_ = -1;
  int client_ = -1;
  int server_ = -1;
  char received_[64];
};

TEST_F(UnixSocket, SaysWhatIsWrong) {
  EXPECT_EQ(listen_unix(path_, 2), -EADDRINUSE);
  EXPECT_EQ(listen_unix(std::string(kSocketPathSize, 'x'), 2), -ENAMETOOLONG);
  EXPECT_EQ(connect_unix(std::string(kSocketPathSize, 'x')), -ENAMETOOLONG);
  EXPECT_EQ(connect_unix(folder_ / "none"), -ENOENT);
  EXPECT_EQ(connect_unix(""), -ENOENT);
  ::close(listener_);
  listener_ = -1;
  EXPECT_EQ(connect_unix(path_), -ECONNREFUSED);
}

TEST_F(UnixSocket, FullBacklogIsToldAtOnce) {
  std::vector<int> waiting;
  int result = 0;
  while (waiting.size() < 10 && (result = connect_unix(path_)) >= 0) waiting.push_back(result);
  EXPECT_EQ(result, -EAGAIN);
  for (const int fd : waiting) ::close(fd);
}

TEST_F(UnixSocket, BytesAndEndsGoBothWays) {
  EXPECT_EQ(accept_unix(listener_), -EAGAIN);
  connect();
  EXPECT_EQ(receive(server_), -EAGAIN);
  EXPECT_EQ(send_some(client_, "abc", 3), 3);
  EXPECT_EQ(receive(server_), 3);
  EXPECT_EQ(std::string(received_, 3), "abc");
  end_sending(client_);
  EXPECT_EQ(receive(server_), 0);
  EXPECT_EQ(send_some(server_, "OK", 3), 3);
  EXPECT_EQ(receive(client_), 3);
}

TEST_F(UnixSocket, WhoTakesNoMoreStillReadsWhatIsThere) {
  connect();
  EXPECT_EQ(send_some(client_, "abc", 3), 3);
  end_receiving(server_);
  EXPECT_EQ(send_some(client_, "d", 1), -EPIPE);
  EXPECT_EQ(receive(server_), 3);
  EXPECT_EQ(receive(server_), 0);
}

TEST_F(UnixSocket, KnowsWhoConnected) {
  connect();
  Peer peer;
  EXPECT_EQ(peer_of(server_, peer), 0);
  EXPECT_EQ(peer.pid, u32(::getpid()));
  EXPECT_EQ(peer.uid, u32(::getuid()));
  EXPECT_EQ(peer_of(-1, peer), -EBADF);
}

TEST_F(UnixSocket, WaitsForEvents) {
  connect();
  EXPECT_EQ(wait_socket(server_, kReadable, 0), 0);
  EXPECT_EQ(wait_socket(server_, kWritable, kLong), int(kWritable));
  EXPECT_EQ(send_some(client_, "abc", 3), 3);
  EXPECT_EQ(wait_socket(server_, kReadable, -1), int(kReadable));
  end_sending(client_);
  EXPECT_EQ(wait_socket(server_, kPeerEnded, kLong), int(kPeerEnded));
  ::close(client_);
  client_ = -1;
  EXPECT_TRUE(u32(wait_socket(server_, 0, kLong)) & kPeerGone);
}

// However late the peer receives, and however much room it has; it gets no descriptor.
TEST_F(UnixSocket, WhatIsSentApartIsReceivedApart) {
  connect();
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = descriptors();
  EXPECT_EQ(send_apart(server_, "OK", 3, server_), 3);
  EXPECT_EQ(send_apart(server_, "BYE", 4, server_), 4);
  EXPECT_EQ(receive(client_), 3);
  EXPECT_EQ(receive(client_), 4);
  EXPECT_EQ(descriptors(), before);
  EXPECT_EQ(send_some(server_, "OK", 3), 3);
  EXPECT_EQ(send_some(server_, "BYE", 4), 4);
  EXPECT_EQ(receive(client_), 7) << "the control";
  ::close(client_);
  client_ = -1;
  EXPECT_EQ(send_apart(server_, "BYE", 4, server_), -EPIPE);
}

TEST_F(UnixSocket, OnceIsSilentUntilAsked) {
  connect();
  SocketPoll poll;
  SocketPoll::Event events[4];
  ASSERT_EQ(poll.add(server_, kReadable, SocketPoll::kOnce, 1), 0);
  EXPECT_EQ(send_some(client_, "a", 1), 1);
  EXPECT_EQ(poll.wait(events, kLong), 1);
  EXPECT_EQ(send_some(client_, "b", 1), 1);
  EXPECT_EQ(poll.wait(events, 0), 0);
  EXPECT_EQ(poll.change(server_, kReadable, SocketPoll::kOnce, 2), 0);
  EXPECT_EQ(poll.wait(events, kLong), 1);
  EXPECT_EQ(events[0].token, 2u);
  poll.remove(server_);
  EXPECT_EQ(poll.change(server_, kReadable, SocketPoll::kOnce, 2), -ENOENT);
}

}  // namespace
}  // namespace sluice::os
