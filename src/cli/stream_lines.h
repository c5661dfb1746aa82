// Lines of what is read, as records of a stream: whole lines, each once.
//
// While the stream has no room, it waits and tries again, so that a pipe waits rather than drops,
// until who made it says that it is to give up. A line that is longer than a record can be becomes
// several.
//
// Threading: one thread takes; the rest any. Blocking: as the disk, when it is behind.
#ifndef SLUICE_SRC_CLI_STREAM_LINES_H_
#define SLUICE_SRC_CLI_STREAM_LINES_H_

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "cli/line_pump.h"
#include "sluice/stream.h"

namespace sluice::cli {

class StreamLines final : public LineTaker {
 public:
  // How long a write of the stream should wait (StreamOptions::wait_ms): so often, while there is
  // no room, give_up() is asked.
  static constexpr std::uint32_t kLookMs = 100;

  StreamLines(Stream& stream, std::function<bool()> give_up)
      : stream_(stream), give_up_(std::move(give_up)), longest_(stream.record_bytes_max()) {}

  // False: the stream takes nothing any more.
  bool take(std::string_view bytes) override;
  void finish() override;

  // relaxed, all of them: for the summary
  // Records that are parts of lines.
  [[nodiscard]] u64 pieces() const { return pieces_.load(std::memory_order_relaxed); }
  // It gave up while there was no room.
  [[nodiscard]] bool gave_up() const { return gave_up_.load(std::memory_order_relaxed); }
  // Something was not taken.
  [[nodiscard]] bool refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  bool end_line();
  bool put(std::string_view line);
  bool put_piece(std::string_view piece);
  bool put_record(std::string_view record);

  Stream& stream_;
  const std::function<bool()> give_up_;
  const std::size_t longest_;
  std::string rest_;  // of a line whose end has not come
  std::atomic<u64> pieces_{0};
  std::atomic<bool> gave_up_{false};
  std::atomic<bool> refused_{false};
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_STREAM_LINES_H_
