// The hooks on commits of this process, for who waits until they have had what is committed: see
// runtime/commit_watch.h. Knows nothing of stores.
//
// Threading: thread-safe.
#ifndef SLUICE_SRC_RUNTIME_COMMIT_WATCHES_H_
#define SLUICE_SRC_RUNTIME_COMMIT_WATCHES_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "base/bytes.h"

namespace sluice::runtime {

// How far the hooks are, for who waits for them. A hook may be removed, and others added,
// meanwhile.
class CommitWatches {
 public:
  // Until each hook that there is has had what is committed now, or the clock (CLOCK_MONOTONIC)
  // says so. Nothing from a hook.
  void wait(i64 deadline_ns);
  // Whether this thread is that of a hook, whichever.
  [[nodiscard]] static bool in_hook();

 private:
  friend class CommitWatch;
  // Of one hook. A look at the file begins when it is asked for, or after a while.
  struct Looks {
    std::mutex mutex;
    std::condition_variable changed;
    u64 asked = 0;          // under mutex, all of them
    u64 done = 0;           // of those that were asked for
    bool stopping = false;  // after one more look
    bool ended = false;
  };
  void add(const std::shared_ptr<Looks>& looks);
  // Of this thread, for good.
  static void enter_hook();

  std::mutex mutex_;
  std::vector<std::weak_ptr<Looks>> all_;  // under mutex_
};

}  // namespace sluice::runtime

#endif  // SLUICE_SRC_RUNTIME_COMMIT_WATCHES_H_
