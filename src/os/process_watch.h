// Other processes: who holds a lock, when one of them ends, and how it ended.
//
// A pid may be given to another process at any time; a descriptor of a process (pidfd) may not.
// Threading: plain functions. Never blocks, but for reading files of /proc.
#ifndef SLUICE_SRC_OS_PROCESS_WATCH_H_
#define SLUICE_SRC_OS_PROCESS_WATCH_H_

#include <string>
#include <vector>

#include "base/bytes.h"

namespace sluice::os {

// The process that holds the fcntl lock on this byte, in the way of ours; 0: nobody; -1: one that
// this pid namespace has no number for, or -errno.
[[nodiscard]] i64 lock_holder(int fd, u64 byte);
// The same of the file with this name, which must have no lock of ours: closing it would drop that.
[[nodiscard]] i64 lock_holder(const char* path, u64 byte);

// Can be read (wait_readable()) once the process has ended. -errno: -ESRCH, -ENOSYS, -EMFILE.
[[nodiscard]] int open_process(u32 pid);

// How a process ended that is no child of ours.
struct ProcessEnd {
  bool known = false;
  int exit_code = 0;
  int signal = 0;  // != 0: killed by it
  bool core = false;
};
// Of an ended process. The kernel tells by PIDFD_GET_INFO (6.15); an older one by /proc as long as
// nobody has waited for it, where a status of 0 may also mean that it is not ours to see: then it
// is not known. `pid_start`: start_time() while it lived; 0: not known.
[[nodiscard]] ProcessEnd end_of_process(int process, u32 pid, u64 pid_start);

// The kernel's count of processes that it has killed for want of memory in a control group.
struct OomCounter {
  std::string path;  // of memory.events or memory.oom_control; empty: neither can be read
  i64 kills = -1;    // when it was looked at
};
[[nodiscard]] OomCounter oom_counter(u32 pid);
// Whether it has grown since. False where it cannot be read.
[[nodiscard]] bool has_killed(const OomCounter& before);

// What a thread of a process does at this moment.
struct ThreadState {
  std::string name;
  char state = '?';   // as in /proc: R runs, S sleeps, D waits for a device, T is stopped, ...
  std::string place;  // the function of the kernel that it sleeps in; empty: none, or not told
};
// Of at most `most` threads, the main one first. Empty: it has gone, or cannot be looked at.
[[nodiscard]] std::vector<ThreadState> threads_of(u32 pid, std::size_t most);

// Lets this process have as many descriptors as it may.
void raise_descriptor_limit();

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_PROCESS_WATCH_H_
