// sluice top: what running processes say now: records, bytes and drops a second of each call site,
// and their metrics.
//
// Exit code 0; 1 standard output could not be written; 2 a mistake in the command line, or no such
// process. Ends with --once, on SIGINT or SIGTERM, when every process that was named has ended, and
// when nobody reads its output any more.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/durations.h"
#include "cli/command.h"
#include "cli/live_regions.h"
#include "cli/region_place.h"
#include "cli/region_rates.h"
#include "os/child.h"
#include "os/process.h"
#include "runtime/recover.h"

namespace sluice::cli {
namespace {

using nlohmann::ordered_json;
using region::CellKind;

// A journal of 8 MiB lasts so long at 400 MB/s.
constexpr i64 kLookAroundNs = 20'000'000;

struct TopCommand {
  std::vector<std::string> processes;
  std::string directory;
  double interval_s = 1;
  std::size_t limit = 20;
  bool once = false;
  bool json = false;
};

double per_second(const RegionRate& rate, double count) {
  return rate.ns == 0 ? 0 : count * double(kNsPerSecond) / double(rate.ns);
}

std::string place_of(const SiteRate& one) {
  if (!one.site) return "(unknown)";
  const std::string& file = one.site->file;
  if (file.empty()) return "-";
  return printable(file.substr(file.rfind('/') + 1)) + ":" + std::to_string(one.site->line);
}

const char* kind_of(CellKind kind) {
  if (kind == CellKind::kTimer) return "timer";
  if (region::is_histogram(kind)) return "histogram";
  return kind == CellKind::kCounter  ? "counter"
         : kind == CellKind::kUpDown ? "up-down counter"
                                     : "gauge";
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

std::string in_words(const RegionRate& rate, std::size_t limit) {
  const auto rates = [&rate](u64 count) { return per_second(rate, double(count)); };
  std::string text =
      fmt::format("{} ({}): {:.1f} records/s, {}/s; {:.1f} dropped/s, {:.1f} filtered/s, {} wait\n",
                  printable(rate.run.product), rate.run.pid, rates(rate.calls),
                  size_text(u64(rates(rate.bytes))), rates(rate.dropped), rates(rate.filtered),
                  size_text(rate.waiting_bytes));
  if (!rate.sites.empty()) {
    text += fmt::format("  {:>12} {:>14} {:>10}  {:8} {}{}\n", "records/s", "bytes/s", "dropped/s",
                        "level", "where", rate.scaled ? "  (estimated: some were missed)" : "");
  }
  for (std::size_t i = 0; i < rate.sites.size() && i < limit; ++i) {
    const SiteRate& one = rate.sites[i];
    text += fmt::format("  {:12.1f} {:>14} {:10.1f}  {:8} {}", rates(one.calls),
                        size_text(u64(rates(one.bytes))) + "/s", rates(one.dropped),
                        one.site ? level_name(one.site->level) : "", place_of(one));
    if (one.site && !one.site->logger.empty()) text += "  " + printable(one.site->logger);
    if (one.site) text += "  " + in_quotes(one.site->format);
    text += "\n";
  }
  if (rate.sites.size() > limit) {
    text += fmt::format("  and {} more call sites\n", rate.sites.size() - limit);
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
  return text;
}

std::string in_json(const RegionRate& rate) {
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
    one = {{"name", metric.name},         {"unit", metric.unit},   {"kind", kind_of(metric.kind)},
           {"labels", std::move(labels)}, {"value", metric.value}, {"change", metric.change}};
    if (metric.spread) {
      one["mean"] = metric.spread->mean;
      one["p50"] = metric.spread->p50;
      one["p99"] = metric.spread->p99;
    }
  }
  return json_line(object);
}

class Top {
 public:
  explicit Top(const TopCommand& command) : command_(command) {}

  int run() {
    std::vector<std::string> mistakes;
    const std::vector<std::string> paths = find(mistakes);
    for (const std::string& path : paths) follow(path);
    if (mistakes.empty() && processes_.empty() && command_.once) {
      mistakes.push_back(
          "no program of this user has a region now; name its directory with "
          "--directory if they are elsewhere");
    }
    if (!mistakes.empty()) return refuse(mistakes);
    const bool screen = !command_.json && !command_.once && os::is_terminal(1);
    while (wait_for_next()) {
      if (screen) output_.write("\x1b[H\x1b[2J");
      if (processes_.empty() && !command_.json) output_.write("no program has a region now\n");
      std::erase_if(processes_, [this](const auto& process) { return show(*process); });
      if (!output_.flush() || command_.once) break;
      if (command_.processes.empty()) {
        for (const std::string& path : find(mistakes)) follow(path);
      } else if (processes_.empty()) {
        break;
      }
    }
    return output_.exit_code();
  }

 private:
  std::vector<std::string> find(std::vector<std::string>& mistakes) const {
    if (command_.processes.empty()) {
      const std::string place = region_place(command_.directory, mistakes);
      return mistakes.empty() ? runtime::find_regions(place) : std::vector<std::string>();
    }
    std::vector<std::string> paths;
    for (const std::string& process : command_.processes) {
      const std::vector<std::string> of_one = find_processes(process, command_.directory, mistakes);
      paths.insert(paths.end(), of_one.begin(), of_one.end());
    }
    return paths;
  }

  // Of a running process, unless it is followed already.
  void follow(const std::string& path) {
    const bool known = std::any_of(processes_.begin(), processes_.end(),
                                   [&](const auto& process) { return process->path() == path; });
    if (known) return;
    auto image = RegionImage::open(os::real_io(), path);
    if (!image.ok()) return;
    auto rates = std::make_unique<RegionRates>(std::move(image.value()));
    if (!rates->is_over()) processes_.push_back(std::move(rates));
  }

  // True: it was the last time.
  bool show(RegionRates& process) {
    // In this order: what came into the journal before the end is not missed.
    const bool over = process.is_over();
    process.read_on(os::monotonic_ns() + kNsPerSecond);
    const RegionRate rate = process.take();
    output_.write(command_.json ? in_json(rate) : in_words(rate, command_.limit));
    return over;
  }

  // False: it was told to stop, or nobody reads.
  bool wait_for_next() {
    const i64 end = os::monotonic_ns() + i64(command_.interval_s * double(kNsPerSecond));
    for (i64 now = os::monotonic_ns(); now < end; now = os::monotonic_ns()) {
      (void)os::wait_readable(inbox_.fd(), -1, std::min(kLookAroundNs, end - now));
      for (auto signal = inbox_.next(); signal.number; signal = inbox_.next()) {
        if (os::is_end_signal(signal.number)) return false;
      }
      if (os::reader_has_gone(1)) return false;
      for (const auto& process : processes_) process->read_on(end);
    }
    return true;
  }

  const TopCommand& command_;
  os::SignalInbox inbox_;
  std::vector<std::unique_ptr<RegionRates>> processes_;
  Output output_;
};

}  // namespace

void add_top(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub =
      app.add_subcommand("top", "Shows what running processes say and count each second");
  auto command = std::make_shared<TopCommand>();
  sub->add_option("processes", command->processes,
                  "Their numbers or products (none: every process of this user)")
      ->type_name("PROCESS");
  sub->add_option("--directory", command->directory, "Look for live regions in this directory")
      ->type_name("DIR");
  sub->add_option("--interval", command->interval_s, "Seconds between two looks (1)")
      ->type_name("S")
      ->check(CLI::Range(0.05, 3600.0));
  sub->add_option("--limit", command->limit, "Rows of call sites, and of metrics, a process (20)")
      ->type_name("N");
  sub->add_flag("--once", command->once, "One look, then the end");
  sub->add_flag("--json", command->json, "A process a line, with counts of the interval");
  sub->footer("Ends on Ctrl-C (exit code 0), or with the processes that were named.");
  sub->callback([command, &chosen] { chosen = [command] { return Top(*command).run(); }; });
}

}  // namespace sluice::cli
