// Drives one sink over the journal: reads batches, hands them over, retries, moves the cursor.
//
// Threading: run_once() and settle() by one thread at a time: the sink's own (start_thread()), or
// the caller's in immediate mode and recovery. The rest is thread-safe.
// Failure: a retryable error pauses this sink and nothing else; a fatal one ends it, and what it
// then misses is counted as dropped_error. An error is reported once when it begins and once when
// it is over.
#ifndef SLUICE_SRC_BACK_SINK_RUNNER_H_
#define SLUICE_SRC_BACK_SINK_RUNNER_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "back/sink.h"
#include "back/sink_signals.h"
#include "base/reporter.h"
#include "os/process.h"

namespace sluice::back {

struct RunnerOptions {
  i64 sync_interval_ns = 1'000'000'000;  // 0: durable only when asked
};

// How far a sink is, and what it counts.
void copy_progress(const region::SinkEntry& from, region::SinkEntry& to);

class SinkRunner {
 public:
  SinkRunner(region::Region& region, region::SinkEntry& entry, std::unique_ptr<Sink> sink,
             std::string name, bool required, const RunnerOptions& options, Reporter& reporter);
  ~SinkRunner();

  // How far every record before a sequence has got with this sink.
  struct Reached {
    u64 written = 0;
    u64 durable = 0;
  };

  // Where others read how far it is, when `entry` is its alone. Before its thread starts.
  void publish_to(region::SinkEntry& place) { published_ = &place; }
  // Runs until ask_to_stop() and everything committed is handed over. `epoch`: futex word that is
  // stepped after commits. `kept`: what the thread keeps alive as long as it runs.
  void start_thread(std::atomic<u32>& epoch, std::shared_ptr<void> kept = nullptr);
  // Asks the thread to finish what is committed, close the sink and end. From `leave_ns`
  // (monotonic) on it only finishes the group that it has in hand: the rest stays in the journal.
  void ask_to_stop(i64 leave_ns);
  // Waits for that until `deadline_ns` (monotonic). False: it is in a call, and goes on using this.
  bool wait_for_thread(i64 deadline_ns);

  // What is committed, up to a group of batches. True when there was any.
  bool run_once();
  // All there are, as long as the sink gets on. True when it got anywhere.
  bool run_while_it_gets_on();
  // Flushes what is due; `durable`: to the disk, now; `at_once`: to the kernel at least.
  void settle(bool durable, bool at_once = false);
  // Closes the sink from the calling thread (no thread of its own).
  void finish();

  // Asks for everything before `sequence` to be flushed, waking the thread.
  void request(u64 sequence, bool durable, std::atomic<u32>& epoch);
  // Waits until `sequence` is reached, or the sink is given up, or the deadline.
  bool wait_reached(u64 sequence, bool durable, i64 deadline_ns);

  // Lowest journal position this sink still needs; ~0 for a best-effort or ended one.
  [[nodiscard]] u64 floor() const;
  // Ended by an error for good: what it has not passed is lost to this sink.
  [[nodiscard]] bool given_up() const { return given_up_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool is_callback() const { return entry_.kind == u32(SinkKind::callback); }
  [[nodiscard]] bool ended() const { return signals_.ended(); }
  // Everything before it is with the destination.
  [[nodiscard]] u64 sequence() const { return cursor_.sequence(); }
  [[nodiscard]] bool failing() const { return failing_.load(std::memory_order_relaxed); }
  // The error it is failing with, or was given up for; empty: none.
  [[nodiscard]] std::string problem();
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] region::SinkEntry& entry() const { return entry_; }
  [[nodiscard]] bool on_own_thread() const {
    // relaxed: equal only when it is this thread that has stored it
    return thread_id_.load(std::memory_order_relaxed) == os::thread_id();
  }

 private:
  void thread_main();
  bool open();
  // Whether a flush that wants what is before a sequence, if there is one, can have it now.
  [[nodiscard]] bool has_passed(const std::atomic<u64>& wanted) const;
  [[nodiscard]] bool settle_is_due() const;
  [[nodiscard]] bool is_to_leave() const;
  // Reads the batches behind the first one, which is in bytes_, as long as they make one group.
  void read_group();
  bool hand_over();
  void note_gap(const BatchView& batch);
  void pass();
  void publish_position();
  void fail(const Status& status);
  void recover_from_failure();
  void note_problem(std::string text);
  void report(const std::string& what);
  void give_up(const Status& status);

  region::Region& region_;
  region::SinkEntry& entry_;
  region::SinkEntry* published_ = nullptr;
  std::unique_ptr<Sink> sink_;
  const std::string name_;
  const bool required_;
  const RunnerOptions options_;
  Reporter& reporter_;
  Catalog catalog_;
  Cursor cursor_;
  JournalReader<JournalSync> reader_;
  std::vector<char> bytes_;         // the group
  std::vector<BatchView> batches_;  // in bytes_
  bool opened_ = false;
  bool dirty_ = false;      // written since the last flush(false)
  bool undurable_ = false;  // written since the last flush(true)
  i64 last_flush_ns_ = 0;
  i64 last_sync_ns_ = 0;
  i64 pause_ns_ = 0;

  std::thread thread_;
  std::atomic<u32> thread_id_{0};
  std::atomic<u32>* epoch_ = nullptr;
  SinkSignals<JournalSync> signals_;
  std::atomic<i64> leave_ns_{0};       // 0: not asked to stop; relaxed: a time to look at
  std::atomic<bool> given_up_{false};  // relaxed: counted only
  std::atomic<bool> failing_{false};   // relaxed: shown only
  // What flushes wait for: the highest sequence, 0: nothing. Stored under mutex_.
  std::atomic<u64> wanted_{0};
  std::atomic<u64> wanted_durable_{0};
  std::mutex mutex_;
  std::condition_variable moved_;
  Reached reached_;            // under mutex_
  bool thread_ended_ = false;  // under mutex_
  std::string problem_;        // under mutex_
};

}  // namespace sluice::back

#endif  // SLUICE_SRC_BACK_SINK_RUNNER_H_
