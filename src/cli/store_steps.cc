#include "cli/store_steps.h"

#include <algorithm>

#include "os/process.h"

namespace sluice::cli {
namespace {

// Others get the lock in between: they look for it every millisecond.
constexpr i64 kPauseMinNs = 3'000'000;
constexpr i64 kLockWaitNs = 30'000'000'000;
constexpr u64 kStepsToCheckpoint = 8;

void checkpoint_in_passing(storage::Connection& store) {
  const storage::DatabaseUse use;
  sqlite3_wal_checkpoint_v2(store.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

}  // namespace

Status prepare_for_steps(storage::Connection& store) {
  return store.run(
      "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 0");
}

void checkpoint(storage::Connection& store) {
  const storage::DatabaseUse use;
  sqlite3_busy_timeout(store.get(), 0);
  checkpoint_in_passing(store);
  sqlite3_wal_checkpoint_v2(store.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
}

Status run_steps(storage::Connection& store, const std::function<Result<bool>()>& step) {
  i64 locked_since = 0;
  for (u64 steps = 1;; ++steps) {
    const i64 started = os::monotonic_ns();
    const Result<bool> more = step();
    const i64 took = os::monotonic_ns() - started;
    if (more.ok() && !more.value()) return {};
    if (!more.ok()) {
      if (more.status().error_class() != ErrorClass::kRetryable) return more.status();
      if (locked_since == 0) locked_since = started;
      if (os::monotonic_ns() - locked_since > kLockWaitNs) return more.status();
    } else {
      locked_since = 0;
    }
    // By ourselves, without the write lock, rather than within a commit.
    if (steps % kStepsToCheckpoint == 0) checkpoint_in_passing(store);
    os::sleep_ns(std::max(kPauseMinNs, took / 2));
  }
}

Result<u64> file_bytes(storage::Connection& store) {
  const Result<i64> bytes = store.integer_of(
      "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()");
  if (!bytes.ok()) return bytes.status();
  return u64(bytes.value());
}

}  // namespace sluice::cli
