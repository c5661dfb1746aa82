// What an uploader must not forget: which files it began to send, and which are there.
//
// The file `.upload` in the directory, mode 0600: it holds memos, which are secrets. Lines are only
// ever added; each carries its CRC32C, and what a kill tore off at the end is cut by the next one
// who opens it. When most of it is history it is written anew. docs/formats/upload_log.md is the
// specification.
//
// A kernel lock on byte 0 is held as long as the object lives: one uploader a directory. A killed
// one holds none.
//
// Threading: thread-safe, but for open() and the end. Blocking: as the disk. Errors: a Status;
// kRetryable with EAGAIN: another uploader works in the directory.
#ifndef SLUICE_SRC_UPLOAD_UPLOAD_LOG_H_
#define SLUICE_SRC_UPLOAD_UPLOAD_LOG_H_

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "os/io.h"
#include "stream/fork.h"

namespace sluice::upload {

inline constexpr char kLogName[] = ".upload";

// A file of the directory, and which bytes it had.
struct LocalFile {
  std::string name;
  os::FileId id;
  u64 size = 0;
  i64 modified_ns = 0;
  u32 crc32c = 0;

  [[nodiscard]] bool operator==(const LocalFile&) const = default;
  // Whether this is the file, unchanged since.
  [[nodiscard]] bool is(const os::FileInfo& info) const {
    return info.regular && info.id() == id && info.size == size && info.modified_ns == modified_ns;
  }
};

// What the store is sent of a file: its bytes, or what compression makes of them.
struct SentBytes {
  u64 size = 0;
  u32 crc32c = 0;

  [[nodiscard]] bool operator==(const SentBytes&) const = default;
};

struct Entry {
  LocalFile file;
  SentBytes bytes;
  std::string memo;   // for the next attempt; secret
  bool done = false;  // the store has it, verified
};

// The lines of a log, read one by one. Total for any bytes.
class LogLines {
 public:
  using Entries = std::map<std::string, Entry, std::less<>>;  // by object

  // A line without its newline. False: damaged, and skipped.
  bool add(std::string_view untrusted);
  [[nodiscard]] const Entries& entries() const { return entries_; }
  [[nodiscard]] Entries& entries() { return entries_; }
  // It says that it is of a later version of the format.
  [[nodiscard]] bool later() const { return later_; }

 private:
  bool begin(const std::vector<std::string_view>& untrusted);

  Entries entries_;
  bool later_ = false;
};

class UploadLog {
 public:
  // The directory must be there.
  [[nodiscard]] static Result<std::unique_ptr<UploadLog>> open(os::Io& io,
                                                               const std::string& directory);
  ~UploadLog();
  UploadLog(const UploadLog&) = delete;
  UploadLog& operator=(const UploadLog&) = delete;

  // The entries of a log that another may be writing; none where there is no log.
  [[nodiscard]] static LogLines::Entries peek(os::Io& io, const std::string& directory);

  [[nodiscard]] std::optional<Entry> find(std::string_view object) const;
  [[nodiscard]] std::vector<std::pair<std::string, Entry>> entries() const;
  // This file is going to be `object`, as it is or as `bytes`; forgets what was known of the object
  // before.
  Status begin(const std::string& object, const LocalFile& file,
               std::optional<SentBytes> bytes = {});
  // The three are durable when they return ok.
  Status keep_memo(const std::string& object, std::string_view memo);
  Status done(const std::string& object);
  // Nothing needs to be known of the object any more.
  Status forget(const std::string& object);

  // Not ok: the file that the path names is not the one that is written: a removed log remembers
  // nothing, and keeps no other uploader out.
  [[nodiscard]] Status check() const;

  // Lines that were damaged and skipped when it was opened.
  [[nodiscard]] u64 damaged_lines() const { return damaged_lines_; }

 private:
  using Place = std::pair<u64, u64>;  // device, inode of the directory

  UploadLog(os::Io& io, std::string directory, Place place);
  Status take();
  Status read();
  Status append(std::string_view payload, bool durable);
  Status write_anew();
  [[nodiscard]] Status problem(std::string_view what, int error) const;
  [[nodiscard]] std::string path() const { return directory_ + "/" + kLogName; }

  os::Io& io_;
  const std::string directory_;
  const Place place_;
  const u32 forks_ = stream::Forks::count();
  mutable std::mutex mutex_;
  int fd_ = -1;
  u64 size_ = 0;
  u64 reserved_ = 0;  // room on the disk, from the beginning of the file
  u64 lines_ = 0;
  u64 damaged_lines_ = 0;
  LogLines known_;
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_UPLOAD_LOG_H_
