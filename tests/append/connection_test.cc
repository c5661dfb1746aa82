// The connection of one file, step by step, against a server's end in the same thread.
#include "append/connection.h"

#include <gtest/gtest.h>

#include "append/scripted_server.h"

namespace sluice::test {
namespace {

using append::Connection;
using append::Proxy;

class OneConnection : public ::testing::Test {
 protected:
  OneConnection() : listener_(os::listen_unix(socket_, 1)) {
    EXPECT_GE(listener_, 0);
    ProxyOptions options;
    options.socket = socket_;
    proxy_ = std::make_shared<Proxy>("/a", options);
    connection_ = std::make_unique<Connection>(proxy_, poll_, 1);
    EXPECT_TRUE(connection_->connect_first().ok());
    server_ = std::make_unique<ServerEnd>(os::accept_unix(listener_));
    (void)pump();
    EXPECT_EQ(server_->hear_path(), "/a");
    server_->tell("OK");
    take_events();
    (void)pump();
    EXPECT_EQ(proxy_->state(), Proxy::State::kOpen);
  }
  ~OneConnection() override { os::close_descriptor(listener_); }

  Connection::Progress pump() { return connection_->pump(os::monotonic_ns()); }
  void take_events() {
    os::SocketPoll::Event events[4];
    const int count = poll_.wait(events, 0);
    for (int i = 0; i < count; ++i) connection_->on_event(events[i].events);
  }
  void write(std::string_view bytes) {
    const std::atomic<bool> asleep = false;
    bool wake = false;
    EXPECT_EQ(proxy_->queue().put({}, bytes, asleep, wake), Admission::kOk);
  }

  const OwnDirectory directory_;
  const std::string socket_ = directory_.path() + "/s";
  int listener_;
  os::SocketPoll poll_;
  std::shared_ptr<Proxy> proxy_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<ServerEnd> server_;
};

TEST_F(OneConnection, AGoodbyeAfterTheEndConfirmsWhatWasSent) {
  write("four");
  proxy_->queue().end();
  (void)pump();
  EXPECT_EQ(server_->hear_all(), "four");
  server_->tell("BYE");
  take_events();
  EXPECT_EQ(pump(), Connection::Progress::kDone);
  EXPECT_TRUE(proxy_->verdict().ok());
  EXPECT_EQ(proxy_->statistics().confirmed_bytes, 4U);
}

// It is in the socket, and the poll has not said so yet.
TEST_F(OneConnection, AGoodbyeBeforeTheEndConfirmsNothing) {
  write("four");
  proxy_->queue().end();
  server_->tell("BYE");
  EXPECT_EQ(pump(), Connection::Progress::kDone);
  EXPECT_NE(proxy_->verdict().message().find("before its client did"), std::string::npos);
  const ProxyStatistics counts = proxy_->statistics();
  EXPECT_EQ(counts.confirmed_bytes, 0U);
  EXPECT_EQ(counts.in_doubt_bytes, 4U);
  expect_conserved(counts);
}

TEST_F(OneConnection, AnErrorBeforeTheEndIsTold) {
  write("four");
  proxy_->queue().end();
  server_->tell("OSError: [Errno 28] No space left on device");
  EXPECT_EQ(pump(), Connection::Progress::kDone);
  EXPECT_EQ(proxy_->verdict().os_error(), ENOSPC);
  EXPECT_EQ(proxy_->statistics().confirmed_bytes, 0U);
}

}  // namespace
}  // namespace sluice::test
