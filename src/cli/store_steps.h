// Long work on a store in many short transactions, with pauses in which others write.
//
// Threading: the main thread. Blocking: as long as the work takes.
#ifndef SLUICE_SRC_CLI_STORE_STEPS_H_
#define SLUICE_SRC_CLI_STORE_STEPS_H_

#include <functional>

#include "store/sqlite.h"

namespace sluice::cli {

// Settings of the connection for it: no checkpoint within a commit, while the write lock is held.
Status prepare_for_steps(storage::Connection& store);

// `step` until it says false. The lock of others is waited for 30 s.
Status run_steps(storage::Connection& store, const std::function<Result<bool>()>& step);

// Everything that is in the write-ahead log goes in its place, as far as nobody else is at work.
void checkpoint(storage::Connection& store);

// Of the database, without its write-ahead log.
[[nodiscard]] Result<u64> file_bytes(storage::Connection& store);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_STORE_STEPS_H_
