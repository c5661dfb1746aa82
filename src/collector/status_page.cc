#include "collector/status_page.h"

#include <nlohmann/json.hpp>

#include "base/durations.h"
#include "collector/metrics_text.h"
#include "os/process.h"

namespace sluice::collector {
namespace {

constexpr const char* kVersion = SLUICE_VERSION;

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void put_figures(MetricsText& page, const Service& service) {
  std::string_view family;
  for (const Figure& figure : service.figures()) {
    if (figure.name != family) {
      family = figure.name;
      page.family("sluice_" + std::string(service.name()) + "_" + std::string(family),
                  figure.type == Figure::kCounter ? MetricsText::kCounter : MetricsText::kGauge,
                  figure.help);
    }
    const MetricsText::Label label{figure.label_name, figure.label_value};
    const auto put =
        figure.type == Figure::kNanosecond ? &MetricsText::seconds : &MetricsText::sample;
    if (figure.label_name.empty()) {
      (page.*put)(figure.value, {});
    } else {
      (page.*put)(figure.value, {label});
    }
  }
}

nlohmann::ordered_json figures_object(const Service& service) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const Figure& figure : service.figures()) {
    nlohmann::ordered_json value = figure.value;
    if (figure.type == Figure::kNanosecond) value = double(figure.value) / 1e9;
    auto& entry = object[std::string(figure.name)];
    if (figure.label_name.empty()) {
      entry = std::move(value);
    } else {
      entry[figure.label_value] = std::move(value);
    }
  }
  return object;
}

}  // namespace

void Health::looked(i64 now_ns, std::vector<std::string> stuck) {
  const std::lock_guard lock(mutex_);
  looked_ns_ = now_ns;
  stuck_ = std::move(stuck);
}

std::string Health::complaint(i64 now_ns) const {
  const std::lock_guard lock(mutex_);
  if (looked_ns_ == 0) return "the daemon is still starting";
  if (!stuck_.empty()) return "stuck: " + joined(stuck_);
  if (now_ns - looked_ns_ <= kLooksMissed * look_interval_ns_) return {};
  return "nobody has looked after the services for " +
         std::to_string((now_ns - looked_ns_) / kNsPerMs) + " ms";
}

std::vector<std::string> stuck_services(const Services& services) {
  std::vector<std::string> stuck;
  for (const auto& service : services) {
    if (!service->gets_on()) stuck.emplace_back(service->name());
  }
  return stuck;
}

std::string metrics_page(const Services& services, i64 started_ns, i64 now_ns) {
  MetricsText page;
  page.family("sluice_build_info", MetricsText::kGauge, "Version of the daemon.");
  page.sample(1, {{"version", kVersion}});
  page.family("sluice_uptime_seconds", MetricsText::kGauge, "Since the daemon has started.");
  page.seconds(u64(now_ns - started_ns));
  for (const auto& service : services) put_figures(page, *service);
  return page.take();
}

nlohmann::ordered_json status_object(const Services& services, const Health& health, i64 started_ns,
                                     i64 now_ns) {
  const std::string complaint = health.complaint(now_ns);
  nlohmann::ordered_json object;
  object["ok"] = true;
  object["healthy"] = complaint.empty();
  if (!complaint.empty()) object["complaint"] = complaint;
  object["version"] = kVersion;
  object["pid"] = os::process_id();
  object["uptime_seconds"] = double((now_ns - started_ns) / kNsPerMs) / 1e3;
  auto& all = object["services"] = nlohmann::ordered_json::object();
  for (const auto& service : services) {
    all[std::string(service->name())] = figures_object(*service);
  }
  return object;
}

HttpAnswer answer_page(std::string_view path, const Services& services, const Health& health,
                       i64 started_ns, i64 now_ns) {
  if (path == "/metrics") {
    return {200, std::string(MetricsText::kContentType),
            metrics_page(services, started_ns, now_ns)};
  }
  if (path == "/health") {
    const std::string complaint = health.complaint(now_ns);
    return {.status = complaint.empty() ? 200U : 503U,
            .body = complaint.empty() ? "ok\n" : complaint + "\n"};
  }
  if (path == "/") return {.body = "sluice: /metrics for Prometheus, /health for whoever asks\n"};
  return {.status = 404, .body = "there are /metrics and /health\n"};
}

}  // namespace sluice::collector
