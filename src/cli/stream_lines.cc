#include "cli/stream_lines.h"

namespace sluice::cli {

bool StreamLines::take(std::string_view bytes) {
  for (std::size_t end; (end = bytes.find('\n')) != std::string_view::npos;) {
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    if (rest_.empty() ? !put(line) : !(rest_ += line, end_line())) return false;
  }
  rest_ += bytes;
  // Not more of a line in memory than a record holds.
  while (rest_.size() > longest_) {
    if (!put_piece(std::string_view(rest_).substr(0, longest_))) return false;
    rest_.erase(0, longest_);
  }
  return true;
}

void StreamLines::finish() {
  if (!rest_.empty()) (void)end_line();
}

bool StreamLines::end_line() {
  const bool taken = put(rest_);
  rest_.clear();
  return taken;
}

bool StreamLines::put(std::string_view line) {
  for (; line.size() > longest_; line.remove_prefix(longest_)) {
    if (!put_piece(line.substr(0, longest_))) return false;
  }
  return put_record(line);
}

bool StreamLines::put_piece(std::string_view piece) {
  // relaxed, here and below: for the summary
  pieces_.fetch_add(1, std::memory_order_relaxed);
  return put_record(piece);
}

bool StreamLines::put_record(std::string_view record) {
  if (refused()) return false;
  Admission admission;
  while ((admission = stream_.write(record)) == Admission::kDroppedFull && !give_up_()) {
  }
  if (admission == Admission::kOk) return true;
  gave_up_.store(admission == Admission::kDroppedFull, std::memory_order_relaxed);
  refused_.store(true, std::memory_order_relaxed);
  return false;
}

}  // namespace sluice::cli
