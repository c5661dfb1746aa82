// An os::Io that records every call to another one and spoils the ones a test asks for.
//
//   FaultIo io(real_io());
//   io.fail({.call = 7, .error = ENOSPC});                        // the 7th call, once
//   io.fail({.op = Op::kSyncData, .call = 2, .error = EIO, .for_good = true});
//   io.fail({.op = Op::kPwrite, .call = 1, .short_bytes = 10});   // writes 10 bytes, says 10
//   io.give("/x/app.log", 4711);                                // stat says that it is this user's
//   io.stop_at(12);                                               // as if killed at the 12th call
//
// Calls are counted from 1, among those of the fault's operation. `stop_at` lets the call do its
// first `partial` bytes when it writes; from then on no call has an effect and all give -EIO:
// what the other Io holds is what a killed process leaves. close() always works. Threads: none.
#ifndef SLUICE_TESTS_SUPPORT_FAULT_IO_H_
#define SLUICE_TESTS_SUPPORT_FAULT_IO_H_

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "os/io.h"

namespace sluice::testing {

enum class Op : u8 {
  kAny,
  kOpen,
  kPread,
  kPwrite,
  kRead,
  kWrite,
  kTruncate,
  kAllocate,
  kSyncData,
  kSyncDirectory,
  kStat,
  kRename,
  kUnlink,
  kMakeDirectory,
  kLock,
  kList,
  kCount,
};

struct Fault {
  Op op = Op::kAny;
  u64 call = 1;                  // the first one spoiled
  int error = EIO;               // what it fails with, without any effect
  bool for_good = false;         // all later ones too
  i64 short_bytes = -1;          // reads and writes: do so many bytes instead of failing
  bool lie_about_short = false;  // and say that all were done: a wrong disk, for negative controls
};

class FaultIo final : public os::Io {
 public:
  struct Call {
    Op op;
    std::string path{};
    u64 offset = 0;
    u64 size = 0;
    i64 result = 0;
  };

  explicit FaultIo(os::Io& real) : real_(real) {}

  void fail(const Fault& fault) { faults_.push_back(fault); }
  void heal() { faults_.clear(); }
  void give(const std::string& path, u32 uid) { owners_[path] = uid; }
  void stop_at(u64 call, u64 partial = 0) {
    stop_at_ = call;
    stop_partial_ = partial;
  }
  [[nodiscard]] bool stopped() const { return stop_at_ != 0 && total() >= stop_at_; }

  [[nodiscard]] const std::vector<Call>& calls() const { return calls_; }
  [[nodiscard]] u64 total() const { return counts_[0]; }
  [[nodiscard]] u64 count(Op op) const { return counts_[std::size_t(op)]; }

