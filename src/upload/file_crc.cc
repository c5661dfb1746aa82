#include "upload/file_crc.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/crc32c.h"

namespace sluice::upload {

int crc_of_file(os::Io& io, int fd, u64 size, const std::stop_token& stop, u32& crc) {
  std::vector<char> piece(std::size_t(std::min<u64>(size, kPieceBytes)));
  crc = 0;
  for (u64 at = 0; at < size;) {
    if (stop.stop_requested()) return -ECANCELED;
    const std::size_t wanted = std::size_t(std::min<u64>(size - at, piece.size()));
    const i64 got = os::pread_all(io, fd, piece.data(), wanted, at);
    if (got < 0) return int(got);
    if (std::size_t(got) < wanted) return -ENODATA;
    crc = crc32c(piece.data(), wanted, crc);
    at += wanted;
  }
  return 0;
}

}  // namespace sluice::upload
