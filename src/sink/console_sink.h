// Standard output, and standard error from a level on.
//
// A batch goes out in as few writes as keep the order between the two streams: one for each run of
// lines that go to the same one. A stream that is closed (the reader of a pipe has gone) loses its
// lines, counted as dropped_error and said once; the program never sees a SIGPIPE. A stream that
// takes no more for now (EAGAIN) is waited for kWaitNs, then write() is retryable and goes on in
// the middle of the line.
//
// At least once: after a kill, lines of the last run may be repeated.
//
// Threading: single-owner. Blocking: as the terminal or pipe.
#ifndef SLUICE_SRC_SINK_CONSOLE_SINK_H_
#define SLUICE_SRC_SINK_CONSOLE_SINK_H_

#include <memory>
#include <string>

#include "os/io.h"
#include "sink/line_format.h"
#include "sink/selection.h"

namespace sluice::sink {

class ConsoleSink final : public back::Sink {
 public:
  static constexpr i64 kWaitNs = 100'000'000;
  static constexpr int kOut = 1;
  static constexpr int kError = 2;

  // Whether lines to the descriptor are to be coloured: asked for, or a terminal whose user has set
  // neither NO_COLOR nor TERM=dumb.
  [[nodiscard]] static bool wants_color(Color color, int fd);

  // Two renderers, since only one of the streams may be a terminal. `io` must outlive it.
  ConsoleSink(const back::SinkConfig& config, os::Io& io, std::unique_ptr<LineFormat> out,
              std::unique_ptr<LineFormat> error);

  Status open(const back::Catalog&, back::Cursor&) override { return {}; }
  Status write(Batches batches, back::Catalog& catalog, back::Cursor& cursor) override;
  Status write_gap(u64 missed_now, u64 missed_in_all) override;
  Status flush(bool) override { return {}; }
  Status close() override { return {}; }
  [[nodiscard]] bool can_be_durable() const override { return false; }

 private:
  struct Stream {
    int fd;
    std::unique_ptr<LineFormat> format;
    bool closed = false;
  };

  Status write_batch(const BatchView& batch, back::Catalog& catalog, back::Cursor& cursor);
  // Writes the run that is rendered or left over, then moves the cursor past it.
  Status write_run(back::Cursor& cursor);
  Status write_out(Stream& stream);
  void append(const Entry& entry, Stream& stream);

  os::Io& io_;
  const Level stderr_level_;
  Selection selection_;
  Stream streams_[2];
  TextBuffer text_;          // the run
  std::size_t written_ = 0;  // bytes of it that are out
  Stream* run_ = nullptr;    // where it goes; null: nothing is rendered
  back::SinkCounts counts_;
  u64 next_sequence_ = 0;
  u64 missed_now_ = 0;
  u64 missed_in_all_ = 0;
  std::string report_;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_CONSOLE_SINK_H_
