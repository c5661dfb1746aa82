// Lines as records of the log: a line a record, with the level that it names itself.
//
// Threading: one thread takes; the counts any. Blocking: as the log.
#ifndef SLUICE_SRC_CLI_LOGGED_LINES_H_
#define SLUICE_SRC_CLI_LOGGED_LINES_H_

#include <atomic>
#include <string>
#include <utility>

#include "cli/line_pump.h"
#include "cli/line_splitter.h"
#include "sluice/level.h"

namespace sluice::cli {

class LoggedLines final : public LineTaker {
 public:
  // A line longer than this becomes several records with a field `part`.
  static constexpr std::size_t kPieceBytes = 48 * 1024;

  // `usual`: the level of a line that names none.
  LoggedLines(Level usual, std::string logger)
      : usual_(usual), logger_(std::move(logger)), lines_(kPieceBytes) {}

  bool take(std::string_view bytes) override;
  void finish() override;

  // relaxed: numbers for the summary, final once the thread that takes is joined
  [[nodiscard]] u64 records() const { return records_.load(std::memory_order_relaxed); }
  [[nodiscard]] u64 lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  void record(const LinePiece& piece);

  const Level usual_;
  const std::string logger_;
  LineSplitter lines_;
  Level level_ = Level::info;  // of the line in pieces
  std::atomic<u64> records_{0};
  std::atomic<u64> lost_{0};
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_LOGGED_LINES_H_
