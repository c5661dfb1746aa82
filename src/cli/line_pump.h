// One stream of a wrapped program: passed on byte for byte, and recorded line by line.
//
// A chunk is recorded before it is passed on: a line that somebody has seen is in the log. When
// the log waits, so does the program, as it would for a slow terminal; nothing is dropped. When
// nobody reads what is passed on any more, the program's end of the pipe is closed too, so that it
// learns of it as it would without us. Failure: when it cannot be passed on for another reason (a
// full disk), that is said once, and the stream is read and recorded on.
//
// Threading: run() in a thread of its own. Blocking: as the pipe, the terminal and the log.
#ifndef SLUICE_SRC_CLI_LINE_PUMP_H_
#define SLUICE_SRC_CLI_LINE_PUMP_H_

#include <atomic>
#include <string>

#include "base/bytes.h"
#include "cli/line_splitter.h"
#include "os/child.h"
#include "sluice/level.h"

namespace sluice::cli {

struct PumpOptions {
  int from = -1;  // the pump closes it
  int to = -1;
  Level usual = Level::info;  // of a line that names none
  const char* name = "";      // of the thread, and so of its records
  std::string logger;
};

class LinePump {
 public:
  // A line longer than this becomes several records with a field `part`.
  static constexpr std::size_t kPieceBytes = 48 * 1024;
  // How long a pipe is read on after the program has gone: others may have inherited it.
  static constexpr i64 kGraceNs = 200'000'000;

  explicit LinePump(PumpOptions options) : options_(std::move(options)), lines_(kPieceBytes) {}

  // Until the stream ends; or, once `program_gone` is raised, until the grace is over and what was
  // in the pipe then is read.
  void run(const os::Flag& program_gone);

  // relaxed: numbers for the summary, final once the thread is joined
  [[nodiscard]] u64 records() const { return records_.load(std::memory_order_relaxed); }
  [[nodiscard]] u64 lost() const { return lost_.load(std::memory_order_relaxed); }
  // relaxed: to join the thread of run() takes no time any more; that orders the rest
  [[nodiscard]] bool finished() const { return finished_.load(std::memory_order_relaxed); }

 private:
  // Reads once, records, passes on. The bytes; 0: the stream is over.
  std::size_t pump_once(std::size_t bytes_max);
  // False: nobody reads any more.
  bool pass_on(std::string_view bytes);
  void drain_gone();
  void record(const LinePiece& piece);

  PumpOptions options_;
  LineSplitter lines_;
  Level level_ = Level::info;  // of the line in pieces
  std::string chunk_;
  bool passing_on_ = true;
  std::atomic<u64> records_{0};
  std::atomic<u64> lost_{0};
  std::atomic<bool> finished_{false};
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_LINE_PUMP_H_
