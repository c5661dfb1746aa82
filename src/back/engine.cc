#include "back/engine.h"

#include <algorithm>

#include "os/process.h"
#include "sluice/detail/thread_block.h"

namespace sluice::back {
namespace {
constexpr i64 kJournalFullNapNs = 500'000;
// Of stop()'s time: what is kept for closing, and what closing a sink gets in any case. A sink that
// still gets on goes on for half of it.
constexpr i64 kCloseNs = 200'000'000;
constexpr i64 kCloseLeastNs = 20'000'000;
// What stop() waits for a guest: what it has not got stays in the region.
constexpr i64 kGuestNs = 250'000'000;

region::SinkEntry& began_as(const region::SinkEntry& entry, region::SinkEntry& own) {
  copy_progress(entry, own);
  own.kind = entry.kind;
  return own;
}
}  // namespace

Engine::Engine(region::Region& region, const EngineOptions& options, Reporter& reporter)
    : region_(region), options_(options), reporter_(reporter), merger_(region, options.merge) {}

Engine::~Engine() {
  if (thread_.joinable()) thread_.detach();
}

void Engine::resume() { merger_.resume(options_.dead_region, options_.slow_clock); }

void Engine::add_sink(region::SinkEntry& entry, std::unique_ptr<Sink> sink, std::string name,
                      bool required, bool from_here) {
  if (from_here) begin_here(entry);
  runners_.push_back(std::make_unique<SinkRunner>(region_, entry, std::move(sink), std::move(name),
                                                  required, options_.runner, reporter_));
}

void Engine::begin_here(region::SinkEntry& entry) {
  const std::lock_guard lock(drain_);
  // relaxed: before the sink's thread, or another process, starts with it, which orders it
  entry.cursor.store(merger_.next_sequence(), std::memory_order_relaxed);
  entry.cursor_position.store(merger_.journal_position(), std::memory_order_relaxed);
  entry.cursor_callers.store(merger_.callers(), std::memory_order_relaxed);
}

Engine::Guest::Guest(region::Region& region, region::SinkEntry& entry, std::unique_ptr<Sink> sink,
                     std::string name, const RunnerOptions& options, Reporter& reporter)
    : runner(region, began_as(entry, place), std::move(sink), std::move(name), false, options,
             reporter) {
  runner.publish_to(entry);
}

bool Engine::add_guest(region::SinkEntry& entry, std::unique_ptr<Sink> sink, std::string name) {
  if (guest_ && !guest_->runner.ended()) return false;
  auto guest = std::make_shared<Guest>(region_, entry, std::move(sink), std::move(name),
                                       options_.runner, reporter_);
  guest->runner.start_thread(epoch_, guest);  // it may be in a call when it is left
  guest_leaves_ = false;
  const std::lock_guard lock(drain_);
  guest_ = std::move(guest);
  return true;
}

void Engine::end_guest() {
  if (!guest_) return;
  guest_leaves_ = true;
  guest_->runner.ask_to_stop(os::monotonic_ns());
}

void Engine::start_backend(std::function<void()> keep_ready) {
  keep_ready_ = std::move(keep_ready);
  if (keep_ready_) keep_ready_();
  if (options_.threads) thread_ = std::thread([this] { thread_main(); });
}

void Engine::start_sinks() {
  if (!options_.threads) return;
  for (const auto& runner : runners_) runner->start_thread(epoch_);
}

u64 Engine::floor() const {
  if (options_.dead_region) return floor_of_table();
  u64 lowest = ~u64{0};
  for (const auto& runner : runners_) lowest = std::min(lowest, runner->floor());
  return lowest;
}

// Of a dead process's sinks some may not be had now, and get their records in a later recovery.
// Without any destination the journal keeps what it holds.
u64 Engine::floor_of_table() const {
  u64 lowest = runners_.empty() ? 0 : ~u64{0};
  for (u32 i = 0; i < region::kSinksMax; ++i) {
    const region::SinkEntry& entry = region_.sink(i);
    if (region::Marks::look(entry.state) != region::SinkState::kOpen || !entry.required ||
        entry.kind == u32(SinkKind::callback)) {
      continue;
    }
    // acquire: pairs with the release in publish_position() (P4): that sink's reads are done
    lowest = std::min(lowest, entry.cursor_position.load(JournalOrders::read_cursor));
  }
  return lowest;
}

Merged Engine::merge_locked(bool all) { return merger_.merge(all, floor()); }

std::optional<u64> Engine::retire() {
  const std::lock_guard lock(drain_);
  retired_ = true;
  u64 passed = merger_.next_sequence();
  if (!have_passed(passed)) return {};
  // relaxed: as have_passed()
  for (const auto& runner : runners_) {
    passed = std::min(passed, runner->entry().cursor.load(std::memory_order_relaxed));
  }
  return passed;
}

bool Engine::has_ended() const {
  return std::all_of(runners_.begin(), runners_.end(),
                     [](const auto& runner) { return runner->ended(); });
}

void Engine::tell_sinks() {
  Wake::step(epoch_);  // the commits before it (P19)
  os::wake_all(epoch_);
}

// What is published later does not count: callers who go on logging must not keep a flush waiting.
bool Engine::merge_published(i64 deadline_ns) {
  std::vector<u64> published;
  {
    const std::lock_guard lock(drain_);
    published = merger_.published();
  }
  for (;;) {
    Merged merged;
    {
      const std::lock_guard lock(drain_);
      if (retired_) return false;
      merged = merge_locked(true);
      if (merged == Merged::kNothing || merger_.has_merged(published)) return true;
    }
    if (merged != Merged::kJournalFull) continue;
    if (!options_.threads) {
      // As long as the sinks get on: nobody else would make room.
      if (!run_sinks_once()) return false;
      continue;
    }
    if (os::monotonic_ns() >= deadline_ns) return false;
    tell_sinks();
    os::sleep_ns(kJournalFullNapNs);
  }
}

bool Engine::run_sinks_once() {
  bool moved = false;
  for (const auto& runner : runners_) moved |= runner->run_while_it_gets_on();
  return moved;
}

bool Engine::drain_all(bool run_sinks) {
  const bool merged = merge_published(os::monotonic_ns());
  if (run_sinks) {
    run_sinks_once();
    for (const auto& runner : runners_) runner->settle(false, true);
  }
  return merged;
}

FlushOutcome Engine::flush(bool durable, i64 deadline_ns, std::optional<u32> only) {
  FlushOutcome outcome;
  {
    const std::lock_guard lock(drain_);
    merger_.want_reports();
  }
  outcome.merged = merge_published(deadline_ns);
  u64 target;
  std::shared_ptr<Guest> guest;
  {
    const std::lock_guard lock(drain_);
    target = merger_.next_sequence();
    guest = guest_;
  }
  // Two callbacks that flush would wait for each other.
  const bool by_sink = detail::t_block.in_sink != 0;
  const auto waits_for = [&](const SinkRunner& runner) {
    return !runner.on_own_thread() && !(by_sink && runner.is_callback());
  };
  const auto asked = [&](u32 at) { return !only || at == *only; };
  std::vector<SinkRunner*> runners;
  for (const auto& runner : runners_) runners.push_back(runner.get());
  // Who stops waits for it apart.
  if (guest && !is_stopping()) runners.push_back(&guest->runner);
  for (u32 i = 0; i < runners.size(); ++i) {
    SinkRunner* const runner = runners[i];
    if (!asked(i)) continue;
    if (!options_.threads) {
      runner->run_while_it_gets_on();
      runner->settle(durable, true);
    } else if (waits_for(*runner)) {
      runner->request(target, durable, epoch_);
    }
  }
  for (u32 i = 0; i < runners.size(); ++i) {
    SinkRunner* const runner = runners[i];
    if (!asked(i) || !waits_for(*runner)) continue;
    const bool reached = runner->wait_reached(target, durable, deadline_ns);
    // A guest that has left: the rest is for whoever goes on in its place.
    if (!reached && i >= runners_.size() && runner->ended()) continue;
    ++outcome.sinks;
    if (reached) continue;
    ++outcome.behind;
    outcome.names_behind += (outcome.names_behind.empty() ? "" : ", ") + runner->name();
  }
  return outcome;
}

u32 Engine::stop(i64 deadline_ns, bool hands_over) {
  // relaxed: the step brings it (P19)
  stopping_.store(true, std::memory_order_relaxed);
  left_behind_ = false;
  if (thread_.joinable()) {
    Wake::step(region_.wake().consumer);
    os::wake_all(region_.wake().consumer);
    thread_.join();
  }
  std::vector<u64> before;
  for (const auto& runner : runners_) before.push_back(runner->sequence());
  // A sink that is stuck must not take the time that the others need to close.
  const i64 left_ns = std::max<i64>(deadline_ns - os::monotonic_ns(), 0);
  const FlushOutcome outcome = flush(true, deadline_ns - std::min(left_ns / 4, kCloseNs));
  if (!options_.threads) {
    for (const auto& runner : runners_) runner->finish();
    return outcome.behind;
  }
  const i64 now = os::monotonic_ns();
  const i64 leave_ns = now + std::max(deadline_ns - now, kCloseLeastNs) / 2;
  if (guest_) guest_->runner.ask_to_stop(std::min(leave_ns, now + kGuestNs / 2));
  for (const auto& runner : runners_) runner->ask_to_stop(leave_ns);
  for (std::size_t i = 0; i < runners_.size(); ++i) {
    SinkRunner& runner = *runners_[i];
    const i64 at_least = os::monotonic_ns() + kCloseLeastNs;
    // One that an earlier stop() has left has no thread to wait for.
    const bool ended = runner.wait_for_thread(std::max(deadline_ns, at_least)) && runner.ended();
    // In a call: it goes on using its runner, this engine and the region.
    if (!ended) left_behind_ = true;
    if (!ended || !hands_over) say_what_is_left(runner, ended, runner.sequence() != before[i]);
  }
  if (guest_) {
    (void)guest_->runner.wait_for_thread(std::min(deadline_ns, os::monotonic_ns() + kGuestNs));
  }
  return outcome.behind;
}

void Engine::say_what_is_left(const SinkRunner& runner, bool ended, bool got_on) {
  const EngineCounts now = counts();
  const u64 left = runner.given_up() ? 0 : now.next_sequence - runner.sequence() + now.queued;
  if (ended && left == 0) return;
  std::string said = "sluice: " + runner.name();
  if (!ended) said += got_on ? " is slow and was left behind" : " is stuck and was left behind";
  if (left > 0) {
    said += std::string(ended ? " has" : "; it has") + " not got the last " + std::to_string(left) +
            " records: they " +
            (region_.shared() ? "stay in " + std::string(region_.path()) : "end with this process");
  }
  reporter_.report(said);
}

EngineCounts Engine::counts() {
  const std::lock_guard lock(drain_);
  return {merger_.callers(), merger_.queued(), merger_.damaged(),
          merger_.late(),    merger_.held(),   merger_.next_sequence()};
}

bool Engine::gave_up(const region::SinkEntry& entry) const {
  return std::any_of(runners_.begin(), runners_.end(), [&entry](const auto& runner) {
    return &runner->entry() == &entry && runner->given_up();
  });
}

bool Engine::all_delivered() {
  const std::lock_guard lock(drain_);
  return merger_.queued() == 0 && have_passed(merger_.next_sequence());
}

// Of one that has ended its floor says nothing any more: only how far it has got.
bool Engine::have_passed(u64 end) const {
  return std::all_of(runners_.begin(), runners_.end(), [end](const auto& runner) {
    // relaxed: what a sink has passed it gave to the system, or to a callback whose thread the
    // flush before this has met under its runner's mutex
    return runner->given_up() || runner->entry().cursor.load(std::memory_order_relaxed) >= end;
  });
}

}  // namespace sluice::back
