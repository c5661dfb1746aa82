// An explorer of small concurrent protocols: runs a scenario of two to four model threads again and
// again, each time with another interleaving and other (possibly stale) values for its loads, until
// every execution within the bounds has been seen, or one breaks a check.
//
//   Result r = explore({}, [](Scenario& s) {
//     auto& shared = s.make<Shared>();                  // lives for one execution
//     s.thread("writer", [&] { shared.flag.store(1, std::memory_order_release); });
//     s.thread("reader", [&] { check(..., "what must hold"); });
//     s.finally([&] { check(..., "what must hold at the end"); });
//   });
//
// What memory may do is in memory.h. Code under test takes its atomics from a Sync parameter; the
// one for here is ModelSync. Scheduling points are atomic operations, Mutex and spin(): the code in
// between runs in one piece, which loses nothing because plain accesses are checked for races.
//
// Exhaustive by default: a depth-first walk over all choices. Interleavings that differ only in
// the order of independent operations are run once (sleep sets), hence the rule: what threads
// share outside ModelSync (a test's own notes) may be looked at in finally() only, or
// `Options::reduce` must be off. `preemptions` bounds the walk instead, `random_executions`
// replaces it by random walks; both say so in the result (`complete`).
//
// A thread made with killable_thread() may also die before any of its operations; memory.h says
// which of its last writes are lost. Mutexes it holds go to the next, as the kernel's file locks
// do. The others go on, as other processes would, or end there too (`Options::all_die`).
//
// Threading: one exploration at a time in a process, on the calling thread.
// Failure: Result. `choices` given to replay() with the same options runs that execution again;
// `trace` lists its steps.
// An execution that fails or is cut leaves its fibers where they are: no owning objects on a model
// thread's stack.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "explorer/fiber.h"
#include "explorer/memory.h"

namespace sluice::explorer {

struct Options {
  int preemptions = -1;                    // context switches away from a thread that could go on
  bool reduce = true;                      // sleep sets; ignored with a bound and in random walks
  std::uint64_t executions_max = 2000000;  // a walk stopped here is not complete
  std::uint32_t steps_max = 2000;          // an execution stopped here is cut, and counted
  std::uint64_t random_executions = 0;     // 0: exhaustive
  std::uint64_t random_seed = 1;
  bool all_die = false;  // with a thread that dies: the whole process does
};

struct Result {
  bool failed = false;
  bool complete = false;  // every execution within the bounds was seen, none was cut
  std::uint64_t executions = 0;
  std::uint64_t redundant = 0;  // started, then found to equal one already seen
  std::uint64_t cut = 0;
  double seconds = 0;
  std::string what;     // the broken check
  std::string choices;  // for replay()
  std::uint64_t seed = 0;
  std::string trace;
};

class Scenario;
using ScenarioFunction = std::function<void(Scenario&)>;

Result explore(const Options& options, const ScenarioFunction& scenario);
Result replay(const std::string& choices, const Options& options, const ScenarioFunction& scenario);

// In a model thread or in finally(): the execution fails when `holds` is false.
void check(bool holds, const char* what);
// In a loop that waits for another thread: stops until another thread has stored something, or none
// can go on; from then on this thread sees the latest stores (they become visible in finite time).
void spin();
// Every thread passes a full barrier at this moment, as by membarrier(2).
void barrier_all_threads();
// Number of the running model thread, 1..; 0 in set-up and finally().
std::size_t thread_number();

// What a scenario is made of, once for every execution.
class Scenario {
 public:
  template <class T, class... Args>
  T& make(Args&&... args) {
    T* object = new T(std::forward<Args>(args)...);
    owned_.push_back({object, [](void* p) { delete static_cast<T*>(p); }});
    return *object;
  }
  void thread(const char* name, std::function<void()> body) {
    threads_.push_back({name, std::move(body), false});
  }
  void killable_thread(const char* name, std::function<void()> body) {
    threads_.push_back({name, std::move(body), true});
  }
  void finally(std::function<void()> body) { finally_ = std::move(body); }
  // A name for an atomic, in the trace.
  void name(const void* address, const char* text) { names_.push_back({address, text}); }

  Scenario() = default;
  Scenario(const Scenario&) = delete;
  Scenario& operator=(const Scenario&) = delete;
  ~Scenario() {
    for (auto it = owned_.rbegin(); it != owned_.rend(); ++it) it->destroy(it->object);
  }

