// An os::Io whose Nth call is the last thing a process does.
//
// The call throws Killed, after writing its first `partial` bytes when it writes. Whatever unwinds
// then may only close and unlock, as the kernel does for a dead process; anything else is a failure
// of the test. What is still open when the KillIo goes is closed. Memory that the process shared
// stays as it was.
#ifndef SLUICE_TESTS_SUPPORT_KILL_IO_H_
#define SLUICE_TESTS_SUPPORT_KILL_IO_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "os/io.h"

namespace sluice::testing {

struct Killed {};

class KillIo final : public os::Io {
 public:
  explicit KillIo(os::Io& real, u64 kill_at = 0, u64 partial = 0)
      : real_(real), kill_at_(kill_at), partial_(partial) {}
  ~KillIo() override {
    for (const int fd : open_) real_.close(fd);
  }

  [[nodiscard]] u64 calls() const { return calls_; }
  // Bytes that the fatal call was asked to write; 0 when it was none that writes.
  [[nodiscard]] u64 fatal_bytes() const { return fatal_bytes_; }

  int open(const char* path, u32 flags) override {
    step();
    const int fd = real_.open(path, flags);
    if (fd >= 0) open_.insert(fd);
    return fd;
  }
  int close(int fd) override {
    open_.erase(fd);
    return real_.close(fd);
  }
  i64 pread(int fd, void* to, std::size_t size, u64 at) override {
    return step(), real_.pread(fd, to, size, at);
  }
  i64 pwrite(int fd, const void* from, std::size_t size, u64 at) override {
    if (++calls_ == kill_at_) {
      fatal_bytes_ = size;
      const std::size_t part = std::min<std::size_t>(size, partial_);
      if (part > 0) {
        EXPECT_EQ(os::pwrite_all(real_, fd, from, part, at), i64(part));
      }
      die();
    }
    alive();
    return real_.pwrite(fd, from, size, at);
  }
  i64 read(int fd, void* to, std::size_t size) override { return step(), real_.read(fd, to, size); }
  i64 write(int fd, const void* from, std::size_t size) override {
    return step(), real_.write(fd, from, size);
  }
  int truncate(int fd, u64 size) override { return step(), real_.truncate(fd, size); }
  int allocate(int fd, u64 at, u64 size) override { return step(), real_.allocate(fd, at, size); }
  int sync_data(int fd) override { return step(), real_.sync_data(fd); }
  int sync_directory(const char* path) override { return step(), real_.sync_directory(path); }
  int stat(const char* path, os::FileInfo& out) override { return step(), real_.stat(path, out); }
  int stat_followed(const char* path, os::FileInfo& out) override {
    return step(), real_.stat_followed(path, out);
  }
  int stat_fd(int fd, os::FileInfo& out) override { return step(), real_.stat_fd(fd, out); }
  int rename(const char* from, const char* to) override { return step(), real_.rename(from, to); }
  int unlink(const char* path) override { return step(), real_.unlink(path); }
  int make_directory(const char* path) override { return step(), real_.make_directory(path); }
  int lock(int fd, u64 byte, bool wait) override { return step(), real_.lock(fd, byte, wait); }
  int unlock(int fd, u64 byte) override { return real_.unlock(fd, byte); }
  int list(const char* path, const std::function<void(const char*)>& each) override {
    return step(), real_.list(path, each);
  }

 private:
  void step() {
    if (++calls_ == kill_at_) die();
    alive();
  }
  void alive() {
    if (dead_) ADD_FAILURE() << "a dead process made a call";
  }
  [[noreturn]] void die() {
    dead_ = true;
    throw Killed();
  }

  os::Io& real_;
  const u64 kill_at_;
  const u64 partial_;
  std::set<int> open_;
  u64 calls_ = 0;
  u64 fatal_bytes_ = 0;
  bool dead_ = false;
};

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_SUPPORT_KILL_IO_H_
