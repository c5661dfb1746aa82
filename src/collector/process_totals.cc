#include "collector/process_totals.h"

#include <algorithm>
#include <bit>

#include "back/batch.h"

namespace sluice::collector {
namespace {

using region::CellKind;
using SeriesTotal = RegionImage::SeriesTotal;

// A histogram's both kinds have one name.
constexpr std::pair<CellKind, std::string_view> kCellKindNames[] = {
    {CellKind::kCounter, "counter"},    {CellKind::kUpDown, "up-down counter"},
    {CellKind::kGauge, "gauge"},        {CellKind::kExponential, "histogram"},
    {CellKind::kExplicit, "histogram"}, {CellKind::kTimer, "timer"},
};

// A counter of another process, which may write anything there.
u64 grown(u64 now, u64 before) { return now > before ? now - before : 0; }

double value_of(const SeriesTotal& one) {
  u64 count = 0;
  for (const SeriesTotal::Bucket& bucket : one.buckets) count += bucket.count;
  if (region::is_histogram(one.kind)) return double(count);
  if (one.kind == CellKind::kGauge) return std::bit_cast<double>(~one.total);
  return one.kind == CellKind::kUpDown ? double(i64(one.total)) : double(one.total);
}

// Since there were those of `before`, in order of their places.
std::vector<MetricTotal::Bucket> buckets_of(const SeriesTotal& now,
                                            const std::vector<MetricTotal::Bucket>& before) {
  std::vector<MetricTotal::Bucket> buckets;
  auto known = before.begin();
  for (u32 i = 0; i < now.buckets.size(); ++i) {
    MetricTotal::Bucket bucket{i, now.buckets[i].count, now.buckets[i].sum};
    if (known != before.end() && known->place == i) {
      bucket.count = grown(bucket.count, known->count);
      bucket.sum -= known->sum;
      ++known;
    }
    if (bucket.count != 0) buckets.push_back(bucket);
  }
  return buckets;
}

}  // namespace

std::string_view cell_kind_name(CellKind kind) {
  for (const auto& [each, name] : kCellKindNames) {
    if (each == kind) return name;
  }
  return "gauge";
}

std::optional<CellKind> cell_kind_of(std::string_view name) {
  for (const auto& [kind, each] : kCellKindNames) {
    if (each == name) return kind;
  }
  return {};
}

void SiteCounts::count(const char* bytes) {
  const BatchView batch(bytes);
  const u64 before = batch.header().callers_before, behind = before + batch.header().callers;
  records_ += grown(behind, callers_.value_or(before));
  callers_ = behind;
  (void)batch.for_each(0, [this](const BatchRecord& record) {
    u32 site = record.header().site;
    if (!from_caller(site)) return true;
    if (site >= kSitesShown) site = kSiteUnknown;
    if (site >= sites_.size()) sites_.resize(site + 1);
    ++sites_[site].records;
    sites_[site].bytes += record.bytes.size();
    return true;
  });
}

TotalsReader::TotalsReader(std::unique_ptr<RegionImage> image)
    : image_(std::move(image)), drops_(image_->drops()), filtered_(image_->filtered()) {
  for (SeriesTotal& one : image_->series()) {
    series_[{one.site, one.labels}] = {value_of(one), buckets_of(one, {})};
  }
}

std::shared_ptr<const Site> TotalsReader::site(u32 id) {
  const auto known = sites_.find(id);
  if (known != sites_.end()) return known->second;
  const std::vector<std::byte> text = image_->site_text(id);
  // The sites of ours do not share their definitions.
  if (definition_bytes_ + text.size() > image_->dictionary_bytes()) return {};
  Result<Site> definition = decode_site(text);
  if (!definition.ok()) return {};
  definition_bytes_ += text.size();
  return sites_[id] = std::make_shared<const Site>(std::move(definition.value()));
}

std::optional<MetricTotal> TotalsReader::metric(const SeriesTotal& now) {
  const std::shared_ptr<const Site> definition = site(now.site);
  if (!definition || (now.kind == CellKind::kGauge && now.total == 0)) return {};
  MetricTotal metric{now.site, definition->format, definition->unit, {}, now.kind, value_of(now)};
  const std::size_t first = RegionImage::first_label(*definition);
  for (std::size_t i = 0; i < now.labels.size() && first + i < definition->arguments.size(); ++i) {
    metric.labels.emplace_back(definition->arguments[first + i].name, now.labels[i]);
  }
  const auto known = series_.find({now.site, now.labels});
  const Before before = known == series_.end() ? Before{} : known->second;
  if (now.kind != CellKind::kGauge) metric.change = metric.value - before.value;
  metric.buckets = buckets_of(now, before.buckets);
  return metric;
}

ProcessTotals TotalsReader::read(const SiteCounts& counts) {
  ProcessTotals totals;
  totals.run = image_->run();
  totals.records = counts.records();
  u64 read = 0;
  const std::vector<u64> drops = image_->drops();
  const std::size_t sites = std::max(counts.sites().size(), drops.size());
  for (u32 id = 0; id < sites; ++id) {
    SiteTotal one{.id = id};
    if (id < counts.sites().size()) {
      one.records = counts.sites()[id].records;
      one.bytes = counts.sites()[id].bytes;
    }
    if (id < drops.size()) one.dropped = grown(drops[id], id < drops_.size() ? drops_[id] : 0);
    if (one.records == 0 && one.dropped == 0) continue;
    one.site = site(id);
    read += one.records;
    totals.bytes += one.bytes;
    totals.dropped += one.dropped;
    totals.sites.push_back(std::move(one));
  }
  totals.missed = grown(totals.records, read);
  totals.filtered = grown(image_->filtered(), filtered_);
  totals.waiting_bytes = image_->unmerged_bytes();
  for (const SeriesTotal& one : image_->series()) {
    if (std::optional<MetricTotal> known = metric(one)) totals.metrics.push_back(*std::move(known));
  }
  return totals;
}

}  // namespace sluice::collector
