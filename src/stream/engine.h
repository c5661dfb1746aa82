// The pool and the flusher threads that all streams of a process share.
//
// It begins with the first stream and ends with the last. Each thread goes over all streams; one
// at a time writes the file of a stream, and the other makes ready what comes next. So the number
// of threads has nothing to do with that of streams, and a disk that hangs keeps one thread.
// Writers wake nobody: between rounds without work the threads nap, for longer and longer, and the
// chunks kept ready bridge that.
//
// Threading: thread-safe. Blocking: add() and the end as the disk.
#ifndef SLUICE_SRC_STREAM_ENGINE_H_
#define SLUICE_SRC_STREAM_ENGINE_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "stream/core.h"

namespace sluice::stream {

class Engine {
 public:
  static constexpr u32 kThreads = 2;

  // The engine of this process; a new one if there is none, with a pool of so many bytes.
  [[nodiscard]] static Result<std::shared_ptr<Engine>> shared(u64 pool_bytes);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Opens a stream.
  [[nodiscard]] Result<std::shared_ptr<Core>> open(std::shared_ptr<Directory> directory,
                                                   std::string_view name,
                                                   const StreamOptions& options);
  // Of the pool of all streams but those with one of their own.
  [[nodiscard]] u64 pool_memory_bytes() const { return pool_->memory_bytes(); }

 private:
  explicit Engine(std::unique_ptr<Pool> pool);
  void work();
  bool round();
  [[nodiscard]] u32 shards_for(const StreamOptions& options) const;

  std::unique_ptr<Pool> pool_;
  const u32 forks_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Core>> cores_;
  std::atomic<u32> wake_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_ENGINE_H_
