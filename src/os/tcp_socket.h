// Listening on an address of the internet protocols.
//
// Threading: plain functions. Never blocks: names are not looked up, but for "localhost".
#ifndef SLUICE_SRC_OS_TCP_SOCKET_H_
#define SLUICE_SRC_OS_TCP_SOCKET_H_

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"

namespace sluice::os {

struct Endpoint {
  std::string address;  // "127.0.0.1", "::1"
  u16 port = 0;         // 0: any that is free
  bool v6 = false;
  bool loopback = false;  // only this machine reaches it

  [[nodiscard]] std::string text() const;  // "127.0.0.1:9464", "[::1]:9464"
};

// "9464" (of 127.0.0.1), "127.0.0.1:9464", "localhost:9464", "[::1]:9464"; the status says what is
// wrong and how to mend it.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);

// A listening socket, close-on-exec and non-blocking, or -errno. -EADDRINUSE: somebody else listens
// there.
[[nodiscard]] int listen_tcp(const Endpoint& endpoint, int backlog);

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_TCP_SOCKET_H_
