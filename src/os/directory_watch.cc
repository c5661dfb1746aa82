#include "os/directory_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>

namespace sluice::os {

DirectoryWatch::DirectoryWatch() : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

DirectoryWatch::~DirectoryWatch() {
  if (fd_ >= 0) ::close(fd_);
}

int DirectoryWatch::add(const std::string& directory) {
  constexpr u32 kWanted = IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR;
  const int watch = ::inotify_add_watch(fd_, directory.c_str(), kWanted);
  if (watch < 0) return -errno;
  directories_[watch] = directory;
  return 0;
}

void DirectoryWatch::take(const std::function<void(const std::string& path)>& each) {
  alignas(inotify_event) char bytes[16384];
  for (;;) {
    const ssize_t got = ::read(fd_, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    for (ssize_t at = 0; at < got;) {
      const auto& event = *reinterpret_cast<const inotify_event*>(bytes + at);
      at += ssize_t(sizeof event + event.len);
      const auto directory = directories_.find(event.wd);
      if ((event.mask & (IN_Q_OVERFLOW | IN_IGNORED)) != 0) {
        if (directory != directories_.end()) directories_.erase(directory);
        each({});
      } else if (directory != directories_.end() && event.len != 0) {
        each(directory->second + "/" + event.name);
      }
    }
  }
}

}  // namespace sluice::os
