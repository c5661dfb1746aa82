#include "os/service_manager.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>

#include "os/process.h"

namespace sluice::os {
namespace {

constexpr int kFirstPassed = 3;  // SD_LISTEN_FDS_START
constexpr u64 kPassedMax = 1024;
constexpr i64 kNsPerUs = 1000;

// 0 for what is no number.
u64 number_of(const std::string& text) {
  u64 value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && at == end ? value : 0;
}

bool is_for_us(const std::string& pid) { return pid.empty() || number_of(pid) == process_id(); }

// The size of the address; 0: the name can be none.
socklen_t socket_address(const std::string& name, sockaddr_un& out) {
  if (name.size() < 2 || (name[0] != '/' && name[0] != '@')) return 0;
  if (name.size() >= sizeof out.sun_path) return 0;
  out = {};
  out.sun_family = AF_UNIX;
  std::memcpy(out.sun_path, name.data(), name.size());
  if (name[0] == '@') out.sun_path[0] = 0;
  // An abstract name ends where its size says, a path with its zero.
  return socklen_t(offsetof(sockaddr_un, sun_path) + name.size() + (name[0] == '/' ? 1 : 0));
}

// A line of a message: what a line break would begin is another assignment.
std::string assignment(std::string_view name, std::string_view value) {
  std::string line(name);
  line += '=';
  for (const char c : value) line += c == '\n' || c == '\r' ? ' ' : c;
  return line + '\n';
}

bool has_option(int fd, int option, int wanted) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

}  // namespace

ServiceManager::ServiceManager() : name_(take_environment("NOTIFY_SOCKET")) {
  const u64 watchdog_us = number_of(take_environment("WATCHDOG_USEC"));
  const bool watched = is_for_us(take_environment("WATCHDOG_PID"));
  if (name_.empty()) return;
  if (watched && watchdog_us <= u64(INT64_MAX) / kNsPerUs) {
    alive_interval_ns_ = i64(watchdog_us) * kNsPerUs / 2;
  }
  socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) {
    socket_ = -errno;
    return;
  }
  const timeval second{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
}

ServiceManager::~ServiceManager() {
  if (socket_ >= 0) ::close(socket_);
}

int ServiceManager::send(std::string_view text) const {
  if (!listens()) return 0;
  if (socket_ < 0) return socket_;
  sockaddr_un address{};
  const socklen_t size = socket_address(name_, address);
  if (size == 0) return -EINVAL;
  ssize_t sent = 0;
  do {
    sent = ::sendto(socket_, text.data(), text.size(), MSG_NOSIGNAL,
                    reinterpret_cast<const sockaddr*>(&address), size);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

int ServiceManager::ready(std::string_view status) const {
  return send("READY=1\n" + assignment("STATUS", status));
}

int ServiceManager::reloading(std::string_view status) const {
  // Type=notify-reload wants to know that this is later than its signal.
  const std::string now = std::to_string(monotonic_ns() / kNsPerUs);
  return send("RELOADING=1\n" + assignment("MONOTONIC_USEC", now) + assignment("STATUS", status));
}

int ServiceManager::stopping(std::string_view status) const {
  return send("STOPPING=1\n" + assignment("STATUS", status));
}

int ServiceManager::status(std::string_view status) const {
  return send(assignment("STATUS", status));
}

int ServiceManager::alive() const { return send("WATCHDOG=1\n"); }

int ServiceManager::extend_timeout(i64 ns) const {
  return send(assignment("EXTEND_TIMEOUT_USEC", std::to_string(ns / kNsPerUs)));
}

std::vector<PassedSocket> passed_sockets() {
  const std::string pid = take_environment("LISTEN_PID");
  const u64 count = number_of(take_environment("LISTEN_FDS"));
  std::string names = take_environment("LISTEN_FDNAMES");
  std::vector<PassedSocket> sockets;
  if (pid.empty() || !is_for_us(pid) || count > kPassedMax) return sockets;
  for (int i = 0; i < int(count); ++i) {
    const std::string name = names.substr(0, names.find(':'));
    names.erase(0, name.size() + 1);
    const int fd = kFirstPassed + i;
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0) continue;
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    sockets.push_back({fd, name.empty() ? "unknown" : name});
  }
  return sockets;
}

ListenerInfo listener_info(int fd) {
  ListenerInfo info;
  if (!has_option(fd, SO_ACCEPTCONN, 1) || !has_option(fd, SO_TYPE, SOCK_STREAM)) return info;
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return info;
  if (address.ss_family == AF_UNIX) {
    info.kind = ListenerInfo::kUnixStream;
    sockaddr_un local{};
    std::memcpy(&local, &address, sizeof local);
    if (size > offsetof(sockaddr_un, sun_path) && local.sun_path[0] != 0) {
      const std::size_t room =
          std::min(size - offsetof(sockaddr_un, sun_path), sizeof local.sun_path);
      info.path.assign(local.sun_path, ::strnlen(local.sun_path, room));
    }
  } else if (address.ss_family == AF_INET) {
    sockaddr_in local{};
    std::memcpy(&local, &address, sizeof local);
    info.kind = ListenerInfo::kTcp;
    info.loopback = ntohl(local.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    info.port = ntohs(local.sin_port);
  } else if (address.ss_family == AF_INET6) {
    sockaddr_in6 local{};
    std::memcpy(&local, &address, sizeof local);
    info.kind = ListenerInfo::kTcp;
    info.loopback = IN6_IS_ADDR_LOOPBACK(&local.sin6_addr);
    info.port = ntohs(local.sin6_port);
  }
  return info;
}

}  // namespace sluice::os