  int open(const char* path, u32 flags) override {
    const int fd = int(run({Op::kOpen, path}, [&] { return real_.open(path, flags); }));
    if (fd >= 0) paths_[fd] = path;
    return fd;
  }
  int close(int fd) override {
    paths_.erase(fd);
    return real_.close(fd);
  }
  i64 pread(int fd, void* to, std::size_t size, u64 offset) override {
    return run_bytes({Op::kPread, {}, offset, size},
                     [&](std::size_t part) { return real_.pread(fd, to, part, offset); });
  }
  i64 pwrite(int fd, const void* from, std::size_t size, u64 offset) override {
    return run_bytes({Op::kPwrite, {}, offset, size},
                     [&](std::size_t part) { return real_.pwrite(fd, from, part, offset); });
  }
  i64 read(int fd, void* to, std::size_t size) override {
    return run_bytes({Op::kRead, {}, 0, size},
                     [&](std::size_t part) { return real_.read(fd, to, part); });
  }
  i64 write(int fd, const void* from, std::size_t size) override {
    return run_bytes({Op::kWrite, {}, 0, size},
                     [&](std::size_t part) { return real_.write(fd, from, part); });
  }
  int truncate(int fd, u64 size) override {
    return int(run({Op::kTruncate, {}, 0, size}, [&] { return real_.truncate(fd, size); }));
  }
  int allocate(int fd, u64 offset, u64 size) override {
    return int(
        run({Op::kAllocate, {}, offset, size}, [&] { return real_.allocate(fd, offset, size); }));
  }
  int sync_data(int fd) override {
    return int(run({Op::kSyncData}, [&] { return real_.sync_data(fd); }));
  }
  int sync_directory(const char* path) override {
    return int(run({Op::kSyncDirectory, path}, [&] { return real_.sync_directory(path); }));
  }
  int stat(const char* path, os::FileInfo& out) override {
    const int result = int(run({Op::kStat, path}, [&] { return real_.stat(path, out); }));
    if (const auto owner = owners_.find(path); owner != owners_.end()) out.uid = owner->second;
    return result;
  }
  int stat_followed(const char* path, os::FileInfo& out) override {
    return int(run({Op::kStat, path}, [&] { return real_.stat_followed(path, out); }));
  }
  int stat_fd(int fd, os::FileInfo& out) override {
    const int result = int(run({Op::kStat}, [&] { return real_.stat_fd(fd, out); }));
    if (const auto owner = owners_.find(paths_[fd]); owner != owners_.end()) {
      out.uid = owner->second;
    }
    return result;
  }
  int rename(const char* from, const char* to) override {
    return int(run({Op::kRename, from}, [&] { return real_.rename(from, to); }));
  }
  int unlink(const char* path) override {
    return int(run({Op::kUnlink, path}, [&] { return real_.unlink(path); }));
  }
  int make_directory(const char* path) override {
    return int(run({Op::kMakeDirectory, path}, [&] { return real_.make_directory(path); }));
  }
  int lock(int fd, u64 byte, bool wait) override {
    return int(run({Op::kLock, {}, byte}, [&] { return real_.lock(fd, byte, wait); }));
  }
  int unlock(int fd, u64 byte) override { return real_.unlock(fd, byte); }
  int list(const char* path, const std::function<void(const char*)>& each) override {
    return int(run({Op::kList, path}, [&] { return real_.list(path, each); }));
  }

 private:
  const Fault* count_and_find(Op op) {
    const u64 any = ++counts_[0];
    const u64 own = ++counts_[std::size_t(op)];
    for (const Fault& fault : faults_) {
      if (fault.op != Op::kAny && fault.op != op) continue;
      const u64 number = fault.op == Op::kAny ? any : own;
      if (number == fault.call || (fault.for_good && number > fault.call)) return &fault;
    }
    return nullptr;
  }

  template <class Do>
  i64 run(Call call, Do&& act) {
    const Fault* const fault = count_and_find(call.op);
    call.result = stopped() ? -EIO : fault && fault->short_bytes < 0 ? -fault->error : i64{act()};
    calls_.push_back(call);
    return call.result;
  }

  template <class Do>
  i64 run_bytes(Call call, Do&& act) {
    const Fault* const fault = count_and_find(call.op);
    const auto size = std::size_t(call.size);
    if (stopped()) {
      const bool writes = call.op == Op::kPwrite || call.op == Op::kWrite;
      if (writes && total() == stop_at_ && stop_partial_ > 0) {
        (void)act(std::min<std::size_t>(size, stop_partial_));
      }
      call.result = -EIO;
    } else if (!fault) {
      call.result = act(size);
    } else if (fault->short_bytes < 0) {
      call.result = -fault->error;
    } else {
      call.result = act(std::min(size, std::size_t(fault->short_bytes)));
      if (fault->lie_about_short && call.result >= 0) call.result = i64(size);
    }
    calls_.push_back(call);
    return call.result;
  }

  os::Io& real_;
  std::vector<Fault> faults_;
  std::map<std::string, u32> owners_;
  std::map<int, std::string> paths_;  // of open descriptors
  std::vector<Call> calls_;
  std::array<u64, std::size_t(Op::kCount)> counts_{};  // [0]: all
  u64 stop_at_ = 0;
  u64 stop_partial_ = 0;
};

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_SUPPORT_FAULT_IO_H_
