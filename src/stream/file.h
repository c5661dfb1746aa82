// The file of a stream: made when there is something to write, finished under a name of its own,
// and what an earlier writer left.
//
// Only whole units (stream/framing.h) stand in a finished file. When a write fails for a reason
// that lies with the file, it is cut behind its last whole unit and finished; the caller writes the
// rest again, to the next one. When there is no room, the file stays as it is and the caller goes
// on later, exactly where the write stopped.
//
// Files of framing `blocks` go past the page cache (O_DIRECT) where the file system lets them, and
// through it where not.
//
// Threading: single-owner, who holds the stream's claim. Blocking: as the disk. Errors: kRetryable:
// later; kRotate: at once, with the next file.
#ifndef SLUICE_SRC_STREAM_FILE_H_
#define SLUICE_SRC_STREAM_FILE_H_

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/status.h"
#include "os/io.h"
#include "stream/directory.h"
#include "stream/framing.h"
#include "stream/line_sums.h"
#include "stream/writer_counts.h"

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

// What an earlier writer left in the file that it was writing.
struct LeftFile {
  FilePlace good;     // how far it holds
  u64 cut_bytes = 0;  // behind that
};

class StreamFile {
 public:
  StreamFile(os::Io& io, std::string directory, Claim& claim, FileFraming& framing,
             FileLimits limits);
  ~StreamFile() { let_go(); }
  StreamFile(const StreamFile&) = delete;
  StreamFile& operator=(const StreamFile&) = delete;

  // Looks at what a killed writer left, which had counted as far as `known`; changes nothing. No
  // value: there is no such file. finish() cuts what is torn of it, and finishes it.
  [[nodiscard]] Result<std::optional<LeftFile>> look_left(const std::optional<FilePlace>& known);
  // The next file of the same stream, in another framing; this one is finished.
  [[nodiscard]] StreamFile next_in(FileFraming& framing) const {
    return {io_, directory_, claim_, framing, limits_};
  }
  // From here on `counts`, if any, is told what is in files.
  void count_in(WriterCounts* counts) { writer_counts_ = counts; }
  // Writes the rest of `pieces`, the first `done` bytes of which are written; `done` says how far
  // it got.
  Status write(std::span<const Piece> pieces, u64& done);
  // Takes back the last `bytes` of what was written. Not ok: they are still there, and finish()
  // tries again.
  Status take_back(u64 bytes);
  // Bytes that may still be written to this file; all of them when there is no limit.
  [[nodiscard]] u64 room() const;
  [[nodiscard]] bool is_empty() const { return size_ == 0; }
  // What is in it, of whole units.
  [[nodiscard]] FilePlace place() const { return {size_, records_}; }
  // Makes durable what was written.
  Status sync();
  // Makes it durable and gives it its own name. Nothing was written: nothing is left.
  Status finish();
  // From here on finish() adds nothing to this file: there is no room even for what completes it.
  // One that cannot be cut where it is torn is left to the next writer, who finds it as a killed
  // one's.
  void leave_incomplete();
  // Closes the descriptor; the next write opens it again.
  void let_go();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const FileCounts& counts() const { return counts_; }
  // What was done for an earlier writer is not this one's.
  void reset_counts() { counts_ = {}; }
  // Its writes were to go past the page cache, and cannot.
  [[nodiscard]] bool refuses_direct() const { return refuses_direct_; }

 private:
  Status open();
  [[nodiscard]] int open_for_writing(u32 more_flags);
  [[nodiscard]] Status sync_all(bool with_sums);
  void begin_writeback();
  void drop_cached();
  [[nodiscard]] int reopen();
  void place_pieces(std::span<const Piece> pieces, u64 done);
  void note_written(u64 torn = 0);
  Status end_file();
  Status rename_finished();
  [[nodiscard]] Status problem(ErrorClass error_class, std::string_view what, int error) const;

  os::Io& io_;
  const std::string directory_;
  Claim& claim_;
  FileFraming& framing_;
  std::unique_ptr<FileFraming> left_framing_;  // of a file that was left, where it is another
  LineSums sums_;                              // of a file of lines
  WriterCounts* writer_counts_ = nullptr;
  const FileLimits limits_;
  const std::string path_;
  int fd_ = -1;
  os::FileId id_;
  bool exists_ = false;    // path_ names a file of ours
  bool finished_ = false;  // it must not be written to any more
  bool ended_ = false;     // with what completes it
  bool refuses_direct_ = false;
  u64 size_ = 0;
  u64 records_ = 0;
  i64 torn_ = 0;     // how much longer it is than size_, when it was left; less: zeros are missing
  u64 pushed_ = 0;   // the kernel was asked to write what is before
  u64 dropped_ = 0;  // the page cache was asked to let go of what is before
  FileCounts counts_;
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_FILE_H_
