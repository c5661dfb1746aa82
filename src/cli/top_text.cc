#include "cli/top_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/durations.h"
#include "cli/command.h"

namespace sluice::cli {
namespace {

using nlohmann::ordered_json;
using region::CellKind;

// Of a stranger's counts: a size that is too large for one is shown as the largest.
u64 whole(double count) { return count < 9e18 ? u64(count) : u64(9e18); }

double per_second(const RegionRate& rate, double count) {
  return rate.ns == 0 ? 0 : count * double(kNsPerSecond) / double(rate.ns);
}

std::string place_of(const SiteRate& one) {
  if (!one.site) return "(unknown)";
  const std::string& file = one.site->file;
  if (file.empty()) return "-";
  return printable(file.substr(file.rfind('/') + 1)) + ":" + std::to_string(one.site->line);
}

std::string metric_text(const MetricRate& metric) {
  std::string labels;
  for (const auto& [name, value] : metric.labels) {
    labels += (labels.empty() ? "" : ", ") + printable(name) + "=" + printable(value);
  }
  std::string text = printable(metric.name);
  if (!labels.empty()) text += "{" + labels + "}";
  return metric.unit.empty() ? text : text + ", " + printable(metric.unit);
}

}  // namespace

std::string rate_in_words(const RegionRate& rate, std::size_t limit) {
  const auto rates = [&rate](u64 count) { return per_second(rate, double(count)); };
  std::string text =
      fmt::format("{} ({}): {:.1f} records/s, {}/s; {:.1f} dropped/s, {:.1f} filtered/s, {} wait\n",
                  printable(rate.run.product), rate.run.pid, rates(rate.calls),
                  size_text(whole(rates(rate.bytes))), rates(rate.dropped), rates(rate.filtered),
                  size_text(rate.waiting_bytes));
  if (!rate.sites.empty()) {
    text += fmt::format("  {:>12} {:>14} {:>10}  {:8} {}{}\n", "records/s", "bytes/s", "dropped/s",
                        "level", "where", rate.scaled ? "  (estimated: some were missed)" : "");
  }
  for (std::size_t i = 0; i < rate.sites.size() && i < limit; ++i) {
    const SiteRate& one = rate.sites[i];
    text += fmt::format("  {:12.1f} {:>14} {:10.1f}  {:8} {}", rates(one.calls),
                        size_text(whole(rates(one.bytes))) + "/s", rates(one.dropped),
                        one.site ? level_name(one.site->level) : "", place_of(one));
    if (one.site && !one.site->logger.empty()) text += "  " + printable(one.site->logger);
    if (one.site) text += "  " + in_quotes(one.site->format);
    text += "\n";
  }
  if (rate.sites.size() > limit) {
    text += fmt::format("  and {} more call sites\n", rate.sites.size() - limit);
  }
  if (rate.sites_left_out > 0) {
    text += fmt::format("  {} call sites are left out by the collector\n", rate.sites_left_out);
  }
  for (std::size_t i = 0; i < rate.metrics.size() && i < limit; ++i) {
    const MetricRate& metric = rate.metrics[i];
    text += metric.kind == CellKind::kGauge
                ? fmt::format("  {:>12.6g} {:>14}  {}\n", metric.value, "", metric_text(metric))
                : fmt::format("  {:>12.0f} {:>12.1f}/s  {}", metric.value,
                              per_second(rate, metric.change), metric_text(metric));
    if (metric.kind == CellKind::kGauge) continue;
    if (metric.spread) {
      text += fmt::format("; mean {:.4g}, half up to {:.4g}, 99 % up to {:.4g}",
                          metric.spread->mean, metric.spread->p50, metric.spread->p99);
    }
    text += '\n';
  }
  if (rate.metrics.size() > limit) {
    text += fmt::format("  and {} more series\n", rate.metrics.size() - limit);
  }
  if (rate.metrics_left_out > 0) {
    text += fmt::format("  {} series are left out by the collector\n", rate.metrics_left_out);
  }
  return text;
}

std::string rate_in_json(const RegionRate& rate) {
  ordered_json object{{"product", rate.run.product},
                      {"pid", rate.run.pid},
                      {"run_id", rate.run.run_id},
                      {"seconds", double(rate.ns) / double(kNsPerSecond)},
                      {"records", rate.calls},
                      {"bytes", rate.bytes},
                      {"dropped", rate.dropped},
                      {"filtered", rate.filtered},
                      {"waiting_bytes", rate.waiting_bytes},
                      {"estimated", rate.scaled}};
  object["sites"] = ordered_json::array();
  for (const SiteRate& one : rate.sites) {
    ordered_json& site = object["sites"].emplace_back();
    if (one.site) {
      site = {{"file", one.site->file},
              {"line", one.site->line},
              {"logger", one.site->logger},
              {"level", level_name(one.site->level)},
              {"format", one.site->format}};
    }
    site["records"] = one.calls;
    site["bytes"] = one.bytes;
    site["dropped"] = one.dropped;
  }
  object["metrics"] = ordered_json::array();
  for (const MetricRate& metric : rate.metrics) {
    ordered_json labels = ordered_json::object();
    for (const auto& [name, value] : metric.labels) labels[name] = value;
    ordered_json& one = object["metrics"].emplace_back();
    one = {{"name", metric.name},
           {"unit", metric.unit},
           {"kind", collector::cell_kind_name(metric.kind)},
           {"labels", std::move(labels)},
           {"value", metric.value},
           {"change", metric.change}};
    if (metric.spread) {
      one["mean"] = metric.spread->mean;
      one["p50"] = metric.spread->p50;
      one["p99"] = metric.spread->p99;
    }
  }
  if (rate.sites_left_out > 0) object["sites_left_out"] = rate.sites_left_out;
  if (rate.metrics_left_out > 0) object["metrics_left_out"] = rate.metrics_left_out;
  return json_line(object);
}

}  // namespace sluice::cli
