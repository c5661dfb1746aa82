// A service manager that only listens: NOTIFY_SOCKET is its socket as long as it lives.
#ifndef SLUICE_TESTS_SUPPORT_FAKE_MANAGER_H_
#define SLUICE_TESTS_SUPPORT_FAKE_MANAGER_H_

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

namespace sluice::test {

class FakeManager {
 public:
  // A path, or an abstract name with '@' in front.
  explicit FakeManager(const std::string& name) {
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    const bool abstract = name[0] == '@';
    if (abstract) address.sun_path[0] = 0;
    const auto size = socklen_t(offsetof(sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1));
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0) std::abort();
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~FakeManager() {
    ::close(fd_);
    ::unsetenv("NOTIFY_SOCKET");
  }
  FakeManager(const FakeManager&) = delete;
  FakeManager& operator=(const FakeManager&) = delete;

  // The next message, which may take so long to come; empty: there is none.
  [[nodiscard]] std::string next(int timeout_ms = 0) const {
    pollfd file{fd_, POLLIN, 0};
    if (::poll(&file, 1, timeout_ms) <= 0) return {};
    char text[4096];
    const ssize_t size = ::recv(fd_, text, sizeof text, MSG_DONTWAIT);
    return size < 0 ? std::string() : std::string(text, std::size_t(size));
  }
  // Messages until one begins with this, which is returned; empty: none came in a minute.
  [[nodiscard]] std::string wait_for(const std::string& beginning) const {
    while (true) {
      std::string message = next(60'000);
      if (message.empty() || message.starts_with(beginning)) return message;
    }
  }

 private:
  int fd_ = -1;
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_SUPPORT_FAKE_MANAGER_H_
