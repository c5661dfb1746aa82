#include "segment/source.h"

#include <algorithm>

namespace sluice {
namespace {

class DescriptorSource : public ByteSource {
 public:
  DescriptorSource(os::Io& io, int fd) : io_(io), fd_(fd) {}
  i64 read(u64 offset, void* to, std::size_t size) override {
    return os::pread_all(io_, fd_, to, size, offset);
  }

 protected:
  os::Io& io_;
  const int fd_;
};

class FileSource final : public DescriptorSource {
 public:
  using DescriptorSource::DescriptorSource;
  ~FileSource() override { io_.close(fd_); }
};

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(ByteView image) : image_(image) {}
  i64 read(u64 offset, void* to, std::size_t size) override {
    if (offset >= image_.size()) return 0;
    const std::size_t count = std::min<u64>(size, image_.size() - offset);
    std::memcpy(to, image_.data() + offset, count);
    return i64(count);
  }

 private:
  ByteView image_;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_source(os::Io& io, const std::string& path) {
  const int fd = io.open(path.c_str(), os::kRead | os::kFollow);
  if (fd < 0) return Status(ErrorClass::kFatal, path + ": cannot open: " + os::error_text(fd), -fd);
  os::FileInfo info;
  const int result = io.stat_fd(fd, info);
  if (result < 0 || !info.regular) {
    io.close(fd);
    return result < 0 ? Status(ErrorClass::kFatal, path + ": " + os::error_text(result), -result)
                      : fatal(path + ": not a regular file");
  }
  return std::unique_ptr<ByteSource>(std::make_unique<FileSource>(io, fd));
}

std::unique_ptr<ByteSource> memory_source(ByteView image) {
  return std::make_unique<MemorySource>(image);
}

std::unique_ptr<ByteSource> descriptor_source(os::Io& io, int fd) {
  return std::make_unique<DescriptorSource>(io, fd);
}

}  // namespace sluice
