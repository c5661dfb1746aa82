#include "cli/prometheus.h"

#include <bit>
#include <map>
#include <utility>

#include "collector/metrics_text.h"
#include "record/site.h"

namespace sluice::cli {
namespace {

using collector::MetricsText;
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
struct Family {
  std::string help;
  std::map<LabelTexts, double> samples;
};

}  // namespace

std::string prometheus_text(RegionImage& image) {
  std::map<std::pair<std::string, MetricsText::Type>, Family> families;
  for (const RegionImage::SeriesTotal& one : image.series()) {
    const Result<Site> definition = decode_site(image.site_text(one.site));
    if (!definition.ok()) continue;
    const Site& site = definition.value();
    const bool counter = one.kind == CellKind::kCounter;
    if (one.kind == CellKind::kGauge && one.total == 0) continue;  // never set
    std::string name = allowed(site.format);
    if (counter && !name.ends_with("_total")) name += "_total";
    Family& family = families[{name, counter ? MetricsText::kCounter : MetricsText::kGauge}];
    family.help = site.format + (site.unit.empty() ? "" : ", in " + site.unit);
    LabelTexts labels;
    for (std::size_t i = 0; i < one.labels.size(); ++i) {
      labels.emplace_back(allowed(site.arguments[i + 1].name), one.labels[i]);
    }
    double value = counter ? double(one.total) : double(i64(one.total));
    if (one.kind == CellKind::kGauge) value = std::bit_cast<double>(~one.total);
    family.samples[labels] += value;
  }
  MetricsText page;
  for (const auto& [key, family] : families) {
    page.family(key.first, key.second, family.help);
    for (const auto& [labels, value] : family.samples) {
      std::vector<MetricsText::Label> views;
      for (const auto& [label, text] : labels) views.push_back({label, text});
      page.number(value, views);
    }
  }
  return page.take();
}

}  // namespace sluice::cli
