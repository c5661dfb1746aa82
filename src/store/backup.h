// A copy of a store while it is written, by SQLite's backup interface
// (https://www.sqlite.org/backup.html).
//
// The source is read within one snapshot, so writers go on and the copy is of one moment: a backup
// outside of a transaction would begin again with every commit of another connection. While it
// lasts, the write-ahead log of the source cannot be reset and grows with what is written.
//
// Threading: plain function. Blocking: as the disks. Errors: those of Connection.
#ifndef SLUICE_SRC_STORE_BACKUP_H_
#define SLUICE_SRC_STORE_BACKUP_H_

#include <functional>

#include "store/sqlite.h"

namespace sluice::storage {

// Copies the whole database into `to`, which is empty. `progress` is called now and then with the
// pages that are done and those there are; false: give up, as kRetryable.
Status copy_database(Connection& from, Connection& to,
                     const std::function<bool(u64 done, u64 all)>& progress);

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_BACKUP_H_
