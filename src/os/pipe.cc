#include "os/pipe.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace sluice::os {
namespace {

sigset_t pipe_signal() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGPIPE);
  return set;
}

bool is_pending() {
  sigset_t pending;
  return ::sigpending(&pending) == 0 && ::sigismember(&pending, SIGPIPE) == 1;
}

}  // namespace

NoPipeSignal::NoPipeSignal() {
  const sigset_t set = pipe_signal();
  sigset_t before;
  if (::pthread_sigmask(SIG_BLOCK, &set, &before) != 0) return;
  was_blocked_ = ::sigismember(&before, SIGPIPE) == 1;
  was_pending_ = is_pending();
}

NoPipeSignal::~NoPipeSignal() {
  const int saved = errno;
  const sigset_t set = pipe_signal();
  // A SIGPIPE for a write goes to the thread that wrote: what is new and pending here is ours.
  if (!was_pending_ && is_pending()) {
    const timespec now{0, 0};
    while (::sigtimedwait(&set, nullptr, &now) < 0 && errno == EINTR) {
    }
  }
  if (!was_blocked_) ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  errno = saved;
}

int wait_writable(int fd, i64 timeout_ns) {
  pollfd wanted{fd, POLLOUT, 0};
  const timespec timeout{time_t(timeout_ns / 1'000'000'000), long(timeout_ns % 1'000'000'000)};
  const int result = ::ppoll(&wanted, 1, &timeout, nullptr);
  return result < 0 ? -errno : result;
}

i64 write_at_once(int fd, const void* from, std::size_t size) {
  const iovec bytes{const_cast<void*>(from), size};
  constexpr off_t kAtTheEnd = -1;  // where the file's own position is
  i64 written = ::pwritev2(fd, &bytes, 1, kAtTheEnd, RWF_NOWAIT);
  if (written >= 0 || errno == EAGAIN) return written >= 0 ? written : -EAGAIN;
  // A kind of file, or a kernel, without it.
  if (wait_writable(fd, 0) == 0) return -EAGAIN;
  written = ::write(fd, from, size);
  return written >= 0 ? written : -errno;
}

}  // namespace sluice::os
