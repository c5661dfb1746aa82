// What the flusher of a stream does: see round().
#include <algorithm>
#include <utility>

#include "os/process.h"
#include "stream/core.h"

namespace sluice::stream {
namespace {

constexpr i64 kNsPerMs = 1'000'000;
constexpr i64 kNsPerSecond = 1'000'000'000;
constexpr i64 kRetryNs = 100 * kNsPerMs;  // between two attempts on a disk that takes nothing
constexpr std::size_t kHeldMax = 512;

void add_time(i64 took, i64& sum, i64& highest) {
  sum += took;
  highest = std::max(highest, took);
}

}  // namespace

bool Core::round(i64 now_ns, bool crowded) {
  const std::unique_lock round(round_, std::try_to_lock);
  if (!round.owns_lock() || is_over()) return false;
  if (kept_pool_) (void)kept_pool_->provide();
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
    for (Lane& lane : lanes_) {
      all_closed = (lane.shard.finish(room_) || lane.shard.is_over()) && all_closed;
    }
  }
  bool did = take();
  if (giving_up) {
    give_up();
  } else if (!held_.empty() && now_ns >= retry_at_ns_) {
    did = write_held(now_ns) || did;
  }
  if (flushing_) end_flush();
  did = rotate_due(now_ns) || did;
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
    TakenChunk taken;
    const auto hold = [&](u32 index, u32 generation, u32 bytes) {
      if (!kept_) return;
      const bool empty = bytes == room_.head_bytes(index);
      kept_->hold(index, generation, i, empty ? 0 : framing_->finished_bytes(bytes));
    };
    while (held_.size() < kHeldMax && lane.shard.take(room_, taken, hold)) {
      did = true;
      ++lane.taken;
      lane.waiting_since_ns = 0;
      Held held{taken, i, {}};
      if (taken.bytes == room_.head_bytes(taken.index)) {
        release(held);
        continue;
      }
      const RealChunk& chunk = room_.chunk(taken.index);
      const i64 now_ns = os::wall_ns();
      held.rest = framing_->finish(reinterpret_cast<std::byte*>(chunk.bytes), chunk.capacity,
                                   taken.bytes, i, std::min(chunk.ready_ns, now_ns), now_ns);
      held_.push_back(held);
    }
  }
  return did;
}

void Core::release(const Held& held) {
  Lane& lane = lanes_[held.lane];
  if (kept_) kept_->forget(room_.chunk(held.chunk.index).bytes, held.chunk.bytes);
  if (held.chunk.reopen) room_.chunk(held.chunk.index).ready_ns = os::wall_ns();
  lane.shard.done(room_, held.chunk);
  ++lane.done;
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
    held.rest = held.rest.subspan(here);
    bytes -= here;
    if (!held.rest.empty()) return;
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
    // relaxed: who comes now looks by itself
    if (waiters_.load(std::memory_order_relaxed) > 0) os::wake_all(room_word_);
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
    if (status.ok() && given_up() > 0) return;  // it does not go on
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
    const u64 whole = framing_->whole(batch_, batch_done_);
    if (Status cut = file_.take_back(batch_done_ - whole); !cut.ok()) note(cut);
    consume(whole);
  }
  batch_bytes_ = batch_done_ = 0;
  if (kept_) return leave_in_memory();
  do {
    for (; !held_.empty(); held_.pop_front()) {
      lost += framing_->records_in(held_.front().rest);
      release(held_.front());
    }
  } while (take());
  const std::scoped_lock lock(told_);
  totals_.lost += lost;
}

// What is not written stays where it is: the next writer of the stream finds it there.
void Core::leave_in_memory() {
  u64 left = 0;
  do {
    for (; !held_.empty(); held_.pop_front()) left += framing_->records_in(held_.front().rest);
  } while (take());
  for (Lane& lane : lanes_) lane.shard.abandon();
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
  const std::scoped_lock lock(told_);
  over_.store(true, std::memory_order_relaxed);
  changed_.notify_all();
}

}  // namespace sluice::stream
