// An os::Io that gives every call to another: for those that change a few.
#ifndef SLUICE_TESTS_SUPPORT_FORWARDING_IO_H_
#define SLUICE_TESTS_SUPPORT_FORWARDING_IO_H_

#include "os/io.h"

namespace sluice::testing {

class ForwardingIo : public os::Io {
 public:
  explicit ForwardingIo(os::Io& real) : real_(real) {}

  int open(const char* path, u32 flags) override { return real_.open(path, flags); }
  int close(int fd) override { return real_.close(fd); }
  i64 pread(int fd, void* to, std::size_t size, u64 offset) override {
    return real_.pread(fd, to, size, offset);
  }
  i64 pwrite(int fd, const void* from, std::size_t size, u64 offset) override {
    return real_.pwrite(fd, from, size, offset);
  }
  i64 read(int fd, void* to, std::size_t size) override { return real_.read(fd, to, size); }
  i64 write(int fd, const void* from, std::size_t size) override {
    return real_.write(fd, from, size);
  }
  int truncate(int fd, u64 size) override { return real_.truncate(fd, size); }
  int allocate(int fd, u64 offset, u64 size) override { return real_.allocate(fd, offset, size); }
  int sync_data(int fd) override { return real_.sync_data(fd); }
  int sync_directory(const char* path) override { return real_.sync_directory(path); }
  int stat(const char* path, os::FileInfo& out) override { return real_.stat(path, out); }
  int stat_followed(const char* path, os::FileInfo& out) override {
    return real_.stat_followed(path, out);
  }
  int stat_fd(int fd, os::FileInfo& out) override { return real_.stat_fd(fd, out); }
  int rename(const char* from, const char* to) override { return real_.rename(from, to); }
  int unlink(const char* path) override { return real_.unlink(path); }
  int make_directory(const char* path) override { return real_.make_directory(path); }
  int lock(int fd, u64 byte, bool wait) override { return real_.lock(fd, byte, wait); }
  int unlock(int fd, u64 byte) override { return real_.unlock(fd, byte); }
  int list(const char* path, const std::function<void(const char*)>& each) override {
    return real_.list(path, each);
  }

 protected:
  os::Io& real_;
};

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_SUPPORT_FORWARDING_IO_H_
