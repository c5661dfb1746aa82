// Address space: reservations, mappings at fixed places, pre-faulting. Async-signal-safe; every
// call returns 0 (or an address) or -errno.
#ifndef SLUICE_SRC_OS_MEMORY_H_
#define SLUICE_SRC_OS_MEMORY_H_

#include "base/bytes.h"

namespace sluice::os {

inline constexpr u64 kPageBytes = 4096;

// Address space without memory behind it, aligned to 2 MiB; nullptr when there is none.
void* reserve(u64 bytes);
void release(void* at, u64 bytes);
// Whether map_file() can ever work on this system.
bool can_map_files();
// Maps the file over [at, at + bytes), shared. Pages beyond the file's end must not be touched.
int map_file(void* at, int fd, u64 bytes);
// Maps private memory that reads as zero over [at, at + bytes).
int map_zero(void* at, u64 bytes);
// Puts memory behind whole pages of such a mapping, before they are touched for the first time:
// nothing where the system does so by itself.
int commit(void* at, u64 bytes);
// Asks for pages of 2 MiB where the system has them; a hint.
void prefer_large_pages(void* at, u64 bytes);
// Faults the pages in for writing, so that no later store does.
int populate(void* at, u64 bytes);
// Gives the memory behind whole pages back to the system; what is there is gone, and the next touch
// faults. Of pages of a mapped file on tmpfs: the file's memory too.
int discard(void* at, u64 bytes);
int discard_file(void* at, u64 bytes);

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_MEMORY_H_
