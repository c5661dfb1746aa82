#include "cli/line_pump.h"

#include <algorithm>
#include <cerrno>

#include "cli/command.h"
#include "cli/line_level.h"
#include "os/io.h"
#include "os/process.h"
#include "sluice/log.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kChunkBytes = 64 * 1024;

// A piece of a long line: like log_text(), with the piece's number as a field.
template <Level kLevel>
Admission log_piece_at(std::string_view logger, const LinePiece& piece) {
  static constexpr detail::SiteText text = [] {
    detail::SiteText made;
    made.level = kLevel;
    made.flags = detail::kLoggerIsFirstArg;
    made.format = "{}";
    return made;
  }();
  static constinit detail::CallSite site{kLevel, detail::RecordKind::kLog};
  Logger handle{logger};
  if (!handle.passes(kLevel)) return Admission::kFiltered;
  return detail::call(site, text, 0, handle.id(), piece.text, kv("part", piece.part),
                      kv("last_part", piece.last));
}

Admission log_piece(Level level, std::string_view logger, const LinePiece& piece) {
  switch (level) {
    case Level::trace:
      return log_piece_at<Level::trace>(logger, piece);
    case Level::debug:
      return log_piece_at<Level::debug>(logger, piece);
    case Level::notice:
      return log_piece_at<Level::notice>(logger, piece);
    case Level::warning:
      return log_piece_at<Level::warning>(logger, piece);
    case Level::error:
      return log_piece_at<Level::error>(logger, piece);
    case Level::critical:
      return log_piece_at<Level::critical>(logger, piece);
    default:
      return log_piece_at<Level::info>(logger, piece);
  }
}

}  // namespace

void LinePump::run(const os::Flag& program_gone) {
  os::set_thread_name(options_.name);
  chunk_.resize(kChunkBytes);
  for (;;) {
    const os::Readable readable = os::wait_readable(options_.from, program_gone.fd(), -1);
    if (readable.first) {
      if (pump_once(kChunkBytes) == 0) break;
    }
    if (readable.second) {
      drain_gone();
      break;
    }
  }
  lines_.finish([this](const LinePiece& piece) { record(piece); });
  os::close_descriptor(options_.from);
  finished_.store(true, std::memory_order_relaxed);
}

void LinePump::drain_gone() {
  const i64 deadline = os::monotonic_ns() + kGraceNs;
  for (i64 left = kGraceNs; left > 0; left = deadline - os::monotonic_ns()) {
    if (os::wait_readable(options_.from, -1, left).first && pump_once(kChunkBytes) == 0) return;
  }
  // Just what is there now: whoever still holds the pipe may write for ever.
  i64 left = os::readable_bytes(options_.from);
  while (left > 0) {
    const std::size_t got = pump_once(std::min(std::size_t(left), kChunkBytes));
    if (got == 0) return;
    left -= i64(got);
  }
}

std::size_t LinePump::pump_once(std::size_t bytes_max) {
  i64 got;
  do {
    got = os::real_io().read(options_.from, chunk_.data(), bytes_max);
  } while (got == -EINTR);
  if (got <= 0) return 0;
  const std::string_view bytes(chunk_.data(), std::size_t(got));
  lines_.add(bytes, [this](const LinePiece& piece) { record(piece); });
  return pass_on(bytes) ? bytes.size() : 0;
}

bool LinePump::pass_on(std::string_view bytes) {
  if (passing_on_) {
    const int error = os::write_fully(options_.to, bytes.data(), bytes.size());
    if (error == -EPIPE) return false;
    if (error != 0) {
      passing_on_ = false;
      complain("cannot pass on what the program writes to " + std::string(options_.name) + ": " +
               os::error_text(error) + "; it is recorded on, but shown no more");
    }
  }
  return true;
}

void LinePump::record(const LinePiece& piece) {
  if (piece.part <= 1) level_ = line_level(piece.text).value_or(options_.usual);
  const Admission admission = piece.part == 0 ? log_text(level_, options_.logger, piece.text)
                                              : log_piece(level_, options_.logger, piece);
  const bool kept = admission == Admission::kOk || admission == Admission::kFiltered;
  // relaxed: numbers for the summary, published with `finished_`
  (kept ? records_ : lost_).fetch_add(1, std::memory_order_relaxed);
}

}  // namespace sluice::cli
