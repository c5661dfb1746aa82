// A hook on commits: what has been committed to a store is read back and handed on, in order.
//
// The queue is the file: a slow hook costs no memory and stops nobody, and gets no row that was
// rolled back. Rows come with their ids, which grow with every commit.
//
// Threading: a thread of its own for each, joined at its end, after the hook has had what was
// committed before. A file that is removed (a private store's, at its end) is read to its end.
#ifndef SLUICE_SRC_RUNTIME_COMMIT_WATCH_H_
#define SLUICE_SRC_RUNTIME_COMMIT_WATCH_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/reporter.h"
#include "sluice/store.h"
#include "store/reader.h"

namespace sluice::runtime {

// How far the hooks are, for who waits for them. A hook may be removed, and others added,
// meanwhile.
class CommitWatches {
 public:
  // Until each hook that there is has had what is committed now, or the clock (CLOCK_MONOTONIC)
  // says so. Nothing from a hook.
  void wait(i64 deadline_ns);

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

  std::mutex mutex_;
  std::vector<std::weak_ptr<Looks>> all_;  // under mutex_
};

class CommitWatch {
 public:
  using Hook = std::function<void(const Commit&)>;
  // In a forked child there is no such thread, and what it was waiting on would be waited for: the
  // child leaves it all alone.
  struct End {
    void operator()(CommitWatch* watch) const;
  };
  using Owner = std::unique_ptr<CommitWatch, End>;

  // From the rows on that are not in the file yet.
  [[nodiscard]] static Result<Owner> start(std::string path, Hook hook, Reporter& reporter,
                                           CommitWatches& watches);
  ~CommitWatch();
  CommitWatch(const CommitWatch&) = delete;
  CommitWatch& operator=(const CommitWatch&) = delete;

  [[nodiscard]] bool is_this_thread() const {
    return thread_.get_id() == std::this_thread::get_id();
  }
  // Whether this thread is that of a hook, whichever.
  [[nodiscard]] static bool in_hook();

 private:
  CommitWatch(std::string path, Hook hook, Reporter& reporter);
  void main();
  // False: something failed, which is said when it begins.
  bool hand_on_all();
  Status open();
  Status read(Commit& commit);
  void call(const Commit& commit);

  const std::string path_;
  const Hook hook_;
  Reporter& reporter_;
  const u32 generation_;
  std::unique_ptr<storage::Reader> reader_;
  i64 version_ = -1;
  i64 last_log_ = 0;
  i64 last_metric_ = 0;
  bool failing_ = false;

  const std::shared_ptr<CommitWatches::Looks> looks_ = std::make_shared<CommitWatches::Looks>();
  std::thread thread_;
};

}  // namespace sluice::runtime

#endif  // SLUICE_SRC_RUNTIME_COMMIT_WATCH_H_
