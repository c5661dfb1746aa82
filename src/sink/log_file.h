// The file at a log's path: opened, found again after others moved it, rotated, cut.
//
// Threading: single-owner, and every call only while the log's lock is held (sink/lock_file.h), but
// for sync(). Failure: 0 or -errno, or a Status where a person must act.
#ifndef SLUICE_SRC_SINK_LOG_FILE_H_
#define SLUICE_SRC_SINK_LOG_FILE_H_

#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "os/io.h"
#include "sink/file_name.h"
#include "sink/lock_file.h"

namespace sluice::sink {

// A descriptor that closes itself.
class OpenFile {
 public:
  OpenFile() = default;
  OpenFile(os::Io& io, int fd) : io_(&io), fd_(fd) {}
  OpenFile(OpenFile&& other) noexcept : io_(other.io_), fd_(std::exchange(other.fd_, -1)) {}
  OpenFile& operator=(OpenFile&& other) noexcept {
    std::swap(io_, other.io_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OpenFile() {
    if (fd_ >= 0) io_->close(fd_);
  }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

 private:
  os::Io* io_ = nullptr;
  int fd_ = -1;
};

// What a log keeps of the rotated files that it made. 0: no bound.
struct Keep {
  u32 files = 0;
  u64 seconds = 0;  // since the last line
  u64 bytes = 0;    // all together

  [[nodiscard]] bool everything() const { return files == 0 && seconds == 0 && bytes == 0; }
};

class LogFile {
 public:
  LogFile(os::Io& io, FileName name) : io_(io), name_(std::move(name)) {}

  // Makes fd() the file that the path names now, new if there is none. When that is another one
  // than before, the former is in take_former().
  Status open_current();
  // Gives the current file the next number, which it notes in the log's lock file. Afterwards there
  // is no current file.
  [[nodiscard]] int rotate(LockFile& lock);
  // Removes the oldest numbered files until the rest is what is to be kept: only regular files of
  // this user or root whose numbers are noted in the lock file, since others of such names are not
  // this log's. What cannot be removed stays, and is tried again the next time. `expires_ns`: when
  // the oldest of the rest will be too old.
  Status prune(const Keep& keep, i64 unix_ns, LockFile& lock, i64& expires_ns);
  // The lowest number of its own whose file is not packed. nullopt: none, or not to be known now.
  [[nodiscard]] std::optional<u64> next_to_pack(LockFile& lock);
  // A file that this one wrote to and that the path does not name any more.
  [[nodiscard]] OpenFile take_former() { return std::move(former_); }

  [[nodiscard]] const FileName& name() const { return name_; }
  [[nodiscard]] int fd() const { return file_.fd(); }
  [[nodiscard]] os::FileId id() const { return info_.id(); }
  [[nodiscard]] u64 size() const { return info_.size; }
  // As open_current() found it; its last change where the file system keeps no birth.
  [[nodiscard]] i64 born_ns() const { return info_.born_ns ? info_.born_ns : info_.modified_ns; }
  void grew(u64 bytes) { info_.size += bytes; }

  // Opens the file `id`: the one at the path, or one that has a name as rotate() makes them. Under
  // no other name: what stands there may be anybody's. -ENOENT: it is not there any more.
  [[nodiscard]] int find(const os::FileId& id, OpenFile& out);

  // True once after names in the directory have changed.
  [[nodiscard]] bool names_changed() const { return names_changed_; }
  void names_are_durable() { names_changed_ = false; }

 private:
  [[nodiscard]] int last_made(LockFile& lock, RotatedNumbers& out);
  [[nodiscard]] int next_free(u64& number);
  [[nodiscard]] int list_rotated(std::vector<u64>& numbers);
  struct Rotated {
    u64 number;
    bool packed;
    u64 bytes;
    i64 modified_ns;
  };
  // Those that are surely this log's, by number. Where a number has a packed file beside a plain
  // one, the packed one is somebody else's.
  [[nodiscard]] int list_own(const RotatedNumbers& made, std::vector<Rotated>& files);

  os::Io& io_;
  const FileName name_;
  OpenFile file_;
  OpenFile former_;
  os::FileInfo info_;
  bool names_changed_ = false;
};

// Cuts what stands behind the last newline of [start, start + bytes) when the file ends inside that
// range. Gives how many bytes of the range are left, or -errno.
[[nodiscard]] i64 cut_torn_line(os::Io& io, int fd, u64 start, u64 bytes);

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_LOG_FILE_H_
