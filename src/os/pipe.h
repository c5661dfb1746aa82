// Writing to something that may be closed or slow: a pipe, a terminal.
//
// Thread-safe. Async-signal-safe.
#ifndef SLUICE_SRC_OS_PIPE_H_
#define SLUICE_SRC_OS_PIPE_H_

#include "base/bytes.h"

namespace sluice::os {

// While it lives, a write of this thread to a closed pipe gives EPIPE and raises no SIGPIPE,
// whatever the program has done about that signal.
class NoPipeSignal {
 public:
  NoPipeSignal();
  ~NoPipeSignal();
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  bool was_blocked_ = true;
  bool was_pending_ = true;
};

// Waits until `fd` takes bytes, at most timeout_ns. 1: it does (or a write will say what is wrong),
// 0: it does not yet, or -errno.
int wait_writable(int fd, i64 timeout_ns);

// Writes what fits now and waits for nobody, whoever else has the file open and with whatever flags
// it was opened. -EAGAIN: nothing fits. A terminal that is stopped in this moment may yet keep it.
i64 write_at_once(int fd, const void* from, std::size_t size);

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_PIPE_H_