 private:
  friend class Explorer;
  struct Body {
    const char* name;
    std::function<void()> run;
    bool killable;
  };
  struct Owned {
    void* object;
    void (*destroy)(void*);
  };
  std::vector<Body> threads_;
  std::function<void()> finally_;
  std::vector<Owned> owned_;
  std::vector<std::pair<const void*, const char*>> names_;
};

// What a model thread is about to do.
struct Operation {
  enum class Kind : std::uint8_t { kAtomic, kFence, kLock, kUnlock, kSpin, kBarrier };
  Kind kind = Kind::kAtomic;
  bool writes = false;
  bool seq_cst = false;
  const void* address = nullptr;

  // Whether the two, next to each other, give another result in the other order.
  [[nodiscard]] bool depends_on(const Operation& other) const {
    if (kind == Kind::kSpin || other.kind == Kind::kSpin) return true;
    if (kind == Kind::kBarrier || other.kind == Kind::kBarrier) return true;
    if (seq_cst && other.seq_cst) return true;
    return address != nullptr && address == other.address && (writes || other.writes);
  }
};

class Explorer final : Arbiter {
 public:
  static Explorer& running() { return *running_; }
  static bool is_running() { return running_ != nullptr; }

  Explorer(const Options& options, const ScenarioFunction& scenario)
      : options_(options), scenario_(scenario), memory_(*this) {}

  Result explore();
  Result replay(const std::string& choices);

  // For the model's atomics and locks, in whatever thread is running.
  [[nodiscard]] std::size_t thread() const { return running_thread_; }
  Memory& memory() { return memory_; }
  // Stops the running thread before `operation` until the scheduler lets it go on.
  void announce(const Operation& operation);
  // One line of the trace.
  void note(const char* operation, const void* address, std::memory_order order,
            std::uint64_t value);
  void fail(const char* what) override;

  struct MutexState {
    const void* address = nullptr;
    std::size_t holder = 0;
    Knowledge passes_on;
  };
  MutexState& mutex(const void* address);

 private:
  enum class State : std::uint8_t { kReady, kDone, kKilled };
  struct ModelThread {
    Explorer* explorer = nullptr;
    std::size_t number = 0;
    Fiber fiber;
    State state = State::kDone;
    Operation next;
    bool spinning = false;  // in spin(), and nobody has stored anything since
    bool asleep = false;    // in the sleep set: going on would repeat an execution
  };
  struct Choice {
    std::size_t taken;
    std::size_t count;
  };
  // Thread numbers; kKill + number stands for its death.
  static constexpr std::size_t kKill = kThreadsMax;
  struct Candidates {
    std::array<std::size_t, 2 * kThreadsMax> list;
    std::size_t count = 0;
    void add(std::size_t candidate) { list[count++] = candidate; }
  };

  static void run_body(void* argument);
  std::size_t choose(std::size_t count) override;
  std::size_t random_choice(std::size_t count);
  bool next_choices();
  void run_once();
  void resume(std::size_t thread);
  bool schedule();
  bool can_run(const ModelThread& thread);
  bool nobody_can_run();
  void go_to_sleep(const Candidates& candidates, std::size_t taken);
  void kill(std::size_t thread);
  void wake_spinning(std::size_t except);
  const char* name_of_address(const void* address, char (&buffer)[32]) const;
  bool reducing() const {
    return options_.reduce && options_.preemptions < 0 && options_.random_executions == 0;
  }

  static inline Explorer* running_ = nullptr;

  Options options_;
  const ScenarioFunction& scenario_;
  Memory memory_;
  Scenario* current_ = nullptr;
  Fiber main_fiber_;
  std::array<ModelThread, kThreadsMax> threads_;
  std::size_t thread_count_ = 0;  // numbers 1..thread_count_
  std::size_t running_thread_ = 0;
  std::size_t last_thread_ = 0;
  int preemptions_ = 0;
  bool killed_ = false;     // one death an execution
  bool stuck_ = false;      // all that could run have been woken from spin() and nothing changed
  bool redundant_ = false;  // this execution repeats one already seen
  std::vector<MutexState> mutexes_;
  std::vector<Choice> choices_;
  std::size_t depth_ = 0;
  std::uint64_t random_state_ = 0;
  bool tracing_ = false;
  Result result_;
};

}  // namespace sluice::explorer

#include "explorer/explorer_run.h"
#include "explorer/model_sync.h"
