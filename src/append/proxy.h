// What the callers of a file and the thread that sends for them share.
//
// Threading: thread-safe. Blocking: wait_until() only; the mutex is held for a few instructions,
// never by write().
#ifndef SLUICE_SRC_APPEND_PROXY_H_
#define SLUICE_SRC_APPEND_PROXY_H_

#include <atomic>
#include <mutex>
#include <string>

#include "append/write_queue.h"
#include "base/wake_word.h"
#include "os/process.h"

namespace sluice::append {

class Proxy {
 public:
  enum class State : u8 { kOpening, kOpen, kSent, kEnded };

  Proxy(std::string path, const ProxyOptions& options)
      : path_(std::move(path)), options_(options), queue_(options.buffer_bytes) {}

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const ProxyOptions& options() const { return options_; }
  [[nodiscard]] WriteQueue& queue() { return queue_; }
  [[nodiscard]] const WriteQueue& queue() const { return queue_; }

  // Waits until `ready()`, which is asked again whenever something has happened.
  template <class Ready>
  [[nodiscard]] bool wait_until(const Ready& ready, i64 deadline_ns) const {
    for (;;) {
      // acquire: what was done before the step (P19)
      const u32 seen = Wake::look(changed_);
      if (ready()) return true;
      const i64 left = deadline_ns - os::monotonic_ns();
      if (left <= 0) return false;
      os::wait_on(changed_, seen, left);
    }
  }
  // By the sending thread, after anything that somebody may wait for.
  void happened() {
    Wake::step(changed_);  // release: what was done, before the look of who waits (P19)
    os::wake_all(changed_);
  }

  [[nodiscard]] State state() const;
  void set_state(State state);
  [[nodiscard]] bool rotated() const;
  void set_rotated(bool rotated);

  void add_sent(u64 bytes);
  void add_confirmed(u64 bytes);
  // The connection is gone: what was in flight on it, and a write that was cut off, is in doubt.
  void lose(u64 cut_off);
  void add_unsent(u64 bytes);
  void add_reconnect();
  // Kept if it is the first.
  void fail(Status status);

  [[nodiscard]] Status first_error() const;
  // The same with what has become of the bytes.
  [[nodiscard]] Status verdict() const;
  [[nodiscard]] ProxyStatistics statistics() const;

 private:
  const std::string path_;
  const ProxyOptions options_;
  WriteQueue queue_;
  mutable std::atomic<u32> changed_{0};
  mutable std::mutex mutex_;
  State state_ = State::kOpening;
  bool rotated_ = false;
  Status first_error_;
  ProxyStatistics counts_;  // of the sending thread
};

}  // namespace sluice::append

#endif  // SLUICE_SRC_APPEND_PROXY_H_
