// What burdens a collector, and what that costs its programs. One JSON object for each question.
//
//     collector_load_bench SLUICE [QUESTION]...     SLUICE: the command; default: all questions
//
// greedy: seven programs that say 2,000 things a second, alone and beside one that says all it can.
// frozen: callers' latency while the collector runs, and while it is stopped for 10 s.
// stop: how long stop() and the end of a program take when its ring is full and nobody drains it.
// kill: a program dies with four full rings: from then to its first and to its last stored record.
// many: memory and processor time of a collector of 200 idle programs, then of 8 busy ones more.
// idle: the same of none and of 8 idle ones, over 60 s.
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "served.h"
#include "sluice/log.h"

namespace {

using namespace sluice;
using namespace sluice::bench;

constexpr u64 kSecondNs = 1'000'000'000;
constexpr u64 kRing = 512 << 10;
constexpr u32 kProgramsMax = 256;
constexpr u32 kTimesMax = 1 << 16;

// Of programs, in memory that outlives them.
struct Page {
  std::atomic<u64> kept[kProgramsMax] = {};
  std::atomic<u64> refused[kProgramsMax] = {};
  std::atomic<u32> ready{0};
  std::atomic<bool> go{false};
  std::atomic<u64> stop_ns{0};
  u32 count[kProgramsMax] = {};  // of its times
  u32 call_ns[16][kTimesMax] = {};
};

Page* g_page = nullptr;

template <class Work>
pid_t run(const Places& places, const std::string& product, u64 ring_bytes, Work work) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  begin(places, product, ring_bytes);
  log_text(Level::info, "load", "ready");
  g_page->ready.fetch_add(1);
  while (!g_page->go.load()) os::sleep_ns(kNapNs);
  work();
  std::_Exit(0);
}

std::string text_of(u64 index) { return "request " + std::to_string(index) + " took 2.5 ms"; }

// Says something `rate` times a second for `seconds`; the calls are timed.
void say_paced(u32 number, u64 rate, u64 seconds) {
  const i64 from = os::monotonic_ns();
  for (u64 i = 0; i < rate * seconds; ++i) {
    while (i * kSecondNs / rate > u64(os::monotonic_ns() - from)) os::sleep_ns(kNapNs);
    const std::string text = text_of(i);
    const i64 before = os::monotonic_ns();
    const Admission admission = log_text(Level::info, "load", text);
    if (i < kTimesMax) g_page->call_ns[number][i] = u32(os::monotonic_ns() - before);
    g_page->kept[number].fetch_add(admission == Admission::kOk);
    g_page->refused[number].fetch_add(admission != Admission::kOk);
    g_page->count[number] = u32(std::min<u64>(i + 1, kTimesMax));
  }
}

void say_all_it_can(u32 number) {
  for (u64 i = 0;; ++i) {
    const Admission admission = log_text(Level::info, "load", text_of(i));
    (admission == Admission::kOk ? g_page->kept : g_page->refused)[number].fetch_add(
        1, std::memory_order_relaxed);
  }
}

// Until there is no room in the calling thread's ring.
void fill(u32 number) {
  for (u64 i = 0; log_text(Level::info, "load", text_of(i)) == Admission::kOk; ++i) {
    g_page->kept[number].fetch_add(1);
  }
}

double of(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, std::size_t(double(values.size()) * share))];
}

double processor_s(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string word;
  for (int i = 0; i < 13 && file >> word; ++i) {
  }
  double user = 0, system = 0;
  file >> user >> system;
  return (user + system) / double(::sysconf(_SC_CLK_TCK));
}

// A collector of its own for each question.
class Question {
 public:
  explicit Question(const char* command) : daemon_(serve(places_, command)) {
    new (g_page) Page;
    wait_ms([&] { return std::filesystem::exists(places_.socket()); });
  }
  ~Question() {
    for (const pid_t pid : programs_) kill_and_wait(pid, SIGKILL);
    kill_and_wait(daemon_, SIGTERM);
    places_.remove();
  }
  template <class Work>
  void add(const std::string& product, u64 ring_bytes, Work work) {
    programs_.push_back(run(places_, product, ring_bytes, work));
  }
  // Every program has a region that is drained.
  void go() {
    wait_ms([&] {
      return g_page->ready.load() == programs_.size() &&
             number(places_, "SELECT count(*) FROM records WHERE body = 'ready'") ==
                 i64(programs_.size());
    });
    g_page->go.store(true);
  }
  void end(std::size_t index, int signal = 0) {
    if (signal != 0) ::kill(programs_[index], signal);
    ::waitpid(programs_[index], nullptr, 0);
  }
  void forget_programs() { programs_.clear(); }

  Places places_;
  pid_t daemon_;
  std::vector<pid_t> programs_;
};

