// A hook on commits: what has been committed to a store is read back and handed on, in order.
//
// The queue is the file: a slow hook costs no memory and stops nobody, and gets no row that was
// rolled back. Rows come with their ids, which grow with every commit.
//
// Threading: a thread of its own for each, joined at its end, after the hook has had what was
// committed before. A file that is removed (a private store's, at its end) is read to its end.
#ifndef SLUICE_SRC_RUNTIME_COMMIT_WATCH_H_
#define SLUICE_SRC_RUNTIME_COMMIT_WATCH_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/reporter.h"
#include "runtime/commit_watches.h"
#include "sluice/store.h"
#include "store/reader.h"

namespace sluice::runtime {

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
