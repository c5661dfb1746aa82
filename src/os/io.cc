#include "os/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/never_destroyed.h"
#include "os/fork.h"

namespace sluice::os {
namespace {

constexpr std::size_t kPiecesMax = 1024;  // IOV_MAX

template <class T>
T or_error(T result) {
  return result < 0 ? T(-errno) : result;
}

i64 ns_of(const struct statx_timestamp& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

// statx and not stat: only it tells the time of birth.
int look_at(int at, const char* path, int flags, FileInfo& out) {
  struct statx from;
  if (::statx(at, path, flags, STATX_BASIC_STATS | STATX_BTIME, &from) != 0) return -errno;
  out.device = makedev(from.stx_dev_major, from.stx_dev_minor);
  out.inode = from.stx_ino;
  out.born_ns = (from.stx_mask & STATX_BTIME) ? ns_of(from.stx_btime) : 0;
  out.size = from.stx_size;
  out.mode = from.stx_mode & 07777;
  out.uid = from.stx_uid;
  out.links = from.stx_nlink;
  out.modified_ns = ns_of(from.stx_mtime);
  out.regular = S_ISREG(from.stx_mode);
  out.directory = S_ISDIR(from.stx_mode);
  return 0;
}

int set_lock(int fd, u64 byte, short type, bool wait) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = off_t(byte);
  lock.l_len = 1;
  if (::fcntl(fd, wait ? F_SETLKW : F_SETLK, &lock) == 0) return 0;
  return errno == EACCES ? -EAGAIN : -errno;
}

class RealIo final : public Io {
 public:
  int open(const char* path, u32 flags) override {
    int mode = O_CLOEXEC | O_NOCTTY;
    mode |= (flags & kWrite) ? ((flags & kRead) ? O_RDWR : O_WRONLY) : O_RDONLY;
    if (flags & kCreate) mode |= O_CREAT;
    if (flags & kExclusive) mode |= O_EXCL;
    if (!(flags & kFollow)) mode |= O_NOFOLLOW;
    if (flags & kDirect) mode |= O_DIRECT;
    if (flags & kAppend) mode |= O_APPEND;
    const DescriptorChange change;
    const int fd = or_error(::open(path, mode, 0600));
    if (fd >= 0) close_in_child(fd);
    return fd;
  }
  int close(int fd) override {
    const DescriptorChange change;
    forget_in_child(fd);
    return or_error(::close(fd));
  }
  i64 pread(int fd, void* to, std::size_t size, u64 offset) override {
    return or_error<i64>(::pread(fd, to, size, off_t(offset)));
  }
  i64 pwrite(int fd, const void* from, std::size_t size, u64 offset) override {
    return or_error<i64>(::pwrite(fd, from, size, off_t(offset)));
  }
  i64 pwritev(int fd, std::span<const ByteView> pieces, u64 offset) override {
    iovec vector[kPiecesMax];
    const std::size_t count = std::min(pieces.size(), kPiecesMax);
    for (std::size_t i = 0; i < count; ++i) {
      vector[i] = {const_cast<std::byte*>(pieces[i].data()), pieces[i].size()};
    }
    return or_error<i64>(::pwritev(fd, vector, int(count), off_t(offset)));
  }
  i64 read(int fd, void* to, std::size_t size) override {
    return or_error<i64>(::read(fd, to, size));
  }
  i64 write(int fd, const void* from, std::size_t size) override {
    return or_error<i64>(::write(fd, from, size));
  }
  int truncate(int fd, u64 size) override { return or_error(::ftruncate(fd, off_t(size))); }
  int allocate(int fd, u64 offset, u64 size) override {
    int error = EINTR;
    while (error == EINTR) error = ::posix_fallocate(fd, off_t(offset), off_t(size));
    return -error;
  }
  int allocate_beyond(int fd, u64 offset, u64 size) override {
    return or_error(::fallocate(fd, FALLOC_FL_KEEP_SIZE, off_t(offset), off_t(size)));
  }
  int begin_writeback(int fd, u64 offset, u64 size) override {
    return or_error(::sync_file_range(fd, off_t(offset), off_t(size), SYNC_FILE_RANGE_WRITE));
  }
  int drop_cached(int fd, u64 offset, u64 size) override {
    return -::posix_fadvise(fd, off_t(offset), off_t(size), POSIX_FADV_DONTNEED);
  }
  int set_modified(int fd, i64 unix_ns) override {
    const timespec then{time_t(unix_ns / 1'000'000'000), long(unix_ns % 1'000'000'000)};
    const timespec both[2] = {{0, UTIME_OMIT}, then};
    return or_error(::futimens(fd, both));
  }
  int sync_data(int fd) override { return or_error(::fdatasync(fd)); }
  int sync_directory(const char* path) override {
    const int fd = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    const int result = or_error(::fsync(fd));
    ::close(fd);
    return result;
  }
  int stat(const char* path, FileInfo& out) override {
    return look_at(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, out);
  }
  int stat_followed(const char* path, FileInfo& out) override {
    return look_at(AT_FDCWD, path, 0, out);
  }
  int stat_fd(int fd, FileInfo& out) override { return look_at(fd, "", AT_EMPTY_PATH, out); }
  int rename(const char* from, const char* to) override { return or_error(::rename(from, to)); }
  int rename_new(const char* from, const char* to) override {
    if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -errno;
    // Network file systems: a link is never made over a file that is there.
    if (::link(from, to) == 0) return or_error(::unlink(from));
    return errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS ? Io::rename_new(from, to)
                                                                    : -errno;
  }
  int unlink(const char* path) override { return or_error(::unlink(path)); }
  int make_directory(const char* path) override { return or_error(::mkdir(path, 0700)); }
  int lock(int fd, u64 byte, bool wait) override { return set_lock(fd, byte, F_WRLCK, wait); }
  int unlock(int fd, u64 byte) override { return set_lock(fd, byte, F_UNLCK, false); }
  int list(const char* path, const std::function<void(const char*)>& each) override {
    DIR* dir = ::opendir(path);
    if (!dir) return -errno;
    while (const dirent* entry = ::readdir(dir)) {
      if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) {
        each(entry->d_name);
      }
    }
    ::closedir(dir);
    return 0;
  }
};

}  // namespace

Io& real_io() { return never_destroyed<RealIo>(); }

int may_write(const char* path) {
  struct stat info {};
  if (::stat(path, &info) < 0) return -errno;
  const int wanted = S_ISDIR(info.st_mode) ? W_OK | X_OK : W_OK;
  return or_error(::faccessat(AT_FDCWD, path, wanted, AT_EACCESS));
}

std::string resolved_path(const std::string& path) {
  char* const found = ::realpath(path.c_str(), nullptr);
  std::string resolved = found ? found : "";
  std::free(found);
  return resolved;
}

std::string error_text(int os_error) {
  const int number = os_error < 0 ? -os_error : os_error;
  const char* name = ::strerrorname_np(number);
  const char* text = ::strerrordesc_np(number);
  return std::string(name ? name : "error " + std::to_string(number)) + " (" +
         (text ? text : "unknown") + ")";
}

}  // namespace sluice::os
