// Files that others name and this process appends to, for them.
//
// Calls return a value >= 0 or -errno and retry nothing but EINTR. Blocking: every one may, for as
// long as the file system or the other end of a FIFO likes. Thread-safe.
#ifndef SLUICE_SRC_OS_APPEND_FILE_H_
#define SLUICE_SRC_OS_APPEND_FILE_H_

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "os/io.h"

namespace sluice::os {

// Which file a name leads to now, links followed: what tells whether it was rotated.
struct FileKey {
  u64 device = 0;
  u64 inode = 0;
  bool regular = false;
  bool fifo = false;
  [[nodiscard]] bool operator==(const FileKey&) const = default;
};

// Opened to append, and made (mode 0666 less the umask) where it is not there. -ENXIO: a FIFO that
// nobody reads.
[[nodiscard]] int open_appending(const std::string& path);

// The directories in which files may be appended to, with all below them. A path is looked up
// beneath the directory itself: neither .. nor a link leads out of it (openat2, Linux 5.6).
class AllowedDirectories {
 public:
  // None: everything is allowed. Not ok: one cannot be opened, or the kernel has no openat2.
  [[nodiscard]] static Result<std::shared_ptr<const AllowedDirectories>> open(
      const std::vector<std::string>& paths);
  ~AllowedDirectories();
  AllowedDirectories(const AllowedDirectories&) = delete;
  AllowedDirectories& operator=(const AllowedDirectories&) = delete;

  // As open_appending(). -EACCES: it lies in none of them; -EAGAIN: a FIFO that nobody reads yet,
  // or a file that is kept from us for now.
  [[nodiscard]] int open_to_append(const std::string& path) const;
  // What the name leads to now; 0 or -errno.
  [[nodiscard]] int look_up(const std::string& path, FileKey& out) const;

 private:
  struct Directory {
    std::string path;  // ends in a slash
    int fd = -1;
  };
  AllowedDirectories() = default;
  [[nodiscard]] int open_at(const std::string& path, int flags) const;

  std::vector<Directory> directories_;
};

[[nodiscard]] int file_key(int fd, FileKey& out);
// As much as one call takes, at the end of the file.
[[nodiscard]] i64 append_some(int fd, const void* from, std::size_t size);
[[nodiscard]] int sync_file(int fd);
// The directory in which the file is now, so that its name survives a loss of power too. Nothing
// where there is none, or none that may be read.
[[nodiscard]] int sync_name(int fd);
void close_file(int& fd);  // and sets it to -1

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_APPEND_FILE_H_
