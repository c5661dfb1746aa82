// A server of one connection that does what the test says, on a socket in a directory of its own.
#ifndef SLUICE_TESTS_APPEND_SCRIPTED_SERVER_H_
#define SLUICE_TESTS_APPEND_SCRIPTED_SERVER_H_

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>

#include "os/child.h"
#include "os/unix_socket.h"
#include "sluice/append.h"
#include "support/own_directory.h"

namespace sluice::test {

// The server's end of a connection. Every wait ends after some seconds, as a failure.
class ServerEnd {
 public:
  explicit ServerEnd(int socket) : socket_(socket) {}
  ~ServerEnd() { close(); }
  ServerEnd(const ServerEnd&) = delete;
  ServerEnd& operator=(const ServerEnd&) = delete;

  void say(std::string_view bytes) {
    while (!bytes.empty()) {
      const i64 count = os::send_some(socket_, bytes.data(), bytes.size());
      if (count == -EAGAIN) {
        ASSERT_GT(os::wait_socket(socket_, os::kWritable, kLimitNs), 0);
        continue;
      }
      if (count < 0) return;  // the client has heard enough
      bytes.remove_prefix(std::size_t(count));
    }
  }
  // A message with its zero.
  void tell(std::string_view message) { say(std::string(message) + '\0'); }
  // So many bytes, fewer at the end of what the client sends.
  std::string hear(std::size_t bytes) {
    std::string heard;
    while (heard.size() < bytes && receive(heard, bytes - heard.size())) {
    }
    return heard;
  }
  std::string hear_path() {
    std::string path;
    while (!path.ends_with('\0') && receive(path, 1)) {
    }
    if (!path.empty()) path.pop_back();
    return path;
  }
  std::string hear_all() { return hear(std::size_t{1} << 40); }
  void close() { os::close_descriptor(socket_); }

 private:
  static constexpr i64 kLimitNs = 60'000'000'000;

  bool receive(std::string& to, std::size_t most) {
    std::string piece(std::min<std::size_t>(most, 65536), '\0');
    const i64 count = os::receive_some(socket_, piece.data(), piece.size());
    if (count == -EAGAIN) {
      const int event = os::wait_socket(socket_, os::kReadable, kLimitNs);
      EXPECT_GT(event, 0);
      return event > 0;
    }
    if (count <= 0) return false;
    to.append(piece, 0, std::size_t(count));
    return true;
  }

  int socket_;
};

class ScriptedServer {
 public:
  using Script = std::function<void(ServerEnd&)>;

  explicit ScriptedServer(int backlog = 8)
      : socket_(directory_.path() + "/s"), listener_(os::listen_unix(socket_, backlog)) {
    EXPECT_GE(listener_, 0);
  }
  ~ScriptedServer() {
    join();
    os::close_descriptor(listener_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  // Takes the next connection and runs the script on it, in a thread of its own.
  void play(Script script) {
    join();
    thread_ = std::thread([this, script = std::move(script)] {
      ASSERT_GT(os::wait_socket(listener_, os::kReadable, 60'000'000'000), 0);
      const int socket = os::accept_unix(listener_);
      ASSERT_GE(socket, 0);
      ServerEnd end(socket);
      script(end);
    });
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] const std::string& directory() const { return directory_.path(); }
  [[nodiscard]] ProxyOptions options() const {
    ProxyOptions options;
    options.socket = socket_;
    options.timeout_ms = 60'000;
    return options;
  }
  [[nodiscard]] Result<ProxyFile> open(const ProxyOptions& options) const {
    return ProxyFile::open("/tmp/the file", options);
  }

 private:
  OwnDirectory directory_;
  std::string socket_;
  int listener_;
  std::thread thread_;
};

// Every byte that was accepted is somewhere, once.
inline void expect_conserved(const ProxyStatistics& counts) {
  EXPECT_EQ(counts.accepted_bytes, counts.waiting_bytes + counts.in_flight_bytes +
                                       counts.confirmed_bytes + counts.in_doubt_bytes +
                                       counts.unsent_bytes);
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_APPEND_SCRIPTED_SERVER_H_
