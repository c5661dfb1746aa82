// What the flusher of a stream does: see round().
#include <algorithm>
#include <utility>

#include "base/durations.h"
#include "os/process.h"
#include "stream/core.h"

namespace sluice::stream {
namespace {

constexpr i64 kRetryNs = 100 * kNsPerMs;  // between two attempts on a disk that takes nothing
constexpr std::size_t kReadyMax = 512;

void add_time(i64 took, i64& sum, i64& highest) {
  sum += took;
  highest = std::max(highest, took);
}

}  // namespace

bool Core::round(i64 now_ns, bool crowded) {
  if (is_over()) return false;
  if (kept_pool_) (void)kept_pool_->provide(now_ns);
  const std::unique_lock writing(writing_, std::try_to_lock);
  bool did = false;
  // Who can write takes only when it has nothing to write.
  if (!writing.owns_lock() || !is_any_ready()) did = take_round(now_ns);
  if (writing.owns_lock() && !is_over()) did = write_round(now_ns, crowded) || did;
  return did || is_over();
}

// ---- from the shards to ready_ ----

bool Core::take_round(i64 now_ns) {
  const std::unique_lock taking(taking_, std::try_to_lock);
  if (!taking.owns_lock()) return false;
  bool did = begin_flush();
  close_due(now_ns);
  for (u32 lane = 0; lane < lanes_.size(); ++lane) did = make_ready(lane) || did;
  return did;
}

// What a flush asks for: everything that is in the shards now. False: none begins.
bool Core::begin_flush() {
  {
    const std::scoped_lock lock(told_);
    if (flushing_ || asked_.ticket == answered_) return false;
    answering_ = std::exchange(asked_, {asked_.ticket, false, false});
  }
  {
    const std::scoped_lock lock(handing_);
    for (Lane& lane : lanes_) {
      lane.shard.close_open(room_);
      lane.flush_target = lane.taken + lane.shard.closed_chunks(room_);
    }
  }
  const std::scoped_lock lock(told_);
  flushing_ = true;
  return true;
}

// Closes what has waited long enough, and everything when the stream is closed; of a stream that is
// quiet a large chunk without records goes back.
void Core::close_due(i64 now_ns) {
  bool closing = false;
  {
    const std::scoped_lock lock(told_);
    closing = closing_;
  }
  const i64 interval = i64{options_.flush_interval_ms} * kNsPerMs;
  const std::scoped_lock lock(handing_);
  const bool calm = room_.calm_down(now_ns);
  for (Lane& lane : lanes_) {
    // Not yet closed for good: the next round tries again.
    if (closing) (void)lane.shard.finish(room_);
    if (calm) lane.shard.shrink(room_, Pool::kBytesOf[0]);
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

// What a lane has handed over. False: nothing.
bool Core::make_ready(u32 lane) {
  bool did = false;
  for (Held held; take(lane, held); did = true) {
    const RealChunk& chunk = room_.chunk(held.chunk.index);
    const i64 now_ns = os::wall_ns();
    held.rest = framing_->finish(reinterpret_cast<std::byte*>(chunk.bytes), chunk.capacity,
                                 held.chunk.bytes, lane, std::min(chunk.ready_ns, now_ns), now_ns);
    const std::scoped_lock lock(handing_);
    ready_.push_back(held);
  }
  return did;
}

// The oldest chunk of a lane that has records; those without are given back.
bool Core::take(u32 lane, Held& out) {
  const std::scoped_lock lock(handing_);
  out = {.chunk = {}, .lane = lane, .rest = {}};
  Lane& from = lanes_[lane];
  const auto hold = [&](u32 index, u32 generation, u32 bytes) {
    if (!kept_) return;
    const bool empty = bytes == room_.head_bytes(index);
    kept_->hold(index, generation, lane, empty ? 0 : framing_->finished_bytes(bytes));
  };
  while (ready_.size() < kReadyMax && from.shard.take(room_, out.chunk, hold)) {
    from.waiting_since_ns = 0;
    if (out.chunk.bytes != room_.head_bytes(out.chunk.index)) {
      ++from.taken;
      return true;
    }
    // A flush that counted it waits for one less.
    if (from.flush_target > from.taken) --from.flush_target;
    give_back(out);
  }
  return false;
}

bool Core::is_any_ready() {
  const std::scoped_lock lock(handing_);
  return !ready_.empty();
}

// Under handing_.
void Core::give_back(const Held& held) {
  Lane& lane = lanes_[held.lane];
  RealChunk& chunk = room_.chunk(held.chunk.index);
  if (kept_) kept_->forget(chunk.bytes, held.chunk.bytes);
  chunk.ready_ns = os::wall_ns();
  lane.shard.done(room_, held.chunk);
}

// ---- from ready_ to the file ----

bool Core::write_round(i64 now_ns, bool crowded) {
  bool giving_up = false, flushing = false;
  {
    const std::scoped_lock lock(told_);
    giving_up = giving_up_;
    flushing = flushing_;
  }
  bool did = hold_ready();
  if (giving_up) {
    give_up();
  } else if (!held_.empty() && now_ns >= retry_at_ns_) {
    did = write_held(now_ns) || did;
  }
  if (flushing) end_flush();
  did = rotate_due(now_ns) || did;
  if (crowded && held_.empty()) file_.let_go();
  if (is_all_written()) end();
  return did;
}

// False: nothing came.
bool Core::hold_ready() {
  const std::scoped_lock lock(handing_);
  const std::size_t before = held_.size();
  for (; !ready_.empty() && held_.size() < kReadyMax; ready_.pop_front()) {
    held_.push_back(ready_.front());
  }
  return held_.size() > before;
}

void Core::release(const Held& held) {
  const std::scoped_lock lock(handing_);
  give_back(held);
  ++lanes_[held.lane].done;
}

// The pieces that go into the file with one write; whole units. False: the file has no room.
bool Core::make_batch() {
  batch_.clear();
  batch_bytes_ = batch_done_ = 0;
  u64 room = file_.room();
  const u64 most = std::max<u64>(options_.buffer_bytes * options_.batch_percent / 100, 1);
  for (const Held& held : held_) {
    // What is longer than a file may be has one for itself.
    const bool alone = batch_.empty() && file_.is_empty();
    const Piece piece = framing_->fitting(held.rest, room, alone);
    if (!piece.empty()) batch_.push_back(piece);
    batch_bytes_ += piece.size();
    room -= std::min<u64>(room, piece.size());
    if (piece.size() < held.rest.size() || batch_bytes_ >= most) break;
  }
  return batch_bytes_ > 0;
}

void Core::consume(u64 bytes) {
  while (bytes > 0) {
    Held& held = held_.front();
    const std::size_t here = std::size_t(std::min<u64>(bytes, held.rest.size()));
    held.rest = framing_->behind(held.rest, here);
    bytes -= here;
    if (!held.rest.empty()) break;
    release(held);
    held_.pop_front();
  }
  const std::scoped_lock lock(handing_);
  for (Lane& lane : lanes_) lane.shard.go_on(room_);
}

// One batch, or the end of a file that has no room for it. True: it got on.
bool Core::write_held(i64 now_ns) {
  const i64 begin = os::monotonic_ns();
  i64 write_ns = 0;
  Status status;
  bool written = false;
  if (batch_bytes_ == 0 && !make_batch()) {
    status = file_.finish();
  } else {
    const i64 from = os::monotonic_ns();
    status = file_.write(batch_, batch_done_);
    write_ns = os::monotonic_ns() - from;
    written = batch_done_ == batch_bytes_;
  }
  if (written) {
    batch_done_ = 0;
    consume(std::exchange(batch_bytes_, 0));
    const u32 seen = Wake::step(room_word_);  // release: the room before the step (P19)
    // relaxed: who comes now looks by itself
    if (waiters_.load(std::memory_order_relaxed) > 0) os::wake_two(room_word_, seen);
  }
  note(status);
  if (file_.refuses_direct() && !std::exchange(told_of_cache_, true) && !options_.quiet) {
    reporter_.report(file_.path() + ": its file system has no direct writes (O_DIRECT); they go " +
                     "through the page cache");
  }
  // With the next file at once; when that fails too, later.
  const bool again =
      status.error_class() == ErrorClass::kRotate && retry_at_ns_ < now_ns - kRetryNs;
  if (!status.ok()) retry_at_ns_ = now_ns + (again ? 0 : kRetryNs);
  const std::scoped_lock lock(told_);
  if (!status.ok()) ++totals_.flush_errors;
  if (written) {
    ++times_.flushes;
    add_time(os::monotonic_ns() - begin, times_.flush_ns, times_.flush_ns_max);
    add_time(write_ns, times_.write_ns, times_.write_ns_max);
  }
  return status.ok();
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
    if (status.ok() && given_up() > 0) return;  // it does not go on
    if (status.ok() != status_.ok()) {
      sentence = status.ok() ? file_.path() + ": goes on" : status.message();
    }
    status_ = status;
  }
  if (!sentence.empty() && !options_.quiet) reporter_.report(sentence);
}

void Core::end_flush() {
  {
    const std::scoped_lock lock(handing_);
    for (const Lane& lane : lanes_) {
      if (lane.done < lane.flush_target) return;
    }
  }
  // answering_ stays as it is while there is a flush. A file ends between units, and batches do
  // too.
  if (batch_bytes_ > 0 && (answering_.rotate || answering_.durable)) return;
  Status status;
  if (answering_.rotate) {
    status = file_.finish();
  } else if (answering_.durable) {
    status = file_.sync();
  }
  note(status);
  // Of files that were finished since the last answer too.
  const u64 sync_errors = file_.counts().sync_errors;
  const bool failed = answering_.durable && sync_errors != std::exchange(sync_errors_, sync_errors);
  {
    const std::scoped_lock lock(told_);
    if (failed || !status.ok()) ++failed_answers_;
    flushing_ = false;
    answered_ = answering_.ticket;
  }
  answer();
}

void Core::give_up() {
  u64 lost = 0;
  if (batch_done_ > 0) {
    // What is in the file of a line that is not whole there.
    const u64 whole = framing_->whole(batch_, batch_done_);
    if (Status cut = file_.take_back(batch_done_ - whole); !cut.ok()) note(cut);
    consume(whole);
  }
  batch_bytes_ = batch_done_ = 0;
  if (kept_) return leave_in_memory();
  for (; !held_.empty(); held_.pop_front()) {
    lost += held_.front().rest.records;
    release(held_.front());
  }
  const std::scoped_lock lock(told_);
  totals_.lost += lost;
}

// What is not written stays where it is: the next writer of the stream finds it there.
void Core::leave_in_memory() {
  u64 left = 0;
  {
    const std::scoped_lock lock(handing_);
    for (; !held_.empty(); held_.pop_front()) {
      left += held_.front().rest.records;
      ++lanes_[held_.front().lane].done;
    }
    for (Lane& lane : lanes_) lane.shard.abandon();
  }
  const std::scoped_lock lock(told_);
  totals_.left_in_memory += left;
}

// A file that has its time or its number of records. True: it is finished.
bool Core::rotate_due(i64 now_ns) {
  if (file_.is_empty()) {
    file_since_ns_ = 0;
    return false;
  }
  if (file_since_ns_ == 0) file_since_ns_ = now_ns;
  const bool old = options_.rotate_seconds > 0 &&
                   now_ns - file_since_ns_ >= i64{options_.rotate_seconds} * kNsPerSecond;
  const bool full = options_.rotate_records > 0 && file_.place().records >= options_.rotate_records;
  // Not in the midst of a batch, and not again at once where it failed.
  if (!(old || full) || batch_bytes_ > 0 || now_ns < retry_at_ns_) return false;
  const Status status = file_.finish();
  note(status);
  if (!status.ok()) retry_at_ns_ = now_ns + kRetryNs;
  return status.ok();
}

// Every lane is closed for good, and every chunk of it given back.
bool Core::is_all_written() {
  const std::scoped_lock lock(handing_);
  return std::all_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) {
    return lane.shard.is_over() && lane.done == lane.taken;
  });
}

void Core::end() {
  bool giving_up = false;
  {
    const std::scoped_lock lock(told_);
    giving_up = giving_up_;
  }
  Status status = file_.finish();
  note(status);
  if (!status.ok() && status.error_class() == ErrorClass::kRetryable) {
    if (!giving_up) return;  // the next round tries again
    file_.leave_incomplete();
    (void)file_.finish();
  }
  file_.let_go();
  bool left = false;
  {
    const std::scoped_lock lock(told_);
    left = totals_.left_in_memory > 0;
  }
  if (id_ && !left) {
    KeptMemory::remove_left(*id_);
    WriterCounts::remove_left(*id_);
  }
  directory_->release(claim_);
  {
    const std::scoped_lock lock(told_);
    over_.store(true, std::memory_order_relaxed);
  }
  answer();
}

}  // namespace sluice::stream
