#include "upload/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/crc32c.h"
#include "os/io.h"

namespace sluice::upload {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;

class Digest {
 public:
  explicit Digest(const EVP_MD* kind) : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    if (kind != nullptr) ok_ = context_ && EVP_DigestInit_ex(context_.get(), kind, nullptr) == 1;
    used_ = kind != nullptr;
  }
  void add(const void* bytes, std::size_t size) {
    if (used_) ok_ = ok_ && EVP_DigestUpdate(context_.get(), bytes, size) == 1;
  }
  // Empty when it was not asked for, or OpenSSL refuses (MD5 in a FIPS mode).
  std::string end() {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!used_ || !ok_ || EVP_DigestFinal_ex(context_.get(), out, &size) != 1) return {};
    return {reinterpret_cast<const char*>(out), size};
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
  bool used_ = false;
  bool ok_ = true;
};

std::string digest(const EVP_MD* kind, std::string_view bytes) {
  Digest one(kind);
  one.add(bytes.data(), bytes.size());
  return one.end();
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string sha256(std::string_view bytes) { return digest(EVP_sha256(), bytes); }
std::string md5(std::string_view bytes) { return digest(EVP_md5(), bytes); }

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), int(key.size()),
       reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), out, &size);
  return {reinterpret_cast<const char*>(out), size};
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out += "0123456789abcdef"[u8(c) >> 4];
    out += "0123456789abcdef"[u8(c) & 15];
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]), low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += char(high * 16 + low);
  }
  return out;
}

std::string base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // OpenSSL ends it with a zero
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), int(bytes.size()));
  out.resize(std::size_t(size));
  return out;
}

std::string base64_url(std::string_view bytes) {
  std::string out = base64(bytes);
  while (!out.empty() && out.back() == '=') out.pop_back();
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  return out;
}

std::string crc32c_text(u32 crc) {
  const char bytes[] = {char(crc >> 24), char(crc >> 16), char(crc >> 8), char(crc)};
  return base64({bytes, sizeof bytes});
}

Result<RangeDigests> digests_of(const os::ReadAt& read, u64 at, u64 size, u32 which) {
  std::vector<char> buffer(std::size_t(std::min<u64>(size, kReadBytes)));
  RangeDigests out;
  Digest sha((which & kSha256) != 0 ? EVP_sha256() : nullptr);
  Digest md((which & kMd5) != 0 ? EVP_md5() : nullptr);
  for (u64 done = 0; done < size;) {
    const std::size_t part = std::size_t(std::min<u64>(size - done, kReadBytes));
    const i64 got = read(buffer.data(), part, at + done);
    if (got < 0) {
      return Status(ErrorClass::kRetryable, "reading the file: " + os::error_text(int(-got)),
                    int(-got));
    }
    if (u64(got) != part) return fatal("the file has become shorter");
    out.crc32c = crc32c(buffer.data(), part, out.crc32c);
    sha.add(buffer.data(), part);
    md.add(buffer.data(), part);
    done += part;
  }
  out.sha256 = sha.end();
  out.md5 = md.end();
  return out;
}

}  // namespace sluice::upload
