// A client of the append service by hand: bytes out, messages in, each with a limit.
#ifndef SLUICE_TESTS_APPEND_SERVER_RAW_CLIENT_H_
#define SLUICE_TESTS_APPEND_SERVER_RAW_CLIENT_H_

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "os/child.h"
#include "os/process.h"
#include "os/unix_socket.h"

namespace sluice::test {

class RawClient {
 public:
  static constexpr i64 kLimitNs = 60'000'000'000;

  explicit RawClient(const std::string& socket) : socket_(os::connect_unix(socket)) {
    for (const i64 until = os::monotonic_ns() + kLimitNs;
         socket_ == -EAGAIN && os::monotonic_ns() < until; os::yield()) {
      socket_ = os::connect_unix(socket);
    }
    EXPECT_GE(socket_, 0) << socket;
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // All of it. False: the server takes no more.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const i64 sent = os::send_some(socket_, bytes.data(), bytes.size());
      if (sent == -EAGAIN) {
        if (os::wait_socket(socket_, os::kWritable, kLimitNs) <= 0) return false;
        continue;
      }
      if (sent < 0) return false;
      bytes.remove_prefix(std::size_t(sent));
    }
    return true;
  }
  bool open(const std::string& path) const { return send(path + '\0'); }
  void end() const { os::end_sending(socket_); }
  // What one receive returns; "EOF", "RESET", or "NOTHING" when nothing has come in time.
  [[nodiscard]] std::string receive(i64 limit_ns = kLimitNs) const {
    char bytes[65536];
    while (true) {
      const i64 got = os::receive_some(socket_, bytes, sizeof bytes);
      if (got > 0) return {bytes, std::size_t(got)};
      if (got != -EAGAIN) return got == 0 ? "EOF" : "RESET";
      if (os::wait_socket(socket_, os::kReadable, limit_ns) <= 0) return "NOTHING";
    }
  }
  // A message without its zero: exactly one has come with one receive.
  [[nodiscard]] std::string message() const {
    std::string bytes = receive();
    if (bytes == "EOF" || bytes == "RESET" || bytes == "NOTHING") return bytes;
    EXPECT_EQ(bytes.find('\0'), bytes.size() - 1) << "one message a receive";
    bytes.pop_back();
    return bytes;
  }
  void close() { os::close_descriptor(socket_); }
  [[nodiscard]] int socket() const { return socket_; }

 private:
  int socket_;
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_APPEND_SERVER_RAW_CLIENT_H_
