// What gzip members and zstd frames, one behind the other, hold together.
#ifndef SLUICE_TESTS_UPLOAD_UNPACKED_H_
#define SLUICE_TESTS_UPLOAD_UNPACKED_H_

#include <zlib.h>
#include <zstd.h>

#include <optional>
#include <string>
#include <string_view>

#include "sluice/upload.h"

namespace sluice::upload {

// No value: it is damaged, or ends too early. `members`: how many there were.
inline std::optional<std::string> ungzipped_all(std::string packed, int& members) {
  std::string out;
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return {};
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = uInt(packed.size());
  int result = Z_OK;
  for (members = 0; stream.avail_in > 0 || result == Z_OK;) {
    char buffer[65536];
    stream.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.avail_out = sizeof buffer;
    result = inflate(&stream, Z_NO_FLUSH);
    out.append(buffer, sizeof buffer - stream.avail_out);
    if (result == Z_STREAM_END) {
      ++members;
      inflateReset(&stream);
    } else if (result != Z_OK) {
      break;
    }
  }
  inflateEnd(&stream);
  if (result != Z_STREAM_END) return {};
  return out;
}

inline std::optional<std::string> unzstded_all(std::string_view packed, int& frames) {
  std::string out;
  for (frames = 0; frames == 0 || !packed.empty(); ++frames) {
    const std::size_t size = ZSTD_findFrameCompressedSize(packed.data(), packed.size());
    const auto content = ZSTD_getFrameContentSize(packed.data(), packed.size());
    if (ZSTD_isError(size) || content > (64u << 20)) return {};
    std::string text(std::size_t(content), '\0');
    if (ZSTD_decompress(text.data(), text.size(), packed.data(), size) != text.size()) return {};
    out += text;
    packed.remove_prefix(size);
  }
  return out;
}

inline std::optional<std::string> unpacked(UploadCompression how, const std::string& packed,
                                           int* members = nullptr) {
  int ignored = 0;
  int& count = members != nullptr ? *members : ignored;
  return how == UploadCompression::gzip ? ungzipped_all(packed, count)
                                        : unzstded_all(packed, count);
}

}  // namespace sluice::upload

#endif  // SLUICE_TESTS_UPLOAD_UNPACKED_H_
