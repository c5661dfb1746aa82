// Memory of this process only: no file is mapped, so nothing outlives it. Addresses are reserved
// first; commit() and populate() put memory behind them, which counts against what the system has.
#include "os/memory.h"

#include <cerrno>

#include "os/windows/windows.h"

namespace sluice::os {

void* reserve(u64 bytes) {
  // Aligned to 64 KiB; large pages need a privilege here, so nothing is lost by that.
  return ::VirtualAlloc(nullptr, bytes, MEM_RESERVE, PAGE_READWRITE);
}

// A reservation goes as a whole, whatever part of it is named.
void release(void* at, u64) { ::VirtualFree(at, 0, MEM_RELEASE); }

bool can_map_files() { return false; }

int map_file(void*, int, u64) { return -ENOTSUP; }

int map_zero(void* at, u64 bytes) {
  return ::VirtualFree(at, bytes, MEM_DECOMMIT) ? 0 : last_error_number();
}

int commit(void* at, u64 bytes) {
  return ::VirtualAlloc(at, bytes, MEM_COMMIT, PAGE_READWRITE) ? 0 : last_error_number();
}

void prefer_large_pages(void*, u64) {}

int populate(void* at, u64 bytes) {
  if (const int failed = commit(at, bytes); failed) return failed;
  for (u64 offset = 0; offset < bytes; offset += kPageBytes) {
    // Touches each page, changing nothing another thread may have written.
    auto* word = reinterpret_cast<u8*>(static_cast<char*>(at) + offset);
    __atomic_fetch_or(word, u8{0}, __ATOMIC_RELAXED);
  }
  return 0;
}

int discard(void* at, u64 bytes) {
  const int failed = map_zero(at, bytes);
  return failed ? failed : commit(at, bytes);
}

int discard_file(void*, u64) { return -ENOTSUP; }

}  // namespace sluice::os
