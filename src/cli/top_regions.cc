// The figures of `sluice top` from the regions of running processes.
#include <algorithm>

#include "base/durations.h"
#include "cli/live_regions.h"
#include "cli/region_place.h"
#include "cli/top_source.h"
#include "os/process.h"
#include "runtime/recover.h"

namespace sluice::cli {
namespace {

class RegionsSource final : public TopSource {
 public:
  explicit RegionsSource(const TopScope& scope) : scope_(scope) {}

  ExitCode begin() override {
    std::vector<std::string> mistakes;
    follow(find(mistakes));
    if (mistakes.empty() && processes_.empty() && scope_.once) {
      mistakes.push_back(
          "no program of this user has a region now; name its directory with "
          "--directory if they are elsewhere");
    }
    return mistakes.empty() ? kDone : ExitCode(refuse(mistakes));
  }

  void read_on(i64 until_ns) override {
    for (const auto& process : processes_) process->read_on(until_ns);
  }

  Look look() override {
    Look look;
    std::erase_if(processes_, [&look](const auto& process) {
      // In this order: what came into the journal before the end is not missed.
      const bool over = process->is_over();
      process->read_on(os::monotonic_ns() + kNsPerSecond);
      look.rates.push_back(process->take());
      return over;
    });
    if (look.rates.empty()) look.trouble = "no program has a region now";
    std::vector<std::string> ignored;
    if (scope_.processes.empty()) {
      follow(find(ignored));
    } else {
      look.is_last = processes_.empty();
    }
    return look;
  }

 private:
  std::vector<std::string> find(std::vector<std::string>& mistakes) const {
    if (scope_.processes.empty()) {
      const std::string place = region_place(scope_.directory, mistakes);
      return mistakes.empty() ? runtime::find_regions(place) : std::vector<std::string>();
    }
    std::vector<std::string> paths;
    for (const std::string& process : scope_.processes) {
      const std::vector<std::string> of_one = find_processes(process, scope_.directory, mistakes);
      paths.insert(paths.end(), of_one.begin(), of_one.end());
    }
    return paths;
  }

  // Those of running processes that are not followed already.
  void follow(const std::vector<std::string>& paths) {
    for (const std::string& path : paths) {
      const bool known = std::any_of(processes_.begin(), processes_.end(),
                                     [&](const auto& process) { return process->path() == path; });
      if (known) continue;
      auto image = collector::RegionImage::open(os::real_io(), path);
      if (!image.ok()) continue;
      auto rates = std::make_unique<RegionRates>(std::move(image.value()));
      if (!rates->is_over()) processes_.push_back(std::move(rates));
    }
  }

  const TopScope scope_;
  std::vector<std::unique_ptr<RegionRates>> processes_;
};

}  // namespace

std::unique_ptr<TopSource> regions_source(const TopScope& scope) {
  return std::make_unique<RegionsSource>(scope);
}

}  // namespace sluice::cli
