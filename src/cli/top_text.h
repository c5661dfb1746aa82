// How `sluice top` shows a process. Everything in it may be a stranger's.
//
// Threading: plain functions.
#ifndef SLUICE_SRC_CLI_TOP_TEXT_H_
#define SLUICE_SRC_CLI_TOP_TEXT_H_

#include <string>

#include "cli/region_rates.h"

namespace sluice::cli {

// `limit`: rows of call sites, and of metrics.
[[nodiscard]] std::string rate_in_words(const RegionRate& rate, std::size_t limit);
// A line.
[[nodiscard]] std::string rate_in_json(const RegionRate& rate);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_TOP_TEXT_H_
