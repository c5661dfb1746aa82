#include "cli/region_rates.h"

#include <algorithm>
#include <map>
#include <utility>

#include "os/process.h"
#include "os/process_watch.h"
#include "region/region.h"

namespace sluice::cli {
namespace {

using collector::MetricTotal;
using collector::ProcessTotals;
using collector::SiteTotal;
using region::CellKind;

u64 change(u64 now, u64 before) { return now > before ? now - before : 0; }

// Counts of a stranger may be any; a number that is none counts nothing.
u64 whole(double count) {
  constexpr double kMost = 9e18;
  return count > 0 ? u64(std::min(count, kMost)) : 0;
}

// None: nothing has come. `before`: the same series; null: it was not there.
std::optional<MetricRate::Spread> spread_of(const MetricTotal& now, const MetricTotal* before) {
  std::map<u32, MetricTotal::Bucket> old;
  if (before != nullptr) {
    for (const MetricTotal::Bucket& bucket : before->buckets) old[bucket.place] = bucket;
  }
  std::vector<std::pair<double, u64>> buckets;  // mean, count
  u64 count = 0;
  double sum = 0;
  for (MetricTotal::Bucket bucket : now.buckets) {
    const auto known = old.find(bucket.place);
    if (known != old.end()) {
      bucket.count = change(bucket.count, known->second.count);
      bucket.sum -= known->second.sum;
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

MetricRate rate_of(const MetricTotal& now, const MetricTotal* before) {
  MetricRate rate{now.name, now.unit, now.labels, now.kind, now.value};
  if (now.kind == CellKind::kGauge) {
    rate.change = before == nullptr ? 0 : now.value - before->value;
  } else {
    rate.change = now.change - (before == nullptr ? 0 : before->change);
  }
  if (region::is_histogram(now.kind)) rate.spread = spread_of(now, before);
  return rate;
}

// What is in both looks, by what it is known by.
template <class Total, class Key>
auto by_key(const std::vector<Total>* totals, const Key& key) {
  std::map<decltype(key(totals->front())), const Total*> found;
  if (totals == nullptr) return found;
  for (const Total& one : *totals) found.emplace(key(one), &one);
  return found;
}
template <class Map, class Key>
auto find(const Map& map, const Key& key) {
  const auto at = map.find(key);
  return at == map.end() ? nullptr : at->second;
}

}  // namespace

RegionRate rate_between(const ProcessTotals* before, const ProcessTotals& now, i64 ns) {
  static const ProcessTotals kNothing;
  // What was left out of the last look may have any sums: what it has done since is not known.
  const bool some_sites = before != nullptr && before->sites_left_out > 0;
  const bool some_metrics = before != nullptr && before->metrics_left_out > 0;
  if (before == nullptr) before = &kNothing;
  RegionRate rate{.run = now.run,
                  .ns = ns,
                  .calls = change(now.records, before->records),
                  .dropped = change(now.dropped, before->dropped),
                  .filtered = change(now.filtered, before->filtered),
                  .waiting_bytes = now.waiting_bytes,
                  .sites_left_out = now.sites_left_out,
                  .metrics_left_out = now.metrics_left_out};
  const u64 read = change(rate.calls, change(now.missed, before->missed));
  rate.scaled = read < rate.calls;
  const double scale = read == 0 ? 1 : double(rate.calls) / double(read);
  const auto scaled = [&](u64 count) {
    return rate.scaled ? whole(double(count) * scale + 0.5) : count;
  };
  rate.bytes = scaled(change(now.bytes, before->bytes));
  const auto id = [](const SiteTotal& one) { return one.id; };
  const auto sites = by_key(&before->sites, id);
  for (const SiteTotal& one : now.sites) {
    const SiteTotal* old = find(sites, one.id);
    if (old == nullptr && some_sites) continue;
    const SiteTotal none;
    if (old == nullptr) old = &none;
    SiteRate site{.site = one.site,
                  .calls = scaled(change(one.records, old->records)),
                  .bytes = scaled(change(one.bytes, old->bytes)),
                  .dropped = change(one.dropped, old->dropped)};
    if (site.calls != 0 || site.dropped != 0) rate.sites.push_back(std::move(site));
  }
  std::stable_sort(rate.sites.begin(), rate.sites.end(), [](const auto& a, const auto& b) {
    return a.calls + a.dropped > b.calls + b.dropped;
  });
  const auto series = [](const MetricTotal& one) { return std::pair(one.site, one.labels); };
  const auto metrics = by_key(&before->metrics, series);
  for (const MetricTotal& one : now.metrics) {
    const MetricTotal* const old = find(metrics, series(one));
    rate.metrics.push_back(rate_of(one, old == nullptr && some_metrics ? &one : old));
  }
  return rate;
}

RegionRates::RegionRates(std::unique_ptr<collector::RegionImage> image)
    : reader_(std::move(image)), from_ns_(os::monotonic_ns()) {
  (void)reader_.image().skip_to_end();
  last_ = reader_.read(counts_);
}

bool RegionRates::is_over() {
  return reader_.image().is_gone() || os::lock_holder(path().c_str(), region::kOwnerLock) == 0;
}

void RegionRates::read_on(i64 until_ns) {
  for (;;) {
    const char* bytes = nullptr;
    const JournalRead read = reader_.image().next_batch(bytes);
    if (read == JournalRead::kNothing || read == JournalRead::kDamaged) return;
    if (read == JournalRead::kBatch) counts_.count(bytes);
    if (os::monotonic_ns() >= until_ns) return;
  }
}

RegionRate RegionRates::take() {
  const i64 now_ns = os::monotonic_ns();
  ProcessTotals now = reader_.read(counts_);
  RegionRate rate = rate_between(&last_, now, now_ns - std::exchange(from_ns_, now_ns));
  last_ = std::move(now);
  return rate;
}

}  // namespace sluice::cli
