// A file as it is stored when it is compressed: members of 1 MiB of it, one behind the other, each
// compressed by itself. So any range of the object is made again from the file when it is needed,
// by this process or the next, and nothing of it is kept in memory or on the disk.
//
// make() goes over the file once: it compresses every member, unpacks it again and compares that
// with what was read, and remembers how long each is and the checksum of all. What is read later
// must have the same lengths; the store compares the checksum.
//
// The object's metadata says what is in it and what was meant to be stored. So an object that
// another version of the compressor made of the same bytes is known as the same.
//
// Threading: constant once made; each reader is for one thread. Memory: 8 bytes a MiB, a reader
// under 8 MiB.
#ifndef SLUICE_SRC_UPLOAD_PACKED_FILE_H_
#define SLUICE_SRC_UPLOAD_PACKED_FILE_H_

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "os/io.h"
#include "os/read_at.h"
#include "upload/packer.h"

namespace sluice::upload {

class PackedFile {
 public:
  // Of the first `size` bytes: 0 and `to`, or -errno as crc_of_file(); -EIO when a member could not
  // be unpacked again.
  [[nodiscard]] static int make(os::Io& io, int fd, u64 size, UploadCompression how,
                                const std::stop_token& stop, std::shared_ptr<const PackedFile>& to);

  [[nodiscard]] u64 size() const { return ends_.back(); }
  [[nodiscard]] u32 crc32c() const { return crc_; }
  [[nodiscard]] u32 unpacked_crc32c() const { return unpacked_crc_; }
  [[nodiscard]] std::string_view content_type() const { return packed_content_type(how_); }

  // Reads the object's bytes. -ENODATA: the file is shorter now; -ESTALE: it has other bytes, or
  // the compressor makes others of them. Uses this object, `io` and `fd` as long as it lives.
  [[nodiscard]] os::ReadAt reader(os::Io& io, int fd) const;

  // Names without the store's own prefix for them.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> metadata() const;
  // An object with this metadata, which the store says has the CRC32C `stored_crc` (base64), was
  // made of the same bytes as this, and is whole. `said` gives the value of a name; empty: none.
  using Said = std::function<std::string(const std::string& name)>;
  [[nodiscard]] bool is_in(const Said& said, const std::string& stored_crc) const;

 private:
  struct Member;
  PackedFile(UploadCompression how, u64 unpacked_size) : how_(how), unpacked_size_(unpacked_size) {}
  [[nodiscard]] int pack(os::Io& io, int fd, Member& member, std::size_t number) const;

  const UploadCompression how_;
  const u64 unpacked_size_;
  u32 unpacked_crc_ = 0;
  u32 crc_ = 0;
  std::vector<u64> ends_;  // of the members, in the object
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_PACKED_FILE_H_
