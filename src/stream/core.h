// One stream: its shards, what was handed over, its file.
//
// Writers put into the shards and touch nothing else but counters. round() does the rest, for the
// threads of the engine: it closes what has waited long enough, takes what is handed over and makes
// it ready (checksums, counts), writes it, gives the chunks back. One thread takes and one writes,
// so that the disk and the processor both work; where there is only one, it does both in turn.
// Bytes stay in their chunk until the kernel has taken them, so a disk that is full or fails costs
// no accepted record as long as there is room; when there is none, writers drop, and count.
//
// | lock     | held                     | over                                                |
// |----------|--------------------------|-----------------------------------------------------|
// | writing_ | while one writes: long   | the file, held_ and what follows it below           |
// | taking_  | while one takes          | the order of chunks on their way from shard to ready_ |
// | handing_ | for a moment             | lanes_, but for Shard::put(); ready_                |
// | told_    | for a moment             | what callers ask and are told                       |
//
// Taken in this order, handing_ and told_ never together. Nobody waits for the first two: who finds
// one held does something else.
//
// Threading: write(), the waiting calls, round(): any.
#ifndef SLUICE_SRC_STREAM_CORE_H_
#define SLUICE_SRC_STREAM_CORE_H_

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/reporter.h"
#include "base/wake_word.h"
#include "sluice/stream.h"
#include "stream/directory.h"
#include "stream/file.h"
#include "stream/framing.h"
#include "stream/kept_memory.h"
#include "stream/pool.h"
#include "stream/shard.h"
#include "stream/writer_counts.h"

namespace sluice::stream {

using RealShard = Shard<detail::RealSync>;

class Core {
 public:
  // `wake` wakes the engine; it and the pool must outlive the core. With an id it counts where a
  // later writer finds it.
  Core(os::Io& io, Pool& pool, std::shared_ptr<Directory> directory, Claim claim,
       const StreamOptions& options, u32 shards, std::atomic<u32>& wake, Reporter& reporter,
       const std::optional<StreamId>& id = {});
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // Recovers what is there and takes the first chunks. Before anything else.
  Status start();

  Admission write(std::string_view record) noexcept;

  // One round of the flusher. True: it did something. `crowded`: there are so many streams that a
  // file is open only while it is written.
  bool round(i64 now_ns, bool crowded = false);

  bool flush(u32 timeout_ms, bool durable, bool rotate);
  // Takes nothing more from now on; does not wait.
  void begin_close();
  Status close(u32 timeout_ms);
  // Nothing is left to do: the engine may forget it.
  [[nodiscard]] bool is_over() const { return over_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool is_ours() const { return forks_ == forks_now(); }

  // In a forked child: what was counted of writes, no more; told_ may be held there for ever.
  [[nodiscard]] StreamStatistics statistics() const;
  // Sums and maxima, in nanoseconds.
  struct Times {
    u64 flushes = 0;
    i64 flush_ns = 0, flush_ns_max = 0;
    i64 write_ns = 0, write_ns_max = 0;
    i64 pwritev_ns = 0, pwritev_ns_max = 0;
  };
  [[nodiscard]] Times times() const;
  [[nodiscard]] Status status() const;
  [[nodiscard]] const std::string& path() const { return file_.path(); }
  [[nodiscard]] std::size_t record_bytes_max() const { return record_bytes_max_; }

 private:
  struct Lane {
    RealShard shard;
    // Chunks that had records.
    u64 taken = 0;
    u64 done = 0;
    u64 flush_target = 0;  // `done` that the flush in progress waits for
    i64 waiting_since_ns = 0;
  };
  struct Held {
    TakenChunk chunk;
    u32 lane;
    Piece rest;  // what is not in the file yet
  };
  struct Asked {
    u64 ticket = 0;
    bool durable = false;
    bool rotate = false;
  };

  [[nodiscard]] static u32 forks_now();
  [[nodiscard]] Status not_ours() const;
  Status take_memory();
  [[nodiscard]] u32 lane_of_thread();
  void begin_record(u32 lane);
  void end_record(u32 lane, const char* record);
  Put put(u32 lane, std::string_view record, std::size_t bytes);
  Put put_line(u32 lane, std::string_view record, std::size_t bytes);
  Put put_binary(u32 lane, std::string_view record);
  Put wait_and_put(u32 lane, std::string_view record, std::size_t bytes);
  Admission count(Put put);
  template <class Done>
  bool wait_for(u32 timeout_ms, const Done& done);
  void answer();

  bool take_round(i64 now_ns);
  void close_due(i64 now_ns);
  bool make_ready(u32 lane);
  [[nodiscard]] bool take(u32 lane, Held& out);
  [[nodiscard]] bool is_any_ready();

  bool write_round(i64 now_ns, bool crowded);
  bool hold_ready();
  bool write_held(i64 now_ns);
  bool make_batch();
  void consume(u64 bytes);
  void release(const Held& held);
  void give_back(const Held& held);
  void note(const Status& status);
  bool begin_flush();
  void end_flush();
  bool rotate_due(i64 now_ns);
  [[nodiscard]] bool is_all_written();
  void end();
  void give_up();
  void leave_in_memory();
  [[nodiscard]] u64 given_up() const { return totals_.lost + totals_.left_in_memory; }

  Pool* pool_;  // that of all streams, or kept_pool_
  const std::shared_ptr<Directory> directory_;
  Claim claim_;
  const StreamOptions options_;
  std::atomic<u32>& wake_;
  Reporter& reporter_;
  const std::unique_ptr<FileFraming> framing_;
  Room room_;
  StreamFile file_;
  const std::optional<StreamId> id_;
  std::unique_ptr<WriterCounts> counts_;  // from start() on
  std::unique_ptr<KeptMemory> kept_;      // with `survive_kill`, and the pool in it
  std::unique_ptr<Pool> kept_pool_;
  std::size_t record_bytes_max_;
  const u32 forks_;
  std::vector<Lane> lanes_;  // under handing_, but for Shard::put()

  // relaxed, all of them: counters and hints
  std::atomic<u64> dropped_full_{0};
  std::atomic<u64> dropped_too_big_{0};
  std::atomic<u64> dropped_stopped_{0};
  std::atomic<u64> dropped_refused_{0};
  std::atomic<u32> turn_{0};     // round robin
  std::atomic<u32> waiters_{0};  // writes that wait for room
  std::atomic<u32> room_word_{0};
  std::atomic<bool> over_{false};
  std::atomic<u32> answer_word_{0};  // stepped for callers that wait (P19)

  std::mutex taking_;

  std::mutex handing_;
  std::deque<Held> ready_;

  std::mutex writing_;
  std::deque<Held> held_;     // before those in ready_
  std::vector<Piece> batch_;  // of the first of held_
  u64 batch_bytes_ = 0;
  u64 batch_done_ = 0;
  i64 retry_at_ns_ = 0;
  i64 file_since_ns_ = 0;  // that it is not empty; 0: it is
  bool told_of_cache_ = false;
  u64 sync_errors_ = 0;  // that were told when a flush asked for durable

  // What callers ask and are told.
  mutable std::mutex told_;
  Asked asked_;
  bool flushing_ = false;  // from begin_flush() to end_flush()
  Asked answering_;
  u64 answered_ = 0;
  u64 failed_answers_ = 0;
  bool closing_ = false;
  bool giving_up_ = false;
  Status status_;
  StreamStatistics totals_;
  Times times_;
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_CORE_H_
