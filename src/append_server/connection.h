// A client of the append service: from its path to its last byte, in turns.
//
//   kGreeting  the path is not whole yet
//   kOpening   it is; the next turn opens the file, which may take for ever; a FIFO that nobody
//   reads
//              is tried again
//   kData      what comes is appended
//
// A turn receives what there is, writes it, answers, and says what the next one waits for. It never
// waits for the client; for the file it waits as long as the file likes, so turns are work of
// append_server/workers.h, by key(). Beside other clients of its file only whole lines are written;
// a piece of a line is held back until it is whole, for `line_hold_ms` or `line_bytes_max` at most.
//
// Threading: one turn at a time, by whatever thread. Blocking: as the file.
// Errors: of the file are told to this client only, and end it.
#ifndef SLUICE_SRC_APPEND_SERVER_CONNECTION_H_
#define SLUICE_SRC_APPEND_SERVER_CONNECTION_H_

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "append_server/byte_rate.h"
#include "append_server/greeting.h"
#include "append_server/open_files.h"
#include "append_server/service.h"
#include "append_server/shared.h"
#include "os/unix_socket.h"

namespace sluice::append_server {

// Why a turn is taken; several at once.
enum Due : u32 {
  kSocket = 1,  // something came, or there is room to send
  kTime = 2,    // the time that the last turn named has come
  kExit = 4,    // the server stops
};

class Connection {
 public:
  // `rate`: of the client's user; null: without a bound.
  Connection(Shared& shared, u64 id, int socket, u32 user, std::shared_ptr<ByteRate> rate,
             i64 now_ns);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  struct Next {
    bool over = false;   // it is to be deleted
    bool again = false;  // at once: there is more, or the key has changed
    u32 wanted = 0;      // of os::SocketEvent
    i64 wake_ns = 0;     // CLOCK_MONOTONIC; 0: never
  };
  // `buffer` is the thread's, larger than any line or record that is held back.
  [[nodiscard]] Next take_turn(u32 due, std::span<char> buffer);

  // Sends the words of a server that exits, once; by any thread, also beside a turn that hangs.
  void tell_exit();
  // Turns of one key exclude each other; those of one place may hang together.
  [[nodiscard]] u64 key() const;
  [[nodiscard]] u64 place() const;
  // Null until it is whole; then it stays as it is.
  [[nodiscard]] const std::string* path() const {
    return state_ == State::kGreeting ? nullptr : &greeting_.path();
  }
  [[nodiscard]] int socket() const { return socket_; }
  [[nodiscard]] u32 user() const { return user_; }
  [[nodiscard]] u64 id() const { return id_; }

 private:
  enum class State : u8 { kGreeting, kOpening, kData };
  enum class Input : u8 { kMore, kNothingNow, kEnd, kReset };

  void greet(std::span<char> buffer);
  void open();
  void tell_opened();
  void take_data(std::span<char> buffer);
  [[nodiscard]] Input receive(std::span<char> buffer, std::size_t& got);
  [[nodiscard]] bool may_receive(i64 now_ns);
  // False, here and below: the client was told why not, and it is over.
  [[nodiscard]] bool append(std::string_view bytes);
  [[nodiscard]] bool append_lines(std::string_view bytes, std::size_t& done);
  [[nodiscard]] bool append_records(std::string_view bytes, std::size_t& done);
  [[nodiscard]] bool write_fully(std::string_view bytes);
  [[nodiscard]] bool sync_if_due(i64 now_ns, bool ends);
  [[nodiscard]] bool others_line_is_open(i64 now_ns);
  void hold(std::string_view rest);
  void acknowledge();
  void look_for_rotation(i64 now_ns);
  void end_of_input(i64 now_ns);
  // `unwritten`: bytes that were received, and will not be in the file.
  void fail(std::string_view text, std::size_t unwritten);
  void end(std::string_view last);
  void close();
  void close_file();
  bool reply(std::string_view text);
  [[nodiscard]] Next next() const;

  Shared& shared_;
  const u64 id_;
  int socket_;  // until the end of this object: tell_exit() may use it at any time
  const u32 user_;
  const std::shared_ptr<ByteRate> rate_;
  State state_ = State::kGreeting;
  std::atomic<bool> told_exit_{false};  // set by the first of tell_exit()'s callers, who sends
  bool exiting_ = false;
  bool input_ended_ = false;
  bool told_bye_ = false;   // or there is nobody to tell
  bool ending_ = false;     // only the last acknowledgement is to be sent
  bool more_ = false;       // the turn ended before the input did
  bool waits_ = false;      // for another client's line to be whole, or for a FIFO's reader
  bool over_rate_ = false;  // until piece_from_ns_
  bool over_ = false;
  bool opened_ = false;  // and the client is not told yet
  bool told_rotated_ = false;
  bool ack_waits_ = false;
  Greeting greeting_;
  std::string held_;  // received, and not written yet
  i64 held_since_ns_ = 0;
  i64 open_again_ns_ = 0;             // how long until a FIFO's reader is looked for again
  std::optional<i64> piece_from_ns_;  // of its user's rate: taken, and not received yet
  i64 waiting_since_ns_ = 0;          // for another client's line; 0: it does not
  std::shared_ptr<OpenFile> file_;
  int fd_ = -1;
  u64 taken_bytes_ = 0;  // of DATA, that are in the file
  u64 synced_bytes_ = 0;
  u64 acked_bytes_ = 0;
  i64 unsynced_since_ns_ = 0;
  i64 deadline_ns_;  // of the greeting, then of the last acknowledgement
  i64 rotation_due_ns_ = 0;
};

}  // namespace sluice::append_server

#endif  // SLUICE_SRC_APPEND_SERVER_CONNECTION_H_
