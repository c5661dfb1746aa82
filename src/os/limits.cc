#include "os/limits.h"

#include <sys/resource.h>
#include <sys/statvfs.h>

#include <cerrno>

namespace sluice::os {
namespace {

u64 soft_limit(decltype(RLIMIT_NOFILE) resource) {
  rlimit limit{};
  return ::getrlimit(resource, &limit) == 0 ? u64{limit.rlim_cur} : 0;
}

}  // namespace

u64 descriptor_limit() { return soft_limit(RLIMIT_NOFILE); }
u64 file_size_limit() { return soft_limit(RLIMIT_FSIZE); }

int free_bytes(const char* path, u64& bytes) {
  struct statvfs info;
  if (::statvfs(path, &info) != 0) return -errno;
  bytes = u64{info.f_bavail} * info.f_frsize;
  return 0;
}

}  // namespace sluice::os
