#include "cli/collector_totals.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

namespace sluice::cli {
namespace {

using collector::MetricTotal;
using collector::ProcessTotals;
using collector::SiteTotal;
using nlohmann::json;

// Sums of such numbers are numbers yet.
constexpr u64 kCountMost = u64{1} << 62;

u64 count_of(const json& value) {
  return value.is_number_unsigned() ? std::min(value.get<u64>(), kCountMost) : 0;
}
double number_of(const json& value) {
  return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
}
std::string text_of(const json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

// The member, or null; of what is no object, too.
const json& at(const json& object, const char* key) {
  static const json kNull;
  const auto member = object.find(key);
  return member == object.end() ? kNull : *member;
}
u64 count_at(const json& object, const char* key) { return count_of(at(object, key)); }
u32 id_at(const json& object, const char* key) {
  return u32(std::min<u64>(count_at(object, key), std::numeric_limits<u32>::max()));
}
std::string text_at(const json& object, const char* key) { return text_of(at(object, key)); }
// The members of an array; of what is none: no members.
const json& list_at(const json& object, const char* key) {
  static const json kEmpty = json::array();
  const json& value = at(object, key);
  return value.is_array() ? value : kEmpty;
}

SiteTotal site_of(const json& object) {
  SiteTotal one{.id = id_at(object, "id")};
  Site site;
  if (parse_level(text_at(object, "level"), site.level)) {
    site.file = text_at(object, "file");
    site.line = id_at(object, "line");
    site.logger = text_at(object, "logger");
    site.format = text_at(object, "format");
    one.site = std::make_shared<const Site>(std::move(site));
  }
  one.records = count_at(object, "records");
  one.bytes = count_at(object, "bytes");
  one.dropped = count_at(object, "dropped");
  return one;
}

MetricTotal metric_of(const json& object, region::CellKind kind) {
  MetricTotal metric{id_at(object, "site"),
                     text_at(object, "name"),
                     text_at(object, "unit"),
                     {},
                     kind,
                     number_of(at(object, "value")),
                     number_of(at(object, "change"))};
  for (const json& label : list_at(object, "labels")) {
    if (!label.is_array() || label.size() != 2) continue;
    metric.labels.emplace_back(text_of(label[0]), text_of(label[1]));
  }
  for (const json& bucket : list_at(object, "buckets")) {
    if (!bucket.is_array() || bucket.size() != 3) continue;
    const u64 place = count_of(bucket[0]);
    if (place >= std::numeric_limits<u32>::max()) continue;
    metric.buckets.push_back({u32(place), count_of(bucket[1]), number_of(bucket[2])});
  }
  return metric;
}

ProcessTotals totals_of(const json& object) {
  ProcessTotals totals;
  totals.run.product = text_at(object, "product");
  totals.run.run_id = text_at(object, "run_id");
  totals.run.pid = id_at(object, "pid");
  totals.records = count_at(object, "records");
  totals.missed = count_at(object, "missed");
  totals.bytes = count_at(object, "bytes");
  totals.dropped = count_at(object, "dropped");
  totals.filtered = count_at(object, "filtered");
  totals.waiting_bytes = count_at(object, "waiting_bytes");
  totals.sites_left_out = count_at(object, "sites_left_out");
  totals.metrics_left_out = count_at(object, "metrics_left_out");
  for (const json& site : list_at(object, "sites")) {
    if (site.is_object()) totals.sites.push_back(site_of(site));
  }
  for (const json& metric : list_at(object, "metrics")) {
    const auto kind = collector::cell_kind_of(text_at(metric, "kind"));
    if (kind) totals.metrics.push_back(metric_of(metric, *kind));
  }
  return totals;
}

}  // namespace

Result<CollectorTotals> read_totals(std::string_view answer) {
  const json object = json::parse(answer, nullptr, false);
  if (!object.is_object() || !at(object, "ok").is_boolean()) return fatal("is no collector");
  if (at(object, "ok") == false) {
    return fatal("does not say it (" + text_at(object, "error") +
                 "); one of an older version does not know 'top'");
  }
  if (!at(object, "processes").is_array()) return fatal("has answered something else");
  CollectorTotals totals;
  totals.pid = count_at(object, "pid");
  totals.left_out = count_at(object, "left_out");
  for (const json& process : list_at(object, "processes")) {
    if (!process.is_object()) continue;
    totals.processes.push_back(
        {totals_of(process), count_at(process, "since"), at(process, "over") == true});
  }
  return totals;
}

}  // namespace sluice::cli
