// A client of the web that says exactly what it is told to, over the loopback.
#ifndef SLUICE_TESTS_COLLECTOR_SUPPORT_WEB_CLIENT_H_
#define SLUICE_TESTS_COLLECTOR_SUPPORT_WEB_CLIENT_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"

namespace sluice::test {

// The deadline of whatever another thread or process does; only a failure takes so long.
inline constexpr int kWebPatienceMs = 60'000;

class WebClient {
 public:
  explicit WebClient(u16 port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ::close(fd_);
      fd_ = -1;
    }
  }
  ~WebClient() {
    if (fd_ >= 0) ::close(fd_);
  }
  WebClient(WebClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), received_(std::move(other.received_)) {}
  WebClient(const WebClient&) = delete;
  WebClient& operator=(const WebClient&) = delete;

  [[nodiscard]] bool connected() const { return fd_ >= 0; }
  void say(std::string_view text) const {
    (void)!::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
  }
  void end_saying() const { ::shutdown(fd_, SHUT_WR); }

  // One answer, head and body; what has come of it if the connection ends first.
  std::string answer() {
    std::size_t head = 0;
    while ((head = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return std::exchange(received_, {});
    }
    std::size_t size = head + 4;
    const std::size_t length = received_.find("Content-Length: ");
    if (length < head) size += std::stoul(received_.substr(length + 16));
    while (received_.size() < size) {
      if (!receive()) return std::exchange(received_, {});
    }
    std::string one = received_.substr(0, size);
    received_.erase(0, size);
    return one;
  }
  // True when the server has closed the connection and had nothing more to say.
  bool ends() { return received_.empty() && !receive() && ended_; }

 private:
  bool receive() {
    pollfd file{fd_, POLLIN, 0};
    if (::poll(&file, 1, kWebPatienceMs) <= 0) return false;
    char bytes[65536];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    ended_ = got <= 0;
    if (got > 0) received_.append(bytes, std::size_t(got));
    return got > 0;
  }

  int fd_;
  bool ended_ = false;
  std::string received_;
};

// What a well-behaved client gets for a path.
inline std::string web_get(u16 port, const std::string& path, const std::string& headers = {}) {
  WebClient client(port);
  client.say("GET " + path + " HTTP/1.1\r\nHost: localhost:" + std::to_string(port) + "\r\n" +
             headers + "Connection: close\r\n\r\n");
  return client.answer();
}

inline std::string body_of(const std::string& answer) {
  const std::size_t head = answer.find("\r\n\r\n");
  return head == std::string::npos ? std::string() : answer.substr(head + 4);
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_COLLECTOR_SUPPORT_WEB_CLIENT_H_
