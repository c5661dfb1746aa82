// What is the same on every system: whole reads and writes, and calls made of other calls.
#include <cerrno>

#include "os/io.h"

namespace sluice::os {

i64 Io::pwritev(int fd, std::span<const ByteView> pieces, u64 offset) {
  for (const ByteView piece : pieces) {
    if (!piece.empty()) return pwrite(fd, piece.data(), piece.size(), offset);
  }
  return 0;
}

int Io::rename_new(const char* from, const char* to) {
  FileInfo there;
  const int stated = stat(to, there);
  if (stated == -ENOENT) return rename(from, to);
  return stated < 0 ? stated : -EEXIST;
}

i64 pwrite_all(Io& io, int fd, const void* from, std::size_t size, u64 offset, std::size_t* done) {
  std::size_t written = 0;
  i64 result = 0;
  while (written < size) {
    result = io.pwrite(fd, static_cast<const std::byte*>(from) + written, size - written,
                       offset + written);
    if (result == -EINTR) continue;
    if (result == 0) result = -EIO;
    if (result < 0) break;
    written += std::size_t(result);
  }
  if (done) *done = written;
  return written == size ? i64(written) : result;
}

i64 pread_all(Io& io, int fd, void* to, std::size_t size, u64 offset) {
  std::size_t got = 0;
  while (got < size) {
    const i64 result = io.pread(fd, static_cast<std::byte*>(to) + got, size - got, offset + got);
    if (result == -EINTR) continue;
    if (result < 0) return result;
    if (result == 0) break;
    got += std::size_t(result);
  }
  return i64(got);
}

}  // namespace sluice::os
