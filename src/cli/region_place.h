// Where regions are looked for.
//
// Threading: the main thread.
#ifndef SLUICE_SRC_CLI_REGION_PLACE_H_
#define SLUICE_SRC_CLI_REGION_PLACE_H_

#include <string>
#include <vector>

namespace sluice::cli {

// As the option --directory says, else as programs of this environment are told; empty: where they
// put them otherwise.
[[nodiscard]] std::string region_place(const std::string& option,
                                       std::vector<std::string>& mistakes);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_REGION_PLACE_H_
