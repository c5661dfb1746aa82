// Byte streams: records from many threads into files, as fast as the disk takes them.
//
//     auto orders = sluice::Stream::open("data", "orders").value();
//     orders.write("one record");                     // from any thread
//     orders.close();                                 // data/orders_2026-01-02_18-55-02_1.log
//
//     auto events = sluice::StreamSet::open("data").value();
//     events.write("payment", "one record");          // made at its first record
//
// A record is a line of the file: one newline is put behind it (unless it ends with one), and
// newlines within are written as \n, two characters, or such records are refused. Records of one
// thread stay in their order.
//
// A write copies into memory and returns; it takes no lock, makes no system call and never waits
// (but with StreamOptions::wait_ms). What is accepted is in the file when close() has said so; what
// is not is counted, by reason. Accepted records that are not flushed yet die with the process,
// unless it was opened with StreamOptions::survive_kill.
//
// Threading: thread-safe, but for moving and destruction; both are handles. Errors: a Status. In a
// forked child every write counts as stopped, and of its parent's streams it is told what was
// counted of writes, no more; it opens streams of its own. Not for signal handlers.
#ifndef SLUICE_STREAM_H_
#define SLUICE_STREAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/detail/api.h"
#include "sluice/detail/thread_block.h"
#include "sluice/sluice.h"
#include "sluice/status.h"

