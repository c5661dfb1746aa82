// Another program as a child of this one: its pipes, its signals, its end.
//
// Calls return 0 (or a value) or -errno; descriptors made here are close-on-exec. Threading: plain
// functions are thread-safe; objects are single-owner. Blocking: where a name says wait.
#ifndef SLUICE_SRC_OS_CHILD_H_
#define SLUICE_SRC_OS_CHILD_H_

#include <string>
#include <vector>

#include "base/bytes.h"

namespace sluice::os {

// Opens /dev/null for each of the descriptors 0, 1 and 2 that is closed, so that no file of ours
// gets a number that programs write to without asking.
void open_standard_files();
// Writes to a pipe without a reader fail with EPIPE from here on. Children made by spawn() do not
// inherit it.
void ignore_broken_pipes();

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};
[[nodiscard]] int make_pipe(Pipe& out);
void close_descriptor(int& fd);  // and sets it to -1
// Bytes in a pipe that can be read now.
[[nodiscard]] i64 readable_bytes(int fd);
// The other end of this pipe is closed: a write would fail. False for what is no pipe.
[[nodiscard]] bool reader_has_gone(int fd);
// All of it, going on after EINTR, short counts and EAGAIN (by waiting). 0 or -errno.
[[nodiscard]] int write_fully(int fd, const void* bytes, std::size_t size);

// A flag that one thread raises and others wait for, as a descriptor.
class Flag {
 public:
  Flag();
  ~Flag();
  Flag(const Flag&) = delete;
  Flag& operator=(const Flag&) = delete;
  void raise() const;
  // Once it is raised; by the one who waits.
  void lower() const;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

struct Readable {
  bool first = false;  // can be read, or has ended
  bool second = false;
};
// Waits until one of two descriptors (-1: none) can be read, at most timeout_ns (< 0: no limit).
[[nodiscard]] Readable wait_readable(int first, int second, i64 timeout_ns);

// Signals as messages. Blocks them in the calling thread (and so in threads made later); a signal
// that was ignored when the program started stays ignored, for children too.
class SignalInbox {
 public:
  struct Signal {
    int number = 0;          // 0: none
    bool by_kernel = false;  // from the terminal: the whole foreground group has it already
  };

  // SIGCHLD and the ones that ask a program to do something: HUP INT QUIT TERM USR1 USR2.
  SignalInbox();
  ~SignalInbox();
  SignalInbox(const SignalInbox&) = delete;
  SignalInbox& operator=(const SignalInbox&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  // The next one that has arrived; never waits.
  [[nodiscard]] Signal next() const;

 private:
  int fd_;
};

[[nodiscard]] bool is_child_signal(int signal);
[[nodiscard]] bool is_end_signal(int signal);      // INT, TERM, HUP or QUIT
[[nodiscard]] bool is_hang_up_signal(int signal);  // HUP
[[nodiscard]] bool is_rotate_signal(int signal);   // USR1

// Starts `command` (looked up in PATH) with the given standard output and error (-1: ours), with
// our standard input and the signal mask this process had before any SignalInbox. -ENOENT: there
// is no such program; -EACCES, -ENOEXEC: it cannot be executed.
[[nodiscard]] int spawn(const std::vector<std::string>& command, int out, int error, u32& pid);

struct ChildEnd {
  bool ended = false;
  int exit_code = 0;
  int signal = 0;  // != 0: killed by it
  bool core = false;
};
// `wait`: until the child has ended.
[[nodiscard]] ChildEnd child_end(u32 pid, bool wait);
void send_signal(u32 pid, int signal);
// "SIGKILL".
[[nodiscard]] std::string signal_name(int signal);

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_CHILD_H_
