// The file of a store: what stands there, and what becomes of a damaged one.
//
// Threading: thread-safe. Blocking: as the disk.
#ifndef SLUICE_SRC_STORE_FILE_H_
#define SLUICE_SRC_STORE_FILE_H_

#include <string>

#include "base/status.h"

namespace sluice::storage {

// kFatal when something stands at `path` that will never be a store: another program's database, or
// a store of a newer version. What is not there, locked or damaged is no mistake.
Status check_file(const std::string& path);

// A file that is damaged goes out of the way, with what belongs to it; returns its new name. When
// another process has done that already, nothing is moved and the name is empty.
[[nodiscard]] Result<std::string> set_aside(const std::string& path);

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_FILE_H_
