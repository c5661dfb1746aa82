// What this machine and this user's session allow a process.
#ifndef SLUICE_SRC_OS_LIMITS_H_
#define SLUICE_SRC_OS_LIMITS_H_

#include "base/bytes.h"

namespace sluice::os {

// Descriptors that this process may have open now; all ones: no limit. 0: the system does not say.
u64 descriptor_limit();
// The longest file that this process may write (RLIMIT_FSIZE), as above.
u64 file_size_limit();
// Bytes that this user may still write to the file system of `path`. 0 or -errno.
int free_bytes(const char* path, u64& bytes);

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_LIMITS_H_
