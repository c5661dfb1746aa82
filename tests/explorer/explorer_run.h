// The walk over executions: choices, the scheduler, the report. Part of explorer.h.
#pragma once

#include <chrono>
#include <cstdio>
#include <sstream>

#include "explorer/explorer.h"

namespace sluice::explorer {

inline Result explore(const Options& options, const ScenarioFunction& scenario) {
  auto explorer = std::make_unique<Explorer>(options, scenario);
  return explorer->explore();
}
inline Result replay(const std::string& choices, const Options& options,
                     const ScenarioFunction& scenario) {
  auto explorer = std::make_unique<Explorer>(options, scenario);
  return explorer->replay(choices);
}

inline Result Explorer::explore() {
  const auto begin = std::chrono::steady_clock::now();
  running_ = this;
  result_.complete = options_.random_executions == 0;
  random_state_ = options_.random_seed;
  for (;;) {
    if (options_.random_executions != 0) {
      choices_.clear();
      result_.seed = random_state_;
    }
    run_once();
    if (result_.failed) break;
    const std::uint64_t started = result_.executions + result_.redundant + result_.cut;
    if (options_.random_executions != 0) {
      if (started >= options_.random_executions) break;
    } else if (!next_choices()) {
      break;
    } else if (started >= options_.executions_max) {
      result_.complete = false;
      break;
    }
  }
  if (result_.cut != 0 || result_.failed) result_.complete = false;
  if (result_.failed) {
    for (const Choice& choice : choices_) result_.choices += std::to_string(choice.taken) + ' ';
    tracing_ = true;
    run_once();
  }
  running_ = nullptr;
  result_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return std::move(result_);
}

inline Result Explorer::replay(const std::string& choices) {
  running_ = this;
  result_.choices = choices;
  std::istringstream words(choices);
  for (std::size_t taken; words >> taken;) choices_.push_back({taken, 0});
  tracing_ = true;
  run_once();
  running_ = nullptr;
  return std::move(result_);
}

inline std::size_t Explorer::choose(std::size_t count) {
  if (depth_ == choices_.size()) {
    choices_.push_back({options_.random_executions == 0 ? 0 : random_choice(count), count});
  }
  Choice& choice = choices_[depth_++];
  if (choice.count == 0) choice.count = count;  // from replay()
  if (choice.count != count || choice.taken >= count) {
    std::fprintf(stderr, "explorer: the scenario does not do the same twice\n");
    std::abort();
  }
  return choice.taken;
}

// splitmix64. Index 0 (stay on this thread, read the last store) half of the time: a walk that
// switches at every step seldom gets anywhere.
inline std::size_t Explorer::random_choice(std::size_t count) {
  random_state_ += 0x9e3779b97f4a7c15u;
  std::uint64_t z = random_state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return (z & 1) != 0 ? 0 : static_cast<std::size_t>((z >> 1) % count);
}

// The next leaf of the tree of choices; false when there is none.
inline bool Explorer::next_choices() {
  choices_.resize(depth_);
  while (!choices_.empty() && choices_.back().taken + 1 == choices_.back().count) {
    choices_.pop_back();
  }
  if (choices_.empty()) return false;
  ++choices_.back().taken;
  return true;
}

inline void Explorer::run_body(void* argument) {
  auto& self = *static_cast<ModelThread*>(argument);
  Explorer& explorer = *self.explorer;
  explorer.current_->threads_[self.number - 1].run();
  self.state = State::kDone;
  explorer.wake_spinning(self.number);
  Fiber::switch_to(self.fiber, explorer.main_fiber_);
}

inline void Explorer::run_once() {
  Scenario scenario;
  current_ = &scenario;
  memory_.reset();
  mutexes_.clear();
  depth_ = 0;
  preemptions_ = 0;
  killed_ = stuck_ = redundant_ = false;
  running_thread_ = last_thread_ = 0;
  scenario_(scenario);
  thread_count_ = scenario.threads_.size();
  if (thread_count_ + 1 > kThreadsMax) {
    std::fprintf(stderr, "explorer: more than kThreadsMax - 1 threads\n");
    std::abort();
  }
  for (std::size_t i = 1; i <= thread_count_; ++i) {
    ModelThread& thread = threads_[i];
    thread.explorer = this;
    thread.number = i;
    thread.state = State::kReady;
    thread.spinning = thread.asleep = false;
    thread.fiber.prepare(&Explorer::run_body, &thread);
    memory_.start_thread(i, scenario.threads_[i - 1].killable);
  }
  result_.failed = false;
  // Up to the first operation of each: the scheduler must know what everyone is about to do.
  for (std::size_t i = 1; i <= thread_count_ && !result_.failed; ++i) resume(i);
  bool cut = false;
  for (std::uint32_t steps = 0; !result_.failed && schedule(); ++steps) {
    if (steps == options_.steps_max) {
      cut = true;
      break;
    }
  }
  if (!result_.failed && !cut && !redundant_ && scenario.finally_) {
    running_thread_ = 0;
    memory_.see_everything(0);
    scenario.finally_();
  }
  current_ = nullptr;
  if (tracing_) return;
  ++(cut ? result_.cut : redundant_ ? result_.redundant : result_.executions);
}

inline void Explorer::resume(std::size_t thread) {
  running_thread_ = thread;
  Fiber::switch_to(main_fiber_, threads_[thread].fiber);
  running_thread_ = 0;
}

inline bool Explorer::can_run(const ModelThread& thread) {
  if (thread.state != State::kReady || thread.spinning) return false;
  return thread.next.kind != Operation::Kind::kLock || mutex(thread.next.address).holder == 0;
}

// Called when nobody can run: true when somebody was woken.
inline bool Explorer::nobody_can_run() {
  bool live = false;
  bool woken = false;
  for (std::size_t i = 1; i <= thread_count_; ++i) {
    ModelThread& thread = threads_[i];
    if (thread.state != State::kReady) continue;
    live = true;
    if (!thread.spinning) continue;
    thread.spinning = false;
    memory_.see_last_stores(i);
    woken = true;
  }
  if (!live) return false;
  if (!woken) fail("deadlock: every live thread waits for a mutex");
  if (stuck_) fail("livelock: every live thread spins, and nothing can change any more");
  stuck_ = true;
  return !result_.failed;
}

// Lets one thread do its next operation, or die. False at the end of the execution.
inline bool Explorer::schedule() {
  Candidates candidates;
  const bool last_can_run = last_thread_ != 0 && can_run(threads_[last_thread_]);
  const bool bound_reached = options_.preemptions >= 0 && preemptions_ >= options_.preemptions;
  bool anyone = false;
  for (std::size_t step = 0; step < thread_count_; ++step) {
    // From the last thread on, so that choice 0 goes on with the same thread where it can.
    const std::size_t first = last_thread_ == 0 ? 1 : last_thread_;
    const std::size_t i = (first - 1 + step) % thread_count_ + 1;
    if (!can_run(threads_[i])) continue;
    anyone = true;
    if (threads_[i].asleep || (bound_reached && last_can_run && i != last_thread_)) continue;
    candidates.add(i);
  }
  if (!anyone) return nobody_can_run();
  for (std::size_t i = 1; i <= thread_count_ && !killed_; ++i) {
    if (current_->threads_[i - 1].killable && threads_[i].state == State::kReady) {
      candidates.add(kKill + i);
    }
  }
  if (candidates.count == 0) {
    redundant_ = true;
    return false;
  }
  const std::size_t taken = candidates.count == 1 ? 0 : choose(candidates.count);
  const std::size_t chosen = candidates.list[taken];
  if (reducing()) go_to_sleep(candidates, taken);
  if (chosen > kKill) {
    kill(chosen - kKill);
    return !result_.failed;
  }
  if (last_can_run && chosen != last_thread_) ++preemptions_;
  last_thread_ = chosen;
  if (threads_[chosen].next.writes) wake_spinning(chosen);
  resume(chosen);
  return !result_.failed;
}

// Sleep sets: what was tried at this point before need not be tried again after the chosen step,
// until something that depends on it has happened.
inline void Explorer::go_to_sleep(const Candidates& candidates, std::size_t taken) {
  for (std::size_t i = 0; i < taken; ++i) {
    if (candidates.list[i] < kKill) threads_[candidates.list[i]].asleep = true;
  }
  const std::size_t chosen = candidates.list[taken];
  for (std::size_t i = 1; i <= thread_count_; ++i) {
    if (chosen > kKill || threads_[i].next.depends_on(threads_[chosen].next)) {
      threads_[i].asleep = false;
    }
  }
}

inline void Explorer::kill(std::size_t thread) {
  killed_ = true;
  threads_[thread].state = State::kKilled;
  if (tracing_) result_.trace += std::string(current_->threads_[thread - 1].name) + ": killed\n";
  memory_.kill(thread);
  for (std::size_t i = 1; i <= thread_count_ && options_.all_die; ++i) {
    if (threads_[i].state == State::kReady) threads_[i].state = State::kKilled;
  }
  for (MutexState& state : mutexes_) {
    if (state.holder != thread) continue;
    state.holder = 0;
    memory_.hand_over(thread, state.passes_on);
  }
  wake_spinning(thread);
}

inline void Explorer::wake_spinning(std::size_t except) {
  stuck_ = false;
  for (std::size_t i = 1; i <= thread_count_; ++i) {
    if (i != except) threads_[i].spinning = false;
  }
}

inline void Explorer::announce(const Operation& operation) {
  if (running_thread_ == 0) return;
  ModelThread& self = threads_[running_thread_];
  self.next = operation;
  self.spinning = operation.kind == Operation::Kind::kSpin;
  Fiber::switch_to(self.fiber, main_fiber_);
}

inline void Explorer::fail(const char* what) {
  if (!result_.failed) result_.what = what;
  result_.failed = true;
  if (tracing_) result_.trace += std::string("=> ") + what + "\n";
  if (running_thread_ != 0) Fiber::switch_to(threads_[running_thread_].fiber, main_fiber_);
}

inline Explorer::MutexState& Explorer::mutex(const void* address) {
  for (MutexState& state : mutexes_) {
    if (state.address == address) return state;
  }
  return mutexes_.emplace_back(MutexState{address, 0, {}});
}

inline const char* Explorer::name_of_address(const void* address, char (&buffer)[32]) const {
  for (const auto& [named, name] : current_->names_) {
    if (named == address) return name;
  }
  std::snprintf(buffer, sizeof buffer, "%p", address);
  return buffer;
}

inline void Explorer::note(const char* operation, const void* address, std::memory_order order,
                           std::uint64_t value) {
  if (!tracing_ || running_thread_ == 0) return;
  char buffer[32];
  char line[256];
  std::snprintf(line, sizeof line, "%s: %s %s %s %llu (%s)\n",
                current_->threads_[running_thread_ - 1].name, operation,
                name_of_address(address, buffer), name_of(order),
                static_cast<unsigned long long>(value), memory_.last_choice().c_str());
  result_.trace += line;
}

inline void check(bool holds, const char* what) {
  if (!holds) Explorer::running().fail(what);
}
inline void spin() {
  Operation operation;
  operation.kind = Operation::Kind::kSpin;
  Explorer::running().announce(operation);
}
inline void barrier_all_threads() {
  Operation operation;
  operation.kind = Operation::Kind::kBarrier;
  Explorer& explorer = Explorer::running();
  explorer.announce(operation);
  Memory& memory = explorer.memory();
  // Once so that the others see what came before it here, once more to see what came before it
  // there.
  memory.fence(explorer.thread(), std::memory_order_seq_cst);
  for (std::size_t i = 0; i < kThreadsMax; ++i) memory.fence(i, std::memory_order_seq_cst);
  memory.fence(explorer.thread(), std::memory_order_seq_cst);
}
inline std::size_t thread_number() { return Explorer::running().thread(); }

}  // namespace sluice::explorer
