// Regions of running processes, and of dead ones that wait for recovery, by their labels.
//
// Threading: the main thread.
#ifndef SLUICE_SRC_CLI_LIVE_REGIONS_H_
#define SLUICE_SRC_CLI_LIVE_REGIONS_H_

#include <string>
#include <string_view>
#include <vector>

namespace sluice::cli {

struct RegionLabels {
  std::string pid = {};               // as it was written; empty: any
  std::string product = {};           // empty: any
  std::string directory = {};         // where to look; empty: where programs put them
  std::string_view option = "--pid";  // that the number came by
};

// Their paths; none, with a mistake, when there are none. Both labels empty: none, without.
[[nodiscard]] std::vector<std::string> find_live_regions(const RegionLabels& labels,
                                                         std::vector<std::string>& mistakes);
// The same of a process that is named by its number, or of all of a product.
[[nodiscard]] std::vector<std::string> find_processes(const std::string& process,
                                                      const std::string& directory,
                                                      std::vector<std::string>& mistakes);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_LIVE_REGIONS_H_
