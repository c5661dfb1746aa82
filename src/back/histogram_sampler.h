// What is to be said of one histogram now, once. See sampler.h.
//
// A bucket is said when its count has grown: its sum, which a thread adds to just before, goes with
// it. What was told lies in the histogram's chunk, twice, as a series' total does in its entry.
//
// Threading: single-owner (the merge). The region may be a dead process's: its words are checked.
#ifndef SLUICE_SRC_BACK_HISTOGRAM_SAMPLER_H_
#define SLUICE_SRC_BACK_HISTOGRAM_SAMPLER_H_

#include <optional>
#include <string>
#include <vector>

#include "back/region_bytes.h"
#include "region/histogram_area.h"

namespace sluice::back {

class HistogramSampler {
 public:
  // Of a series that is ready; none: what its chunk says makes no sense, or cannot be read.
  [[nodiscard]] static std::optional<HistogramSampler> of(const region::MetricArea& area,
                                                          u32 series, const RegionBytes& bytes);

  // What the region says of earlier samples; `committed`: the journal's end.
  [[nodiscard]] bool adopt(u64 committed, const RegionBytes& bytes);

  // Reads the buckets. False: nothing to say.
  [[nodiscard]] bool begin(const region::MetricArea& area, const RegionBytes& bytes);
  // What has come since: the mean, the number of values, and a list of [mean, count] as JSON.
  // `unit`: what a value is multiplied by.
  struct Summary {
    double mean = 0;
    u64 count = 0;
    std::string buckets;
  };
  [[nodiscard]] Summary summary(double unit) const;
  // It is in the batch.
  void said();
  // Before a batch is committed, whose end this is.
  [[nodiscard]] bool store(u64 batch_end, const RegionBytes& bytes);

 private:
  [[nodiscard]] u64 place_of_copy(u32 which) const;

  u32 series_ = 0;
  u64 chunk_ = 0;
  region::HistogramShape shape_;
  std::vector<region::Bucket> told_, totals_;
  u64 told_end_[2] = {};
};

}  // namespace sluice::back

#endif  // SLUICE_SRC_BACK_HISTOGRAM_SAMPLER_H_
