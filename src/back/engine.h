// The backend put together: one merger, the runners of the sinks, and the thread that drains.
//
// Whoever holds `drain_` is the consumer: the backend's thread, a caller in flush() or stats(), or
// in immediate mode the calling thread. Sinks run on threads of their own, or (threads == false:
// immediate mode, recovery) in whoever calls drain_all().
//
// A guest is a sink that comes and goes while the rest runs, best-effort: it never holds the others
// up. Another process may write its place in the region too; so it has the words that it goes by
// for itself, and only tells them there.
//
// Threading: thread-safe except start() and stop(), and what is said of guests, which one thread
// at a time calls.
#ifndef SLUICE_SRC_BACK_ENGINE_H_
#define SLUICE_SRC_BACK_ENGINE_H_

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "back/merger.h"
#include "back/sink_runner.h"

namespace sluice::back {

struct EngineOptions {
  MergeOptions merge;
  RunnerOptions runner;
  bool threads = true;
  bool slow_clock = false;
  bool dead_region = false;
};

struct FlushOutcome {
  u32 sinks = 0;
  u32 behind = 0;
  bool merged = false;       // everything published is in the journal
  std::string names_behind;  // of the sinks, for a sentence
};

struct EngineCounts {
  u64 merged = 0;
  u64 queued = 0;
  u64 damaged = 0;
  u64 late = 0;
  u64 held = 0;
  u64 next_sequence = 0;
};

class Engine {
 public:
  Engine(region::Region& region, const EngineOptions& options, Reporter& reporter);
  ~Engine();

  // Goes on where the region's last consumer stopped. Before add_sink().
  void resume();
  // `entry`: the sink's place in the region. `from_here`: it wants only what is merged from now on.
  void add_sink(region::SinkEntry& entry, std::unique_ptr<Sink> sink, std::string name,
                bool required, bool from_here);
  // A place for what is merged from now on, whoever reads it.
  void begin_here(region::SinkEntry& entry);
  // With threads only. False: one that was asked to end is in a call yet.
  bool add_guest(region::SinkEntry& entry, std::unique_ptr<Sink> sink, std::string name);
  // One that was not asked to end.
  [[nodiscard]] bool has_guest() const { return guest_ != nullptr && !guest_leaves_; }
  // It ends with what it has in hand; the rest is for whoever goes on at its place. Does not wait.
  void end_guest();
  // Starts draining into the journal. `keep_ready` is called by the backend now and then to make
  // spare rings.
  void start_backend(std::function<void()> keep_ready);
  // Starts the sinks' threads; records that are merged before wait in the journal.
  void start_sinks();

  // Merges everything published and, without threads, runs the sinks until they have it all or one
  // is stuck. Returns false then.
  bool drain_all(bool run_sinks);

  // Waits until every sink, or the one at `only`, has what was published when it was called.
  FlushOutcome flush(bool durable, i64 deadline_ns, std::optional<u32> only = {});

  // Delivers what is published, closes the sinks, ends the threads. The number of sinks that have
  // not got everything, which is said of each; one that is in a call at the deadline is abandoned.
  // `hands_over`: callers go on, and the next consumer gets what they say meanwhile.
  u32 stop(i64 deadline_ns, bool hands_over = false);
  // relaxed: whoever finds a sink's thread at its end has met it under its runner's mutex
  [[nodiscard]] bool is_stopping() const { return stopping_.load(std::memory_order_relaxed); }

  [[nodiscard]] bool has_threads() const { return options_.threads; }
  // After stop(): a sink has not ended.
  [[nodiscard]] bool left_behind() const { return left_behind_; }
  // After stop(): a thread still uses this object, which must then never be destroyed.
  [[nodiscard]] bool is_in_use() const {
    return left_behind_ || (guest_ != nullptr && !guest_->runner.ended());
  }

  [[nodiscard]] EngineCounts counts();
  [[nodiscard]] const std::vector<std::unique_ptr<SinkRunner>>& runners() const { return runners_; }
  // Whether the sink of this entry was ended by an error for good.
  [[nodiscard]] bool gave_up(const region::SinkEntry& entry) const;
  // True when every sink has passed the whole journal, or was given up, and no ring holds anything.
  [[nodiscard]] bool all_delivered();

  // After stop(): another consumer comes, and a flush() that began before merges nothing any more.
  // When every sink has passed the whole journal or was given up: the sequence that all have
  // passed.
  std::optional<u64> retire();
  // After a stop() that has left a sink behind: its thread has ended meanwhile.
  [[nodiscard]] bool has_ended() const;

 private:
  void thread_main();
  Merged merge_locked(bool all);
  [[nodiscard]] bool have_passed(u64 end) const;
  [[nodiscard]] u64 floor() const;
  [[nodiscard]] u64 floor_of_table() const;
  void tell_sinks();
  bool merge_published(i64 deadline_ns);
  bool run_sinks_once();
  void say_what_is_left(const SinkRunner& runner, bool ended, bool got_on);
  struct Guest {
    Guest(region::Region& region, region::SinkEntry& entry, std::unique_ptr<Sink> sink,
          std::string name, const RunnerOptions& options, Reporter& reporter);
    region::SinkEntry place{};
    SinkRunner runner;
  };

  region::Region& region_;
  const EngineOptions options_;
  Reporter& reporter_;
  std::mutex drain_;
  Merger merger_;
  std::vector<std::unique_ptr<SinkRunner>> runners_;
  std::shared_ptr<Guest> guest_;  // changed under drain_
  bool guest_leaves_ = false;
  std::function<void()> keep_ready_;
  std::thread thread_;
  std::atomic<u32> epoch_{0};  // wake word of the sinks, stepped after commits (P19)
  std::atomic<bool> stopping_{false};
  bool left_behind_ = false;
  bool retired_ = false;  // under drain_
};

}  // namespace sluice::back

#endif  // SLUICE_SRC_BACK_ENGINE_H_
