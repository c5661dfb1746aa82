#include "os/message_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice::os {
namespace {

int connect_to(int family, int type, const void* address, socklen_t size) {
  const int fd = ::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int result = 0;
  do {
    result = ::connect(fd, static_cast<const sockaddr*>(address), size);
  } while (result != 0 && errno == EINTR);
  if (result == 0 || errno == EINPROGRESS) return fd;
  const int error = errno;
  ::close(fd);
  return -error;
}

int connect_inet(const Endpoint& endpoint, int type) {
  if (endpoint.v6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(endpoint.port);
    if (::inet_pton(AF_INET6, endpoint.address.c_str(), &address.sin6_addr) != 1) return -EINVAL;
    return connect_to(AF_INET6, type, &address, sizeof address);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  if (::inet_pton(AF_INET, endpoint.address.c_str(), &address.sin_addr) != 1) return -EINVAL;
  return connect_to(AF_INET, type, &address, sizeof address);
}

int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return written == 0 ? -EIO : -errno;
    bytes.remove_prefix(std::size_t(written));
  }
  return 0;
}

}  // namespace

bool has_unix_sockets() { return true; }

int connect_unix_datagram(const std::string& path) {
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) return -ENAMETOOLONG;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return connect_to(AF_UNIX, SOCK_DGRAM, &address, sizeof address);
}

int connect_udp(const Endpoint& endpoint) { return connect_inet(endpoint, SOCK_DGRAM); }

int begin_connect_tcp(const Endpoint& endpoint) { return connect_inet(endpoint, SOCK_STREAM); }

int connect_outcome(int socket) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return -errno;
  return -error;
}

int sealed_memory(std::string_view bytes) {
  const int fd = ::memfd_create("sluice", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -errno;
  int error = write_all(fd, bytes);
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  if (error == 0 && ::fcntl(fd, F_ADD_SEALS, kSeals) != 0) error = -errno;
  if (error == 0) return fd;
  ::close(fd);
  return error;
}

int send_descriptor(int socket, int carried) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
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
  return sent < 0 ? -errno : 0;
}

i64 unacknowledged(int socket) {
  int bytes = 0;
  return ::ioctl(socket, SIOCOUTQ, &bytes) == 0 ? bytes : -errno;
}

}  // namespace sluice::os
