#include "back/sink_runner.h"

#include <algorithm>
#include <chrono>

#include "os/process.h"
#include "sluice/detail/thread_block.h"

namespace sluice::back {
namespace {

constexpr i64 kFlushIntervalNs = 200'000'000;
constexpr i64 kPauseFirstNs = 2'000'000;
constexpr i64 kPauseMaxNs = 200'000'000;
// Batches are handed over together up to this size: a file takes 200 KB of lines at a third less
// CPU a line than 60 KB.
constexpr u64 kGroupBytes = 64 * 1024;
constexpr std::size_t kGroupBatchesMax = 64;

std::chrono::steady_clock::time_point time_point(i64 monotonic_ns) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(monotonic_ns));
}

}  // namespace

void copy_progress(const region::SinkEntry& from, region::SinkEntry& to) {
  using region::SinkEntry;
  // relaxed, all but the last: told with the position
  for (std::atomic<u64> SinkEntry::*const word :
       {&SinkEntry::cursor_callers, &SinkEntry::delivered, &SinkEntry::filtered,
        &SinkEntry::dropped_backlog, &SinkEntry::dropped_error, &SinkEntry::cursor}) {
    (to.*word).store((from.*word).load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  // release: for the acquire of whoever waits for it (P4)
  to.cursor_position.store(from.cursor_position.load(std::memory_order_relaxed),
                           JournalOrders::publish_cursor);
}

SinkRunner::SinkRunner(region::Region& region, region::SinkEntry& entry, std::unique_ptr<Sink> sink,
                       std::string name, bool required, const RunnerOptions& options,
                       Reporter& reporter)
    // relaxed: set before this object was made, by its maker
    : region_(region),
      entry_(entry),
      sink_(std::move(sink)),
      name_(std::move(name)),
      required_(required),
      options_(options),
      reporter_(reporter),
      catalog_(region),
      cursor_(entry),
      reader_(region.journal(), entry.cursor_position.load(std::memory_order_relaxed)),
      bytes_(kGroupBytes + kBatchBytesMax) {}

SinkRunner::~SinkRunner() {
  if (thread_.joinable()) thread_.detach();
}

void SinkRunner::start_thread(std::atomic<u32>& epoch, std::shared_ptr<void> kept) {
  epoch_ = &epoch;
  thread_ = std::thread([this, kept = std::move(kept)] { thread_main(); });
}

void SinkRunner::thread_main() {
  thread_id_.store(os::thread_id(), std::memory_order_relaxed);
  os::block_signals();
  os::set_thread_name("sluice-sink");
  detail::t_block.in_sink = 1;
  const auto work = [this] {
    const bool more = !is_to_leave() && run_once();
    if (!more || settle_is_due()) settle(has_passed(wanted_durable_));
    return more;
  };
  signals_.serve(*epoch_, work, [this](u32 seen) {
    // A pause that a commit ends. Failing, run_once() has paused already.
    const i64 again_ns = opened_ && !failing() ? sink_->upkeep() : -1;
    const i64 flush_ns = dirty_ || undurable_ ? kFlushIntervalNs : -1;
    const bool upkeep_first = again_ns >= 0 && (flush_ns < 0 || again_ns < flush_ns);
    os::wait_on(*epoch_, seen, upkeep_first ? again_ns : flush_ns);
  });
  finish();
  const std::lock_guard lock(mutex_);
  thread_ended_ = true;
  moved_.notify_all();
}

bool SinkRunner::has_passed(const std::atomic<u64>& wanted) const {
  // relaxed: the step of the epoch brings what request() has stored (P19)
  const u64 sequence = wanted.load(std::memory_order_relaxed);
  return sequence != 0 && cursor_.sequence() >= sequence;
}

// Also while there is always more to read: who waits for a flush has waited long enough.
bool SinkRunner::settle_is_due() const {
  if (failing()) return false;
  return has_passed(wanted_) || os::monotonic_ns() - last_flush_ns_ >= kFlushIntervalNs;
}

// A thread that sees the time before it sees the stop goes to sleep, and is woken by the stop.
bool SinkRunner::is_to_leave() const {
  const i64 at = leave_ns_.load(std::memory_order_relaxed);
  return at != 0 && os::monotonic_ns() >= at;
}

void SinkRunner::ask_to_stop(i64 leave_ns) {
  if (!thread_.joinable()) return;
  leave_ns_.store(leave_ns, std::memory_order_relaxed);
  signals_.ask_to_stop(*epoch_);
  os::wake_all(*epoch_);
}

bool SinkRunner::wait_for_thread(i64 deadline_ns) {
  if (!thread_.joinable()) return true;
  {
    std::unique_lock lock(mutex_);
    if (!moved_.wait_until(lock, time_point(deadline_ns), [this] { return thread_ended_; })) {
      thread_.detach();
      return false;
    }
  }
  thread_.join();
  return true;
}

bool SinkRunner::open() {
  if (opened_) return true;
  const Status status = sink_->open(catalog_, cursor_);
  if (!status.ok()) {
    fail(status);
    return false;
  }
  opened_ = true;
  recover_from_failure();
  return true;
}

bool SinkRunner::run_once() {
  if (ended()) return false;
  if (!open()) return !ended() && !signals_.asked_to_stop();
  switch (reader_.read(bytes_.data())) {
    case JournalRead::kNothing:
      return false;
    case JournalRead::kPassed:
      reader_.skip_to_oldest();
      publish_position();
      return true;
    case JournalRead::kDamaged: {
      // Only in a region that something wrote over: what is committed cannot be found any more.
      // acquire: with commit(): the batches before it (P3)
      const u64 committed = region_.journal_lines().committed.load(JournalOrders::read_committed);
      report("the journal is damaged; records were lost");
      reader_ = {region_.journal(), committed};
      publish_position();
      return true;
    }
    case JournalRead::kBatch:
      break;
  }
  read_group();
  return hand_over();
}

void SinkRunner::read_group() {
  batches_.clear();
  u64 used = 0;
  JournalReader<JournalSync> next = reader_;
  do {
    const BatchView& batch = batches_.emplace_back(bytes_.data() + used);
    used += batch.header().bytes;
    next.advance(batch.header().bytes);
    // What cannot be read now is for the next round, which says why.
  } while (used < kGroupBytes && batches_.size() < kGroupBatchesMax &&
           next.read(bytes_.data() + used) == JournalRead::kBatch);
}

bool SinkRunner::hand_over() {
  note_gap(batches_.front());
  if (batches_.back().next_sequence() > cursor_.sequence()) {
    const Status status = sink_->write(batches_, catalog_, cursor_);
    if (!status.ok()) {
      fail(status);
      return !signals_.asked_to_stop();
    }
    recover_from_failure();
    dirty_ = undurable_ = true;
  }
  pass();
  return true;
}

// The running totals of caller records tell exactly how many were reclaimed unread.
void SinkRunner::note_gap(const BatchView& batch) {
  const u64 before = batch.header().callers_before;
  // relaxed: only the sink's owner writes it
  const u64 passed = entry_.cursor_callers.load(std::memory_order_relaxed);
  if (before > passed && batch.first_sequence() > cursor_.sequence()) {
    const u64 missed = before - passed;
    const u64 in_all = entry_.dropped_backlog.fetch_add(missed, std::memory_order_relaxed) + missed;
    // A failed notice is not repeated: the counter has it.
    const Status said = sink_->write_gap(missed, in_all);
    if (!said.ok()) report(said.message());
    entry_.cursor_callers.store(before, std::memory_order_relaxed);
  }
}

void SinkRunner::pass() {
  const BatchView& last = batches_.back();
  if (cursor_.sequence() < last.next_sequence()) cursor_.passed(last.next_sequence(), {});
  for (const BatchView& batch : batches_) reader_.advance(batch.header().bytes);
  // What the sink has told is this already, unless a kill made it tell a group twice.
  entry_.cursor_callers.store(last.header().callers_before + last.header().callers,
                              std::memory_order_relaxed);
  publish_position();
}

void SinkRunner::publish_position() {
  // release: our reads of the batch before the consumer's acquire in floor() (P4)
  entry_.cursor_position.store(reader_.position(), JournalOrders::publish_cursor);
  if (published_ != nullptr) copy_progress(entry_, *published_);
}

bool SinkRunner::run_while_it_gets_on() {
  const u64 first_position = reader_.position();
  const u64 first_sequence = cursor_.sequence();
  for (;;) {
    const u64 position = reader_.position(), sequence = cursor_.sequence();
    if (!run_once()) break;
    // A sink that fails may have got on all the same: it only had something to say.
    if (failing() && reader_.position() == position && cursor_.sequence() == sequence) break;
  }
  return reader_.position() != first_position || cursor_.sequence() != first_sequence;
}

void SinkRunner::settle(bool durable, bool at_once) {
  if (ended() || !opened_) return;
  const i64 now = os::monotonic_ns();
  // relaxed: as in has_passed()
  const bool asked = at_once || wanted_.load(std::memory_order_relaxed) != 0;
  if (dirty_ &&
      (durable || asked || now - last_flush_ns_ >= kFlushIntervalNs || signals_.asked_to_stop())) {
    const Status status = sink_->flush(false);
    if (!status.ok()) return fail(status);
    dirty_ = false;
    last_flush_ns_ = now;
  }
  const bool due =
      options_.sync_interval_ns > 0 && now - last_sync_ns_ >= options_.sync_interval_ns;
  if (undurable_ && sink_->can_be_durable() && (durable || due)) {
    const Status status = sink_->flush(true);
    if (!status.ok()) return fail(status);
    undurable_ = dirty_ = false;
    last_sync_ns_ = now;
  }
  if (!sink_->can_be_durable()) undurable_ = false;
  const std::lock_guard lock(mutex_);
  if (!dirty_) reached_.written = cursor_.sequence();
  if (!undurable_) reached_.durable = cursor_.sequence();
  // relaxed, both: written under mutex_ only
  if (wanted_.load(std::memory_order_relaxed) <= reached_.written) {
    wanted_.store(0, std::memory_order_relaxed);
  }
  if (wanted_durable_.load(std::memory_order_relaxed) <= reached_.durable) {
    wanted_durable_.store(0, std::memory_order_relaxed);
  }
  moved_.notify_all();
}

void SinkRunner::finish() {
  if (opened_ && !ended()) {
    const Status status = sink_->close();
    if (!status.ok()) report(status.message());
  }
  // Together, for wait_reached(): what an ended sink has not reached counts as behind.
  const std::lock_guard lock(mutex_);
  reached_.written = cursor_.sequence();
  signals_.end();
  moved_.notify_all();
}

// Most problems say themselves at which path they are.
void SinkRunner::report(const std::string& what) {
  const bool named = what.starts_with(name_ + ": ");
  reporter_.report("sluice: " + (named ? what : name_ + ": " + what));
}

void SinkRunner::fail(const Status& status) {
  const ErrorClass error = status.error_class();
  if (error == ErrorClass::kDisableSink || error == ErrorClass::kFatal) return give_up(status);
  if (!failing_.exchange(true, std::memory_order_relaxed)) {
    report(status.message() + "; trying again");
    pause_ns_ = kPauseFirstNs;
    note_problem(status.message());
  }
  if (epoch_) {
    const i64 until = os::monotonic_ns() + pause_ns_;
    for (i64 left = pause_ns_; left > 0; left = until - os::monotonic_ns()) {
      // The epoch steps with every commit too: only stop() ends the pause early.
      const u32 seen = Wake::look(*epoch_);
      if (signals_.asked_to_stop()) break;
      os::wait_on(*epoch_, seen, left);
    }
  }
  pause_ns_ = std::min(pause_ns_ * 2, kPauseMaxNs);
}

void SinkRunner::note_problem(std::string text) {
  const std::lock_guard lock(mutex_);
  problem_ = std::move(text);
}

std::string SinkRunner::problem() {
  const std::lock_guard lock(mutex_);
  return problem_;
}

void SinkRunner::recover_from_failure() {
  if (failing_.exchange(false, std::memory_order_relaxed)) {
    report("works again");
    note_problem({});
  }
}

void SinkRunner::give_up(const Status& status) {
  report(status.message() + "; this sink is given up");
  note_problem(status.message());
  given_up_.store(true, std::memory_order_relaxed);
  signals_.end();
  const std::lock_guard lock(mutex_);
  moved_.notify_all();
}

void SinkRunner::request(u64 sequence, bool durable, std::atomic<u32>& epoch) {
  {
    const std::lock_guard lock(mutex_);
    const auto raise = [sequence](std::atomic<u64>& wanted) {
      // relaxed: written under mutex_ only
      if (wanted.load(std::memory_order_relaxed) >= sequence) return;
      wanted.store(sequence, std::memory_order_relaxed);
    };
    raise(wanted_);
    if (durable) raise(wanted_durable_);
  }
  Wake::step(epoch);
  os::wake_all(epoch);
}

bool SinkRunner::wait_reached(u64 sequence, bool durable, i64 deadline_ns) {
  std::unique_lock lock(mutex_);
  const auto there = [&] {
    return ended() || (durable ? reached_.durable : reached_.written) >= sequence;
  };
  moved_.wait_until(lock, time_point(deadline_ns), there);
  return (durable ? reached_.durable : reached_.written) >= sequence;
}

u64 SinkRunner::floor() const {
  if (!required_ || ended()) return ~u64{0};
  // acquire: pairs with the release in pass() (P4): that sink's reads are done
  return entry_.cursor_position.load(JournalOrders::read_cursor);
}

}  // namespace sluice::back
