// The thread that sends for all files of a process.
//
// It begins with the first file and ends with the last. While bytes come it looks at every file
// once a millisecond, so that many writes go in one call; when nothing has come for some rounds it
// sleeps, and the next write wakes it, once. A server that reads nothing costs no time: the
// system says when it does.
//
// Threading: thread-safe. Blocking: never longer than another thread in here. In a forked child the
// thread is not there, and shared() begins another.
#ifndef SLUICE_SRC_APPEND_ENGINE_H_
#define SLUICE_SRC_APPEND_ENGINE_H_

#include <atomic>
#include <memory>
#include <unordered_map>
#include <vector>

#include "append/connection.h"
#include "os/child.h"

namespace sluice::append {

class Engine {
 public:
  // Opens a file: connects, or says why not, and gives the rest to the thread. The engine that has
  // it is in `out`.
  [[nodiscard]] static Status open(std::shared_ptr<Proxy> proxy, std::shared_ptr<Engine>& out);
  ~Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // How many forks lie between this process and the one that first opened a file.
  [[nodiscard]] static u32 forks();

  [[nodiscard]] const std::atomic<bool>& asleep() const { return asleep_; }
  // After a write that found it asleep.
  void wake();
  // Looks at every file soon, asleep or not.
  void look() { flag_.raise(); }

 private:
  struct Running;
  static Running& running();
  static void in_child();

  Engine();
  void run();
  [[nodiscard]] bool round(i64 now_ns);
  [[nodiscard]] bool take_new_or_end();
  [[nodiscard]] i64 nap_ns(bool moved, i64 now_ns);

  os::SocketPoll poll_;
  os::Flag flag_;
  const u32 forks_;
  std::shared_ptr<Engine> inherited_;  // a parent's: never touched, never deleted
  std::atomic<bool> asleep_{false};
  std::vector<std::pair<u64, std::unique_ptr<Connection>>> new_;  // under the mutex of running()
  u64 next_token_ = 1;                                            // the same
  // Of the thread.
  std::unordered_map<u64, std::unique_ptr<Connection>> connections_;
  u32 quiet_rounds_ = 0;
  bool busy_ = false;
};

}  // namespace sluice::append

#endif  // SLUICE_SRC_APPEND_ENGINE_H_
