#include "os/memory.h"

#include <sys/mman.h>

#include <cerrno>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // Linux 5.14; the C library's headers may be older
#endif

namespace sluice::os {
namespace {
constexpr u64 kAlign = u64{2} << 20;
}

void* reserve(u64 bytes) {
  void* raw = ::mmap(nullptr, bytes + kAlign, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  auto* const start = static_cast<char*>(raw);
  const u64 skew = round_up(reinterpret_cast<u64>(start), kAlign) - reinterpret_cast<u64>(start);
  if (skew) ::munmap(start, skew);
  if (kAlign - skew) ::munmap(start + skew + bytes, kAlign - skew);
  return start + skew;
}

void release(void* at, u64 bytes) { ::munmap(at, bytes); }

bool can_map_files() { return true; }

int map_file(void* at, int fd, u64 bytes) {
  void* got = ::mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
  return got == MAP_FAILED ? -errno : 0;
}

int map_zero(void* at, u64 bytes) {
  void* got = ::mmap(at, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
  return got == MAP_FAILED ? -errno : 0;
}

int commit(void*, u64) { return 0; }

void prefer_large_pages(void* at, u64 bytes) { (void)::madvise(at, bytes, MADV_HUGEPAGE); }

int populate(void* at, u64 bytes) {
  if (::madvise(at, bytes, MADV_POPULATE_WRITE) == 0) return 0;
  if (errno != EINVAL) return -errno;
  for (u64 offset = 0; offset < bytes; offset += kPageBytes) {
    // An older kernel: touch each page, changing nothing another thread may have written.
    auto* word = reinterpret_cast<u8*>(static_cast<char*>(at) + offset);
    __atomic_fetch_or(word, u8{0}, __ATOMIC_RELAXED);
  }
  return 0;
}

int discard(void* at, u64 bytes) { return ::madvise(at, bytes, MADV_DONTNEED) == 0 ? 0 : -errno; }
int discard_file(void* at, u64 bytes) {
  return ::madvise(at, bytes, MADV_REMOVE) == 0 ? 0 : -errno;
}

}  // namespace sluice::os
