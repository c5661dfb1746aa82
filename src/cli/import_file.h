// A file of lines to import, compressed by gzip or zstd or not, with the place behind each line.
//
// Which file it is, whatever its name: key() from device, inode and first line; and once it has
// kHeadBytes of text, content() from these, which a copy or a compressed rotated file shares.
// Places are offsets into the text, behind decompression.
//
// Threading: single-owner. Blocking: as the disk. Memory: a line, at most kLineBytesMax of it: a
// longer one comes in pieces. A record of CSV is never
// torn: one above kCsvBytesMax is a problem(). Bytes are untrusted.
#ifndef SLUICE_SRC_CLI_IMPORT_FILE_H_
#define SLUICE_SRC_CLI_IMPORT_FILE_H_

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "cli/csv_record.h"
#include "cli/zstd_reader.h"
#include "os/io.h"

struct gzFile_s;

namespace sluice::cli {

class ImportFile {
 public:
  static constexpr std::size_t kHeadBytes = 4096;
  static constexpr std::size_t kLineBytesMax = 4 * 1024 * 1024;
  static constexpr std::size_t kCsvBytesMax = 16 * 1024 * 1024;
  using Key = std::array<u8, 16>;

  ImportFile() = default;
  ~ImportFile();
  ImportFile(const ImportFile&) = delete;
  ImportFile& operator=(const ImportFile&) = delete;

  // kFatal: it cannot be opened, or is no text.
  Status open(const std::string& path);

  // For what else needs one: `label` keeps kinds apart.
  [[nodiscard]] static Key key_of_text(std::string_view label, std::string_view text);

  [[nodiscard]] const Key& key() const { return key_; }
  // All zeros: there is not enough of it yet.
  [[nodiscard]] const Key& content() const { return content_; }
  [[nodiscard]] bool has_content() const { return head_.size() == kHeadBytes; }
  [[nodiscard]] const os::FileInfo& info() const { return info_; }
  [[nodiscard]] std::string_view head() const { return head_; }

  // From the next seek() on, next() gives records of CSV, line breaks in quotes and all.
  void read_csv() { csv_ = true; }
  // Goes on from there. False: the text is shorter than that.
  [[nodiscard]] bool seek(u64 offset);
  // The next line without its end; false at the end. A last one without a newline counts only when
  // nobody has written to the file for a while, else left_open().
  [[nodiscard]] bool next(std::string_view& line);
  // Behind the line that came last.
  [[nodiscard]] u64 offset() const { return offset_; }
  [[nodiscard]] bool left_open() const { return left_open_; }
  // Why reading ended before the end; empty: it has not.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  bool read_more();
  bool read_more_zstd(std::size_t size);
  // The record at offset() is none; reading ends.
  bool refuse_record(std::string_view why);
  void make_keys();

  std::string path_;
  gzFile_s* file_ = nullptr;          // reads what is not compressed, too
  std::unique_ptr<ZstdReader> zstd_;  // or this
  bool compressed_ = false;
  bool csv_ = false;
  CsvEnds csv_ends_;
  os::FileInfo info_;
  std::string head_;
  Key key_ = {};
  Key content_ = {};
  std::string buffer_;
  std::size_t used_ = 0;
  std::size_t searched_ = 0;
  u64 offset_ = 0;
  bool ended_ = false;
  bool left_open_ = false;
  std::string problem_;
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_IMPORT_FILE_H_
