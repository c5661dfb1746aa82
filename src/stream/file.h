// The file of a stream of lines: made when there is something to write, finished under a name of
// its own, and what an earlier writer left.
//
// Only whole lines stand in a finished file. When a write fails for a reason that lies with the
// file, it is cut behind its last whole line and finished; the caller writes the rest again, to the
// next one. When there is no room, the file stays as it is and the caller goes on later, exactly
// where the write stopped.
//
// Threading: single-owner, who holds the stream's claim. Blocking: as the disk. Errors: kRetryable:
// later; kRotate: at once, with the next file.
#ifndef SLUICE_SRC_STREAM_FILE_H_
#define SLUICE_SRC_STREAM_FILE_H_

#include <optional>
#include <span>
#include <string>

#include "base/status.h"
#include "os/io.h"
#include "stream/directory.h"

namespace sluice::stream {

struct FileLimits {
  u64 rotate_bytes = 0;       // 0: no limit
  u64 preallocate_bytes = 0;  // 0: none
};

struct FileCounts {
  u64 bytes = 0;   // given to the kernel and kept
  u64 writes = 0;  // system calls
  u64 files = 0;   // finished
  u64 sync_errors = 0;
  i64 pwritev_ns = 0;
  i64 pwritev_ns_max = 0;
};

// Bytes of `pieces` up to the last newline within their first `bytes`.
[[nodiscard]] u64 whole_lines(std::span<const ByteView> pieces, u64 bytes);

class StreamFile {
 public:
  StreamFile(os::Io& io, std::string directory, Claim& claim, FileLimits limits);
  ~StreamFile() { let_go(); }
  StreamFile(const StreamFile&) = delete;
  StreamFile& operator=(const StreamFile&) = delete;

  // Cuts the torn line that a killed writer may have left, and finishes its file. The bytes cut; no
  // value: there was no such file.
  [[nodiscard]] Result<std::optional<u64>> recover();
  // Writes the rest of `pieces`, whole lines the first `done` bytes of which are written; `done`
  // says how far it got.
  Status write(std::span<const ByteView> pieces, u64& done);
  // Takes back the last `bytes` of what was written.
  Status take_back(u64 bytes);
  // Bytes that may still be written to this file; all of them when there is no limit.
  [[nodiscard]] u64 room() const;
  [[nodiscard]] bool is_empty() const { return size_ == 0; }
  // Makes durable what was written.
  Status sync();
  // Makes it durable and gives it its own name. Nothing was written: nothing is left.
  Status finish();
  // Closes the descriptor; the next write opens it again.
  void let_go();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const FileCounts& counts() const { return counts_; }

 private:
  Status open();
  [[nodiscard]] int reopen();
  Status rename_finished();
  [[nodiscard]] Status problem(ErrorClass error_class, std::string_view what, int error) const;

  os::Io& io_;
  const std::string directory_;
  Claim& claim_;
  const FileLimits limits_;
  const std::string path_;
  int fd_ = -1;
  os::FileId id_;
  bool exists_ = false;    // path_ names a file of ours
  bool finished_ = false;  // it must not be written to any more
  u64 size_ = 0;
  FileCounts counts_;
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_FILE_H_
