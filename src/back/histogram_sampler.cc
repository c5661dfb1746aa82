#include "back/histogram_sampler.h"

#include <cstddef>

#include "record/number_text.h"

namespace sluice::back {

using region::Bucket;
using region::HistogramChunk;
using region::HistogramTold;

std::optional<HistogramSampler> HistogramSampler::of(const region::MetricArea& area, u32 series,
                                                     const RegionBytes& bytes) {
  const region::SeriesEntry& entry = area.series[series];
  HistogramSampler made;
  made.series_ = series;
  made.chunk_ = Made::look(entry.histogram);
  // relaxed: published by the entry's state (P32)
  const region::CellKind kind = entry.kind.load(std::memory_order_relaxed);
  if (!region::read_shape(kind, made.chunk_, made.shape_, bytes.read)) return {};
  made.told_.resize(made.shape_.buckets());
  return made;
}

u64 HistogramSampler::place_of_copy(u32 which) const {
  return chunk_ + sizeof(HistogramChunk) + u64{which} * told_.size() * sizeof(Bucket);
}

bool HistogramSampler::adopt(u64 committed, const RegionBytes& bytes) {
  HistogramTold told[2];
  const u64 at = chunk_ + offsetof(HistogramChunk, told);
  if (!bytes.read(at, told, sizeof told)) return false;
  bool some = false;
  for (HistogramTold& copy : told) {
    if (copy.batch_end <= committed) continue;
    // Of a batch that was never committed: its end may lie within a batch that will be.
    copy.batch_end = 0;
    some = true;
  }
  if (some && !bytes.write(at, told, sizeof told)) return false;
  for (u32 i = 0; i < 2; ++i) told_end_[i] = told[i].batch_end;
  const u32 best = told_end_[0] >= told_end_[1] ? 0 : 1;
  return told_end_[best] == 0 ||
         bytes.read(place_of_copy(best), told_.data(), told_.size() * sizeof(Bucket));
}

bool HistogramSampler::begin(const region::MetricArea& area, const RegionBytes& bytes) {
  totals_.assign(told_.size(), {});
  if (!region::sum_buckets(area, series_, totals_, bytes.read)) totals_ = told_;
  for (std::size_t i = 0; i < told_.size(); ++i) {
    if (totals_[i].count != told_[i].count) return true;
  }
  return false;
}

HistogramSampler::Summary HistogramSampler::summary(double unit) const {
  Summary all;
  double sum = 0;
  all.buckets.push_back('[');
  for (std::size_t i = 0; i < told_.size(); ++i) {
    const u64 count = totals_[i].count - told_[i].count;
    if (count == 0) continue;
    const double of_bucket = shape_.sum(u32(i), totals_[i].sum - told_[i].sum) * unit;
    char text[2 * kNumberRoom + 4];
    char* at = text;
    if (all.count != 0) *at++ = ',';
    *at++ = '[';
    at = put_f64(at, of_bucket / double(count));
    *at++ = ',';
    at = put_u64(at, count);
    *at++ = ']';
    all.buckets.append(text, std::size_t(at - text));
    all.count += count;
    sum += of_bucket;
  }
  all.buckets.push_back(']');
  all.mean = sum / double(all.count);
  return all;
}

void HistogramSampler::said() {
  for (std::size_t i = 0; i < told_.size(); ++i) {
    if (totals_[i].count != told_[i].count) told_[i] = totals_[i];
  }
}

bool HistogramSampler::store(u64 batch_end, const RegionBytes& bytes) {
  const u32 which = told_end_[0] <= told_end_[1] ? 0 : 1;
  const u64 end_at = chunk_ + offsetof(HistogramChunk, told) + which * sizeof(HistogramTold);
  const HistogramTold none{}, now{batch_end, 0};
  if (!bytes.write(end_at, &none, sizeof none)) return false;
  JournalSync::keep_order();
  if (!bytes.write(place_of_copy(which), told_.data(), told_.size() * sizeof(Bucket))) return false;
  JournalSync::keep_order();
  told_end_[which] = batch_end;
  return bytes.write(end_at, &now, sizeof now);
}

}  // namespace sluice::back
