// The figures of `sluice top` from a collector, at its admin socket.
//
// It tells sums, and what there was since the last look is made here: nobody who asks disturbs
// another. A process that was not there at the last look is new with all of its sums: they begin
// when the collector takes its region. One that has gone is told for a minute, with its last sums.
// A collector that has gone is waited for; the sums of the next one begin anew.
#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "cli/admin_socket.h"
#include "cli/collector_totals.h"
#include "cli/top_source.h"
#include "collector/admin.h"
#include "os/process.h"

namespace sluice::cli {
namespace {

using collector::ProcessTotals;

class CollectorSource final : public TopSource {
 public:
  explicit CollectorSource(const TopScope& scope) : scope_(scope) {}

  ExitCode begin() override {
    std::vector<std::string> mistakes;
    socket_ = admin_socket(scope_.socket, mistakes);
    if (!mistakes.empty()) return ExitCode(refuse(mistakes));
    Look look;
    const Result<CollectorTotals> totals = ask(look);
    if (!totals.ok()) {
      if (look.code != kDone) complain(look.trouble);
      return look.code;
    }
    if (scope_.once && scope_.processes.empty() && !has_one(totals.value(), {})) {
      mistakes.push_back("the collector at " + socket_ + " has no process now");
    }
    for (const std::string& name : scope_.processes) {
      if (has_one(totals.value(), name)) continue;
      mistakes.push_back("the collector at " + socket_ + " has no process " + in_quotes(name));
    }
    if (!mistakes.empty()) return ExitCode(refuse(mistakes));
    (void)rates_to(totals.value());
    (void)still_has_one(totals.value());
    return kDone;
  }

  void read_on(i64) override {}

  Look look() override {
    Look look;
    const Result<CollectorTotals> totals = ask(look);
    if (!totals.ok()) return look;
    look.rates = rates_to(totals.value());
    if (look.rates.empty()) look.trouble = "the collector has no process now";
    look.is_last = !scope_.processes.empty() && !still_has_one(totals.value());
    return look;
  }

 private:
  using Process = CollectorTotals::Process;
  using Key = std::pair<std::string, u64>;
  struct Known {
    ProcessTotals totals;
    bool over = false;
  };

  // Without trouble, and none: a signal has come.
  Result<CollectorTotals> ask(Look& look) const {
    const Result<std::string> answer =
        collector::ask_admin(socket_, "top", scope_.timeout_ns, scope_.stop_fd);
    if (!answer.ok() && answer.status().os_error() == ECANCELED) return answer.status();
    if (!answer.ok()) {
      look.trouble = answer.status().message();
      const bool nobody = answer.status().error_class() == ErrorClass::kRetryable;
      look.code = nobody ? kNotRunning : kProblem;
      return answer.status();
    }
    Result<CollectorTotals> totals = read_totals(answer.value());
    if (!totals.ok()) {
      look.trouble = "what listens at " + socket_ + " " + totals.status().message();
      look.code = kProblem;
    }
    return totals;
  }

  static bool is_named(const Process& process, const std::string& name) {
    const RunInfo& run = process.totals.run;
    return name.empty() || run.product == name || std::to_string(run.pid) == name;
  }
  static bool has_one(const CollectorTotals& totals, const std::string& name) {
    return std::any_of(totals.processes.begin(), totals.processes.end(), [&](const auto& process) {
      return !process.over && is_named(process, name);
    });
  }
  // Whether it is shown. Those that were named are the ones of the first look.
  bool is_wanted(const Process& process) {
    if (scope_.processes.empty()) return true;
    const std::string& run = process.totals.run.run_id;
    if (collector_ == 0 && !process.over &&
        std::any_of(scope_.processes.begin(), scope_.processes.end(),
                    [&](const auto& name) { return is_named(process, name); })) {
      wanted_[run] = {process.totals.run.pid, 0};
    }
    return wanted_.contains(run);
  }
  // Whether one of those that were named may say something yet.
  bool still_has_one(const CollectorTotals& totals) {
    std::set<std::string> here, gone;
    for (const Process& process : totals.processes) {
      (process.over ? gone : here).insert(process.totals.run.run_id);
    }
    for (auto& [run, wanted] : wanted_) {
      if (here.contains(run)) wanted.collector = totals.pid;
    }
    std::erase_if(wanted_, [&](const auto& entry) {
      const auto& [run, wanted] = entry;
      if (here.contains(run)) return false;
      // A new collector may not have found it yet.
      const bool had_it = wanted.collector == totals.pid && totals.left_out == 0;
      return gone.contains(run) || had_it || os::start_time(wanted.pid) == 0;
    });
    return !wanted_.empty();
  }

  // What there was since the last look; of the first one none.
  std::vector<RegionRate> rates_to(const CollectorTotals& totals) {
    const i64 now_ns = os::monotonic_ns();
    std::vector<RegionRate> rates;
    std::map<Key, Known> known;
    for (const Process& process : totals.processes) {
      if (!is_wanted(process)) continue;
      const Key key{process.totals.run.run_id, process.since};
      const auto before = known_.find(key);
      const bool is_known = before != known_.end();
      const bool first = collector_ == 0 || (!is_known && left_out_ > 0);
      if (!first && !(is_known && before->second.over)) {
        rates.push_back(rate_between(is_known ? &before->second.totals : nullptr, process.totals,
                                     now_ns - last_ns_));
      }
      Known& now = known[key];
      now = {process.totals, process.over};
      if (is_known) keep_left_out(before->second.totals, now.totals);
    }
    known_ = std::move(known);
    collector_ = std::max<u64>(totals.pid, 1);
    left_out_ = totals.left_out;
    last_ns_ = now_ns;
    return rates;
  }

  // For when it is told again: what was known of it before.
  static void keep_left_out(const ProcessTotals& before, ProcessTotals& now) {
    if (now.sites_left_out > 0) {
      std::set<u32> here;
      for (const auto& site : now.sites) here.insert(site.id);
      for (const auto& site : before.sites) {
        if (site.id < collector::kSitesShown && here.insert(site.id).second) {
          now.sites.push_back(site);
        }
      }
    }
    if (now.metrics_left_out > 0) {
      std::set<std::pair<u32, decltype(collector::MetricTotal::labels)>> here;
      for (const auto& metric : now.metrics) here.emplace(metric.site, metric.labels);
      for (const auto& metric : before.metrics) {
        if (now.metrics.size() < region::kSeriesMax &&
            here.emplace(metric.site, metric.labels).second) {
          now.metrics.push_back(metric);
        }
      }
    }
  }

  const TopScope scope_;
  std::string socket_;
  u64 collector_ = 0;  // its process; 0: there was no look yet
  u64 left_out_ = 0;   // of the last look
  i64 last_ns_ = 0;
  std::map<Key, Known> known_;
  struct Wanted {
    u32 pid = 0;
    u64 collector = 0;  // which has had it last
  };
  std::map<std::string, Wanted> wanted_;  // that were named, by their runs
};

}  // namespace

std::unique_ptr<TopSource> collector_source(const TopScope& scope) {
  return std::make_unique<CollectorSource>(scope);
}

}  // namespace sluice::cli
