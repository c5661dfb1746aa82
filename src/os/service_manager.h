// What a service and its manager (systemd) tell each other, without the manager's library: states
// over the socket that NOTIFY_SOCKET names (sd_notify(3)), and sockets that were opened for the
// service (sd_listen_fds(3)).
//
// The variables are taken out of the environment, so that no child speaks in our name or takes our
// sockets: make the object and call passed_sockets() before there are threads. Threading: then
// thread-safe. Failure: a manager that cannot be told is no reason to stop; calls return -errno for
// whoever wants to say it. Without a manager they do nothing and return 0.
#ifndef SLUICE_SRC_OS_SERVICE_MANAGER_H_
#define SLUICE_SRC_OS_SERVICE_MANAGER_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sluice::os {

class ServiceManager {
 public:
  ServiceManager();  // from the environment
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  // NOTIFY_SOCKET was set.
  [[nodiscard]] bool listens() const { return !name_.empty(); }
  // How often alive() is to be called: half of what the manager waits for; 0: it does not watch.
  [[nodiscard]] i64 alive_interval_ns() const { return alive_interval_ns_; }

  // Each is one datagram, and waits at most a second for room in the manager's queue. `status` is a
  // sentence for `systemctl status`; its line breaks become spaces.
  int ready(std::string_view status) const;      // at the start, and after a reload
  int reloading(std::string_view status) const;  // ready() must follow
  int stopping(std::string_view status) const;
  int status(std::string_view status) const;
  int alive() const;
  // The manager is to wait so much longer for ready(), or for the end.
  int extend_timeout(i64 ns) const;

 private:
  int send(std::string_view text) const;

  std::string name_;  // a path, or an abstract name with '@' in front
  int socket_ = -1;   // or -errno of its making
  i64 alive_interval_ns_ = 0;
};

struct PassedSocket {
  int fd = -1;
  std::string name;  // FileDescriptorName= of the unit; "unknown" where the manager says none
};
// The sockets that were opened for this process, close-on-exec and non-blocking; the caller closes
// them. None when LISTEN_PID is another process.
[[nodiscard]] std::vector<PassedSocket> passed_sockets();

// What a descriptor from elsewhere is.
struct ListenerInfo {
  enum Kind : u8 { kNone, kUnixStream, kTcp };
  Kind kind = kNone;      // kNone: no socket that listens for streams
  std::string path;       // kUnixStream: where; empty for an abstract name
  bool loopback = false;  // kTcp: only this machine reaches it
  u16 port = 0;           // kTcp
};
[[nodiscard]] ListenerInfo listener_info(int fd);

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_SERVICE_MANAGER_H_
