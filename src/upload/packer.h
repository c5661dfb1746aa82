// A piece of a file as a gzip member or a zstd frame of its own, which is unpacked without any
// other.
//
// The same bytes become the same bytes again with the same library, whatever was packed before.
// Neither name nor time of a file is in them.
//
// Threading: single-owner. Memory: under 4 MiB.
#ifndef SLUICE_SRC_UPLOAD_PACKER_H_
#define SLUICE_SRC_UPLOAD_PACKER_H_

#include <memory>
#include <string>
#include <string_view>

#include "sluice/upload.h"

namespace sluice::upload {

// What is added to an object's name, and what it says that it is. Empty without compression.
[[nodiscard]] std::string_view name_ending(UploadCompression how);
[[nodiscard]] std::string_view packed_content_type(UploadCompression how);

class Packer {
 public:
  explicit Packer(UploadCompression how);  // not `none`
  ~Packer();
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  // Replaces `to`. False: there is no memory.
  [[nodiscard]] bool pack(std::string_view bytes, std::string& to);
  // Whether what pack() made of the bytes becomes these bytes again.
  [[nodiscard]] static bool unpacks_to(UploadCompression how, std::string_view packed,
                                       std::string_view bytes);

 private:
  struct Gzip;
  struct Zstd;
  std::unique_ptr<Gzip> gzip_;  // one of the two
  std::unique_ptr<Zstd> zstd_;
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_PACKER_H_
