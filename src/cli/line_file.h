// A file of lines that may grow, be rotated or be cut while it is read.
//
// Following, a file that was renamed away is read to its end first, then the ones that were
// finished after it (FILE.1.log, FILE.2.log ... as the sinks number them), then the new one; a file
// that became shorter is read from its start. A line that was not finished before is one by itself.
// A path may be a link; where it leads to another file than before, that one comes next. A file
// that is compressed by zstd, as rotated ones may be, is read as its text, and does not grow.
//
// Threading: single-owner. Blocking: as reads of the file; a pipe or terminal blocks. Memory: one
// line, at most kLineBytesMax of it: a longer one comes in pieces.
#ifndef SLUICE_SRC_CLI_LINE_FILE_H_
#define SLUICE_SRC_CLI_LINE_FILE_H_

#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "cli/zstd_reader.h"
#include "os/io.h"

namespace sluice::cli {

class LineFile {
 public:
  static constexpr std::size_t kLineBytesMax = 4 * 1024 * 1024;

  // `path` "-": standard input.
  LineFile(os::Io& io, std::string path, bool following);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  [[nodiscard]] Status open();
  // The next line without its end; false when there is no whole one (and, unless following, no
  // rest either). Valid until the next call.
  [[nodiscard]] bool next(std::string_view& line);
  // True when there may be more than before.
  [[nodiscard]] bool follow();

  [[nodiscard]] i64 modified_ns() const { return modified_ns_; }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  bool read_more();
  [[nodiscard]] bool open_packed(const std::string& path);
  bool open_path(const std::string& path);
  void note_place();
  void end_line();
  void close();
  bool switch_file();
  void queue_rotated(const os::FileInfo& old);

  os::Io& io_;
  const std::string path_;
  std::string place_;  // where the file at path_ stands, behind links: its rotated ones are there
  const bool following_;
  int fd_ = -1;
  bool seekable_ = true;
  u64 offset_ = 0;
  std::unique_ptr<ZstdReader> packed_;  // of the file, when it is compressed
  os::FileInfo info_;
  i64 modified_ns_ = 0;
  std::deque<std::string> queue_;  // rotated files to read before the one at path_
  std::string buffer_;
  std::size_t used_ = 0;      // of buffer_, by lines that were given out
  std::size_t searched_ = 0;  // of buffer_, without a newline from used_ on
  std::string problem_;
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_LINE_FILE_H_
