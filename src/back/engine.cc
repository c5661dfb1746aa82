#include "back/engine.h"

#include <algorithm>

#include "os/process.h"

namespace sluice::back {
namespace {
constexpr i64 kJournalFullNapNs = 500'000;
}

Engine::Engine(region::Region& region, const EngineOptions& options, Reporter& reporter)
    : region_(region), options_(options), reporter_(reporter), merger_(region, options.merge) {}

Engine::~Engine() {
  if (thread_.joinable()) thread_.detach();
}

void Engine::resume() { merger_.resume(options_.dead_region, options_.slow_clock); }

void Engine::add_sink(region::SinkEntry& entry, std::unique_ptr<Sink> sink, std::string name,
                      bool required, bool from_here) {
  if (from_here) {
    entry.cursor.store(merger_.next_sequence(), std::memory_order_relaxed);
    entry.cursor_position.store(merger_.journal_position(), std::memory_order_relaxed);
    entry.cursor_callers.store(merger_.callers(), std::memory_order_relaxed);
  }
  runners_.push_back(std::make_unique<SinkRunner>(region_, entry, std::move(sink), std::move(name),
                                                  required, options_.runner, reporter_));
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
  u64 lowest = ~u64{0};
  for (const auto& runner : runners_) lowest = std::min(lowest, runner->floor());
  return lowest;
}

Merged Engine::merge_locked(bool all) { return merger_.merge(all, floor()); }

void Engine::tell_sinks() {
  // release: the commits before it are seen by a sink that loads the epoch and then reads
  epoch_.fetch_add(1, std::memory_order_release);
  os::wake_all(epoch_);
}

bool Engine::merge_until_empty(i64 deadline_ns) {
  for (;;) {
    Merged merged;
    {
      const std::lock_guard lock(drain_);
      merged = merge_locked(true);
    }
    if (merged == Merged::kNothing) return true;
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
  const bool merged = merge_until_empty(os::monotonic_ns());
  if (run_sinks) {
    run_sinks_once();
    for (const auto& runner : runners_) runner->settle(false, true);
  }
  return merged;
}

FlushOutcome Engine::flush(bool durable, i64 deadline_ns) {
  FlushOutcome outcome;
  {
    const std::lock_guard lock(drain_);
    merger_.want_drop_report();
  }
  outcome.merged = merge_until_empty(deadline_ns);
  u64 target;
  {
    const std::lock_guard lock(drain_);
    target = merger_.next_sequence();
  }
  for (const auto& runner : runners_) {
    if (!options_.threads) {
      runner->run_while_it_gets_on();
      runner->settle(durable, true);
    } else if (!runner->on_own_thread()) {
      runner->request(target, durable, epoch_);
    }
  }
  for (const auto& runner : runners_) {
    if (runner->on_own_thread()) continue;
    ++outcome.sinks;
    if (!runner->wait_reached(target, durable, deadline_ns)) ++outcome.behind;
  }
  return outcome;
}

u32 Engine::stop(i64 deadline_ns) {
  stopping_.store(true, std::memory_order_release);
  if (thread_.joinable()) {
    region_.wake().consumer.fetch_add(1, std::memory_order_release);
    os::wake_all(region_.wake().consumer);
    thread_.join();
  }
  const FlushOutcome outcome = flush(true, deadline_ns);
  u32 left = outcome.behind;
  for (auto& runner : runners_) {
    if (options_.threads) {
      if (!runner->stop_thread(deadline_ns)) {
        // Stuck in a system call: it keeps its own memory, and what it has not passed stays.
        reporter_.report("sluice: " + runner->name() + " is stuck and was left behind");
        (void)runner.release();
      }
    } else {
      runner->finish();
    }
  }
  std::erase(runners_, nullptr);
  return left;
}

EngineCounts Engine::counts() {
  const std::lock_guard lock(drain_);
  return {merger_.callers(), merger_.queued(), merger_.damaged(), merger_.late(),
          merger_.next_sequence()};
}

bool Engine::all_delivered() {
  const std::lock_guard lock(drain_);
  const u64 end = merger_.next_sequence();
  if (merger_.queued() != 0) return false;
  return std::all_of(runners_.begin(), runners_.end(), [end](const auto& runner) {
    return runner->floor() == ~u64{0} ||
           runner->entry().cursor.load(std::memory_order_acquire) >= end;
  });
}

}  // namespace sluice::back
