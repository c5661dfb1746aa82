// File operations behind an interface, so that tests can fail, cut short or kill at any of them.
//
// Every call returns a value >= 0 or -errno; nothing retries, nothing throws. real_io() is the
// kernel; tests wrap it. Blocking: as the system call behind it. Thread-safe.
// Files are created 0600 and directories 0700; every descriptor is close-on-exec and is closed in a
// forked child (see fork handling in os/process.h), symbolic links at the last step are refused.
#ifndef SLUICE_SRC_OS_IO_H_
#define SLUICE_SRC_OS_IO_H_

#include <cerrno>
#include <functional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "os/error_numbers.h"

namespace sluice::os {

// Which file it is, whatever its name. A number of a file that was removed goes to a new one: the
// time of birth tells the two apart, where the file system keeps it.
struct FileId {
  u64 device = 0;
  u64 inode = 0;
  i64 born_ns = 0;  // 0: not known

  [[nodiscard]] bool operator==(const FileId&) const = default;
};

struct FileInfo {
  u64 device = 0;
  u64 inode = 0;
  i64 born_ns = 0;  // 0: not known
  u64 size = 0;
  u32 mode = 0;
  u32 uid = 0;
  u32 links = 0;
  i64 modified_ns = 0;
  bool regular = false;
  bool directory = false;

  [[nodiscard]] FileId id() const { return {device, inode, born_ns}; }
};

enum OpenFlag : u32 {
  kRead = 1,
  kWrite = 2,
  kCreate = 4,
  kExclusive = 8,  // with kCreate: fail with EEXIST when it is there
  kFollow = 16,    // follow a symbolic link (reading what a user named)
  kDirect = 32,    // past the page cache: whole pages at whole pages; -EINVAL where that is not so
  kAppend = 64,    // every write goes to the end, whatever offset it names
};

class Io {
 public:
  virtual ~Io() = default;

  virtual int open(const char* path, u32 open_flags) = 0;
  virtual int close(int fd) = 0;
  virtual i64 pread(int fd, void* to, std::size_t size, u64 offset) = 0;
  virtual i64 pwrite(int fd, const void* from, std::size_t size, u64 offset) = 0;
  // Several pieces, one behind the other, in one call; may be short like pwrite(). Without a call
  // of its own: the first piece.
  virtual i64 pwritev(int fd, std::span<const ByteView> pieces, u64 offset);
  virtual i64 read(int fd, void* to, std::size_t size) = 0;
  virtual i64 write(int fd, const void* from, std::size_t size) = 0;
  virtual int truncate(int fd, u64 size) = 0;
  virtual int allocate(int fd, u64 offset, u64 size) = 0;
  // Room on the disk for a file that will grow so far; its size stays. A hint: may do nothing.
  virtual int allocate_beyond(int, u64, u64) { return -EOPNOTSUPP; }
  // The kernel begins to write what its page cache has of this part of a file; does not wait for
  // the end, and tells of no failure: sync_data() does. A hint: may do nothing.
  virtual int begin_writeback(int, u64, u64) { return -EOPNOTSUPP; }
  // The page cache lets go of what it has of this part of a file and the disk has already; neither
  // writes nor waits. A hint: may do nothing.
  virtual int drop_cached(int, u64, u64) { return -EOPNOTSUPP; }
  // When a file was last written, as others see it. A hint: may do nothing.
  virtual int set_modified(int, i64) { return -EOPNOTSUPP; }
  virtual int sync_data(int fd) = 0;
  virtual int sync_directory(const char* path) = 0;
  virtual int stat(const char* path, FileInfo& out) = 0;           // does not follow a link
  virtual int stat_followed(const char* path, FileInfo& out) = 0;  // of what a link leads to
  virtual int stat_fd(int fd, FileInfo& out) = 0;
  virtual int rename(const char* from, const char* to) = 0;
  // Only if nothing has the new name: else -EEXIST. Without a call of its own: a look, then
  // rename(), between which another may take the name.
  virtual int rename_new(const char* from, const char* to);
  virtual int unlink(const char* path) = 0;
  virtual int make_directory(const char* path) = 0;
  // A process-wide exclusive lock on one byte (classic fcntl lock: released by the kernel when the
  // process dies or closes any descriptor of the file). `wait` blocks; else -EAGAIN when held.
  virtual int lock(int fd, u64 byte, bool wait) = 0;
  virtual int unlock(int fd, u64 byte) = 0;
  // Calls `each` with every name in a directory but . and .. , in no order.
  virtual int list(const char* path, const std::function<void(const char*)>& each) = 0;
};

Io& real_io();

// Whether this process may write the file, or make files in the directory, at `path`: 0 or -errno.
// A hint for messages: only the write itself knows.
int may_write(const char* path);

// `path` without any link in it; empty when nothing is there.
[[nodiscard]] std::string resolved_path(const std::string& path);

// Writes or reads all of it, going on after EINTR and short counts. Returns the bytes done (less
// than `size` only at end of file when reading) or -errno; `done` says how far a failed write got.
i64 pwrite_all(Io& io, int fd, const void* from, std::size_t size, u64 offset,
               std::size_t* done = nullptr);
i64 pread_all(Io& io, int fd, void* to, std::size_t size, u64 offset);

// strerror without its shared buffer, with the name: "ENOSPC (No space left on device)".
[[nodiscard]] std::string error_text(int os_error);

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_IO_H_
