#include "stream/core.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "os/process.h"
#include "stream/fork.h"

namespace sluice::stream {
namespace {

constexpr i64 kNsPerMs = 1'000'000;
constexpr i64 kRetryNs = 100 * kNsPerMs;    // between two attempts on a disk that takes nothing
constexpr i64 kWaitSliceNs = 5 * kNsPerMs;  // a wake that came too early is made up for
constexpr std::size_t kHeldMax = 512;

// Which of its lanes a stream gives to a thread: threads are numbered as they come.
u32 thread_number() {
  static std::atomic<u32> last{0};
  constinit thread_local u32 number = 0;
  // relaxed: only makes numbers
  if (number == 0) number = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

u64 lines_in(std::string_view text) { return u64(std::count(text.begin(), text.end(), '\n')); }

void add_time(i64 took, i64& sum, i64& highest) {
  sum += took;
  highest = std::max(highest, took);
}

}  // namespace

Core::Core(os::Io& io, Pool& pool, std::shared_ptr<Directory> directory, Claim claim,
           const StreamOptions& options, u32 shards, std::atomic<u32>& wake, Reporter& reporter)
    : pool_(pool),
      directory_(std::move(directory)),
      claim_(std::move(claim)),
      options_(options),
      wake_(wake),
      reporter_(reporter),
      room_(pool, std::max(options.buffer_bytes, u64{shards} * Pool::kBytesOf[0])),
      file_(io, directory_->path(), claim_, {options.rotate_bytes, options.preallocate_bytes}),
      record_bytes_max_(std::min(pool.record_bytes_max(), room_.record_bytes_max(shards)) - 1),
      forks_(Forks::count()),
      lanes_(shards) {}

Core::~Core() {
  if (is_ours() && !is_over()) directory_->release(claim_);
}

u32 Core::forks_now() { return Forks::count(); }

Status Core::start() {
  const Result<std::optional<u64>> cut = file_.recover();
  if (!cut.ok()) return cut.status();
  if (cut.value() && !options_.quiet) {
    reporter_.report(file_.path() +
                     ": its writer ended without closing it: what it had not flushed " +
                     "is lost; the file is finished, " + std::to_string(*cut.value()) +
                     " bytes of a line that was not whole are cut");
  }
  if (!pool_.provide_small(u32(lanes_.size()))) {
    return {ErrorClass::kRetryable, "the pool of streams is full: raise pool_bytes"};
  }
  for (Lane& lane : lanes_) {
    if (!lane.shard.start(room_)) {
      return {ErrorClass::kRetryable, "the pool of streams is full: raise pool_bytes"};
    }
  }
  return {};
}

// ---- writers ----

Core::Lane& Core::lane_of_thread() {
  if (lanes_.size() == 1) return lanes_[0];
  const u32 number = options_.shard_choice == ShardChoice::sticky
                         ? thread_number()
                         : turn_.fetch_add(1, std::memory_order_relaxed);
  return lanes_[number % lanes_.size()];
}

// `bytes`: of the line, with its newline; longer than the record by more than that where newlines
// within are escaped.
Put Core::put(Lane& lane, std::string_view record, std::size_t bytes) {
  const bool escape = bytes != record.size() + 1;
  return lane.shard.put(room_, u32(bytes), [&](char* to) {
    if (!escape) {
      if (!record.empty()) std::memcpy(to, record.data(), record.size());
      to[record.size()] = '\n';
      return;
    }
    for (const char c : record) {
      if (c == '\n') {
        *to++ = '\\';
        *to++ = 'n';
      } else {
        *to++ = c;
      }
    }
    *to = '\n';
  });
}

Put Core::wait_and_put(Lane& lane, std::string_view record, std::size_t bytes) {
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
    os::wait_on(room_word_, seen, std::min(left, kWaitSliceNs));
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
  if (record.ends_with('\n')) record.remove_suffix(1);
  std::size_t bytes = record.size() + 1;
  if (!record.empty() && std::memchr(record.data(), '\n', record.size()) != nullptr) {
    bytes += lines_in(record);
  }
  if (bytes > record_bytes_max_ + 1) {
    dropped_too_big_.fetch_add(1, std::memory_order_relaxed);
    return Admission::kDroppedTooBig;
  }
  Lane& lane = lane_of_thread();
  Put result = put(lane, record, bytes);
  if (result == Put::kNoRoom && options_.wait_ms > 0) result = wait_and_put(lane, record, bytes);
  if (result != Put::kOk) return count(result);
  lane.accepted.fetch_add(1, std::memory_order_relaxed);
  return Admission::kOk;
}

// ---- the flusher ----

bool Core::round(i64 now_ns, bool crowded) {
  const std::unique_lock round(round_, std::try_to_lock);
  if (!round.owns_lock() || is_over()) return false;
  bool closing = false, giving_up = false, begin = false;
  {
    const std::scoped_lock lock(told_);
    closing = closing_;
    giving_up = giving_up_;
    begin = !flushing_ && asked_.ticket != answered_;
    if (begin) answering_ = std::exchange(asked_, {asked_.ticket, false, false});
  }
  if (begin) begin_flush();
  close_due(now_ns);
  bool all_closed = closing;
  if (closing) {
    for (Lane& lane : lanes_) all_closed = lane.shard.finish(room_) && all_closed;
  }
  bool did = take();
  if (giving_up) {
    give_up();
  } else if (!held_.empty() && now_ns >= retry_at_ns_) {
    did = write_held(now_ns) || did;
  }
  if (flushing_) end_flush();
  if (crowded && held_.empty()) file_.let_go();
  const bool over = all_closed && held_.empty() &&
                    std::all_of(lanes_.begin(), lanes_.end(),
                                [](const Lane& lane) { return lane.shard.is_over(); });
  if (over) end();
  return did || is_over();
}

// What a flush asks for: everything that is in the shards now.
void Core::begin_flush() {
  flushing_ = true;
  for (Lane& lane : lanes_) {
    lane.shard.close_open(room_);
    lane.flush_target = lane.taken + lane.shard.closed_chunks(room_);
  }
}

void Core::end_flush() {
  for (const Lane& lane : lanes_) {
    if (lane.done < lane.flush_target) return;
  }
  Status status;
  if (answering_.rotate) {
    status = file_.finish();
  } else if (answering_.durable) {
    status = file_.sync();
  }
  note(status);
  flushing_ = false;
  // Of files that were finished since the last answer too.
  const u64 sync_errors = file_.counts().sync_errors;
  const bool failed = answering_.durable && sync_errors != std::exchange(sync_errors_, sync_errors);
  const std::scoped_lock lock(told_);
  if (failed || !status.ok()) ++failed_answers_;
  answered_ = answering_.ticket;
  changed_.notify_all();
}

void Core::close_due(i64 now_ns) {
  const i64 interval = i64{options_.flush_interval_ms} * kNsPerMs;
  for (Lane& lane : lanes_) {
    if (lane.shard.open_bytes(room_) == 0) {
      lane.waiting_since_ns = 0;
    } else if (lane.waiting_since_ns == 0) {
      lane.waiting_since_ns = now_ns;
    } else if (now_ns - lane.waiting_since_ns >= interval) {
      lane.shard.close_open(room_);
      lane.waiting_since_ns = 0;
    }
  }
}

bool Core::take() {
  bool did = false;
  for (u32 i = 0; i < lanes_.size(); ++i) {
    Lane& lane = lanes_[i];
    TakenChunk chunk;
    while (held_.size() < kHeldMax && lane.shard.take(room_, chunk)) {
      did = true;
      ++lane.taken;
      lane.waiting_since_ns = 0;
      const Held held{chunk, i, 0};
      if (chunk.bytes == 0) {
        release(held);
      } else {
        held_.push_back(held);
      }
    }
  }
  return did;
}

void Core::release(const Held& held) {
  Lane& lane = lanes_[held.lane];
  lane.shard.done(room_, held.chunk);
  ++lane.done;
}

// The pieces that go into the file with one write; whole lines. False: the file has no room.
bool Core::make_batch() {
  batch_.clear();
  batch_bytes_ = batch_done_ = 0;
  u64 room = file_.room();
  const u64 most = std::max<u64>(options_.buffer_bytes * options_.batch_percent / 100, 1);
  for (const Held& held : held_) {
    const char* const bytes = pool_.chunk(held.chunk.index).bytes;
    ByteView piece = as_bytes({bytes + held.begin, held.chunk.bytes - held.begin});
    if (piece.size() > room) {
      piece = piece.first(std::size_t(whole_lines({&piece, 1}, room)));
      if (piece.empty() && batch_.empty() && file_.is_empty()) {
        // A record that is longer than a file may be has one for itself.
        const std::string_view text(bytes + held.begin, held.chunk.bytes - held.begin);
        piece = as_bytes(text.substr(0, text.find('\n') + 1));
      }
      if (!piece.empty()) batch_.push_back(piece);
      batch_bytes_ += piece.size();
      break;
    }
    batch_.push_back(piece);
    batch_bytes_ += piece.size();
    room -= piece.size();
    if (batch_bytes_ >= most) break;
  }
  return batch_bytes_ > 0;
}

void Core::consume(u64 bytes) {
  while (bytes > 0) {
    Held& held = held_.front();
    const u64 here = std::min<u64>(bytes, held.chunk.bytes - held.begin);
    held.begin += u32(here);
    bytes -= here;
    if (held.begin < held.chunk.bytes) return;
    release(held);
    held_.pop_front();
  }
}

bool Core::write_held(i64 now_ns) {
  const i64 begin = os::monotonic_ns();
  i64 write_ns = 0;
  Status status;
  bool did = false;
  while (!held_.empty() && status.ok()) {
    if (batch_bytes_ == 0 && !make_batch()) {
      status = file_.finish();
      continue;
    }
    const i64 from = os::monotonic_ns();
    status = file_.write(batch_, batch_done_);
    write_ns += os::monotonic_ns() - from;
    if (batch_done_ < batch_bytes_) continue;
    did = true;
    consume(std::exchange(batch_bytes_, 0));
    Wake::step(room_word_);  // release: the room before the step (P19)
    if (waiters_.load(std::memory_order_relaxed) > 0) os::wake_all(room_word_);
  }
  note(status);
  // With the next file at once; when that fails too, later.
  const bool again =
      status.error_class() == ErrorClass::kRotate && retry_at_ns_ < now_ns - kRetryNs;
  if (!status.ok()) retry_at_ns_ = now_ns + (again ? 0 : kRetryNs);
  const std::scoped_lock lock(told_);
  if (!status.ok()) ++totals_.flush_errors;
  if (did) {
    ++times_.flushes;
    add_time(os::monotonic_ns() - begin, times_.flush_ns, times_.flush_ns_max);
    add_time(write_ns, times_.write_ns, times_.write_ns_max);
  }
  return did;
}

// Says a problem when it begins, and when it is over.
void Core::note(const Status& status) {
  const FileCounts& counts = file_.counts();
  std::string sentence;
  {
    const std::scoped_lock lock(told_);
    totals_.bytes_written = counts.bytes;
    totals_.files = counts.files;
    totals_.sync_errors = counts.sync_errors;
    times_.pwritev_ns = counts.pwritev_ns;
    times_.pwritev_ns_max = counts.pwritev_ns_max;
    if (status.ok() && totals_.lost > 0) return;  // it does not go on
    if (status.ok() != status_.ok()) {
      sentence = status.ok() ? file_.path() + ": goes on" : status.message();
    }
    status_ = status;
  }
  if (!sentence.empty() && !options_.quiet) reporter_.report(sentence);
}

void Core::give_up() {
  u64 lost = 0;
  if (batch_done_ > 0) {
    // What is in the file of a line that is not whole there.
    const u64 whole = whole_lines(batch_, batch_done_);
    if (Status cut = file_.take_back(batch_done_ - whole); !cut.ok()) note(cut);
    consume(whole);
  }
  batch_bytes_ = batch_done_ = 0;
  do {
    for (; !held_.empty(); held_.pop_front()) {
      const Held& held = held_.front();
      lost += lines_in(
          {pool_.chunk(held.chunk.index).bytes + held.begin, held.chunk.bytes - held.begin});
      release(held);
    }
  } while (take());
  const std::scoped_lock lock(told_);
  totals_.lost += lost;
}

void Core::end() {
  Status status = file_.finish();
  note(status);
  bool giving_up = false;
  {
    const std::scoped_lock lock(told_);
    giving_up = giving_up_;
  }
  // Otherwise the next round tries again.
  if (!status.ok() && status.error_class() == ErrorClass::kRetryable && !giving_up) return;
  file_.let_go();
  directory_->release(claim_);
  const std::scoped_lock lock(told_);
  over_.store(true, std::memory_order_relaxed);
  changed_.notify_all();
}

// ---- callers ----

bool Core::flush(u32 timeout_ms, bool durable, bool rotate) {
  if (!is_ours()) return false;
  std::unique_lock lock(told_);
  const u64 ticket = ++asked_.ticket;
  const u64 failed = failed_answers_;
  asked_.durable |= durable;
  asked_.rotate |= rotate;
  Wake::step(wake_);  // release: what is asked, before the look of the engine (P19)
  os::wake_all(wake_);
  const bool answered = changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                          [&] { return answered_ >= ticket || is_over(); });
  // status_ may be of a later write by now, but that of a stream that is over stays.
  return answered && failed_answers_ == failed && totals_.lost == 0 &&
         (answered_ >= ticket || status_.ok());
}

void Core::begin_close() {
  const std::scoped_lock lock(told_);
  closing_ = true;
  Wake::step(wake_);  // release: what is asked, before the look of the engine (P19)
}

Status Core::close(u32 timeout_ms) {
  if (!is_ours()) return fatal(path() + ": belongs to the process that opened it");
  std::unique_lock lock(told_);
  closing_ = true;
  const auto wait = [&](u32 ms) {
    Wake::step(wake_);  // release: what is asked, before the look of the engine (P19)
    os::wake_all(wake_);
    return changed_.wait_for(lock, std::chrono::milliseconds(ms), [&] { return is_over(); });
  };
  if (!wait(timeout_ms)) {
    giving_up_ = true;
    if (!wait(1000)) {
      return {ErrorClass::kRetryable, path() + ": the disk does not answer; close it again"};
    }
  }
  if (totals_.lost > 0) {
    return {ErrorClass::kFatal,
            path() + ": " + std::to_string(totals_.lost) + " accepted records are lost: " +
                (status_.ok() ? "there was no time to write them" : status_.message())};
  }
  return status_;
}

StreamStatistics Core::statistics() const {
  const std::scoped_lock lock(told_);
  StreamStatistics all = totals_;
  for (const Lane& lane : lanes_) all.accepted += lane.accepted.load(std::memory_order_relaxed);
  all.dropped_full = dropped_full_.load(std::memory_order_relaxed);
  all.dropped_too_big = dropped_too_big_.load(std::memory_order_relaxed);
  all.dropped_stopped = dropped_stopped_.load(std::memory_order_relaxed);
  all.flushes = times_.flushes;
  return all;
}

Core::Times Core::times() const {
  const std::scoped_lock lock(told_);
  return times_;
}

Status Core::status() const {
  const std::scoped_lock lock(told_);
  return status_;
}

}  // namespace sluice::stream
