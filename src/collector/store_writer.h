// The one writer of the collector's store: a thread that takes batches out of all mirrors in turn,
// a transaction for each, and stores how runs ended.
//
// The place in a run's journal is stored in the transaction that stores what is before it, so a
// record is in the store once, whoever is killed.
//
// Threading: add(), wake(), stop() by the drainer's thread; a RegionFeed as it says. Blocking: only
// the thread, as the disk and as other writers of the file.
// Failure: what the store does not take now stays in the mirrors' journals and is tried again; said
// once when it begins and once when it is over. A damaged file is set aside; one that was replaced
// is opened anew.
#ifndef SLUICE_SRC_COLLECTOR_STORE_WRITER_H_
#define SLUICE_SRC_COLLECTOR_STORE_WRITER_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/reporter.h"
#include "collector/region_mirror.h"
#include "collector/verdict.h"
#include "region/marks.h"
#include "sink/selection.h"
#include "store/writer.h"

namespace sluice::collector {

// What goes into the store at once, of one mirror at a time.
struct BatchGroup {
  std::vector<char> bytes;
  std::vector<BatchView> batches;
};

// One mirror's way into the store. Private parts: the writer's thread.
class RegionFeed {
 public:
  explicit RegionFeed(std::shared_ptr<RegionMirror> mirror);

  // By the drainer's thread, when everything is in the journal and nothing more comes.
  void end_with(const RunEnd& end);
  // What of it hangs, for the run's reason; empty: nothing any more.
  void hangs(const std::string& what);
  // The region is not to be drained any further.
  void give_up();
  // Everything and the end are stored: the writer has done with it.
  [[nodiscard]] bool ended() const {
    // With the writer's mark: it uses the mirror no more (P31).
    return region::Marks::look(ended_);
  }
  // Whether it has stored all that the journal has for it.
  [[nodiscard]] bool has_all() const;

 private:
  friend class StoreWriter;
  [[nodiscard]] bool read_group(BatchGroup& group);
  void pass(const BatchGroup& group, u64 missed);

  const std::shared_ptr<RegionMirror> mirror_;
  back::Catalog catalog_;
  back::Cursor cursor_;
  storage::RunPlace place_;  // as the store has it, or where we begin
  JournalReader<JournalSync> reader_;
  sink::Selection selection_;
  u64 opening_ = 0;  // of the store for which run_ holds
  i64 run_ = 0;
  std::mutex mutex_;
  std::optional<std::string> hangs_;  // under mutex_; none: nothing to store
  std::optional<RunEnd> end_;         // under mutex_
  bool given_up_ = false;             // under mutex_
  std::atomic<bool> ended_{false};
};

class StoreWriter {
 public:
  // `path` is absolute and has no link in it.
  StoreWriter(std::string path, os::Io& io, Reporter& reporter);
  ~StoreWriter();
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  // Opens the store: what will never be one is refused.
  [[nodiscard]] Status start();
  [[nodiscard]] std::shared_ptr<RegionFeed> add(std::shared_ptr<RegionMirror> mirror);
  // There are batches, or an end, that it has not looked at.
  void wake();
  // False: it is in a call at the deadline, and goes on using this object.
  [[nodiscard]] bool stop(i64 deadline_ns);

  // relaxed, both: figures
  [[nodiscard]] u64 records() const { return records_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool failing() const { return failing_.load(std::memory_order_relaxed); }
  // Steps with every round of the thread; odd: it has nothing to do.
  [[nodiscard]] u64 rounds() const { return rounds_.load(std::memory_order_relaxed); }

 private:
  using Feeds = std::vector<std::shared_ptr<RegionFeed>>;
  void thread_main();
  // Whether there was anything to do.
  bool serve(RegionFeed& feed);
  [[nodiscard]] Status open();
  [[nodiscard]] Status use(RegionFeed& feed);
  [[nodiscard]] Status write(RegionFeed& feed);
  [[nodiscard]] Status add_rows(RegionFeed& feed, back::SinkCounts& counts);
  [[nodiscard]] Status store_hang(RegionFeed& feed, const std::string& what);
  [[nodiscard]] Status store_end(RegionFeed& feed, const RunEnd& end);
  void look_at_file();
  void fail(const Status& status);

  const std::string path_;
  os::Io& io_;
  Reporter& reporter_;
  BatchGroup group_;
  std::unique_ptr<storage::Writer> writer_;
  os::FileId file_;  // that writer_ has open
  u64 opening_ = 0;
  const RegionFeed* current_ = nullptr;  // whose run writer_ is at
  i64 next_look_ns_ = 0;
  i64 pause_until_ns_ = 0;

  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Feeds feeds_;            // under mutex_
  bool woken_ = false;     // under mutex_
  bool stopping_ = false;  // under mutex_
  bool is_over_ = false;   // under mutex_
  std::atomic<u64> records_{0};
  std::atomic<u64> rounds_{0};
  std::atomic<bool> failing_{false};
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_STORE_WRITER_H_
