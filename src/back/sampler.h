// Samples of metric cells: what is to be said of each series now, once.
//
// A total is said by a record of the journal. How far that was said lies in the series' entry, in
// two copies of which the later one holds whose batch is committed: so whoever merges next, after a
// kill too, says the rest, and nothing twice.
//
// Threading: single-owner (the merge). The region may be a dead process's: its words are checked.
#ifndef SLUICE_SRC_BACK_SAMPLER_H_
#define SLUICE_SRC_BACK_SAMPLER_H_

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "region/region.h"

namespace sluice::back {

// Adds the cells of every block to `totals`, by series; false: they cannot be read now.
using CellReader = std::function<bool(std::span<u64> totals)>;

struct Sample {
  u32 series;
  u32 site;
  double value;
  std::span<const char> labels;  // arguments
};

class Sampler {
 public:
  explicit Sampler(region::Region& region);

  // What the region says of earlier samples; `committed`: the journal's end.
  void adopt(u64 committed);

  // Reads the cells. False: nothing to say.
  bool begin(const CellReader& read);
  // The next one to say; none: all are said.
  [[nodiscard]] std::optional<Sample> next();
  // The one that next() gave is in the batch.
  void said(const Sample& sample);

  // Before a batch is committed, whose end this is.
  void store(u64 batch_end);
  // Steps when the region's words of what was said have changed.
  [[nodiscard]] u64 stored() const { return stored_; }

 private:
  [[nodiscard]] region::ToldCopy& not_in_force(u32 series) const;

  region::Region& region_;
  std::vector<u64> told_;    // totals, by series
  std::vector<u64> totals_;  // as they were read
  std::vector<u32> in_batch_;
  u32 at_ = 0;
  u64 stored_ = 0;
};

}  // namespace sluice::back

#endif  // SLUICE_SRC_BACK_SAMPLER_H_
