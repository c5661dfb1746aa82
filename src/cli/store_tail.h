// `sluice tail --store`: the last records of a store, then every new one as it is committed.
//
// Threading: the main thread. Blocking: until it is told to end.
#ifndef SLUICE_SRC_CLI_STORE_TAIL_H_
#define SLUICE_SRC_CLI_STORE_TAIL_H_

#include "cli/view.h"

namespace sluice::cli {

// Returns the exit code. `lines`: how many of the last records to begin with. `mistakes`: those
// that were found already; nothing is done then.
[[nodiscard]] int tail_store(const std::string& path, const ViewOptions& options, u64 lines,
                             std::vector<std::string> mistakes);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_STORE_TAIL_H_
