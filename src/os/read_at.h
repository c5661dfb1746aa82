// Reads from something that is no file, as os::pread_all() does from one.
#ifndef SLUICE_SRC_OS_READ_AT_H_
#define SLUICE_SRC_OS_READ_AT_H_

#include <functional>

#include "base/bytes.h"

namespace sluice::os {

// The bytes that are there from `offset` on, fewer than `size` only at the end, or -errno.
using ReadAt = std::function<i64(void* to, std::size_t size, u64 offset)>;

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_READ_AT_H_
