// The CRC32C of an open file, read from the disk a piece at a time.
//
// Threading: any. Blocking: as the disk, between two looks at `stop`.
#ifndef SLUICE_SRC_UPLOAD_FILE_CRC_H_
#define SLUICE_SRC_UPLOAD_FILE_CRC_H_

#include <stop_token>

#include "os/io.h"

namespace sluice::upload {

inline constexpr std::size_t kPieceBytes = 1 << 20;

// Of its first `size` bytes: 0, -errno, -ENODATA when it has fewer, or -ECANCELED when `stop`
// asked.
[[nodiscard]] int crc_of_file(os::Io& io, int fd, u64 size, const std::stop_token& stop, u32& crc);

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_FILE_CRC_H_
