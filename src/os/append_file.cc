#include "os/append_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace sluice::os {
namespace {

// Without waiting for a FIFO's reader, who may never come.
constexpr int kAppendAtOnce = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
constexpr u64 kNewFileMode = 0666;

// A rename got between: looked up again, so often at most.
constexpr int kLookUpsMax = 100;

int open_beneath(int directory, const char* path, int flags) {
  open_how how{};
  how.flags = u64(unsigned(flags));
  how.mode = (flags & O_CREAT) != 0 ? kNewFileMode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  long fd = 0;
  int look_ups = 0;
  do {
    fd = ::syscall(SYS_openat2, directory, path, &how, sizeof how);
  } while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++look_ups < kLookUpsMax)));
  return fd < 0 ? -errno : int(fd);
}

int open_anywhere(const std::string& path, int flags) {
  int fd = 0;
  do {
    fd = ::open(path.c_str(), flags, mode_t(kNewFileMode));
  } while (fd < 0 && errno == EINTR);
  return fd < 0 ? -errno : fd;
}

// Later writes may wait.
int with_waiting_writes(int fd_or_error) {
  if (fd_or_error >= 0) ::fcntl(fd_or_error, F_SETFL, O_APPEND);
  return fd_or_error;
}

void set_key(const struct stat& info, FileKey& out) {
  out = {info.st_dev, info.st_ino, S_ISREG(info.st_mode), S_ISFIFO(info.st_mode)};
}

}  // namespace

Result<std::shared_ptr<const AllowedDirectories>> AllowedDirectories::open(
    const std::vector<std::string>& paths) {
  std::shared_ptr<AllowedDirectories> made(new AllowedDirectories);
  for (const std::string& path : paths) {
    const int fd = ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fatal(path + ": is no directory to append in: " + error_text(-errno));
    made->directories_.push_back({path.ends_with('/') ? path : path + '/', fd});
    const int probe = open_beneath(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (probe < 0) {
      return fatal(path +
                   ": cannot be looked into beneath it (needs Linux 5.6): " + error_text(probe));
    }
    ::close(probe);
  }
  return std::shared_ptr<const AllowedDirectories>(std::move(made));
}

AllowedDirectories::~AllowedDirectories() {
  for (const Directory& directory : directories_) ::close(directory.fd);
}

int AllowedDirectories::open_at(const std::string& path, int flags) const {
  if (directories_.empty()) return open_anywhere(path, flags);
  int result = -EACCES;
  for (const Directory& directory : directories_) {
    if (!path.starts_with(directory.path) || path.size() == directory.path.size()) continue;
    result = open_beneath(directory.fd, path.c_str() + directory.path.size(), flags);
    if (result == -EXDEV) result = -EACCES;  // a link or .. leads out of it
    if (result >= 0) return result;
  }
  return result;
}

int open_appending(const std::string& path) {
  return with_waiting_writes(open_anywhere(path, kAppendAtOnce));
}

int AllowedDirectories::open_to_append(const std::string& path) const {
  const int fd = open_at(path, kAppendAtOnce);
  FileKey key;
  if (fd == -ENXIO && look_up(path, key) == 0 && key.fifo) return -EAGAIN;
  return with_waiting_writes(fd);
}

int AllowedDirectories::look_up(const std::string& path, FileKey& out) const {
  struct stat info {};
  if (directories_.empty()) {
    if (::stat(path.c_str(), &info) != 0) return -errno;
  } else {
    int fd = open_at(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return fd;
    const int result = ::fstat(fd, &info) == 0 ? 0 : -errno;
    ::close(fd);
    if (result < 0) return result;
  }
  set_key(info, out);
  return 0;
}

int file_key(int fd, FileKey& out) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return -errno;
  set_key(info, out);
  return 0;
}

i64 append_some(int fd, const void* from, std::size_t size) {
  ssize_t written = 0;
  do {
    written = ::write(fd, from, size);
  } while (written < 0 && errno == EINTR);
  return written < 0 ? -errno : written;
}

int sync_file(int fd) {
  int result = 0;
  do {
    result = ::fdatasync(fd);
  } while (result != 0 && errno == EINTR);
  // What has no disk behind it, such as a FIFO, has nothing to sync.
  return result == 0 || errno == EINVAL || errno == EROFS ? 0 : -errno;
}

int sync_name(int fd) {
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), path, sizeof path);
  const std::string_view name(path, size > 0 ? std::size_t(size) : 0);
  if (!name.starts_with('/')) return 0;
  const std::string directory(name.substr(0, name.rfind('/') + 1));
  const int parent = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent < 0) return 0;
  const int result = ::fsync(parent) == 0 || errno == EINVAL || errno == EROFS ? 0 : -errno;
  ::close(parent);
  return result;
}

void close_file(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

}  // namespace sluice::os
