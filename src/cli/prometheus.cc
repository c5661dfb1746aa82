#include "cli/prometheus.h"

#include <bit>
#include <cmath>
#include <map>
#include <utility>

#include "collector/metrics_text.h"
#include "record/site.h"

namespace sluice::cli {
namespace {

using collector::MetricsText;
using collector::RegionImage;
using region::CellKind;

std::string allowed(std::string_view name) {
  std::string text;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    if (digit && text.empty()) text += '_';
    text += letter || digit ? c : '_';
  }
  return text.empty() ? "_" : text;
}

using LabelTexts = std::vector<std::pair<std::string, std::string>>;
struct Samples {
  double value = 0;
  std::map<double, u64> buckets = {};  // of a histogram, whose sum is the value
};
struct Family {
  std::string help;
  std::map<LabelTexts, Samples> samples;
};

MetricsText::Type type_of(CellKind kind) {
  if (region::is_histogram(kind)) return MetricsText::kHistogram;
  return kind == CellKind::kCounter ? MetricsText::kCounter : MetricsText::kGauge;
}

double value_of(const RegionImage::SeriesTotal& one) {
  if (one.kind == CellKind::kCounter) return double(one.total);
  if (one.kind == CellKind::kGauge) return std::bit_cast<double>(~one.total);
  return double(i64(one.total));
}

void add(Samples& to, const RegionImage::SeriesTotal& one) {
  if (!region::is_histogram(one.kind)) {
    to.value += value_of(one);
    return;
  }
  for (const RegionImage::SeriesTotal::Bucket& bucket : one.buckets) {
    to.value += bucket.sum;
    // All bounds that were asked for; of the others those that are in use.
    const bool last = std::isinf(bucket.upper);
    if (bucket.count != 0 || last || one.kind == CellKind::kExplicit) {
      to.buckets[bucket.upper] += bucket.count;
    }
  }
}

}  // namespace

std::string prometheus_text(RegionImage& image) {
  std::map<std::pair<std::string, MetricsText::Type>, Family> families;
  for (const RegionImage::SeriesTotal& one : image.series()) {
    const Result<Site> definition = decode_site(image.site_text(one.site));
    if (!definition.ok()) continue;
    const Site& site = definition.value();
    if (one.kind == CellKind::kGauge && one.total == 0) continue;  // never set
    std::string name = allowed(site.format);
    if (one.kind == CellKind::kCounter && !name.ends_with("_total")) name += "_total";
    Family& family = families[{name, type_of(one.kind)}];
    family.help = site.format + (site.unit.empty() ? "" : ", in " + site.unit);
    LabelTexts labels;
    for (std::size_t i = 0; i < one.labels.size(); ++i) {
      labels.emplace_back(allowed(site.arguments[RegionImage::first_label(site) + i].name),
                          one.labels[i]);
    }
    add(family.samples[labels], one);
  }
  MetricsText page;
  for (const auto& [key, family] : families) {
    page.family(key.first, key.second, family.help);
    for (const auto& [labels, samples] : family.samples) {
      std::vector<MetricsText::Label> views;
      for (const auto& [label, text] : labels) views.push_back({label, text});
      if (key.second == MetricsText::kHistogram) {
        page.buckets(samples.buckets, samples.value, views);
      } else {
        page.number(samples.value, views);
      }
    }
  }
  return page.take();
}

}  // namespace sluice::cli
