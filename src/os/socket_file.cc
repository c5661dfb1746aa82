#include "os/socket_file.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "os/io.h"
#include "os/os_error.h"
#include "os/process.h"
#include "os/unix_socket.h"

namespace sluice::os {
namespace {

Status refused(const std::string& path, const std::string& why) {
  return fatal(path + ": cannot listen there: " + why);
}

Status failed_call(const std::string& path, const char* what, int error) {
  return refused(path, std::string(what) + " failed: " + error_text(error));
}

Status somebody_listens(const std::string& path) {
  return {ErrorClass::kRetryable,
          path + ": a server listens there already; stop it, or use another path", EADDRINUSE};
}

// Whoever may make files beside the socket may put one of his own in its place.
Status check_directory(const std::string& path) {
  const std::string directory = path.substr(0, path.rfind('/'));
  if (directory.empty()) return {};
  if (const int error = make_directories(real_io(), directory); error < 0) {
    return failed_call(path, "making its directory", error);
  }
  struct stat info {};
  if (::stat(directory.c_str(), &info) != 0) {
    return failed_call(path, "looking at its directory", -errno);
  }
  if (info.st_uid != user_id() && info.st_uid != 0) {
    return refused(path, "its directory belongs to another user; use one of yours");
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return refused(path, "others may make files in its directory; use one of mode 0700");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<SocketFile>> SocketFile::listen(const Options& options) {
  if (options.path.size() >= kSocketPathSize) {
    return refused(options.path, "the path is longer than that of a socket may be, " +
                                     std::to_string(kSocketPathSize - 1) + " bytes");
  }
  std::unique_ptr<SocketFile> file(new SocketFile(options.path));
  Status status = options.shared_directory ? Status() : check_directory(options.path);
  if (status.ok()) status = file->take_lock();
  if (status.ok()) status = file->make_room();
  if (status.ok()) status = file->bind(options);
  if (!status.ok()) return status;
  return file;
}

Status SocketFile::take_lock() {
  const std::string path = path_ + ".lock";
  lock_ = real_io().open(path.c_str(), kRead | kWrite | kCreate);
  if (lock_ < 0) return failed_call(path_, "opening its lock file", lock_);
  const int error = real_io().lock(lock_, 0, false);
  if (error == -EAGAIN || error == -EACCES) return somebody_listens(path_);
  return error < 0 ? failed_call(path_, "locking its lock file", error) : Status();
}

Status SocketFile::make_room() {
  struct stat info {};
  if (::lstat(path_.c_str(), &info) != 0) {
    return errno == ENOENT ? Status() : failed_call(path_, "looking at it", -errno);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return refused(path_, "what is there is no socket; move it away, or use another path");
  }
  const int other = connect_unix(path_);
  if (other >= 0) ::close(other);
  if (other >= 0 || other == -EAGAIN) return somebody_listens(path_);
  if (other != -ECONNREFUSED) return failed_call(path_, "looking who listens", other);
  return ::unlink(path_.c_str()) == 0 ? Status()
                                      : failed_call(path_, "removing a stale socket", -errno);
}

Status SocketFile::bind(const Options& options) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener_ < 0) return failed_call(path_, "making a socket", -errno);
  // Before it has its name: nobody finds it with another mode. The umask is taken off too.
  struct stat info {};
  if (::fchmod(listener_, options.mode) != 0 ||
      ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::lstat(path_.c_str(), &info) != 0) {
    return failed_call(path_, "binding it", -errno);
  }
  device_ = info.st_dev;
  inode_ = info.st_ino;
  if (::listen(listener_, options.backlog) != 0) return failed_call(path_, "listening", -errno);
  return {};
}

SocketFile::~SocketFile() {
  struct stat info {};
  if (inode_ != 0 && ::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ &&
      info.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
  if (listener_ >= 0) ::close(listener_);
  if (lock_ >= 0) ::close(lock_);
}

int SocketFile::take_listener() { return std::exchange(listener_, -1); }

}  // namespace sluice::os
