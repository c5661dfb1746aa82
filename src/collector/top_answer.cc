#include "collector/top_answer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "os/process.h"

namespace sluice::collector {
namespace {

using nlohmann::ordered_json;

// What is in an answer without processes.
constexpr std::size_t kAroundBytes = 256;
// In a call site, or a series.
constexpr std::size_t kLeastBytes = 32;
// Of a text: one line is shown, and a program may say 64 KiB.
constexpr std::size_t kTextBytes = 256;

std::string_view begin_of(std::string_view text) { return text.substr(0, kTextBytes); }

ordered_json object_of(const SiteTotal& one) {
  ordered_json object = {{"id", one.id}};
  if (one.site) {
    object["file"] = begin_of(one.site->file);
    object["line"] = one.site->line;
    object["logger"] = begin_of(one.site->logger);
    object["level"] = level_name(one.site->level);
    object["format"] = begin_of(one.site->format);
  }
  object["records"] = one.records;
  object["bytes"] = one.bytes;
  object["dropped"] = one.dropped;
  return object;
}

ordered_json object_of(const MetricTotal& metric) {
  ordered_json object = {{"site", metric.site},
                         {"name", metric.name},
                         {"unit", metric.unit},
                         {"kind", cell_kind_name(metric.kind)}};
  object["labels"] = ordered_json::array();
  for (const auto& [name, value] : metric.labels) object["labels"].push_back({name, value});
  object["value"] = metric.value;
  object["change"] = metric.change;
  if (region::is_histogram(metric.kind)) {
    auto& buckets = object["buckets"] = ordered_json::array();
    for (const MetricTotal::Bucket& each : metric.buckets) {
      buckets.push_back(ordered_json::array({each.place, each.count, each.sum}));
    }
  }
  return object;
}

// The first `most` of them.
template <class Total>
void put(ordered_json& object, const char* name, const char* left_out,
         const std::vector<Total>& totals, std::size_t most) {
  auto& array = object[name] = ordered_json::array();
  for (std::size_t i = 0; i < totals.size() && i < most; ++i) array.push_back(object_of(totals[i]));
  if (totals.size() > most) object[left_out] = totals.size() - most;
}

std::string text_of(const RegionWatch::Look& look, std::size_t most) {
  const ProcessTotals& totals = look.totals;
  ordered_json object = {{"product", totals.run.product},
                         {"pid", totals.run.pid},
                         {"run_id", totals.run.run_id},
                         {"since", look.since_ns},
                         {"over", look.over},
                         {"records", totals.records},
                         {"missed", totals.missed},
                         {"bytes", totals.bytes},
                         {"dropped", totals.dropped},
                         {"filtered", totals.filtered},
                         {"waiting_bytes", totals.waiting_bytes}};
  put(object, "sites", "sites_left_out", totals.sites, most);
  put(object, "metrics", "metrics_left_out", totals.metrics, most);
  return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// Those that have done most first.
void sort(ProcessTotals& totals) {
  std::stable_sort(totals.sites.begin(), totals.sites.end(),
                   [](const SiteTotal& a, const SiteTotal& b) {
                     return a.records + a.dropped > b.records + b.dropped;
                   });
  std::stable_sort(totals.metrics.begin(), totals.metrics.end(),
                   [](const MetricTotal& a, const MetricTotal& b) { return a.change > b.change; });
}

}  // namespace

std::string top_answer(std::vector<RegionWatch::Look> looks, u64 left_out, std::size_t bytes_max) {
  const std::string begin = "{\"ok\":true,\"version\":\"" SLUICE_VERSION "\",\"pid\":" +
                            std::to_string(os::process_id()) + ",\"processes\":[";
  std::size_t most = 0;
  for (const RegionWatch::Look& look : looks) {
    most = std::max({most, look.totals.sites.size(), look.totals.metrics.size()});
  }
  bool sorted = false;
  const auto sort_all = [&] {
    if (std::exchange(sorted, true)) return;
    for (RegionWatch::Look& look : looks) sort(look.totals);
  };
  if (most > bytes_max / kLeastBytes) {
    most = bytes_max / kLeastBytes;
    sort_all();
  }
  for (;; most /= 2) {
    std::string answer = begin;
    std::size_t in = 0;
    for (; in < looks.size(); ++in) {
      const std::string text = text_of(looks[in], most);
      if (answer.size() + text.size() + kAroundBytes > bytes_max) break;
      answer += (in == 0 ? "" : ",") + text;
    }
    if (in < looks.size() && most > 0) {
      sort_all();
      continue;
    }
    answer += "]";
    if (left_out += looks.size() - in; left_out > 0) {
      answer += ",\"left_out\":" + std::to_string(left_out);
    }
    return answer + "}";
  }
}

}  // namespace sluice::collector
