#include "cli/region_rates.h"

#include <algorithm>
#include <bit>

#include "back/batch.h"
#include "os/process.h"
#include "os/process_watch.h"
#include "region/region.h"

namespace sluice::cli {
namespace {

using region::CellKind;

u64 change(u64 now, u64 before) { return now > before ? now - before : 0; }

double value_of(CellKind kind, u64 cell) {
  if (kind == CellKind::kGauge) return std::bit_cast<double>(~cell);
  return kind == CellKind::kUpDown ? double(i64(cell)) : double(cell);
}

}  // namespace

RegionRates::RegionRates(std::unique_ptr<RegionImage> image) : image_(std::move(image)) {
  image_->skip_to_end();
  (void)take();
}

bool RegionRates::is_over() const {
  return image_->is_gone() || os::lock_holder(image_->path().c_str(), region::kOwnerLock) == 0;
}

void RegionRates::read_on(i64 until_ns) {
  for (;;) {
    const char* bytes = nullptr;
    const JournalRead read = image_->next_batch(bytes);
    if (read == JournalRead::kNothing || read == JournalRead::kDamaged) return;
    if (read == JournalRead::kBatch) count_batch(bytes);
    if (os::monotonic_ns() >= until_ns) return;
  }
}

void RegionRates::count_batch(const char* bytes) {
  const BatchView batch(bytes);
  const u64 before = batch.header().callers_before, behind = before + batch.header().callers;
  // From the last batch that was read: those between were overwritten.
  all_calls_ += change(behind, callers_.value_or(before));
  callers_ = behind;
  (void)batch.for_each(0, [this](const BatchRecord& record) {
    u32 site = record.header().site;
    if (!from_caller(site)) return true;
    if (site >= kSitesShown) site = kSiteUnknown;
    if (site >= counts_.size()) counts_.resize(site + 1);
    ++counts_[site].calls;
    counts_[site].bytes += record.bytes.size();
    return true;
  });
}

std::vector<MetricRate> RegionRates::take_metrics() {
  std::vector<MetricRate> metrics;
  std::map<SeriesKey, u64> now;
  for (const RegionImage::SeriesTotal& one : image_->series()) {
    const Result<Site> definition = decode_site(image_->site_text(one.site));
    if (!definition.ok() || (one.kind == CellKind::kGauge && one.total == 0)) continue;
    const Site& site = definition.value();
    MetricRate metric{site.format, site.unit, {}, one.kind, value_of(one.kind, one.total)};
    for (std::size_t i = 0; i < one.labels.size() && i + 1 < site.arguments.size(); ++i) {
      metric.labels.emplace_back(site.arguments[i + 1].name, one.labels[i]);
    }
    const SeriesKey key{one.site, one.labels};
    const auto before = series_.find(key);
    const u64 none = one.kind == CellKind::kGauge ? one.total : 0;
    metric.change =
        metric.value - value_of(one.kind, before == series_.end() ? none : before->second);
    now[key] = one.total;
    metrics.push_back(std::move(metric));
  }
  series_ = std::move(now);
  return metrics;
}

RegionRate RegionRates::take() {
  RegionRate rate;
  rate.run = image_->run();
  const i64 now = os::monotonic_ns();
  rate.ns = now - from_ns_;
  from_ns_ = now;
  u64 read = 0;
  for (const Count& count : counts_) read += count.calls;
  rate.calls = all_calls_;
  rate.scaled = read < all_calls_;
  const double scale = read == 0 ? 1 : double(all_calls_) / double(read);
  std::vector<u64> drops = image_->drops();
  const std::size_t sites = std::max(counts_.size(), drops.size());
  for (u32 id = 0; id < sites; ++id) {
    const Count count = id < counts_.size() ? counts_[id] : Count{};
    SiteRate one{.calls = u64(double(count.calls) * scale + 0.5),
                 .bytes = u64(double(count.bytes) * scale + 0.5)};
    if (id < drops.size()) one.dropped = change(drops[id], id < drops_.size() ? drops_[id] : 0);
    if (one.calls == 0 && one.dropped == 0) continue;
    if (Result<Site> site = decode_site(image_->site_text(id)); site.ok()) {
      one.site = std::move(site.value());
    }
    rate.bytes += one.bytes;
    rate.dropped += one.dropped;
    rate.sites.push_back(std::move(one));
  }
  std::stable_sort(rate.sites.begin(), rate.sites.end(), [](const auto& a, const auto& b) {
    return a.calls + a.dropped > b.calls + b.dropped;
  });
  const u64 filtered = image_->filtered();
  rate.filtered = change(filtered, filtered_);
  rate.waiting_bytes = image_->unmerged_bytes();
  rate.metrics = take_metrics();
  drops_ = std::move(drops);
  filtered_ = filtered;
  counts_.clear();
  all_calls_ = 0;
  return rate;
}

}  // namespace sluice::cli
