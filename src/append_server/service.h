// The append service: appends to files on behalf of the clients of a Unix socket, in the protocol
// of offlog (docs/formats/append_protocol.md) and its extension.
//
//   sluice-append   the engine: accepts, waits for sockets and times, hands turns out; never blocks
//   sluice-append   (several) turns of clients: receive, write, answer; each may hang in its file
//
// What a client has sent waits in its socket until it is written, so memory is bounded by the
// pieces of lines that are held back, and a client that is too fast waits for its own file only.
//
// Threading: stats(), gets_on() and set_limits() are thread-safe; start() and stop() by one owner.
// Failure: what one client does or what befalls its file ends that client, with a message that
// names it. No descriptor, too many clients: those that come are told to come again.
#ifndef SLUICE_SRC_APPEND_SERVER_SERVICE_H_
#define SLUICE_SRC_APPEND_SERVER_SERVICE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace sluice::append_server {

struct ServiceOptions {
  // Listening stream sockets of the Unix domain; the service's from here on.
  std::vector<int> listeners = {};
  // The only directories in which files are appended to, with all below; none: everywhere.
  std::vector<std::string> directories = {};
  u32 clients_max = 12'000;
  u32 clients_per_user_max = 0;       // 0: no bound of their own
  u64 bytes_per_second_per_user = 0;  // received; 0: no bound
  u64 held_bytes_max = 256 << 20;     // of lines and records that are not whole, of all clients
  u32 line_hold_ms = 200;
  u32 greeting_ms_max = 30'000;
  u32 rotation_check_ms = 5000;
  // What the service does, a sentence each, by any of its threads; must not wait. May be empty.
  std::function<void(bool warning, const std::string& text)> log = {};
};

struct ServiceStats {
  u64 clients = 0;        // now
  u64 clients_total = 0;  // that came
  u64 files_opened = 0;
  u64 bytes_written = 0;
  u64 held_bytes = 0;       // now
  u64 clients_refused = 0;  // too many, no descriptor
  u64 opens_failed = 0;
  u64 writes_failed = 0;  // and syncs
  u64 rotations = 0;
  u64 rate_waits = 0;     // a client was not read for a time: its user was over the rate
  u64 lines_split = 0;    // a piece of a line was written beside other clients' lines
  u64 bytes_dropped = 0;  // sent by clients whose file had failed
  u64 stuck = 0;          // turns that wait for their file now
};

class Service {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Service>> start(ServiceOptions options);
  // As stop() with no time left.
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // From now on the directories, clients_max, clients_per_user_max, held_bytes_max and
  // rotation_check_ms of `wanted` hold; not ok: a directory cannot be had, and nothing is changed.
  // Clients that are connected, and files that are open, stay.
  [[nodiscard]] Status set_limits(const ServiceOptions& wanted);
  [[nodiscard]] ServiceStats stats() const;
  // False: the engine has not got on since the last call.
  [[nodiscard]] bool gets_on();
  // Takes no more clients, tells those there are that it exits, writes what they have sent, and
  // ends by deadline_ns (CLOCK_MONOTONIC). How many clients are left whose file hangs, which are
  // told that it exits as all are, and stand in the log: then end the process by os::exit_now().
  [[nodiscard]] u64 stop(u64 deadline_ns);

 private:
  class Engine;
  explicit Service(std::shared_ptr<Engine> engine);

  const std::shared_ptr<Engine> engine_;
};

}  // namespace sluice::append_server

#endif  // SLUICE_SRC_APPEND_SERVER_SERVICE_H_
