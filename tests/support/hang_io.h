// An os::Io on a disk that hangs over one file: calls that name it wait until the test lets them go
// on. All others go to another Io.
//
// Threading: any, when the other Io is.
#ifndef SLUICE_TESTS_SUPPORT_HANG_IO_H_
#define SLUICE_TESTS_SUPPORT_HANG_IO_H_

#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>

#include "support/forwarding_io.h"

namespace sluice::testing {

class HangIo final : public ForwardingIo {
 public:
  explicit HangIo(os::Io& real) : ForwardingIo(real) {}

  // From here on, over every path that ends so.
  void hang(std::string ending) {
    const std::scoped_lock lock(mutex_);
    ending_ = std::move(ending);
    hanging_ = true;
  }
  void wait_until_somebody_hangs() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ > 0; });
  }
  void go_on() {
    const std::scoped_lock lock(mutex_);
    hanging_ = false;
    changed_.notify_all();
  }

  int open(const char* path, u32 flags) override { return at(path), real_.open(path, flags); }
  int stat(const char* path, os::FileInfo& out) override { return at(path), real_.stat(path, out); }
  int rename(const char* from, const char* to) override { return at(from), real_.rename(from, to); }

 private:
  void at(std::string_view path) {
    std::unique_lock lock(mutex_);
    if (!hanging_ || !path.ends_with(ending_)) return;
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !hanging_; });
    --waiting_;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string ending_;
  bool hanging_ = false;
  int waiting_ = 0;
};

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_SUPPORT_HANG_IO_H_
