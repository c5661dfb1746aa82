// What the clients of one service share.
//
// Threading: everything here is thread-safe. The counters are relaxed: nothing is read through
// them.
#ifndef SLUICE_SRC_APPEND_SERVER_SHARED_H_
#define SLUICE_SRC_APPEND_SERVER_SHARED_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "append_server/open_files.h"
#include "append_server/service.h"
#include "base/durations.h"
#include "os/append_file.h"

namespace sluice::append_server {

struct Counters {
  std::atomic<u64> clients_total{0};
  std::atomic<u64> files_opened{0};
  std::atomic<u64> bytes_written{0};
  std::atomic<u64> held_bytes{0};
  std::atomic<u64> clients_refused{0};
  std::atomic<u64> opens_failed{0};
  std::atomic<u64> writes_failed{0};
  std::atomic<u64> rotations{0};
  std::atomic<u64> rate_waits{0};
  std::atomic<u64> lines_split{0};
  std::atomic<u64> bytes_dropped{0};
};

inline void count(std::atomic<u64>& counter, u64 by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);  // relaxed: see the head of this file
}

// Of the options, what may be changed at any time. relaxed: each is a number by itself.
class Limits {
 public:
  void set(const ServiceOptions& wanted,
           std::shared_ptr<const os::AllowedDirectories> directories) {
    clients_max_.store(wanted.clients_max, std::memory_order_relaxed);
    clients_per_user_max_.store(wanted.clients_per_user_max, std::memory_order_relaxed);
    held_bytes_max_.store(wanted.held_bytes_max, std::memory_order_relaxed);
    rotation_check_ms_.store(wanted.rotation_check_ms, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    directories_.swap(directories);
  }
  [[nodiscard]] u32 clients_max() const { return clients_max_.load(std::memory_order_relaxed); }
  [[nodiscard]] u32 clients_per_user_max() const {
    return clients_per_user_max_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] u64 held_bytes_max() const {
    return held_bytes_max_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] i64 rotation_check_ns() const {
    return i64{rotation_check_ms_.load(std::memory_order_relaxed)} * kNsPerMs;
  }
  [[nodiscard]] std::shared_ptr<const os::AllowedDirectories> directories() const {
    const std::lock_guard lock(mutex_);
    return directories_;
  }

 private:
  std::atomic<u32> clients_max_{0};
  std::atomic<u32> clients_per_user_max_{0};
  std::atomic<u64> held_bytes_max_{0};
  std::atomic<u32> rotation_check_ms_{0};
  mutable std::mutex mutex_;
  std::shared_ptr<const os::AllowedDirectories> directories_;
};

struct Shared {
  ServiceOptions options;
  Limits limits;
  int carried = -1;  // /dev/null, for os::send_apart()
  OpenFiles files;
  Counters counters;

  void say(bool warning, const std::string& text) const {
    if (options.log) options.log(warning, text);
  }
};

}  // namespace sluice::append_server

#endif  // SLUICE_SRC_APPEND_SERVER_SHARED_H_
