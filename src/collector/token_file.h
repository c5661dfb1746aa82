// The secret that requests for the daemon's pages bear, where it is asked for. It is in a file, so
// that no list of processes and no log shows it.
//
// Threading: plain functions. Blocks as reading a file does.
#ifndef SLUICE_SRC_COLLECTOR_TOKEN_FILE_H_
#define SLUICE_SRC_COLLECTOR_TOKEN_FILE_H_

#include <string>

#include "base/status.h"

namespace sluice::collector {

// The first line of a file that only its owner (this user or root) may read; empty path: none.
[[nodiscard]] Result<std::string> read_token(const std::string& path);

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_TOKEN_FILE_H_
