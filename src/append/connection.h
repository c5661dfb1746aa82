// One file's connection to its server: opens it, sends, listens, ends it, connects anew.
//
//   kConnecting ─► kOpening ──OK──► kOpen ──all sent──► kEnding ──BYE──► kDone
//        ▲   PATH is sent   │          │ "server exited"    │
//        │                  │          ▼                    │
//        └─ reconnect ──────┴──── kGoing: until it closes ──┴── an error ──► kDone
//
// Bytes of the file are sent only once it is open, so that what a refused file had waiting is known
// not to have been sent. kDone is reached once, and says in the Proxy what became of every byte.
//
// Threading: the sending thread's, but for connect_first(), which comes before it. Never blocks.
// Failure: told to the Proxy. Whatever the server says is untrusted: its texts are cut and escaped.
#ifndef SLUICE_SRC_APPEND_CONNECTION_H_
#define SLUICE_SRC_APPEND_CONNECTION_H_

#include <memory>
#include <string>
#include <string_view>

#include "append/message_reader.h"
#include "append/proxy.h"
#include "os/unix_socket.h"

namespace sluice::append {

class Connection {
 public:
  enum class Progress : u8 {
    kNothing,  // nothing to do, or nothing that can be done yet
    kMoved,    // bytes went; more is worth waiting for
    kBusy,     // there is more at once
    kDone,
  };

  Connection(std::shared_ptr<Proxy> proxy, os::SocketPoll& poll, u64 token);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Not ok: nobody is there, and it will not be tried again. A full backlog is tried again later.
  [[nodiscard]] Status connect_first();
  void on_event(u32 events);
  [[nodiscard]] Progress pump(i64 now_ns);
  // Whether there is something to send that could be sent.
  [[nodiscard]] bool has_work();
  // When pump() must be called though nothing happens; kNever: need not.
  [[nodiscard]] i64 deadline_ns() const;

  static constexpr i64 kNever = INT64_MAX;

 private:
  enum class Phase : u8 { kConnecting, kOpening, kOpen, kGoing, kEnding, kDone };

  void connect();
  [[nodiscard]] int try_connect();
  void disconnect();
  void enter(Phase phase);
  void send();
  [[nodiscard]] std::string_view to_send();
  void sent(std::size_t bytes);
  void end_if_all_is_sent();
  void receive();
  // False: the connection is no more.
  [[nodiscard]] bool heard(std::string_view untrusted);
  [[nodiscard]] bool heard_acknowledgement(std::string_view untrusted);
  [[nodiscard]] bool refused(std::string_view untrusted);
  void confirm(u64 of_connection);
  void going(std::string why);
  void lost(const std::string& why, int os_error);
  void finish(Status status);
  void check_time();

  [[nodiscard]] Status failure(ErrorClass error_class, std::string_view what, int os_error) const;
  [[nodiscard]] bool is_extended() const;
  [[nodiscard]] std::string greeting() const;

  const std::shared_ptr<Proxy> proxy_;
  const ProxyOptions& options_;
  os::SocketPoll& poll_;
  const u64 token_;
  int socket_ = -1;
  Phase phase_ = Phase::kConnecting;
  bool may_read_ = false;
  bool blocked_ = false;
  bool said_end_ = false;
  bool opened_once_ = false;
  bool moved_ = false;
  bool more_ = false;
  MessageReader reader_;
  std::string greeting_;  // of it, what is not sent yet
  std::string going_;     // why the server goes
  u64 sent_ = 0;          // of the file, on this connection
  u64 confirmed_ = 0;     // of those
  i64 now_ns_ = 0;
  i64 moved_ns_ = 0;    // when something last did
  i64 began_ns_ = 0;    // opening
  i64 closing_ns_ = 0;  // since when no more writes come; 0: they do
  i64 retry_ns_ = 0;
  i64 pause_ns_ = 0;
};

}  // namespace sluice::append

#endif  // SLUICE_SRC_APPEND_CONNECTION_H_