void ask_greedy(const char* command, bool greedy) {
  constexpr u32 kModest = 7;
  constexpr u64 kRate = 2000, kSeconds = 10;
  Question question(command);
  const Places& places = question.places_;
  for (u32 i = 0; i < kModest; ++i) {
    question.add("modest", kRing, [i] { say_paced(i, kRate, kSeconds); });
  }
  if (greedy) question.add("greedy", kRing, [] { say_all_it_can(kModest); });
  question.go();
  const i64 until = os::monotonic_ns() + i64(kSeconds * kSecondNs);
  std::vector<double> lag_ms;
  while (os::monotonic_ns() < until) {
    os::sleep_ns(20 * kNapNs);
    const i64 newest =
        number(places,
               "SELECT time_ns FROM records WHERE run = (SELECT min(id) FROM runs WHERE"
               " product = 'modest') ORDER BY id DESC LIMIT 1");
    lag_ms.push_back(double(os::wall_ns() - newest) / 1e6);
  }
  const i64 stored = number(places,
                            "SELECT count(*) FROM records JOIN runs ON runs.id = run WHERE"
                            " product = 'modest' AND body LIKE 'request%'");
  u64 refused = 0;
  for (u32 i = 0; i < kModest; ++i) refused += g_page->refused[i].load();
  std::printf(
      "{\"question\": \"greedy\", \"beside_it\": %s, \"stored_per_s\": %.0f, \"dropped\": %llu,"
      " \"call_to_query_p50_ms\": %.1f, \"call_to_query_max_ms\": %.1f,"
      " \"greedy_stored_per_s\": %.0f, \"greedy_dropped_per_s\": %.0f}\n",
      greedy ? "true" : "false", double(stored) / kSeconds, (unsigned long long)refused,
      of(lag_ms, 0.5), of(lag_ms, 1),
      double(number(places,
                    "SELECT count(*) FROM records JOIN runs ON runs.id = run WHERE"
                    " product = 'greedy'")) /
          kSeconds,
      double(g_page->refused[kModest].load()) / kSeconds);
}

void ask_frozen(const char* command, bool frozen) {
  constexpr u32 kCallers = 4;
  constexpr u64 kRate = 5000, kSeconds = 12;
  Question question(command);
  for (u32 i = 0; i < kCallers; ++i) {
    question.add("caller", kRing, [i] { say_paced(i, kRate, kSeconds); });
  }
  question.go();
  os::sleep_ns(i64(kSecondNs));
  if (frozen) {
    ::kill(question.daemon_, SIGSTOP);
    os::sleep_ns(i64(10 * kSecondNs));
    ::kill(question.daemon_, SIGCONT);
  }
  for (u32 i = 0; i < kCallers; ++i) question.end(i);
  question.forget_programs();
  std::vector<double> ns;
  u64 kept = 0, refused = 0;
  for (u32 i = 0; i < kCallers; ++i) {
    const u32* const times = g_page->call_ns[i];
    ns.insert(ns.end(), times, times + g_page->count[i]);
    kept += g_page->kept[i].load();
    refused += g_page->refused[i].load();
  }
  wait_ms([&] {
    return number(question.places_,
                  "SELECT count(*) FROM runs WHERE product = 'caller' AND"
                  " ended_ns > 0") == kCallers;
  });
  const i64 stored =
      number(question.places_, "SELECT count(*) FROM records WHERE body LIKE 'request%'");
  std::printf(
      "{\"question\": \"frozen\", \"stopped\": %s, \"call_p50_ns\": %.0f, \"call_p99_ns\": %.0f,"
      " \"call_p99_9_ns\": %.0f, \"call_max_us\": %.0f, \"calls\": %zu, \"kept\": %llu,"
      " \"dropped\": %llu, \"lost\": %lld}\n",
      frozen ? "true" : "false", of(ns, 0.5), of(ns, 0.99), of(ns, 0.999), of(ns, 1) / 1000,
      ns.size(), (unsigned long long)kept, (unsigned long long)refused,
      (long long)(i64(kept) - stored));
}

void ask_stop(const char* command) {
  std::vector<double> stop_ms, end_ms;
  Question question(command);
  for (u32 i = 0; i < 20; ++i) {
    g_page->ready.store(0);
    g_page->go.store(false);
    const pid_t pid = run(question.places_, "stops" + std::to_string(i), kRing, [] {
      fill(0);
      const i64 from = os::monotonic_ns();
      stop();
      g_page->stop_ns.store(u64(os::monotonic_ns() - from));
    });
    wait_ms([&] {
      return number(question.places_, "SELECT count(*) FROM records WHERE body = 'ready'") ==
             i64(i) + 1;
    });
    ::kill(question.daemon_, SIGSTOP);
    g_page->go.store(true);
    wait_ms([] { return g_page->stop_ns.load() != 0; });
    const i64 from = os::monotonic_ns();
    ::waitpid(pid, nullptr, 0);
    end_ms.push_back(double(os::monotonic_ns() - from) / 1e6);
    stop_ms.push_back(double(g_page->stop_ns.exchange(0)) / 1e6);
    ::kill(question.daemon_, SIGCONT);
  }
  std::printf(
      "{\"question\": \"stop\", \"programs\": %zu, \"stop_p50_ms\": %.3f, \"stop_max_ms\": %.3f,"
      " \"exit_p50_ms\": %.1f, \"exit_max_ms\": %.1f}\n",
      stop_ms.size(), of(stop_ms, 0.5), of(stop_ms, 1), of(end_ms, 0.5), of(end_ms, 1));
}

