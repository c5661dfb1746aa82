// The one Sluice of a process: start, stop, flush, and what the front asks for.
//
// Owned by the library, made at first use, never destroyed: a thread may log while the process
// exits. A forked child gets a fresh one; nothing of the parent's that a lock or a thread may have
// been using is touched there.
//
// Threading: thread-safe; start() and stop() exclude each other by `mutex_`.
#ifndef SLUICE_SRC_RUNTIME_RUNTIME_H_
#define SLUICE_SRC_RUNTIME_RUNTIME_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "back/engine.h"
#include "runtime/config.h"
#include "sluice/sluice.h"

namespace sluice::runtime {

class Runtime final : public Reporter {
 public:
  // Empty text: done. Else every mistake, one a line.
  std::string start(const Options& options);
  // In a forked child: as the parent was started.
  void start_as(const Config& config);
  // Empty text: everything was delivered.
  std::string stop(u32 deadline_ms);
  FlushResult flush(Reach reach, u32 timeout_ms);
  Stats stats();
  std::string configuration();
  void set_level(std::string_view logger, Level level);
  void run_now();
  void at_exit();

  void report(std::string_view sentence) override;
  [[nodiscard]] const Config* config() const { return running_ ? &config_ : nullptr; }

 private:
  std::string start_locked();
  std::string open_region();
  std::string make_sinks();
  std::string make_sink_entry(const back::SinkConfig& config, u32 index);
  void start_delivery();
  // Waits for the thread that recovers and then starts the sinks. False: still at it.
  bool wait_for_starter(i64 deadline_ns);
  void announce();

  std::mutex mutex_;
  Config config_;
  bool running_ = false;   // under mutex_
  bool was_stopped_ = false;
  // Never deleted while an abandoned sink may still use it.
  back::Engine* engine_ = nullptr;
  std::thread starter_;    // recovery, then the sinks
  std::mutex starter_mutex_;
  std::condition_variable starter_ended_;
  bool starting_ = false;  // under starter_mutex_
  std::mutex immediate_;   // one caller at a time runs the sinks
};

// This process's instance.
Runtime& runtime();

}  // namespace sluice::runtime

#endif  // SLUICE_SRC_RUNTIME_RUNTIME_H_
