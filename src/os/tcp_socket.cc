#include "os/tcp_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

namespace sluice::os {
namespace {

constexpr std::string_view kForms =
    "write a port of this machine, ADDRESS:PORT or [ADDRESS]:PORT, such as 127.0.0.1:9464";

bool parse_port(std::string_view text, u16& port) {
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && at == end && !text.empty();
}

bool parse_address(std::string_view text, Endpoint& endpoint) {
  endpoint.address = text == "localhost" ? "127.0.0.1" : std::string(text);
  endpoint.v6 = text.starts_with('[') && text.ends_with(']');
  if (endpoint.v6) {
    endpoint.address = text.substr(1, text.size() - 2);
    in6_addr address;
    if (::inet_pton(AF_INET6, endpoint.address.c_str(), &address) != 1) return false;
    endpoint.loopback = IN6_IS_ADDR_LOOPBACK(&address);
    return true;
  }
  in_addr address;
  if (::inet_pton(AF_INET, endpoint.address.c_str(), &address) != 1) return false;
  endpoint.loopback = ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
  return true;
}

}  // namespace

std::string Endpoint::text() const {
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  Endpoint endpoint;
  const std::size_t colon = text.rfind(':');
  const bool port_only = colon == std::string_view::npos;
  const std::string_view address = port_only ? "127.0.0.1" : text.substr(0, colon);
  if (!parse_port(port_only ? text : text.substr(colon + 1), endpoint.port)) {
    return fatal("it ends with no port from 0 to 65535; " + std::string(kForms));
  }
  if (!parse_address(address, endpoint)) {
    return fatal("it begins with no address in digits; " + std::string(kForms));
  }
  return endpoint;
}

int listen_tcp(const Endpoint& endpoint, int backlog) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_in);
  if (endpoint.v6) {
    auto& address = reinterpret_cast<sockaddr_in6&>(storage);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(endpoint.port);
    if (::inet_pton(AF_INET6, endpoint.address.c_str(), &address.sin6_addr) != 1) return -EINVAL;
    size = sizeof address;
  } else {
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    if (::inet_pton(AF_INET, endpoint.address.c_str(), &address.sin_addr) != 1) return -EINVAL;
  }
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  // After a restart, connections of the last one may still linger.
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage), size) == 0 &&
      ::listen(fd, backlog) == 0) {
    return fd;
  }
  const int error = errno;
  ::close(fd);
  return -error;
}

}  // namespace sluice::os
