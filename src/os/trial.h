// Hardship on purpose, for trying out this machine: threads that stand still, disks that are full;
// and what the kernel counted of a thread meanwhile.
//
// Calls return 0 or -errno and need the rights they need: a caller without them skips the trial.
// Threading: plain functions; objects are single-owner.
#ifndef SLUICE_SRC_OS_TRIAL_H_
#define SLUICE_SRC_OS_TRIAL_H_

#include <string>

#include "base/bytes.h"

namespace sluice::os {

// Stops one thread of a child process, wherever it is, without stopping the others (ptrace). By
// the thread that also thaws it.
[[nodiscard]] int freeze_thread(u32 tid);
void thaw_thread(u32 tid);
[[nodiscard]] bool is_frozen(u32 tid);  // a thread of this process
// A thread of this process by its name; 0: there is none.
[[nodiscard]] u32 find_thread(std::string_view name);

// Mounts a file system of `bytes` over the directory, seen by this process alone. The process must
// have one thread only. Later it can be given more room.
[[nodiscard]] int mount_small(const std::string& directory, u64 bytes);
[[nodiscard]] int resize_small(const std::string& directory, u64 bytes);
void unmount_small(const std::string& directory);

// A directory of its own, mode 0700, removed with the files in it (and in its directories).
class ScratchDirectory {
 public:
  // In the directory `where`; path() is empty when it cannot be made.
  explicit ScratchDirectory(const std::string& where);
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Of the calling thread, since its start.
struct ThreadUsage {
  u64 voluntary_switches = 0;    // it waited for something
  u64 involuntary_switches = 0;  // the scheduler took the processor away
  u64 page_faults = 0;
  i64 cpu_ns = 0;
};
[[nodiscard]] ThreadUsage thread_usage();
[[nodiscard]] i64 process_cpu_ns();

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_TRIAL_H_
