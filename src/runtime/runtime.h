// The one Sluice of a process: start, stop, flush, and what the front asks for.
//
// Owned by the library, made at first use, never destroyed: a thread may log while the process
// exits. A forked child gets a fresh one; nothing of the parent's that a lock or a thread may have
// been using is touched there.
//
// Threading: thread-safe. start() and stop() exclude each other by `lifecycle_` and hold `mutex_`
// only to change what others read: sinks that they wait for may call stats() or flush(). In
// immediate mode `immediate_` is for whoever runs the sinks; taken before `mutex_`, never behind
// it.
#ifndef SLUICE_SRC_RUNTIME_RUNTIME_H_
#define SLUICE_SRC_RUNTIME_RUNTIME_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "back/engine.h"
#include "front/place_limit.h"
#include "os/child.h"
#include "runtime/commit_watches.h"
#include "runtime/config.h"
#include "runtime/recover.h"
#include "sluice/sluice.h"

namespace sluice::runtime {

// A mutex held, and known to be: a signal handler on this thread must not wait for it.
class Locked {
 public:
  explicit Locked(std::mutex& mutex) {
    ++depth_;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    lock_ = std::unique_lock(mutex);
  }
  ~Locked() {
    lock_.unlock();
    std::atomic_signal_fence(std::memory_order_seq_cst);
    --depth_;
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
  [[nodiscard]] static bool by_this_thread() { return depth_ != 0; }

 private:
  static constinit inline thread_local u32 depth_ = 0;
  std::unique_lock<std::mutex> lock_;
};

class Runtime final : public Reporter {
 public:
  // Empty text: done. Else every mistake, one a line.
  std::string start(const Options& options);
  // In a forked child: as the parent was started.
  void start_as(const Config& config);
  // Empty text: everything was delivered.
  std::string stop(u32 deadline_ms);
  // `problem`: why it is not complete. `only_sink`: waits for that one alone, by its place in
  // Options::sinks.
  FlushResult flush(Reach reach, u32 timeout_ms, std::string& problem,
                    std::optional<u32> only_sink = {});
  Stats stats();
  std::string configuration();
  void set_level(std::string_view logger, Level level);
  bool set_backtrace(std::string_view logger, u32 records, Level from);
  // Level 0: takes it back.
  u32 set_site_level(std::string_view place, u8 level);
  u32 set_site_limit(std::string_view place, front::PlaceLimit limit);
  // requests.cc: what another process asks for. By threads of the library, now and then.
  void take_request();
  // For Store: what it is attached to.
  struct StorePlace {
    bool running = false;
    std::optional<u32> sink;  // none: no sink stores at that path
    std::string path;
  };
  StorePlace find_store(std::string_view path);
  // What keeps the sink from getting on; empty: nothing.
  std::string sink_problem(u32 sink);
  // Somebody else consumes, or is to: no sink of our own runs.
  [[nodiscard]] bool is_left_to_collector();
  CommitWatches& commit_watches() { return commit_watches_; }
  void run_now();
  void at_exit();

  void report(std::string_view sentence) override;
  // False: standard error takes nothing now.
  bool report_at_once(std::string_view sentence);

 private:
  std::string start_locked();
  // Everything that a backend of our own needs, but for its start.
  std::string make_engine();
  std::string open_region();
  void keep_what_is_stuck();
  void set_levels();
  void open_for_callers();
  // requests.cc
  region::Answer apply(const region::Request& untrusted);
  void open_for_requests();
  // collector_link.cc
  [[nodiscard]] bool wants_collector() const;
  [[nodiscard]] bool has_own_sinks() const;
  // It drains the region, rather than read it.
  [[nodiscard]] bool is_for_collector() const { return wants_collector() && !has_own_sinks(); }
  [[nodiscard]] bool leave_to_collector();
  [[nodiscard]] std::string ask_collector(u32 place, int& socket) const;
  void find_collectors_place();
  [[nodiscard]] bool register_region();
  [[nodiscard]] bool is_wanted();
  void start_link();
  void end_link();
  void link_main();
  void follow_collector();
  [[nodiscard]] bool take_back();
  [[nodiscard]] bool go_on_alone();
  [[nodiscard]] bool hand_over();
  [[nodiscard]] bool end_hand_over();
  void say_of_link(const std::string& untrusted);
  // collector_reads.cc
  [[nodiscard]] static bool is_readers_place(u32 place);
  [[nodiscard]] bool begin_to_be_read();
  void begin_place();
  void open_place();
  void note_reader(region::SinkEntry* entry);
  void follow_reader();
  void begin_guest();
  void end_reading();
  FlushResult wait_for_collector(i64 deadline_ns, std::string& problem);
  // True when it has stored what is in the journal, or does not read it.
  bool wait_for_reader(i64 deadline_ns);
  FlushResult flush_once(Reach reach, i64 deadline_ns, std::string& problem,
                         std::optional<u32> only_sink);
  std::string make_sinks(back::Engine& engine);
  std::string make_collectors_sink(back::Engine& engine);
  std::string make_sink_entry(back::Engine& engine, const back::SinkConfig& config, u32 index);
  void start_draining();
  void start_delivery();
  [[nodiscard]] RecoverOptions recover_options() const;
  void recover_earlier_runs(const RecoverOptions& options, bool quiet);
  [[nodiscard]] std::shared_ptr<back::Engine> running_engine();
  // Waits until the thread that recovers has started the sinks. False: still at it.
  bool wait_for_starter(i64 deadline_ns);
  void announce();

  std::mutex lifecycle_;
  std::mutex mutex_;
  Config config_;                   // written under both, read under either
  bool running_ = false;            // the same
  bool left_to_collector_ = false;  // the same: somebody else consumes, and there is no engine
  int collector_ = -1;              // our registration
  // What the collector stores into: a backend of our own goes on there without it. Under
  // lifecycle_.
  std::optional<back::SinkConfig> collectors_store_;
  // Where it reads beside our own sinks; null: it does not. Written under both, read under either.
  region::SinkEntry* reads_ = nullptr;
  std::string said_of_link_;  // under lifecycle_: so that nothing is said twice
  // The same: what link_ has to say, the newest. Nobody waits for standard error, which may be a
  // full pipe: link_ tries again when it looks next.
  std::string to_say_;
  static constexpr i64 kLinkMostNs = 1'000'000'000;
  i64 link_pause_ns_ = 0;           // until the next look for a collector, kLinkMostNs at most
  std::optional<os::Flag> unlink_;  // ends link_
  std::thread link_;                // follows the collector as it comes and goes
  // Of the last start; replaced by the next. Also never destroyed once a stuck sink uses it.
  std::shared_ptr<back::Engine> engine_;
  std::thread starter_;  // recovery and the start of the sinks
  std::mutex starter_mutex_;
  std::condition_variable starter_ended_;
  bool starting_ = false;  // under starter_mutex_
  std::mutex immediate_;   // one caller at a time runs the sinks
  CommitWatches commit_watches_;
};

// This process's instance.
Runtime& runtime();

}  // namespace sluice::runtime

#endif  // SLUICE_SRC_RUNTIME_RUNTIME_H_
