// Compression by the libzstd of this machine (RFC 8878), loaded when the first sink asks for it:
// programs that link this library need it neither to be built nor to run.
//
// What is called are functions of the stable interface of libzstd.so.1 (1.4 and later); its header
// is not needed, tests/sink/zstd_test.cc compares with it.
//
// Threading: Zstd is thread-safe, ZstdStream single-owner. Memory: a stream has 2 to 4 MiB.
#ifndef SLUICE_SRC_SINK_ZSTD_H_
#define SLUICE_SRC_SINK_ZSTD_H_

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sluice::sink {

// The layout of ZSTD_inBuffer and, but for const, of ZSTD_outBuffer.
struct ZstdInput {
  const void* bytes;
  std::size_t size;
  std::size_t used;
};
struct ZstdOutput {
  void* bytes;
  std::size_t size;
  std::size_t used;
};

struct Zstd {
  static constexpr const char* kLibrary = "libzstd.so.1";
  static constexpr int kLevelParameter = 100;     // ZSTD_c_compressionLevel
  static constexpr int kChecksumParameter = 201;  // ZSTD_c_checksumFlag
  static constexpr int kContinue = 0;             // ZSTD_e_continue
  static constexpr int kEnd = 2;                  // ZSTD_e_end

  void* (*create)() = nullptr;
  std::size_t (*free)(void* context) = nullptr;
  std::size_t (*set_parameter)(void* context, int parameter, int value) = nullptr;
  std::size_t (*compress)(void* context, ZstdOutput*, ZstdInput*, int directive) = nullptr;
  unsigned (*is_error)(std::size_t result) = nullptr;
  std::string problem;  // why it cannot be used; empty: it can

  explicit Zstd(const char* library);
  // The one of this process.
  static const Zstd& instance();
};

// One file's compression, as one frame with a checksum.
class ZstdStream {
 public:
  static constexpr int kLevel = 3;

  explicit ZstdStream(const Zstd& zstd);
  ~ZstdStream();
  ZstdStream(const ZstdStream&) = delete;
  ZstdStream& operator=(const ZstdStream&) = delete;

  // What begins so is a frame, whole or not.
  [[nodiscard]] static bool is_frame(std::string_view head) {
    return head.starts_with("\x28\xb5\x2f\xfd");
  }

  // Adds what comes of `bytes` to `out`; `last`: and all that is left. False: no memory.
  [[nodiscard]] bool add(std::string_view bytes, bool last, std::string& out);

 private:
  const Zstd& zstd_;
  void* const context_;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_ZSTD_H_
