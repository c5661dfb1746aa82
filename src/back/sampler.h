// Samples of metric cells: what is to be said of each series now, once.
//
// A total is said by a record of the journal. How far that was said lies in the series' entry, in
// two copies of which the later one holds whose batch is committed: so whoever merges next, after a
// kill too, says the rest, and nothing twice. Histograms: histogram_sampler.h.
//
// Threading: single-owner (the merge). The region may be a dead process's: its words are checked.
#ifndef SLUICE_SRC_BACK_SAMPLER_H_
#define SLUICE_SRC_BACK_SAMPLER_H_

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "back/histogram_sampler.h"

namespace sluice::back {

struct Sample {
  u32 series;
  u32 site;
  double value;
  std::span<const char> labels;                      // arguments: words, then texts
  u32 label_words;                                   // bytes
  std::optional<HistogramSampler::Summary> summary;  // its mean is the value
};

class Sampler {
 public:
  Sampler(region::Region& region, RegionBytes bytes);

  // What the region says of earlier samples; `committed`: the journal's end.
  void adopt(u64 committed);

  // Reads the cells. False: nothing to say. A histogram's unit is `tick_seconds` for a timer.
  bool begin(double tick_seconds);
  // The next one to say; none: all are said.
  [[nodiscard]] std::optional<Sample> next();
  // The one that next() gave is in the batch.
  void said(const Sample& sample);

  // Before a batch is committed, whose end this is. False: some of it could not be written.
  [[nodiscard]] bool store(u64 batch_end);
  // Steps when the region's words of what was said have changed.
  [[nodiscard]] u64 stored() const { return stored_; }

 private:
  [[nodiscard]] region::ToldCopy& not_in_force(u32 series) const;
  [[nodiscard]] HistogramSampler* histogram(u32 series);

  region::Region& region_;
  const RegionBytes bytes_;
  std::vector<u64> told_;                                      // totals, by series
  std::vector<u64> totals_;                                    // as they were read
  std::vector<std::unique_ptr<HistogramSampler>> histograms_;  // by series; null: not asked yet
  std::vector<u32> in_batch_;
  double tick_seconds_ = 1e-9;
  u32 at_ = 0;
  u32 read_ = 0;  // the histogram whose buckets were read
  u64 stored_ = 0;
};

}  // namespace sluice::back

#endif  // SLUICE_SRC_BACK_SAMPLER_H_
