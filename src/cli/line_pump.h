// One stream of a wrapped program: passed on byte for byte, and given to who keeps its lines.
//
// A chunk is kept before it is passed on: a line that somebody has seen is in the log. When the log
// waits, so does the program, as it would for a slow terminal; nothing is dropped. When nobody
// reads what is passed on any more, the program's end of the pipe is closed too, so that it learns
// of it as it would without us. Failure: when it cannot be passed on for another reason (a full
// disk), that is said once, and the stream is read and kept on.
//
// Threading: run() in a thread of its own. Blocking: as the pipe, the terminal and the log.
#ifndef SLUICE_SRC_CLI_LINE_PUMP_H_
#define SLUICE_SRC_CLI_LINE_PUMP_H_

#include <atomic>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "os/child.h"

namespace sluice::cli {

// Who keeps the lines. Threading: one thread at a time. Blocking: as what is behind it.
class LineTaker {
 public:
  virtual ~LineTaker() = default;
  // False: it takes nothing any more, and says why in its own way.
  virtual bool take(std::string_view bytes) = 0;
  // A last line without a newline.
  virtual void finish() = 0;
};

struct PumpOptions {
  int from = -1;  // the pump closes it
  int to = -1;
  const char* name = "";  // of the thread, and so of its records
};

class LinePump {
 public:
  // How long a pipe is read on after the program has gone: others may have inherited it.
  static constexpr i64 kGraceNs = 200'000'000;

  LinePump(PumpOptions options, LineTaker& taker) : options_(options), taker_(taker) {}

  // Until the stream ends; or, once `program_gone` is raised, until the grace is over and what was
  // in the pipe then is read.
  void run(const os::Flag& program_gone);

  // relaxed: to join the thread of run() takes no time any more; that orders the rest
  [[nodiscard]] bool finished() const { return finished_.load(std::memory_order_relaxed); }

 private:
  // Reads once, keeps, passes on. The bytes; 0: the stream is over.
  std::size_t pump_once(std::size_t bytes_max);
  // False: nobody reads any more.
  bool pass_on(std::string_view bytes);
  void drain_gone();

  PumpOptions options_;
  LineTaker& taker_;
  std::string chunk_;
  bool passing_on_ = true;
  std::atomic<bool> finished_{false};
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_LINE_PUMP_H_
