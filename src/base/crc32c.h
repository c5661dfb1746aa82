// CRC32C (Castagnoli, RFC 3720 appendix B.4): SSE4.2 where the processor has it, else a table.
#ifndef SLUICE_SRC_BASE_CRC32C_H_
#define SLUICE_SRC_BASE_CRC32C_H_

#include "base/bytes.h"

namespace sluice {

// The CRC of `bytes`, continuing from `seed` (0 to begin). Never blocks; thread-safe.
[[nodiscard]] u32 crc32c(const void* bytes, std::size_t size, u32 seed = 0);

// The CRCs of four pieces that follow each other, of `size` bytes each, a multiple of 8: at once,
// where one waits for the instruction's result at every step. Three to four times as fast.
void crc32c_of_four(const void* bytes, std::size_t size, u32 (&out)[4]);

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_CRC32C_H_
