// Whether this process is a forked child of the one that made something.
//
// Threading: any; never blocks.
#ifndef SLUICE_SRC_STREAM_FORK_H_
#define SLUICE_SRC_STREAM_FORK_H_

#include <atomic>

#include "base/bytes.h"
#include "os/process.h"

namespace sluice::stream {

// How many forks lie between this process and the one that first asked.
class Forks {
 public:
  [[nodiscard]] static u32 count() {
    // relaxed: written by the one thread of a forked child
    return count_.load(std::memory_order_relaxed);
  }
  // From here on forks are counted.
  static void watch() {
    static const bool watched = (os::on_fork(nullptr, nullptr, step), true);
    (void)watched;
  }

 private:
  static void step() { count_.fetch_add(1, std::memory_order_relaxed); }
  static inline std::atomic<u32> count_{0};
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_FORK_H_
