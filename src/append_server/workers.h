// Threads for work that may block for ever: an open, a write or a sync of somebody's file.
//
// Work has a key, and of one key at most one piece runs at a time: all clients of a file that hangs
// keep one thread. It has a place too, such as a file system: where a piece hangs, one more at a
// time is tried, and `place_max` in all, so a mount that is dead leaves threads to the others. Of
// the threads that get on, `active_max` run at a time; one that has been in the same piece of work
// for `stuck_ns` does not count any more, and another is started for it, up to `threads_max`. So
// what hangs costs a thread, and nobody else's turn. Work is taken in the order in which it came,
// but for that of busy keys and places, which waits without a thread.
//
// Threading: thread-safe; look() by one thread. Blocking: stop(), until its deadline.
#ifndef SLUICE_SRC_APPEND_SERVER_WORKERS_H_
#define SLUICE_SRC_APPEND_SERVER_WORKERS_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/bytes.h"

namespace sluice::append_server {

class Workers {
 public:
  struct Options {
    u32 active_max = 4;
    u32 threads_max = 512;
    u32 place_max = 64;  // threads
    i64 stuck_ns = 50'000'000;
  };
  struct Stats {
    u64 threads = 0;
    u64 stuck = 0;
    u64 waiting = 0;  // pieces of work
  };
  struct Job {
    u64 id;
    u64 key;
    u64 place;
  };
  using Work = std::function<void(u64 id)>;

  Workers(Options options, Work work);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Runs work(job.id) on one of the threads.
  void submit(Job job);
  // Starts a thread where one is stuck and work waits. When to look again, in ns; < 0: when
  // something was submitted.
  [[nodiscard]] i64 look(i64 now_ns);
  [[nodiscard]] Stats stats() const;
  // What waits is dropped. How many threads were still in a piece of work at `deadline_ns`
  // (CLOCK_MONOTONIC): then the process can only be ended at once.
  [[nodiscard]] u64 stop(u64 deadline_ns);

 private:
  struct Shared;  // outlives the threads that are stuck at stop()

  const std::shared_ptr<Shared> shared_;
};

}  // namespace sluice::append_server

#endif  // SLUICE_SRC_APPEND_SERVER_WORKERS_H_
