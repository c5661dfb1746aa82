// A program that is run for its output.
//
//   program ── stdout ──► pipe ──► LinePump "stdout" ──► our stdout, and who keeps its lines
//           ── stderr ──► pipe ──► LinePump "stderr" ──► our stderr, and who keeps its lines
//   calling thread: signals to the program, its end, which a collector is told
//
// The program inherits standard input, the terminal and its process group: Ctrl-C and Ctrl-Z reach
// it without us; signals that were sent to us alone are passed on.
//
// Threading: single-owner, but told_to_end_for_ns(). A pump that is held up for ever may use it
// until the process ends: it must live as long, and so must who keeps the lines.
#ifndef SLUICE_SRC_CLI_WRAPPED_H_
#define SLUICE_SRC_CLI_WRAPPED_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cli/end_teller.h"
#include "cli/line_pump.h"
#include "os/child.h"

namespace sluice::cli {

// How the program ended, or that it never began.
struct Verdict {
  int exit_code = 0;
  int signal = 0;  // != 0: killed by it
  std::string reason;
  double seconds = 0;
  [[nodiscard]] int code() const;              // as a shell says it
  [[nodiscard]] std::string in_words() const;  // "exited, 3"
};

class Wrapped {
 public:
  // True: the signal is meant for us, and is not passed on.
  using TakeSignal = std::function<bool(int)>;

  // Blocks signals: before the library makes threads.
  Wrapped() = default;

  // 0, or -errno as os::spawn() gives it. Nothing is read of it before run_to_end().
  [[nodiscard]] int start(const std::vector<std::string>& command);
  // Keeps and passes on what it says until it has ended and its streams are read.
  [[nodiscard]] Verdict run_to_end(LineTaker& out, LineTaker& error,
                                   const TakeSignal& take_signal = {});

  [[nodiscard]] u32 pid() const { return pid_; }  // 0: it was not started
  // False: a signal ended the reading of its streams.
  [[nodiscard]] bool all_is_read() const { return pumps_[0]->finished() && pumps_[1]->finished(); }
  // How long the program has been gone after a signal asked us to end; 0: it has not, or none did.
  [[nodiscard]] i64 told_to_end_for_ns() const;

 private:
  // True: one of them asks us to end.
  bool take_signals(const TakeSignal& take_signal, os::ChildEnd* end);
  void note_told_and_gone();
  void read_out(const TakeSignal& take_signal);

  os::SignalInbox inbox_;
  os::Flag program_gone_;
  EndTeller teller_;
  u32 pid_ = 0;
  i64 began_ns_ = 0;
  int from_[2] = {-1, -1};
  std::unique_ptr<LinePump> pumps_[2];
  std::thread threads_[2];
  std::atomic<i64> told_and_gone_ns_{0};  // relaxed: a time, no data hangs on it
};

// What is said, and the exit code, of a program that could not be started.
[[nodiscard]] Verdict not_started(int error, const std::string& program);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_WRAPPED_H_
