// SHA-256, HMAC, MD5 and the texts they travel in. Threading: plain functions.
#ifndef SLUICE_SRC_UPLOAD_DIGEST_H_
#define SLUICE_SRC_UPLOAD_DIGEST_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "os/read_at.h"

namespace sluice::upload {

// The raw bytes of the digest.
[[nodiscard]] std::string sha256(std::string_view bytes);
[[nodiscard]] std::string md5(std::string_view bytes);
[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view bytes);

[[nodiscard]] std::string hex(std::string_view bytes);  // lower case
[[nodiscard]] std::optional<std::string> from_hex(std::string_view text);
[[nodiscard]] std::string base64(std::string_view bytes);
[[nodiscard]] std::string base64_url(std::string_view bytes);  // without padding

// A CRC32C as object stores write it: base64 of its four bytes, the highest first.
[[nodiscard]] std::string crc32c_text(u32 crc);

// What is asked of a range of an object, in one pass over it.
struct RangeDigests {
  u32 crc32c = 0;
  std::string sha256;  // raw
  std::string md5;     // raw
};
enum : u32 { kSha256 = 1, kMd5 = 2 };
// The CRC always, the others by `which`. Reads 1 MiB at a time; may block on the disk.
Result<RangeDigests> digests_of(const os::ReadAt& read, u64 at, u64 size, u32 which);

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_DIGEST_H_
