#include "os/limits.h"

#include "os/windows/windows.h"

namespace sluice::os {

// Those of the C library, by which files are open here.
u64 descriptor_limit() { return 8192; }
u64 file_size_limit() { return ~u64{0}; }

int free_bytes(const char* path, u64& bytes) {
  ULARGE_INTEGER free{};
  if (!::GetDiskFreeSpaceExW(to_wide(path).c_str(), &free, nullptr, nullptr)) {
    return last_error_number();
  }
  bytes = free.QuadPart;
  return 0;
}

}  // namespace sluice::os