namespace sluice {
inline namespace v1 {

enum class Framing : std::uint8_t {
  lines,   // text: a record is a line
  blocks,  // records of any bytes, with checksums; see docs/formats/block.md
};

// What becomes of a record with a newline that is not its last byte, in `lines`.
enum class InnerNewline : std::uint8_t {
  escape,  // it is written as \n, two characters
  refuse,  // the record is dropped and counted; its write says kFiltered
};

enum class ShardChoice : std::uint8_t {
  sticky,       // a thread stays with one shard: its records keep their order
  round_robin,  // record by record the next one, whatever the order
};

struct StreamOptions {
  std::uint64_t buffer_bytes = 64 << 20;  // memory one stream may take of the pool, at most
  std::uint32_t shards = 8;               // fewer where many streams are open
  ShardChoice shard_choice = ShardChoice::sticky;
  std::uint32_t batch_percent = 25;          // of buffer_bytes, written at once
  std::uint32_t flush_interval_ms = 10'000;  // how long a record waits for others at most
  Framing framing = Framing::lines;
  InnerNewline inner_newline = InnerNewline::escape;
  std::uint64_t rotate_bytes = 0;       // a new file before this size is passed; 0: never
  std::uint64_t rotate_records = 0;     // a new file when one has so many; 0: never
  std::uint32_t rotate_seconds = 0;     // a new file when one is so old; 0: never
  std::uint64_t preallocate_bytes = 0;  // room on the disk taken for a new file; 0: none
  // Accepted records outlive the process: the next writer of the stream, or an uploader, writes
  // what a killed one had not. The stream has a pool of buffer_bytes of its own then, in /dev/shm;
  // a write takes some 8 ns more.
  bool survive_kill = false;
  std::uint32_t wait_ms = 0;       // how long a write waits for room; 0: it drops
  std::uint32_t waiters_max = 30;  // so many at once; the others drop
  // The memory of all streams of a process: the first that is opened decides.
  std::uint64_t pool_bytes = 192 << 20;
  bool quiet = false;  // problems are in status() only, not on stderr
};

struct StreamStatistics {
  std::uint64_t accepted = 0;
  std::uint64_t dropped_full = 0;     // no room
  std::uint64_t dropped_too_big = 0;  // longer than a record can be
  std::uint64_t dropped_stopped = 0;  // closed, or in a forked child
  std::uint64_t dropped_refused = 0;  // with a newline within, by InnerNewline::refuse
  std::uint64_t lost = 0;             // accepted, and not written when close() gave up
  // Accepted by an earlier writer that was killed, and in no file. Not known, and 0, after a loss
  // of power and where /dev/shm is missing.
  std::uint64_t lost_earlier = 0;
  std::uint64_t kept_earlier = 0;  // of those, with survive_kill: written for it by this one
  // With survive_kill, what close() could not write: it is kept for the next writer.
  std::uint64_t left_in_memory = 0;
  std::uint64_t memory_bytes = 0;  // of the pool, in chunks that the stream has now
  // What the pool has of the system: that of all streams of the process, or with survive_kill that
  // of the stream. It is given back some 10 s after it was needed last.
  std::uint64_t pool_memory_bytes = 0;
  std::uint64_t bytes_written = 0;  // in files
  std::uint64_t files = 0;          // finished
  std::uint64_t flushes = 0;
  std::uint64_t flush_errors = 0;
  std::uint64_t sync_errors = 0;

  [[nodiscard]] std::uint64_t dropped() const {
    return dropped_full + dropped_too_big + dropped_stopped + dropped_refused;
  }
};

// Durations of flushes: all of it, the writing in it, the kernel's pwritev in that.
struct FlushMetrics {
  std::uint64_t flushes = 0;
  double flush_ms_average = 0, flush_ms_max = 0;
  double write_ms_average = 0, write_ms_max = 0;
  double pwritev_ms_average = 0, pwritev_ms_max = 0;
  double write_share = 0;    // of the time of flushes
  double pwritev_share = 0;  // of the same
};

class SLUICE_API Stream {
 public:
  // Makes the directory if there is none. What a killed writer of this stream left there is cut to
  // whole lines and finished first. kRetryable: somebody else writes it.
  [[nodiscard]] static Result<Stream> open(std::string_view directory, std::string_view name,
                                           const StreamOptions& options = {});
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();  // close(5000), if opened by open()

  Admission write(std::string_view record) noexcept;
  Admission write(const void* bytes, std::size_t size) noexcept {
    return write({static_cast<const char*>(bytes), size});
  }

  // Waits until what this process had written is in the file (Reach::written) or on the disk
  // (durable), at most so long. False: not yet.
  bool flush(std::uint32_t timeout_ms = 5000, Reach reach = Reach::written);
  // Flushes and finishes the file; the next record begins another. False: not in time.
  bool rotate(std::uint32_t timeout_ms = 5000);
  // Takes nothing more, writes what there is, finishes the file. Not ok: what is `lost`, and why.
  Status close(std::uint32_t timeout_ms = 5000);

  [[nodiscard]] StreamStatistics statistics() const;
  [[nodiscard]] FlushMetrics flush_metrics() const;
  // What keeps it from writing; ok when nothing does.
  [[nodiscard]] Status status() const;
  // The file that is written.
  [[nodiscard]] std::string path() const;
  // The longest record: what is longer is dropped.
  [[nodiscard]] std::size_t record_bytes_max() const;

 private:
  friend class StreamSet;
  struct Impl;
  explicit Stream(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

class SLUICE_API StreamSet {
 public:
  [[nodiscard]] static Result<StreamSet> open(std::string_view directory,
                                              const StreamOptions& options = {});
  StreamSet(StreamSet&&) noexcept;
  StreamSet& operator=(StreamSet&&) noexcept;
  ~StreamSet();  // close(5000)

  // The first record of a name opens its stream, which blocks as Stream::open() does; where that is
  // not possible the record is dropped, counted as stopped, and status() says why.
  Admission write(std::string_view name, std::string_view record) noexcept;

  // Opens a stream before its first record.
  Status initialize(std::string_view name);
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;
  // Closes one; its next record opens it again.
  Status close_stream(std::string_view name, std::uint32_t timeout_ms = 5000);

  // Of all of them. Not in time: false, or the first that was not ok.
  bool flush(std::uint32_t timeout_ms = 5000, Reach reach = Reach::written);
  Status close(std::uint32_t timeout_ms = 5000);
  // Sums over all streams, those that were closed too.
  [[nodiscard]] StreamStatistics statistics() const;
  [[nodiscard]] FlushMetrics flush_metrics() const;
  [[nodiscard]] Status status() const;

 private:
  struct Impl;
  explicit StreamSet(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_STREAM_H_
