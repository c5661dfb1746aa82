// Samples that a record stands for (SiteFlag::kIsSummary): means of many, and how many.
#ifndef SLUICE_SRC_RECORD_SUMMARY_H_
#define SLUICE_SRC_RECORD_SUMMARY_H_

#include <vector>

#include "record/decode.h"

namespace sluice {

struct WeightedValue {
  double value = 0;
  u64 weight = 1;
};

// Arguments of a summary that are no labels: the mean, the count, the buckets.
inline constexpr u32 kSummaryArguments = 3;

[[nodiscard]] inline bool is_summary(const Site& site) {
  return (site.flags & SiteFlag::kIsSummary) != 0;
}

// A value for each bucket. Where its list makes no sense or does not add up to its count: the mean
// of all. Of untrusted records too.
void samples_of(const RecordView& record, std::vector<WeightedValue>& samples);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_SUMMARY_H_
