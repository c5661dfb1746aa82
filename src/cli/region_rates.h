// What a running process says and counts, from one look at its region to the next.
//
// Records are counted as they come into the journal, in whatever sinks they end; drops, filtered
// calls and metrics are counters of the region. It costs the process nothing: its file is read.
// Where records come faster than they are read the journal still tells how many there were, and
// the counts of the call sites are scaled to that.
//
// Threading: single-owner. Blocking: as reads of tmpfs. Failure: what makes no sense counts
// nothing.
#ifndef SLUICE_SRC_CLI_REGION_RATES_H_
#define SLUICE_SRC_CLI_REGION_RATES_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/region_image.h"
#include "record/site.h"

namespace sluice::cli {

struct SiteRate {
  std::optional<Site> site = {};  // none: its definition found no room, or makes no sense
  u64 calls = 0;
  u64 bytes = 0;
  u64 dropped = 0;
};

struct MetricRate {
  std::string name;
  std::string unit;
  std::vector<std::pair<std::string, std::string>> labels;
  region::CellKind kind = region::CellKind::kCounter;
  double value = 0;   // of a histogram: how many values it has
  double change = 0;  // since the last look
  // Of a histogram, what came since the last look; the middle and one of a hundred are means of
  // their buckets.
  struct Spread {
    double mean = 0, p50 = 0, p99 = 0;
  };
  std::optional<Spread> spread = {};
};

struct RegionRate {
  RunInfo run;
  i64 ns = 0;  // how long it was looked at
  u64 calls = 0;
  u64 bytes = 0;
  u64 dropped = 0;
  u64 filtered = 0;
  u64 waiting_bytes = 0;        // published, and not in the journal yet
  bool scaled = false;          // the counts of sites are estimates
  std::vector<SiteRate> sites;  // the busiest first; only those that did something
  std::vector<MetricRate> metrics;
};

class RegionRates {
 public:
  explicit RegionRates(std::unique_ptr<RegionImage> image);

  [[nodiscard]] const std::string& path() const { return image_->path(); }
  // The process has ended.
  [[nodiscard]] bool is_over() const;
  // Counts what has come into the journal, at most until then: often enough, or it is overwritten.
  void read_on(i64 until_ns);
  // What there was since the last time.
  [[nodiscard]] RegionRate take();

 private:
  struct Count {
    u64 calls = 0;
    u64 bytes = 0;
  };
  void count_batch(const char* bytes);
  [[nodiscard]] std::vector<MetricRate> take_metrics();

  std::unique_ptr<RegionImage> image_;
  i64 from_ns_ = 0;
  std::vector<Count> counts_;   // by site, since from_ns_
  std::optional<u64> callers_;  // of all batches up to the last one that was read
  u64 all_calls_ = 0;           // since from_ns_, also of batches that were missed
  std::vector<u64> drops_;      // by site, when it was looked last
  u64 filtered_ = 0;
  using SeriesKey = std::pair<u32, std::vector<std::string>>;
  std::map<SeriesKey, RegionImage::SeriesTotal> series_;
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_REGION_RATES_H_
