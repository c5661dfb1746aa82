#include "back/sampler.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace sluice::back {

using region::CellKind;
using region::MetricArea;
using region::SeriesEntry;
using region::SeriesState;
using region::ToldCopy;

Sampler::Sampler(region::Region& region, RegionBytes bytes)
    : region_(region), bytes_(std::move(bytes)) {}

void Sampler::adopt(u64 committed) {
  MetricArea& area = region_.metrics();
  // relaxed: of a dead consumer, whose locks the kernel gave us
  const u32 used =
      std::min(area.lines.series_used.load(std::memory_order_relaxed), region::kSeriesMax);
  told_.assign(used, 0);
  for (u32 i = 1; i < used; ++i) {
    if (HistogramSampler* const one = histogram(i)) {
      if (!one->adopt(committed, bytes_)) histograms_[i].reset();
      continue;
    }
    const ToldCopy* best = nullptr;
    for (ToldCopy& copy : area.series[i].told) {
      // Of a batch that was never committed: its end may lie within a batch that will be.
      if (copy.batch_end > committed) copy.batch_end = 0;
      if (copy.batch_end != 0 && (!best || copy.batch_end > best->batch_end)) best = &copy;
    }
    if (best) told_[i] = best->total;
  }
}

// Null: it is none, or not ready, or its words make no sense.
HistogramSampler* Sampler::histogram(u32 series) {
  const SeriesEntry& entry = region_.metrics().series[series];
  // Then what it is is in place (P32).
  if (region::Marks::look(entry.state) != SeriesState::kReady ||
      !region::is_histogram(entry.kind.load(std::memory_order_relaxed))) {
    return nullptr;
  }
  if (histograms_.size() <= series) histograms_.resize(series + 1);
  std::unique_ptr<HistogramSampler>& known = histograms_[series];
  if (!known) {
    std::optional<HistogramSampler> made = HistogramSampler::of(region_.metrics(), series, bytes_);
    if (!made) return nullptr;
    known = std::make_unique<HistogramSampler>(std::move(*made));
  }
  return known.get();
}

bool Sampler::begin(double tick_seconds) {
  // relaxed: a bound for the scan; an entry is published by its state (P32)
  const u32 used = std::min(region_.metrics().lines.series_used.load(std::memory_order_relaxed),
                            region::kSeriesMax);
  totals_.assign(used, 0);
  told_.resize(std::max<std::size_t>(told_.size(), used));
  tick_seconds_ = tick_seconds;
  at_ = 0;
  read_ = 0;
  return used != 0 && region::sum_cells(region_.metrics(), totals_, bytes_.read);
}

std::optional<Sample> Sampler::next() {
  const MetricArea& area = region_.metrics();
  for (; at_ < totals_.size(); ++at_) {
    const u64 total = totals_[at_], told = told_[at_];
    const SeriesEntry& entry = area.series[at_];
    // Then site, kind and labels are in place (P32).
    if (region::Marks::look(entry.state) != SeriesState::kReady) continue;
    // relaxed, here and below: published by the state
    const CellKind kind = entry.kind.load(std::memory_order_relaxed);
    if (total == told && !region::is_histogram(kind)) continue;
    const u32 offset = entry.label_offset.load(std::memory_order_relaxed),
              bytes = entry.label_bytes.load(std::memory_order_relaxed),
              site = entry.site.load(std::memory_order_relaxed),
              words = 8 * std::min(entry.labels.load(std::memory_order_relaxed),
                                   detail::kSiteArgumentsMax);
    if (bytes > region::kSeriesLabelBytesMax || bytes % 8 != 0 || offset > sizeof area.labels ||
        bytes > sizeof area.labels - offset || words > bytes || site < kSiteFirstCaller ||
        site >= region_.header().sites_max) {
      continue;
    }
    Sample sample{at_, site, 0, {area.labels + offset, bytes}, words, {}};
    if (kind == CellKind::kCounter) {
      sample.value = double(total - told);
    } else if (kind == CellKind::kUpDown) {
      sample.value = double(i64(total));
    } else if (kind == CellKind::kGauge) {
      sample.value = std::bit_cast<double>(~total);
    } else {
      HistogramSampler* const one = histogram(at_);
      if (one == nullptr || (read_ != at_ && !one->begin(area, bytes_))) continue;
      read_ = at_;
      sample.summary = one->summary(kind == CellKind::kTimer ? tick_seconds_ : 1);
      sample.value = sample.summary->mean;
    }
    return sample;
  }
  return {};
}

void Sampler::said(const Sample& sample) {
  if (sample.summary) {
    histograms_[sample.series]->said();
  } else {
    told_[sample.series] = totals_[sample.series];
  }
  in_batch_.push_back(sample.series);
  ++at_;
}

ToldCopy& Sampler::not_in_force(u32 series) const {
  ToldCopy* const told = region_.metrics().series[series].told;
  return told[0].batch_end <= told[1].batch_end ? told[0] : told[1];
}

bool Sampler::store(u64 batch_end) {
  if (in_batch_.empty()) return true;
  bool all = true;
  for (const u32 series : in_batch_) {
    if (HistogramSampler* const one = histogram(series)) {
      all = one->store(batch_end, bytes_) && all;
      continue;
    }
    ToldCopy& copy = not_in_force(series);
    copy.batch_end = 0;
    JournalSync::keep_order();
    copy.total = told_[series];
    JournalSync::keep_order();
    copy.batch_end = batch_end;
  }
  in_batch_.clear();
  ++stored_;
  return all;
}

}  // namespace sluice::back
