#include "cli/logged_lines.h"

#include "cli/line_level.h"
#include "sluice/log.h"

namespace sluice::cli {
namespace {

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

bool LoggedLines::take(std::string_view bytes) {
  lines_.add(bytes, [this](const LinePiece& piece) { record(piece); });
  return true;
}

void LoggedLines::finish() {
  lines_.finish([this](const LinePiece& piece) { record(piece); });
}

void LoggedLines::record(const LinePiece& piece) {
  if (piece.part <= 1) level_ = line_level(piece.text).value_or(usual_);
  const Admission admission =
      piece.part == 0 ? log_text(level_, logger_, piece.text) : log_piece(level_, logger_, piece);
  const bool kept = admission == Admission::kOk || admission == Admission::kFiltered;
  // relaxed: numbers for the summary
  (kept ? records_ : lost_).fetch_add(1, std::memory_order_relaxed);
}

}  // namespace sluice::cli
