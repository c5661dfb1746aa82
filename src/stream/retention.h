// Retention: which finished files of streams go, the oldest first, by age and by their bytes
// together.
//
// Only files that are named as a stream of the directory names its finished ones (stream/names.h;
// its index says which streams there are), are regular files, and belong to this user or root.
// Files that are written are none of them, so writers may go on meanwhile.
//
// The oldest: by the time in the name; within a stream by the number, which rises even when the
// clock goes back. A file that was finished after another is never taken for older, and a time that
// lies in the future counts as that of the next file; so a clock that was wrong keeps files longer,
// never shorter.
//
// What is not uploaded stays, whatever its age, and counts in the bytes; only the disk budget takes
// it, after everything that is uploaded, and the caller says so.
//
// Threading: plain functions; two at once remove each file once. Blocking: as the disk.
#ifndef SLUICE_SRC_STREAM_RETENTION_H_
#define SLUICE_SRC_STREAM_RETENTION_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "os/io.h"
#include "stream/directory.h"

namespace sluice::stream {

struct KeepFiles {
  i64 age_ns = 0;             // 0, everywhere: no bound
  u64 bytes = 0;              // of all files together
  u64 disk_budget_bytes = 0;  // as `bytes`, and for this what is not uploaded goes too
};

struct FinishedFile {
  std::string name;  // in the directory
  std::string stem;
  u64 number = 0;
  i64 time_ns = 0;  // since 1970, when it was finished as far as is known
  u64 bytes = 0;
};

// Whether the file has been uploaded. Without one, nothing here is to be uploaded: all may go.
using IsUploaded = std::function<bool(const FinishedFile&)>;

struct FileCount {
  u64 files = 0;
  u64 bytes = 0;
  void add(const FinishedFile& file) {
    ++files;
    bytes += file.bytes;
  }
};

struct Removal {
  std::vector<FinishedFile> files;  // that go, in this order
  FileCount going;
  FileCount not_uploaded;  // of those that go, for the disk budget
  FileCount held;          // that stay only because they are not uploaded
  FileCount staying;       // all of them
};

// The finished files of all streams, or of one, the oldest first. kFatal: there is no such stream.
[[nodiscard]] Result<std::vector<FinishedFile>> list_finished(os::Io& io, Directory& directory,
                                                              std::string_view stream, i64 now_ns);
// Decides; touches nothing. `files` as list_finished() gives them.
[[nodiscard]] Removal plan_removal(std::vector<FinishedFile> files, const KeepFiles& keep,
                                   i64 now_ns, const IsUploaded& is_uploaded);
// Removes those that go, one after the other whatever becomes of it, and counts them; what is gone
// already is no error. Their numbers are not given again. The first problem there was.
Status remove_files(os::Io& io, Directory& directory, const Removal& removal, FileCount& removed);

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_RETENTION_H_
