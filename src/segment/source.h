// Where a scanner's bytes come from: a file through os::Io, or an image in memory.
//
// Threading: single-owner. Blocking: as a read of the file. A file is opened read-only, symbolic
// links are followed (the user named it), and its bytes are untrusted.
#ifndef SLUICE_SRC_SEGMENT_SOURCE_H_
#define SLUICE_SRC_SEGMENT_SOURCE_H_

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/status.h"
#include "os/io.h"

namespace sluice {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Reads up to `size` bytes at `offset`: fewer only at the end. Returns the count or -errno.
  virtual i64 read(u64 offset, void* to, std::size_t size) = 0;
};

// `io` must outlive the source, `image` too.
[[nodiscard]] Result<std::unique_ptr<ByteSource>> open_source(os::Io& io, const std::string& path);
[[nodiscard]] std::unique_ptr<ByteSource> memory_source(ByteView image);
// Reads through a descriptor that stays the caller's.
[[nodiscard]] std::unique_ptr<ByteSource> descriptor_source(os::Io& io, int fd);

}  // namespace sluice

#endif  // SLUICE_SRC_SEGMENT_SOURCE_H_
