// The engine of the append service: who is connected, who has a turn, what each waits for.
//
// A client is idle (its socket is armed in the poll, its time in the list) or busy (handed to the
// workers, or in a turn). What becomes due meanwhile is kept for its next turn, so of one client at
// most one turn is under way.
//
// Threading: run() is the engine's thread; everything else is thread-safe. `mutex_` is held for a
// few lines at a time and never over a system call that may block.
#ifndef SLUICE_SRC_APPEND_SERVER_ENGINE_H_
#define SLUICE_SRC_APPEND_SERVER_ENGINE_H_

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "append_server/connection.h"
#include "append_server/service.h"
#include "append_server/shared.h"
#include "append_server/workers.h"
#include "os/child.h"
#include "os/descriptor_reserve.h"
#include "os/unix_socket.h"

namespace sluice::append_server {

class Service::Engine {
 public:
  Engine(ServiceOptions options, std::shared_ptr<const os::AllowedDirectories> directories);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Not ok: no descriptor for what it needs.
  [[nodiscard]] Status start();
  [[nodiscard]] Limits& limits() { return shared_.limits; }
  [[nodiscard]] ServiceStats stats() const;
  [[nodiscard]] bool gets_on();
  [[nodiscard]] u64 stop(u64 deadline_ns);

 private:
  struct Client {
    std::unique_ptr<Connection> connection;
    bool busy = false;
    u32 due = 0;                        // of Due
    const std::string* path = nullptr;  // as the last turn knew it
    i64 wake_ns = 0;                    // its place in times_; 0: none
  };
  struct User {
    u32 clients = 0;
    std::shared_ptr<ByteRate> rate;  // null: without a bound
  };
  using Clients = std::unordered_map<u64, Client>;

  void run();
  [[nodiscard]] int take_events(std::span<os::SocketPoll::Event> events, i64 wait_ns);
  [[nodiscard]] i64 next_wait_ns();
  void serve_until_gone();
  void accept_from(u64 listener);  // their place in the options
  // False: there is no descriptor, not even to refuse by.
  [[nodiscard]] bool accept_all(int listener);
  void greet_new(int socket);
  void refuse(int socket, std::string_view why);
  [[nodiscard]] bool make_room(int listener);
  [[nodiscard]] i64 obey_times(i64 now_ns);
  void listen_again(i64 now_ns);
  // Under the mutex.
  void hand_out(u64 id, Client& client, u32 due);
  void set_time(u64 id, Client& client, i64 wake_ns);
  void take_turn(u64 id);
  void end_of_turn(u64 id, Clients::iterator at, const Connection::Next& next);
  void begin_stop();    // tells all, and accepts nobody any more
  void tell_of_left();  // under the mutex

  Shared shared_;
  os::SocketPoll poll_;
  const os::Flag wake_;
  os::DescriptorReserve reserve_;  // to accept, and refuse, a client for whom there is none
  i64 deaf_until_ns_ = 0;          // listeners are not armed: no descriptor is left
  mutable std::mutex mutex_;       // over what follows
  std::condition_variable gone_;
  Clients clients_;
  std::map<u32, User> users_;            // that have clients, or owe something to their rate
  std::set<std::pair<i64, u64>> times_;  // when a client is due, and which
  u64 next_id_ = 0;
  bool stop_wanted_ = false;
  bool stop_begun_ = false;  // all were told
  bool stop_over_ = false;
  bool ping_sent_ = false;
  bool ping_came_ = false;
  Workers workers_;  // after all that its work uses
  std::thread thread_;
};

}  // namespace sluice::append_server

#endif  // SLUICE_SRC_APPEND_SERVER_ENGINE_H_
