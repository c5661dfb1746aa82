#include "cli/live_regions.h"

#include <charconv>

#include "cli/command.h"
#include "cli/region_place.h"
#include "collector/region_image.h"
#include "os/io.h"
#include "runtime/recover.h"

namespace sluice::cli {

std::vector<std::string> find_live_regions(const RegionLabels& labels,
                                           std::vector<std::string>& mistakes) {
  std::vector<std::string> found;
  if (labels.pid.empty() && labels.product.empty()) return found;
  u32 pid = 0;
  const char* const end = labels.pid.data() + labels.pid.size();
  const auto read = std::from_chars(labels.pid.data(), end, pid);
  if (!labels.pid.empty() && (read.ec != std::errc() || read.ptr != end || pid == 0)) {
    mistakes.push_back(std::string(labels.option) + ": " + in_quotes(labels.pid) +
                       " is no process id; write its number");
    return found;
  }
  const std::size_t before = mistakes.size();
  const std::string place = region_place(labels.directory, mistakes);
  if (mistakes.size() > before) return found;
  for (const std::string& path : runtime::find_regions(place)) {
    const auto image = collector::RegionImage::open(os::real_io(), path);
    if (!image.ok()) continue;
    const RunInfo& run = image.value()->run();
    if (pid != 0 && run.pid != pid) continue;
    if (!labels.product.empty() && run.product != labels.product) continue;
    found.push_back(path);
  }
  if (found.empty()) {
    mistakes.push_back("no region of " +
                       (pid != 0 ? "process " + labels.pid : in_quotes(labels.product)) +
                       " is there; is the program running, and as this user?");
  }
  return found;
}

std::vector<std::string> find_processes(const std::string& process, const std::string& directory,
                                        std::vector<std::string>& mistakes) {
  if (process.empty()) {
    mistakes.emplace_back("a process without a name; write its number or its product");
    return {};
  }
  const bool number = process.find_first_not_of("0123456789") == std::string::npos;
  RegionLabels labels{.directory = directory, .option = "the process"};
  (number ? labels.pid : labels.product) = process;
  return find_live_regions(labels, mistakes);
}

}  // namespace sluice::cli
