// Stream sockets of the Unix domain: listening, connecting, bytes both ways, waiting.
//
// Calls return a value >= 0 or -errno and retry nothing but EINTR. Descriptors made here are
// close-on-exec and non-blocking. Blocking: only where a name says wait. Thread-safe.
#ifndef SLUICE_SRC_OS_UNIX_SOCKET_H_
#define SLUICE_SRC_OS_UNIX_SOCKET_H_

#include <span>
#include <string>

#include "base/bytes.h"

namespace sluice::os {

// A path in the file system must be shorter than this many bytes to be the name of a socket.
inline constexpr std::size_t kSocketPathSize = 108;

// A socket bound to `path` (mode 0777 less the umask) with room for `backlog` connections that wait
// to be accepted. -EADDRINUSE: something is at the path; -ENAMETOOLONG.
[[nodiscard]] int listen_unix(const std::string& path, int backlog);
// Connected at once, or not at all. -EAGAIN: the server's backlog is full; -ECONNREFUSED: nobody
// listens; -ENOENT: no such file; -ENAMETOOLONG.
[[nodiscard]] int connect_unix(const std::string& path);
// The next connection that waits, with its descriptor; -EAGAIN: none does; -EMFILE, -ENFILE: no
// descriptor for it.
[[nodiscard]] int accept_unix(int listener);

// As much as fits; -EAGAIN: nothing fits. Never raises SIGPIPE: -EPIPE when the peer reads no more.
[[nodiscard]] i64 send_some(int socket, const void* from, std::size_t size);
// The same for a message that the peer receives by a call of its own, however much room that call
// has: `carried`, a descriptor, goes with it, which the kernel closes for a peer that does not ask
// for it, and no receive goes past a message that carries one (unix(7)). Where too many are under
// way it goes without.
[[nodiscard]] i64 send_apart(int socket, const void* from, std::size_t size, int carried);
// What is there, at most `size`; 0: the peer sends no more; -EAGAIN: nothing is there yet.
[[nodiscard]] i64 receive_some(int socket, void* to, std::size_t size);
// This side sends no more (the peer reads the end) or takes no more (the peer's sends fail with
// EPIPE; what it has sent can still be received).
void end_sending(int socket);
void end_receiving(int socket);

struct Peer {
  u32 pid = 0;
  u32 uid = 0;
  u32 gid = 0;
};
// Who made the connection, as the kernel saw it.
[[nodiscard]] int peer_of(int socket, Peer& out);

enum SocketEvent : u32 {
  kReadable = 1,
  kWritable = 2,
  kPeerEnded = 4,  // sends no more, though it may still receive
  kPeerGone = 8,   // neither sends nor receives, or an error
};

// Waits until one of the `wanted` events, or kPeerGone, which is always reported; at most
// timeout_ns
// (< 0: without limit). The events, 0 when the time has passed, or -errno.
[[nodiscard]] int wait_socket(int socket, u32 wanted, i64 timeout_ns);

// Many descriptors at once (epoll).
class SocketPoll {
 public:
  enum Mode : u8 {
    kLevel,  // reported as long as it is so
    kOnce,   // reported once, then silent until change()
    kEdge,   // reported when it becomes so
  };
  struct Event {
    u64 token = 0;
    u32 events = 0;  // of SocketEvent
  };

  SocketPoll();
  ~SocketPoll();
  SocketPoll(const SocketPoll&) = delete;
  SocketPoll& operator=(const SocketPoll&) = delete;

  // 0 or the -errno of its making.
  [[nodiscard]] int status() const { return fd_ < 0 ? fd_ : 0; }
  // `wanted` may be 0: then only kPeerGone is reported. -EPERM: this kind of file is always ready.
  [[nodiscard]] int add(int fd, u32 wanted, Mode mode, u64 token);
  // Also looks whether an event is there already, and reports it.
  int change(int fd, u32 wanted, Mode mode, u64 token);
  void remove(int fd);
  // At most timeout_ns (< 0: without limit). How many events there are; 0: none, or a signal came.
  [[nodiscard]] int wait(std::span<Event> out, i64 timeout_ns);

 private:
  int fd_;
};

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_UNIX_SOCKET_H_
