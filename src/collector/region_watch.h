// What a region that the collector has says and counts, for whoever asks.
//
// The drainer counts batches, a lock for each; whoever asks reads the rest from the region's file,
// by the descriptor of the mirror, which closes the watch before it closes that. What it came to is
// kept until nobody can want it any more.
//
// Threading: count(), counted_to() by the drainer's thread; the rest thread-safe. Blocking: the
// drainer for a copy of the counts, close() for a read of the region.
#ifndef SLUICE_SRC_COLLECTOR_REGION_WATCH_H_
#define SLUICE_SRC_COLLECTOR_REGION_WATCH_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "collector/process_totals.h"

namespace sluice::collector {

class RegionWatch {
 public:
  // Null: what is behind the descriptor is no region.
  [[nodiscard]] static std::shared_ptr<RegionWatch> make(os::Io& io, const std::string& path,
                                                         int fd);

  // Where in the journal it has counted up to.
  [[nodiscard]] u64& counted_to() { return counted_to_; }
  void count(const char* batch);
  // The descriptor is about to be closed.
  void close();

  struct Look {
    ProcessTotals totals;
    i64 since_ns = 0;  // monotonic: when it began
    bool over = false;
  };
  [[nodiscard]] Look look();
  // Monotonic; 0: it is open. Never waits for a look.
  // relaxed: nothing hangs on it but when it is forgotten
  [[nodiscard]] i64 closed_ns() const { return closed_ns_.load(std::memory_order_relaxed); }

 private:
  explicit RegionWatch(std::unique_ptr<RegionImage> image);
  [[nodiscard]] SiteCounts counts();

  const i64 since_ns_;
  u64 counted_to_ = 0;
  std::mutex counts_mutex_;
  SiteCounts counts_;                   // under counts_mutex_
  std::mutex file_mutex_;               // taken before counts_mutex_
  std::optional<TotalsReader> reader_;  // under file_mutex_; none: closed
  ProcessTotals last_;                  // under file_mutex_
  std::atomic<i64> closed_ns_{0};
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_REGION_WATCH_H_
