#include "store/backup.h"

#include "os/process.h"

namespace sluice::storage {
namespace {

constexpr int kPagesAStep = 256;

}  // namespace

Status copy_database(Connection& from, Connection& to,
                     const std::function<bool(u64 done, u64 all)>& progress) {
  Status status = from.run("BEGIN; SELECT count(*) FROM sqlite_schema");  // takes the snapshot
  if (!status.ok()) return status;
  {
    const DatabaseUse use;
    sqlite3_backup* const backup = sqlite3_backup_init(to.get(), "main", from.get(), "main");
    int code = backup != nullptr ? SQLITE_OK : sqlite3_extended_errcode(to.get());
    bool given_up = false;
    while (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED) {
      code = sqlite3_backup_step(backup, kPagesAStep);
      if (code == SQLITE_BUSY || code == SQLITE_LOCKED) os::sleep_ns(kLockNapNs);
      const int all = sqlite3_backup_pagecount(backup);
      given_up = !progress(u64(all - sqlite3_backup_remaining(backup)), u64(all));
      if (given_up) break;
    }
    if (backup != nullptr) {
      const int finished = sqlite3_backup_finish(backup);
      if (code == SQLITE_DONE) code = finished;
    }
    if (given_up) {
      status = {ErrorClass::kRetryable, from.path() + ": the backup was stopped"};
    } else if (code != SQLITE_OK) {
      status = status_of(to.get(), code, to.path());
    }
  }
  const Status ended = from.run("ROLLBACK");
  return status.ok() ? ended : status;
}

}  // namespace sluice::storage
