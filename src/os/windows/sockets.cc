// Not there for Windows yet: sockets, and with them collectors, syslog and journald. Each call says
// so, as that of a system without them would.
#include <cerrno>

#include "os/message_socket.h"
#include "os/unix_socket.h"

namespace sluice::os {

std::string Endpoint::text() const { return address + ":" + std::to_string(port); }
Result<Endpoint> parse_endpoint(std::string_view) {
  return Status(ErrorClass::kFatal, "there are no sockets in this build for Windows", ENOTSUP);
}
bool has_unix_sockets() { return false; }
int connect_unix(const std::string&) { return -ENOTSUP; }
int connect_unix_datagram(const std::string&) { return -ENOTSUP; }
int connect_udp(const Endpoint&) { return -ENOTSUP; }
int begin_connect_tcp(const Endpoint&) { return -ENOTSUP; }
int connect_outcome(int) { return -ENOTSUP; }
int sealed_memory(std::string_view) { return -ENOTSUP; }
int send_descriptor(int, int) { return -ENOTSUP; }
i64 unacknowledged(int) { return -ENOTSUP; }
i64 send_some(int, const void*, std::size_t) { return -ENOTSUP; }
i64 receive_some(int, void*, std::size_t) { return -ENOTSUP; }
int peer_of(int, Peer&) { return -ENOTSUP; }
int wait_socket(int, u32, i64) { return -ENOTSUP; }

}  // namespace sluice::os
