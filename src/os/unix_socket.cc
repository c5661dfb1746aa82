#include "os/unix_socket.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/durations.h"

namespace sluice::os {
namespace {

static_assert(sizeof(sockaddr_un::sun_path) == kSocketPathSize);

int address_of(const std::string& path, sockaddr_un& out) {
  if (path.empty()) return -ENOENT;
  if (path.size() >= kSocketPathSize) return -ENAMETOOLONG;
  out.sun_family = AF_UNIX;
  std::memcpy(out.sun_path, path.c_str(), path.size() + 1);
  return 0;
}

int new_socket() {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return fd < 0 ? -errno : fd;
}

// The descriptor, or -errno of the call that failed after closing it.
int kept_if(bool ok, int fd) {
  if (ok) return fd;
  const int error = errno;
  ::close(fd);
  return -error;
}

short poll_events(u32 wanted) {
  int events = 0;
  if (wanted & kReadable) events |= POLLIN;
  if (wanted & kWritable) events |= POLLOUT;
  if (wanted & kPeerEnded) events |= POLLRDHUP;
  return short(events);
}

// EPOLLIN and its like have the values of POLLIN and its like.
static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLRDHUP == POLLRDHUP &&
              EPOLLHUP == POLLHUP && EPOLLERR == POLLERR);

u32 socket_events(u32 events) {
  u32 out = 0;
  if (events & POLLIN) out |= kReadable;
  if (events & POLLOUT) out |= kWritable;
  if (events & POLLRDHUP) out |= kPeerEnded;
  if (events & (POLLHUP | POLLERR | POLLNVAL)) out |= kPeerGone;
  return out;
}

epoll_event epoll_wanted(u32 wanted, SocketPoll::Mode mode, u64 token) {
  epoll_event event{};
  event.events = u32(poll_events(wanted));
  if (mode == SocketPoll::kOnce) event.events |= EPOLLONESHOT;
  if (mode == SocketPoll::kEdge) event.events |= EPOLLET;
  event.data.u64 = token;
  return event;
}

}  // namespace

int listen_unix(const std::string& path, int backlog) {
  sockaddr_un address{};
  if (const int error = address_of(path, address); error < 0) return error;
  const int fd = new_socket();
  if (fd < 0) return fd;
  return kept_if(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                     ::listen(fd, backlog) == 0,
                 fd);
}

int connect_unix(const std::string& path) {
  sockaddr_un address{};
  if (const int error = address_of(path, address); error < 0) return error;
  const int fd = new_socket();
  if (fd < 0) return fd;
  int result = 0;
  do {
    result = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EINTR);
  return kept_if(result == 0, fd);
}

int accept_unix(int listener) {
  int fd = -1;
  do {
    fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  return fd < 0 ? -errno : fd;
}

i64 send_some(int socket, const void* from, std::size_t size) {
  ssize_t sent = 0;
  do {
    sent = ::send(socket, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

i64 send_apart(int socket, const void* from, std::size_t size, int carried) {
  iovec bytes{const_cast<void*>(from), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof carried);
  std::memcpy(CMSG_DATA(head), &carried, sizeof carried);
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno == ETOOMANYREFS) return send_some(socket, from, size);
  return sent < 0 ? -errno : sent;
}

i64 receive_some(int socket, void* to, std::size_t size) {
  ssize_t got = 0;
  do {
    got = ::recv(socket, to, size, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  return got < 0 ? -errno : got;
}

void end_sending(int socket) { ::shutdown(socket, SHUT_WR); }
void end_receiving(int socket) { ::shutdown(socket, SHUT_RD); }

int peer_of(int socket, Peer& out) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return -errno;
  out = {u32(credentials.pid), credentials.uid, credentials.gid};
  return 0;
}

int wait_socket(int socket, u32 wanted, i64 timeout_ns) {
  pollfd file{socket, poll_events(wanted), 0};
  const timespec time{time_t(timeout_ns / kNsPerSecond), long(timeout_ns % kNsPerSecond)};
  const int count = ::ppoll(&file, 1, timeout_ns < 0 ? nullptr : &time, nullptr);
  if (count < 0) return errno == EINTR ? 0 : -errno;
  return count == 0 ? 0 : int(socket_events(u32(u16(file.revents))));
}

SocketPoll::SocketPoll() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (fd_ < 0) fd_ = -errno;
}

SocketPoll::~SocketPoll() {
  if (fd_ >= 0) ::close(fd_);
}

int SocketPoll::add(int fd, u32 wanted, Mode mode, u64 token) {
  epoll_event event = epoll_wanted(wanted, mode, token);
  return ::epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

int SocketPoll::change(int fd, u32 wanted, Mode mode, u64 token) {
  epoll_event event = epoll_wanted(wanted, mode, token);
  return ::epoll_ctl(fd_, EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : -errno;
}

void SocketPoll::remove(int fd) { ::epoll_ctl(fd_, EPOLL_CTL_DEL, fd, nullptr); }

int SocketPoll::wait(std::span<Event> out, i64 timeout_ns) {
  constexpr std::size_t kEventsMax = 64;
  epoll_event events[kEventsMax];
  const int room = int(std::min(out.size(), kEventsMax));
  // Rounded up: a wait that ends early would be taken for a time that has come.
  const i64 timeout_ms =
      timeout_ns < 0 ? -1 : std::min<i64>((timeout_ns + kNsPerMs - 1) / kNsPerMs, 1'000'000);
  const int count = ::epoll_wait(fd_, events, room, int(timeout_ms));
  if (count < 0) return errno == EINTR ? 0 : -errno;
  for (int i = 0; i < count; ++i) {
    out[std::size_t(i)] = {events[i].data.u64, socket_events(events[i].events)};
  }
  return count;
}

}  // namespace sluice::os
