// A socket in the file system that one server at a time listens on.
//
// While it lives the server holds the kernel's lock on PATH.lock. So a second one is refused, and
// the socket of one that was killed is known to be stale and replaced: two that start at once
// cannot both take it for that. What is no socket, or is listened on by somebody who knows nothing
// of the lock, is left alone.
//
// The lock file stays: removing it would let two servers hold locks on two files of one name.
// Threading: single-owner. Blocks as file operations do.
#ifndef SLUICE_SRC_OS_SOCKET_FILE_H_
#define SLUICE_SRC_OS_SOCKET_FILE_H_

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/status.h"

namespace sluice::os {

class SocketFile {
 public:
  struct Options {
    std::string path;
    u32 mode = 0600;
    int backlog = 128;
    // Others may make files in its directory, as in /tmp: one that is there first keeps us out.
    bool shared_directory = false;
  };
  // Makes the directory (0700) if it is not there; one in which others may make files is refused.
  // kRetryable: a server listens there.
  [[nodiscard]] static Result<std::unique_ptr<SocketFile>> listen(const Options& options);
  ~SocketFile();  // removes the socket, if it still is this one
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // The listening descriptor, which the caller closes; -1 from the second call on.
  [[nodiscard]] int take_listener();

 private:
  explicit SocketFile(std::string path) : path_(std::move(path)) {}
  [[nodiscard]] Status take_lock();
  [[nodiscard]] Status make_room();
  [[nodiscard]] Status bind(const Options& options);

  const std::string path_;
  int lock_ = -1;
  int listener_ = -1;
  u64 device_ = 0;
  u64 inode_ = 0;
};

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_SOCKET_FILE_H_
