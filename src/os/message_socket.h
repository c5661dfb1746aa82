// Sockets that messages are sent to: datagrams of the Unix domain and UDP, streams of TCP.
//
// Calls return a value >= 0 or -errno and retry nothing but EINTR. Descriptors made here are
// close-on-exec and non-blocking. Thread-safe. Bytes go by send_some() (os/unix_socket.h).
#ifndef SLUICE_SRC_OS_MESSAGE_SOCKET_H_
#define SLUICE_SRC_OS_MESSAGE_SOCKET_H_

#include <string>
#include <string_view>

#include "os/tcp_socket.h"

namespace sluice::os {

// Whether sockets with paths can be connected to on this system at all.
[[nodiscard]] bool has_unix_sockets();
// -ENOENT, -ECONNREFUSED: nobody receives there; -EPROTOTYPE: somebody does, but no datagrams.
[[nodiscard]] int connect_unix_datagram(const std::string& path);
[[nodiscard]] int connect_udp(const Endpoint& endpoint);
// Begins; the socket can be written when it has worked or failed, which connect_outcome() says.
[[nodiscard]] int begin_connect_tcp(const Endpoint& endpoint);
[[nodiscard]] int connect_outcome(int socket);

// A file in memory that holds `bytes` and can be changed by nobody any more.
[[nodiscard]] int sealed_memory(std::string_view bytes);
// A datagram of no bytes that carries a descriptor.
[[nodiscard]] int send_descriptor(int socket, int carried);

// Bytes of a TCP socket that the kernel has taken and the peer has not acknowledged.
[[nodiscard]] i64 unacknowledged(int socket);

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_MESSAGE_SOCKET_H_
