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

using SeriesTotal = RegionImage::SeriesTotal;

double value_of(const SeriesTotal& one) {
  u64 count = 0;
  for (const SeriesTotal::Bucket& bucket : one.buckets) count += bucket.count;
  if (region::is_histogram(one.kind)) return double(count);
  if (one.kind == CellKind::kGauge) return std::bit_cast<double>(~one.total);
  return one.kind == CellKind::kUpDown ? double(i64(one.total)) : double(one.total);
}

// None: nothing has come. `before`: the same series; null: it was not there.
std::optional<MetricRate::Spread> spread_of(const SeriesTotal& now, const SeriesTotal* before) {
  std::vector<std::pair<double, u64>> buckets;  // mean, count
  u64 count = 0;
  double sum = 0;
  for (std::size_t i = 0; i < now.buckets.size(); ++i) {
    SeriesTotal::Bucket bucket = now.buckets[i];
    if (before != nullptr && before->buckets.size() == now.buckets.size()) {
      bucket.count = change(bucket.count, before->buckets[i].count);
      bucket.sum -= before->buckets[i].sum;
    }
    if (bucket.count == 0) continue;
    buckets.emplace_back(bucket.sum / double(bucket.count), bucket.count);
    count += bucket.count;
    sum += bucket.sum;
  }
  if (count == 0) return {};
  const auto rank = [&](u64 percent) {
    u64 left = (count * percent + 99) / 100;
    std::size_t at = 0;
    while (at + 1 < buckets.size() && buckets[at].second < left) left -= buckets[at++].second;
    return buckets[at].first;
  };
  return MetricRate::Spread{sum / double(count), rank(50), rank(99)};
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
  std::map<SeriesKey, SeriesTotal> now;
  for (SeriesTotal& one : image_->series()) {
    const Result<Site> definition = decode_site(image_->site_text(one.site));
    if (!definition.ok() || (one.kind == CellKind::kGauge && one.total == 0)) continue;
    const Site& site = definition.value();
    MetricRate metric{site.format, site.unit, {}, one.kind, value_of(one)};
    const std::size_t first = RegionImage::first_label(site);
    for (std::size_t i = 0; i < one.labels.size() && first + i < site.arguments.size(); ++i) {
      metric.labels.emplace_back(site.arguments[first + i].name, one.labels[i]);
    }
    const SeriesKey key{one.site, one.labels};
    const auto known = series_.find(key);
    const SeriesTotal* const before = known == series_.end() ? nullptr : &known->second;
    const double none = one.kind == CellKind::kGauge ? metric.value : 0;
    metric.change = metric.value - (before == nullptr ? none : value_of(*before));
    metric.spread = spread_of(one, before);
    now[key] = std::move(one);
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
