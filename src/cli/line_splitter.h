// Cuts a byte stream into lines, in pieces where a line is longer than a record can be.
//
// Nothing is lost: what comes in comes out, but for line ends ("\n", "\r\n"). Pieces end between
// UTF-8 characters where the text is UTF-8.
// Threading: single-owner. Memory: one piece. Never fails.
#ifndef SLUICE_SRC_CLI_LINE_SPLITTER_H_
#define SLUICE_SRC_CLI_LINE_SPLITTER_H_

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sluice::cli {

struct LinePiece {
  std::string_view text;
  u32 part = 0;      // 0: a whole line; else the number of the piece, from 1
  bool last = true;  // the line ends here
};

class LineSplitter {
 public:
  explicit LineSplitter(std::size_t piece_bytes_max) : piece_bytes_max_(piece_bytes_max) {}

  // Calls each(LinePiece) for every piece that `bytes` complete.
  template <class Each>
  void add(std::string_view bytes, Each&& each) {
    while (!bytes.empty()) {
      const std::size_t newline = bytes.find('\n');
      const std::string_view text = bytes.substr(0, newline);
      take(text, each);
      if (newline == std::string_view::npos) return;
      end_line(each);
      bytes.remove_prefix(newline + 1);
    }
  }

  // A last line without a newline.
  template <class Each>
  void finish(Each&& each) {
    if (!pending_.empty() || part_ > 0) end_line(each);
  }

 private:
  template <class Each>
  void take(std::string_view text, Each& each) {
    pending_ += text;
    std::string_view rest = pending_;
    // One byte more than a piece must be there: a line of just that length is whole.
    while (rest.size() > piece_bytes_max_) {
      const std::size_t cut = cut_at(rest);
      each(LinePiece{rest.substr(0, cut), ++part_, false});
      rest.remove_prefix(cut);
    }
    pending_.erase(0, pending_.size() - rest.size());
  }

  template <class Each>
  void end_line(Each& each) {
    std::string_view text = pending_;
    if (text.ends_with('\r')) text.remove_suffix(1);
    each(LinePiece{text, part_ == 0 ? 0 : part_ + 1, true});
    pending_.clear();
    part_ = 0;
  }

  // The end of the last whole character within a piece; bytes that are no UTF-8 are cut anywhere.
  [[nodiscard]] std::size_t cut_at(std::string_view text) const {
    constexpr std::size_t kSequenceMax = 4;
    std::size_t cut = piece_bytes_max_;
    for (std::size_t back = 0; back < kSequenceMax; ++back, --cut) {
      if ((u8(text[cut]) & 0xc0) != 0x80) return cut;
    }
    return piece_bytes_max_;
  }

  const std::size_t piece_bytes_max_;
  std::string pending_;
  u32 part_ = 0;
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_LINE_SPLITTER_H_
