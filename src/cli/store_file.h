// What the commands that work on a store have in common: opening it, with every mistake told.
//
// Threading: the main thread.
#ifndef SLUICE_SRC_CLI_STORE_FILE_H_
#define SLUICE_SRC_CLI_STORE_FILE_H_

#include <memory>
#include <string>
#include <vector>

#include "store/schema.h"

namespace sluice::cli {

// The file that --store names, or SLUICE_STORE; empty when neither does, which is added as a
// mistake.
[[nodiscard]] std::string store_path(const std::string& option, std::vector<std::string>& mistakes);

// An existing store of this version. `lock_wait_ms`: how long statements wait for other writers.
[[nodiscard]] Result<std::unique_ptr<storage::Connection>> open_store(const std::string& path,
                                                                      storage::Access access,
                                                                      int lock_wait_ms);

// 2 for a mistake of the user's, 1 for what may pass or is damage.
[[nodiscard]] int exit_code_of(const Status& status);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_STORE_FILE_H_
