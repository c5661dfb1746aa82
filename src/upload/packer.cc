#include "upload/packer.h"

#include <zlib.h>
#include <zstd.h>

#include "base/bytes.h"

namespace sluice::upload {
namespace {

constexpr int kGzipLevel = 6;
constexpr int kZstdLevel = 3;
constexpr int kGzipWindow = 15 + 16;  // of 32 KiB, with gzip's head and checksum
constexpr int kGzipMemory = 8;        // zlib's own default

Bytef* bytes_of(std::string& text) { return reinterpret_cast<Bytef*>(text.data()); }
Bytef* bytes_of(std::string_view text) {  // zlib reads them only
  return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
}

// One byte more than there should be: longer ones show.
std::string ungzipped(std::string_view packed, std::size_t size) {
  std::string text(size + 1, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) return {};
  stream.next_in = bytes_of(packed);
  stream.avail_in = uInt(packed.size());
  stream.next_out = bytes_of(text);
  stream.avail_out = uInt(text.size());
  const bool whole = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0;
  text.resize(whole ? stream.total_out : size + 1);
  inflateEnd(&stream);
  return text;
}

std::string unzstded(std::string_view packed, std::size_t size) {
  std::string text(size + 1, '\0');
  const std::size_t got = ZSTD_decompress(text.data(), text.size(), packed.data(), packed.size());
  text.resize(ZSTD_isError(got) != 0 ? size + 1 : got);
  return text;
}

}  // namespace

struct Packer::Gzip {
  z_stream stream{};
  bool ready = deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kGzipWindow, kGzipMemory,
                            Z_DEFAULT_STRATEGY) == Z_OK;
  Gzip() = default;
  ~Gzip() { deflateEnd(&stream); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;
};

struct Packer::Zstd {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  Zstd() = default;
  ~Zstd() { ZSTD_freeCCtx(context); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;
};

std::string_view name_ending(UploadCompression how) {
  return how == UploadCompression::gzip ? ".gz" : how == UploadCompression::zstd ? ".zst" : "";
}

std::string_view packed_content_type(UploadCompression how) {
  return how == UploadCompression::gzip   ? "application/gzip"
         : how == UploadCompression::zstd ? "application/zstd"
                                          : "";
}

Packer::Packer(UploadCompression how) {
  if (how == UploadCompression::gzip) {
    gzip_ = std::make_unique<Gzip>();
  } else {
    zstd_ = std::make_unique<Zstd>();
    ZSTD_CCtx_setParameter(zstd_->context, ZSTD_c_compressionLevel, kZstdLevel);
    ZSTD_CCtx_setParameter(zstd_->context, ZSTD_c_checksumFlag, 1);
  }
}

Packer::~Packer() = default;

bool Packer::pack(std::string_view bytes, std::string& to) {
  if (gzip_) {
    z_stream& stream = gzip_->stream;
    if (!gzip_->ready || deflateReset(&stream) != Z_OK) return false;
    to.resize(deflateBound(&stream, uLong(bytes.size())));
    stream.next_in = bytes_of(bytes);
    stream.avail_in = uInt(bytes.size());
    stream.next_out = bytes_of(to);
    stream.avail_out = uInt(to.size());
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return false;
    to.resize(stream.total_out);
    return true;
  }
  to.resize(ZSTD_compressBound(bytes.size()));
  const std::size_t size =
      ZSTD_compress2(zstd_->context, to.data(), to.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(size) != 0) return false;
  to.resize(size);
  return true;
}

bool Packer::unpacks_to(UploadCompression how, std::string_view packed, std::string_view bytes) {
  return bytes == (how == UploadCompression::gzip ? ungzipped(packed, bytes.size())
                                                  : unzstded(packed, bytes.size()));
}

}  // namespace sluice::upload