void ask_kill(const char* command) {
  constexpr u32 kThreads = 4;
  Question question(command);
  question.add("dies", kRing, [] {
    std::vector<std::thread> threads;
    for (u32 i = 0; i < kThreads; ++i) threads.emplace_back([i] { fill(i); });
    for (std::thread& thread : threads) thread.join();
    g_page->stop_ns.store(1);
    for (;;) ::pause();
  });
  wait_ms([&] {
    return number(question.places_, "SELECT count(*) FROM records WHERE body = 'ready'") == 1;
  });
  ::kill(question.daemon_, SIGSTOP);
  question.go();
  wait_ms([] { return g_page->stop_ns.load() != 0; });
  u64 kept = 0;
  for (u32 i = 0; i < kThreads; ++i) kept += g_page->kept[i].load();
  const auto stored = [&] {
    return number(question.places_, "SELECT max(id) FROM records WHERE id > 1");
  };
  const i64 before = stored();
  ::kill(question.daemon_, SIGCONT);
  const i64 from = os::monotonic_ns();
  question.end(0, SIGKILL);
  question.forget_programs();
  wait_ms([&] { return stored() > before; });
  const double first = double(os::monotonic_ns() - from) / 1e6;
  wait_ms([&] {
    return number(question.places_,
                  "SELECT count(*) FROM runs WHERE product = 'dies' AND ended_ns > 0") == 1;
  });
  const double last = double(os::monotonic_ns() - from) / 1e6;
  const i64 all =
      number(question.places_, "SELECT count(*) FROM records WHERE body LIKE 'request%'");
  std::printf(
      "{\"question\": \"kill\", \"records\": %llu, \"lost\": %lld, \"to_first_ms\": %.1f,"
      " \"to_verdict_ms\": %.1f}\n",
      (unsigned long long)kept, (long long)(i64(kept) - all), first, last);
}

void tell_cost(const Question& question, const char* name, std::size_t idle, std::size_t busy,
               u64 seconds) {
  const double before = processor_s(question.daemon_);
  const i64 from = os::monotonic_ns();
  os::sleep_ns(i64(seconds * kSecondNs));
  const double share =
      (processor_s(question.daemon_) - before) / (double(os::monotonic_ns() - from) / 1e9);
  std::printf(
      "{\"question\": \"%s\", \"idle\": %zu, \"busy\": %zu, \"processor_percent\": %.2f,"
      " \"resident_mb\": %.1f}\n",
      name, idle, busy, share * 100, resident_mb(question.daemon_));
}

void ask_idle(const char* command, std::size_t programs, u64 seconds) {
  Question question(command);
  for (std::size_t i = 0; i < programs; ++i) {
    question.add("idle", kRing, [] {
      for (;;) ::pause();
    });
  }
  question.go();
  os::sleep_ns(i64(kSecondNs));
  tell_cost(question, programs > 8 ? "many" : "idle", programs, 0, seconds);
  if (programs <= 8) return;
  g_page->go.store(false);
  for (u32 i = 0; i < 8; ++i) {
    question.add("busy", kRing, [i] { say_paced(i, 2000, 15); });
  }
  question.go();
  os::sleep_ns(i64(kSecondNs));
  tell_cost(question, "many", programs, 8, seconds);
}

}  // namespace

int main(int count, char** values) {
  if (count < 2) return 2;
  const auto is_asked = [&](const char* question) {
    return count == 2 || std::any_of(values + 2, values + count, [&](const char* value) {
             return std::strcmp(value, question) == 0;
           });
  };
  g_page = static_cast<Page*>(
      ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (g_page == MAP_FAILED) return 1;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  for (const bool burdened : {false, true}) {
    if (is_asked("greedy")) ask_greedy(values[1], burdened);
  }
  for (const bool burdened : {false, true}) {
    if (is_asked("frozen")) ask_frozen(values[1], burdened);
  }
  if (is_asked("stop")) ask_stop(values[1]);
  if (is_asked("kill")) ask_kill(values[1]);
  if (is_asked("many")) ask_idle(values[1], 200, 10);
  if (is_asked("idle")) {
    ask_idle(values[1], 0, 60);
    ask_idle(values[1], 8, 60);
  }
  return 0;
}
