// What happens to files in directories (inotify).
//
// Threading: single-owner. Never blocks. Failure: nothing is told; the owner must look by itself
// now and then in any case, since the kernel forgets what comes too fast.
#ifndef SLUICE_SRC_OS_DIRECTORY_WATCH_H_
#define SLUICE_SRC_OS_DIRECTORY_WATCH_H_

#include <functional>
#include <map>
#include <string>

#include "base/bytes.h"

namespace sluice::os {

class DirectoryWatch {
 public:
  DirectoryWatch();
  ~DirectoryWatch();
  DirectoryWatch(const DirectoryWatch&) = delete;
  DirectoryWatch& operator=(const DirectoryWatch&) = delete;

  // Can be read when something has happened; -1: there is none.
  [[nodiscard]] int fd() const { return fd_; }
  // Watches the directory that has this name now; again does nothing. 0 or -errno.
  [[nodiscard]] int add(const std::string& directory);
  // Paths of files that have got their name by a rename, or that somebody who could write them has
  // closed, as the end of a process does, since the last call; an empty one: some were lost, or a
  // directory has gone.
  void take(const std::function<void(const std::string& path)>& each);

 private:
  int fd_;
  std::map<int, std::string> directories_;
};

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_DIRECTORY_WATCH_H_
