// --store: which database the commands of the store look at, and opening it.
//
// Threading: the main thread. Blocking: as the disk, and as the locks of others.
#ifndef SLUICE_SRC_CLI_STORE_OPTION_H_
#define SLUICE_SRC_CLI_STORE_OPTION_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/sqlite.h"

namespace CLI {
class App;
}

namespace sluice::cli {

void add_store_option(CLI::App& app, std::string& store);
// Fills in SLUICE_STORE; a mistake when no store is named.
void check_store_option(std::string& store, std::vector<std::string>& mistakes);

// --match: a full-text expression.
void add_match_option(CLI::App& app, std::optional<std::string>& match);
void check_match(const std::optional<std::string>& match, std::vector<std::string>& mistakes);

// A store that is there and of this version. No other database can be named in a statement.
// `lock_wait_ms`: how long statements wait for other writers.
inline constexpr int kLockWaitMs = 5000;
[[nodiscard]] Result<std::unique_ptr<storage::Connection>> open_store(
    const std::string& path, storage::Access access, int lock_wait_ms = kLockWaitMs);

// For commands that only read: nullptr, and a mistake more, when it cannot be opened or none is
// named.
[[nodiscard]] std::unique_ptr<storage::Connection> open_store(const std::string& path,
                                                              std::vector<std::string>& mistakes);

// kDone; kProblem when it may go better later, or is damage; else kUsage.
[[nodiscard]] int exit_code_of(const Status& status);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_STORE_OPTION_H_
