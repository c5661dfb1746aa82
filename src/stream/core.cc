#include "stream/core.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/durations.h"
#include "base/fetch_ahead.h"
#include "os/process.h"
#include "stream/block.h"
#include "stream/fork.h"
#include "stream/seal.h"

namespace sluice::stream {
namespace {

constexpr i64 kWaitSliceNs = 5 * kNsPerMs;  // a wake that came too early is made up for

// Which of its lanes a stream gives to a thread: threads are numbered as they come.
u32 thread_number() {
  static std::atomic<u32> last{0};
  constinit thread_local u32 number = 0;
  // relaxed: only makes numbers
  if (number == 0) number = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

// Blocks are written whole: so that a file keeps its size, none is larger.
u64 chunk_bytes_max(const StreamOptions& options) {
  if (options.framing == Framing::lines || options.rotate_bytes == 0) return ~u64{0};
  return options.rotate_bytes - std::min<u64>(options.rotate_bytes, kBlockStep);
}

}  // namespace

Core::Core(os::Io& io, Pool& pool, std::shared_ptr<Directory> directory, Claim claim,
           const StreamOptions& options, u32 shards, std::atomic<u32>& wake, Reporter& reporter,
           const std::optional<StreamId>& id)
    : pool_(&pool),
      directory_(std::move(directory)),
      claim_(std::move(claim)),
      options_(options),
      wake_(wake),
      reporter_(reporter),
      framing_(make_framing(options.framing)),
      room_(pool, *framing_, std::max(options.buffer_bytes, u64{shards} * Pool::kBytesOf[0]),
            chunk_bytes_max(options)),
      file_(io, directory_->path(), claim_, *framing_,
            {options.rotate_bytes, options.preallocate_bytes}),
      id_(id),
      record_bytes_max_(room_.record_bytes_max(shards) - framing_->record_overhead()),
      forks_(Forks::count()),
      lanes_(shards) {}

Core::~Core() {
  if (is_ours() && !is_over()) directory_->release(claim_);
}

u32 Core::forks_now() { return Forks::count(); }

Status Core::start() {
  Status sealed = seal_left(file_, id_, [this](const Left& left) {
    totals_.lost_earlier = left.lost.value_or(0);
    totals_.kept_earlier = left.kept;
    if (!options_.quiet) reporter_.report(left.sentence());
  });
  if (!sealed.ok()) return sealed;
  file_.reset_counts();
  counts_ = WriterCounts::make(u32(lanes_.size()), id_);
  if (!counts_) return {ErrorClass::kRetryable, "no address space for the counts of a stream"};
  file_.count_in(counts_.get());
  if (options_.survive_kill) {
    if (Status status = take_memory(); !status.ok()) return status;
  }
  bool room = pool_->provide_small(u32(lanes_.size()));
  for (u32 lane = 0; lane < lanes_.size() && room; ++lane) {
    if (kept_) lanes_[lane].shard.keep_first_in(kept_->first(lane));
    room = lanes_[lane].shard.start(room_);
  }
  if (room) return {};
  return {ErrorClass::kRetryable,
          path() + (kept_ ? ": there is no room in /dev/shm for the first chunks of the stream"
                          : ": the pool of streams is full: raise pool_bytes, or close others")};
}

// A pool of its own, in memory that outlives the process.
Status Core::take_memory() {
  if (!id_) return fatal("survive_kill: the stream has no place to be found at");
  const u64 bytes = Pool::bytes_of(options_.buffer_bytes);
  auto kept = KeptMemory::make(*id_, *counts_, options_.framing, u32(lanes_.size()), bytes);
  if (!kept.ok()) return kept.status();
  kept_ = std::move(kept.value());
  auto pool = Pool::make(bytes, *kept_);
  if (!pool.ok()) return pool.status();
  kept_pool_ = std::move(pool.value());
  pool_ = kept_pool_.get();
  room_.use(*pool_);
  record_bytes_max_ = room_.record_bytes_max(u32(lanes_.size())) - framing_->record_overhead();
  return {};
}

// ---- writers ----

u32 Core::lane_of_thread() {
  if (lanes_.size() == 1) return 0;
  const u32 number = options_.shard_choice == ShardChoice::sticky
                         ? thread_number()
                         : turn_.fetch_add(1, std::memory_order_relaxed);
  return number % u32(lanes_.size());
}

// Counts a record before it is copied, which hides what that takes. The count comes before the
// hand-over (P24): what is found in a chunk was counted.
void Core::begin_record(u32 lane) {
  if (!kept_) counts_->accept(lane);
}
// The mark before the count: a record that was counted and has none would pass for lost.
void Core::end_record(u32 lane, const char* record) {
  if (!kept_) return;
  kept_->mark(record);
  counts_->accept(lane);
}

// `bytes`: of the line, with its newline; longer than the record by more than that where newlines
// within are escaped.
Put Core::put_line(u32 lane, std::string_view record, std::size_t bytes) {
  const bool escape = bytes != record.size() + 1;
  return lanes_[lane].shard.put(room_, u32(bytes), [&](char* const line) {
    fetch_ahead(line, bytes);
    begin_record(lane);
    char* to = line;
    if (!escape) {
      if (!record.empty()) std::memcpy(to, record.data(), record.size());
      to += record.size();
    } else {
      for (const char c : record) {
        if (c == '\n') {
          *to++ = '\\';
          *to++ = 'n';
        } else {
          *to++ = c;
        }
      }
    }
    *to = '\n';
    end_record(lane, line);
  });
}

Put Core::put_binary(u32 lane, std::string_view record) {
  const std::size_t bytes = record.size() + kLengthBytes;
  return lanes_[lane].shard.put(room_, u32(bytes), [&](char* to) {
    fetch_ahead(to, bytes);
    begin_record(lane);
    store(to, u32(record.size()));
    if (!record.empty()) std::memcpy(to + kLengthBytes, record.data(), record.size());
    end_record(lane, to);
  });
}

Put Core::put(u32 lane, std::string_view record, std::size_t bytes) {
  return options_.framing == Framing::lines ? put_line(lane, record, bytes)
                                            : put_binary(lane, record);
}

Put Core::wait_and_put(u32 lane, std::string_view record, std::size_t bytes) {
  if (waiters_.fetch_add(1, std::memory_order_relaxed) >= options_.waiters_max) {
    waiters_.fetch_sub(1, std::memory_order_relaxed);
    return Put::kNoRoom;
  }
  const i64 until = os::monotonic_ns() + i64{options_.wait_ms} * kNsPerMs;
  Put result = Put::kNoRoom;
  for (;;) {
    const u32 seen = Wake::look(room_word_);  // acquire: the room made before the step (P19)
    result = put(lane, record, bytes);
    const i64 left = until - os::monotonic_ns();
    if (result != Put::kNoRoom || left <= 0) break;
    os::wait_in_turn(room_word_, seen, std::min(left, kWaitSliceNs));
  }
  waiters_.fetch_sub(1, std::memory_order_relaxed);
  return result;
}

Admission Core::count(Put put) {
  if (put == Put::kClosed) {
    dropped_stopped_.fetch_add(1, std::memory_order_relaxed);
    return Admission::kStopped;
  }
  dropped_full_.fetch_add(1, std::memory_order_relaxed);
  return Admission::kDroppedFull;
}

Admission Core::write(std::string_view record) noexcept {
  if (!is_ours()) return count(Put::kClosed);
  std::size_t bytes = record.size() + framing_->record_overhead();
  if (options_.framing == Framing::lines) {
    if (record.ends_with('\n')) record.remove_suffix(1);
    bytes = record.size() + 1;
    if (!record.empty() && std::memchr(record.data(), '\n', record.size()) != nullptr) {
      if (options_.inner_newline == InnerNewline::refuse) {
        dropped_refused_.fetch_add(1, std::memory_order_relaxed);
        return Admission::kFiltered;
      }
      bytes += count_lines(record);
    }
  }
  if (bytes > record_bytes_max_ + framing_->record_overhead()) {
    dropped_too_big_.fetch_add(1, std::memory_order_relaxed);
    return Admission::kDroppedTooBig;
  }
  const u32 lane = lane_of_thread();
  Put result = put(lane, record, bytes);
  if (result == Put::kNoRoom && options_.wait_ms > 0) result = wait_and_put(lane, record, bytes);
  return result == Put::kOk ? Admission::kOk : count(result);
}

// ---- callers ----

// Until done(), asked under told_, so long at most. A word and no condition variable: the end of
// one of those would wait in a forked child for threads that it does not have.
template <class Done>
bool Core::wait_for(u32 timeout_ms, const Done& done) {
  const i64 until = os::monotonic_ns() + i64{timeout_ms} * kNsPerMs;
  for (;;) {
    const u32 seen = Wake::look(answer_word_);  // acquire: the answer (P19)
    {
      const std::scoped_lock lock(told_);
      if (done()) return true;
    }
    const i64 left = until - os::monotonic_ns();
    if (left <= 0) return false;
    os::wait_on(answer_word_, seen, left);
  }
}

void Core::answer() {
  Wake::step(answer_word_);  // release: the answer (P19)
  os::wake_all(answer_word_);
}

Status Core::not_ours() const { return fatal(path() + ": belongs to the process that opened it"); }

bool Core::flush(u32 timeout_ms, bool durable, bool rotate) {
  if (!is_ours()) return false;
  u64 ticket = 0, failed = 0;
  {
    const std::scoped_lock lock(told_);
    ticket = ++asked_.ticket;
    failed = failed_answers_;
    asked_.durable |= durable;
    asked_.rotate |= rotate;
  }
  Wake::step(wake_);  // release: what is asked, before the look of the engine (P19)
  os::wake_all(wake_);
  bool written = false;
  const bool answered = wait_for(timeout_ms, [&] {
    // status_ may be of a later write by now, but that of a stream that is over stays.
    written = failed_answers_ == failed && given_up() == 0 && (answered_ >= ticket || status_.ok());
    return answered_ >= ticket || is_over();
  });
  return answered && written;
}

void Core::begin_close() {
  const std::scoped_lock lock(told_);
  closing_ = true;
  Wake::step(wake_);  // release: what is asked, before the look of the engine (P19)
}

Status Core::close(u32 timeout_ms) {
  if (!is_ours()) return not_ours();
  bool giving_up = false;
  const auto wait = [&](u32 ms) {
    {
      const std::scoped_lock lock(told_);
      closing_ = true;
      giving_up_ |= giving_up;
    }
    Wake::step(wake_);  // release: what is asked, before the look of the engine (P19)
    os::wake_all(wake_);
    return wait_for(ms, [&] { return is_over(); });
  };
  if (!wait(timeout_ms)) {
    giving_up = true;
    if (!wait(1000)) {
      return {ErrorClass::kRetryable, path() + ": the disk does not answer; close it again"};
    }
  }
  const std::scoped_lock lock(told_);
  if (totals_.left_in_memory > 0) {
    return {ErrorClass::kRetryable,
            path() + ": " + std::to_string(totals_.left_in_memory) +
                " accepted records are in memory only, for the next writer of the stream: " +
                (status_.ok() ? "there was no time to write them" : status_.message())};
  }
  if (totals_.lost > 0) {
    return {ErrorClass::kFatal,
            path() + ": " + std::to_string(totals_.lost) + " accepted records are lost: " +
                (status_.ok() ? "there was no time to write them" : status_.message())};
  }
  return status_;
}

StreamStatistics Core::statistics() const {
  StreamStatistics all;
  if (is_ours()) {
    const std::scoped_lock lock(told_);
    all = totals_;
    all.flushes = times_.flushes;
  }
  all.accepted = counts_->accepted();
  all.dropped_full = dropped_full_.load(std::memory_order_relaxed);
  all.dropped_too_big = dropped_too_big_.load(std::memory_order_relaxed);
  all.dropped_stopped = dropped_stopped_.load(std::memory_order_relaxed);
  all.dropped_refused = dropped_refused_.load(std::memory_order_relaxed);
  all.memory_bytes = room_.bytes();
  all.pool_memory_bytes = pool_->memory_bytes();
  return all;
}

Core::Times Core::times() const {
  if (!is_ours()) return {};
  const std::scoped_lock lock(told_);
  return times_;
}

Status Core::status() const {
  if (!is_ours()) return not_ours();
  const std::scoped_lock lock(told_);
  return status_;
}

}  // namespace sluice::stream
