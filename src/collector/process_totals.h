// What a process has said and counted since somebody began to look at it: sums that only grow, of
// which any two make a rate.
//
// Records are counted as they come into the journal, in whatever sinks they end; drops, filtered
// calls and metrics are counters of the region. It costs the process nothing: its file is read.
//
// Threading: values, and SiteCounts and TotalsReader are single-owner. Blocking: as reads of tmpfs.
// Failure: what makes no sense counts nothing.
#ifndef SLUICE_SRC_COLLECTOR_PROCESS_TOTALS_H_
#define SLUICE_SRC_COLLECTOR_PROCESS_TOTALS_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/region_image.h"
#include "record/site.h"

namespace sluice::collector {

struct SiteTotal {
  u32 id = 0;
  std::shared_ptr<const Site> site = {};  // null: its definition found no room, or makes no sense
  u64 records = 0;
  u64 bytes = 0;
  u64 dropped = 0;
};

struct MetricTotal {
  u32 site = 0;
  std::string name;
  std::string unit;
  std::vector<std::pair<std::string, std::string>> labels;
  region::CellKind kind = region::CellKind::kCounter;
  double value = 0;   // of a histogram: how many values it has
  double change = 0;  // since it is looked at; of a gauge: 0
  struct Bucket {
    u32 place = 0;
    u64 count = 0;
    double sum = 0;
    bool operator==(const Bucket&) const = default;
  };
  std::vector<Bucket> buckets = {};  // of a histogram, since it is looked at; without empty ones
};

struct ProcessTotals {
  RunInfo run;
  u64 records = 0;
  u64 missed = 0;  // of them, not read: nobody knows of which sites, and with how many bytes
  u64 bytes = 0;
  u64 dropped = 0;
  u64 filtered = 0;
  u64 waiting_bytes = 0;         // published, and not in the journal yet
  std::vector<SiteTotal> sites;  // those that did something
  std::vector<MetricTotal> metrics;
  u64 sites_left_out = 0;
  u64 metrics_left_out = 0;
};

// "timer", "histogram", "counter", "up-down counter", "gauge".
[[nodiscard]] std::string_view cell_kind_name(region::CellKind kind);
[[nodiscard]] std::optional<region::CellKind> cell_kind_of(std::string_view name);

// Counts batches of a journal, by site.
class SiteCounts {
 public:
  struct Count {
    u64 records = 0;
    u64 bytes = 0;
  };
  // Sound, as JournalReader::read() and RegionImage::next_batch() leave it. Those between it and
  // the last one that was counted were overwritten.
  void count(const char* batch);
  [[nodiscard]] const std::vector<Count>& sites() const { return sites_; }
  [[nodiscard]] u64 records() const { return records_; }

 private:
  std::vector<Count> sites_;
  u64 records_ = 0;             // also of batches that were missed
  std::optional<u64> callers_;  // of all batches up to the last one
};

// What there was before it is made counts nothing.
class TotalsReader {
 public:
  explicit TotalsReader(std::unique_ptr<RegionImage> image);

  [[nodiscard]] RegionImage& image() { return *image_; }
  [[nodiscard]] ProcessTotals read(const SiteCounts& counts);

 private:
  using SeriesKey = std::pair<u32, std::vector<std::string>>;
  [[nodiscard]] std::shared_ptr<const Site> site(u32 id);
  [[nodiscard]] std::optional<MetricTotal> metric(const RegionImage::SeriesTotal& now);

  std::unique_ptr<RegionImage> image_;
  std::map<u32, std::shared_ptr<const Site>> sites_;  // sound ones: they do not change
  u64 definition_bytes_ = 0;                          // of these
  struct Before {
    double value = 0;
    std::vector<MetricTotal::Bucket> buckets;  // without empty ones
  };
  // When it was made:
  std::vector<u64> drops_;
  u64 filtered_ = 0;
  std::map<SeriesKey, Before> series_;
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_PROCESS_TOTALS_H_
