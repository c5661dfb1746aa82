// What a process has said and counted from one look at it to the next.
//
// Threading: RegionRates is single-owner. Blocking: as reads of tmpfs. Failure: what makes no sense
// counts nothing.
#ifndef SLUICE_SRC_CLI_REGION_RATES_H_
#define SLUICE_SRC_CLI_REGION_RATES_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "collector/process_totals.h"

namespace sluice::cli {

struct SiteRate {
  std::shared_ptr<const Site> site = {};  // null: its definition found no room, or makes no sense
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
  u64 waiting_bytes = 0;             // published, and not in the journal yet
  bool scaled = false;               // the counts of sites are estimates
  std::vector<SiteRate> sites = {};  // the busiest first; only those that did something
  std::vector<MetricRate> metrics = {};
  u64 sites_left_out = 0;  // by a collector
  u64 metrics_left_out = 0;
};

// `before`: of the same process; null: all of it is new. Where records came faster than they were
// read, the counts of the call sites are scaled to how many there were.
[[nodiscard]] RegionRate rate_between(const collector::ProcessTotals* before,
                                      const collector::ProcessTotals& now, i64 ns);

// A running process, by its region.
class RegionRates {
 public:
  explicit RegionRates(std::unique_ptr<collector::RegionImage> image);

  [[nodiscard]] const std::string& path() { return reader_.image().path(); }
  // The process has ended.
  [[nodiscard]] bool is_over();
  // Counts what has come into the journal, at most until then: often enough, or it is overwritten.
  void read_on(i64 until_ns);
  // What there was since the last time.
  [[nodiscard]] RegionRate take();

 private:
  collector::TotalsReader reader_;
  collector::SiteCounts counts_;
  i64 from_ns_ = 0;
  collector::ProcessTotals last_;
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_REGION_RATES_H_
