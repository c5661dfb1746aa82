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

Sampler::Sampler(region::Region& region) : region_(region) {}

void Sampler::adopt(u64 committed) {
  MetricArea& area = region_.metrics();
  // relaxed: of a dead consumer, whose locks the kernel gave us
  const u32 used =
      std::min(area.lines.series_used.load(std::memory_order_relaxed), region::kSeriesMax);
  told_.assign(used, 0);
  for (u32 i = 1; i < used; ++i) {
    const ToldCopy* best = nullptr;
    for (ToldCopy& copy : area.series[i].told) {
      // Of a batch that was never committed: its end may lie within a batch that will be.
      if (copy.batch_end > committed) copy.batch_end = 0;
      if (copy.batch_end != 0 && (!best || copy.batch_end > best->batch_end)) best = &copy;
    }
    if (best) told_[i] = best->total;
  }
}

bool Sampler::begin(const CellReader& read) {
  // relaxed: a bound for the scan; an entry is published by its state (P32)
  const u32 used = std::min(region_.metrics().lines.series_used.load(std::memory_order_relaxed),
                            region::kSeriesMax);
  totals_.assign(used, 0);
  told_.resize(std::max<std::size_t>(told_.size(), used));
  at_ = 0;
  return used != 0 && read(totals_) && totals_ != told_;
}

std::optional<Sample> Sampler::next() {
  const MetricArea& area = region_.metrics();
  for (; at_ < totals_.size(); ++at_) {
    const u64 total = totals_[at_], told = told_[at_];
    if (total == told) continue;
    const SeriesEntry& entry = area.series[at_];
    // Then site, kind and labels are in place (P32).
    if (region::Marks::look(entry.state) != SeriesState::kReady) continue;
    // relaxed, here and below: published by the state
    const u32 offset = entry.label_offset.load(std::memory_order_relaxed),
              bytes = entry.label_bytes.load(std::memory_order_relaxed),
              site = entry.site.load(std::memory_order_relaxed);
    const CellKind kind = entry.kind.load(std::memory_order_relaxed);
    if (bytes > region::kSeriesLabelBytesMax || bytes % 8 != 0 || offset > sizeof area.labels ||
        bytes > sizeof area.labels - offset || site < kSiteFirstCaller ||
        site >= region_.header().sites_max) {
      continue;
    }
    Sample sample{at_, site, 0, {area.labels + offset, bytes}};
    if (kind == CellKind::kCounter) {
      sample.value = double(total - told);
    } else if (kind == CellKind::kUpDown) {
      sample.value = double(i64(total));
    } else {
      sample.value = std::bit_cast<double>(~total);
    }
    return sample;
  }
  return {};
}

void Sampler::said(const Sample& sample) {
  told_[sample.series] = totals_[sample.series];
  in_batch_.push_back(sample.series);
  ++at_;
}

ToldCopy& Sampler::not_in_force(u32 series) const {
  ToldCopy* const told = region_.metrics().series[series].told;
  return told[0].batch_end <= told[1].batch_end ? told[0] : told[1];
}

void Sampler::store(u64 batch_end) {
  if (in_batch_.empty()) return;
  for (const u32 series : in_batch_) {
    ToldCopy& copy = not_in_force(series);
    copy.batch_end = 0;
    JournalSync::keep_order();
    copy.total = told_[series];
    JournalSync::keep_order();
    copy.batch_end = batch_end;
  }
  in_batch_.clear();
  ++stored_;
}

}  // namespace sluice::back
