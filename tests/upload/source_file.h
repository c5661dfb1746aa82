// A file of random bytes as the source of an upload, and a Progress that remembers.
#ifndef SLUICE_TESTS_UPLOAD_SOURCE_FILE_H_
#define SLUICE_TESTS_UPLOAD_SOURCE_FILE_H_

#include <fcntl.h>
#include <unistd.h>

#include <mutex>
#include <random>
#include <string>

#include "base/crc32c.h"
#include "os/io.h"
#include "upload/bucket.h"

namespace sluice::upload {

class SourceFile {
 public:
  explicit SourceFile(std::size_t size, u32 seed = 1) {
    char path[] = "/tmp/sluice_upload_XXXXXX";
    source_.file = ::mkostemp(path, O_CLOEXEC);
    ::unlink(path);
    bytes_.resize(size);
    std::mt19937_64 random(seed);
    for (std::size_t i = 0; i < size; i += 8) {
      const u64 value = random();
      std::memcpy(bytes_.data() + i, &value, std::min<std::size_t>(8, size - i));
    }
    os::pwrite_all(os::real_io(), source_.file, bytes_.data(), size, 0);
    source_.size = size;
    source_.crc32c = crc32c(bytes_.data(), size);
    source_.content_type = "text/plain";
  }
  ~SourceFile() { ::close(source_.file); }
  SourceFile(const SourceFile&) = delete;
  SourceFile& operator=(const SourceFile&) = delete;

  [[nodiscard]] const Source& source() const { return source_; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  // The same file, compressed while it is sent.
  [[nodiscard]] Source packed(UploadCompression how) const {
    Source source = source_;
    if (PackedFile::make(*source.io, source.file, source.size, how, {}, source.packed) != 0)
      abort();
    source.content_type = source.packed->content_type();
    source.size = source.packed->size();
    source.crc32c = source.packed->crc32c();
    return source;
  }

 private:
  Source source_;
  std::string bytes_;
};

// What an attempt told.
class Told {
 public:
  [[nodiscard]] Progress progress(std::stop_token stop = {}) {
    return {.stop = std::move(stop),
            .at =
                [this](u64 bytes) {
                  const std::lock_guard lock(mutex_);
                  at_ = bytes;
                  if (on_at_) on_at_(bytes);
                },
            .keep =
                [this](std::string_view memo) {
                  const std::lock_guard lock(mutex_);
                  memo_ = memo;
                  ++kept_;
                  return keeps_;
                }};
  }
  [[nodiscard]] std::string memo() const { return memo_; }
  [[nodiscard]] u64 at() const { return at_; }
  [[nodiscard]] int kept() const { return kept_; }
  void refuse_to_keep() { keeps_ = false; }
  void on_at(std::function<void(u64)> hook) { on_at_ = std::move(hook); }

 private:
  std::mutex mutex_;
  std::string memo_;
  u64 at_ = 0;
  int kept_ = 0;
  bool keeps_ = true;
  std::function<void(u64)> on_at_;
};

}  // namespace sluice::upload

#endif  // SLUICE_TESTS_UPLOAD_SOURCE_FILE_H_
