// The admin socket: questions and orders of this user, one a connection.
//
//   client -> server :  "sluice-admin/1 " COMMAND "\n"        at most 256 bytes
//   server -> client :  one object of JSON "\n", then the end
//
// The object has "ok"; where it is false, "error" says why. Commands: status, top, reload. A peer
// of another user (but root) is closed unheard: the socket's mode keeps it out, and this too.
//
// Threading: AdminServer is single-owner, of the thread that polls. Never blocks: a client that
// says nothing, or does not read, is closed when its time is over, or when there are more than
// kAdminClientsMax. The bytes of a client are untrusted.
#ifndef SLUICE_SRC_COLLECTOR_ADMIN_H_
#define SLUICE_SRC_COLLECTOR_ADMIN_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "os/unix_socket.h"

namespace sluice::collector {

inline constexpr std::string_view kAdminVersion = "sluice-admin/1";
inline constexpr std::size_t kAdminLineMax = 256;
inline constexpr std::size_t kAdminAnswerMax = std::size_t{1} << 20;
inline constexpr std::size_t kAdminClientsMax = 32;

// The command of a line without its end; none: another version, or no such line.
[[nodiscard]] std::optional<std::string_view> admin_command(std::string_view untrusted_line);

// `{"ok":false,"error":"..."}`.
[[nodiscard]] std::string admin_error(std::string_view why);

class AdminServer {
 public:
  // The object for a command, without a line's end.
  using Answer = std::function<std::string(std::string_view command)>;

  struct Options {
    int listener = -1;  // a listening socket; closed here
    u32 user = 0;       // who may ask, besides root
    i64 client_ns_max = 5'000'000'000;
    Answer answer;
  };
  struct Stats {
    u64 answered = 0;
    u64 refused = 0;  // other users, lines that are none
    u64 dropped = 0;  // too slow, or too many at once
  };

  // Adds its descriptors to `poll`, under tokens from `first_token` on, which nobody else uses.
  AdminServer(Options options, os::SocketPoll& poll, u64 first_token);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // An event that `poll` has reported; false: its token is none of ours.
  bool on_event(const os::SocketPoll::Event& event, i64 now_ns);
  // Closes those whose time is over; how long until the next one's is, < 0: there is none.
  i64 expire(i64 now_ns);
  [[nodiscard]] Stats stats() const { return stats_; }

 private:
  struct Client {
    int fd = -1;
    i64 until_ns = 0;
    std::string line;
    std::string answer;
    std::size_t sent = 0;
  };

  void accept(i64 now_ns);
  void read(u64 token, Client& client);
  void send(u64 token, Client& client);
  void drop(u64 token);

  const Options options_;
  os::SocketPoll& poll_;
  const u64 first_token_;
  u64 next_token_;
  std::map<u64, Client> clients_;  // the oldest first
  Stats stats_;
};

// Asks the daemon behind a socket. kRetryable: nobody listens there; else it did not answer.
// `stop_fd`: the wait ends with ECANCELED when it can be read (-1: none).
[[nodiscard]] Result<std::string> ask_admin(const std::string& socket, std::string_view command,
                                            i64 timeout_ns, int stop_fd = -1);

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_ADMIN_H_
