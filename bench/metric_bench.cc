// Question: what does an add cost, next to the least that counts at all, and to what others do?
//
// In one thread and in 4 at once, in turn, 1,000 adds a round: a number of the thread's own in
// memory (the floor), Counter::add(), one std::atomic of all threads by fetch_add (what most client
// libraries do), Gauge::set(). The table shows medians of the rounds of all threads, in ns an add.
//
//   metric_bench [rounds]      default: 2000
#include <sluice/metric.h>
#include <sluice/sluice.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "cli/call_timing.h"

namespace sluice::cli {
namespace {

constexpr u32 kAdds = 1000;
enum Kind : u32 { kFloor, kCounter, kAtomic, kGauge, kKinds };
constexpr const char* kNames[] = {"floor: own number", "Counter::add", "std::atomic of all",
                                  "Gauge::set"};

constinit Counter g_counter("bench.counter");
constinit Gauge g_gauge("bench.gauge");
std::atomic<u64> g_atomic{0};

template <class Add>
void time_round(const Scale& scale, std::vector<double>& times, Add&& add) {
  const u64 from = fenced_ticks();
  for (u32 i = 0; i < kAdds; ++i) add(i);
  times.push_back(scale.ns(fenced_ticks() - from) / kAdds);
}

struct Times {
  std::vector<double> of[kKinds];
};

void measure(const Scale& scale, u32 rounds, Times& times) {
  volatile u64 own = 0;
  for (u32 round = 0; round < rounds; ++round) {
    time_round(scale, times.of[kFloor], [&](u32) { own = own + 1; });
    time_round(scale, times.of[kCounter], [](u32) { g_counter.add(); });
    time_round(scale, times.of[kAtomic],
               [](u32) { g_atomic.fetch_add(1, std::memory_order_relaxed); });
    time_round(scale, times.of[kGauge], [](u32 i) { g_gauge.set(i); });
  }
}

void print(const char* title, u32 threads, const Scale& scale, u32 rounds) {
  std::vector<Times> times(threads);
  std::vector<std::thread> all;
  for (Times& one : times) all.emplace_back([&] { measure(scale, rounds, one); });
  for (std::thread& thread : all) thread.join();
  double floor = 0;
  for (u32 kind = 0; kind < kKinds; ++kind) {
    std::vector<double> sum;
    for (const Times& one : times) {
      sum.insert(sum.end(), one.of[kind].begin(), one.of[kind].end());
    }
    const double median = quantile(sum, 0.5);
    if (kind == kFloor) floor = median;
    std::printf("%-10s %-20s %8.2f %8.2f %8.2f\n", title, kNames[kind], median, median / floor,
                quantile(sum, 0.99));
  }
}

int run(u32 rounds) {
  if (!start({.product = "metric-bench", .sinks = {console()}, .quiet = true})) return 1;
  const Scale scale = Scale::measure();
  std::printf("g++ %s, %s, %u rounds of %u adds\n%-10s %-20s %8s %8s %8s\n", __VERSION__,
              SLUICE_BENCH_FLAGS, rounds, kAdds, "", "ns an add", "median", "ratio", "p99");
  print("1 thread", 1, scale, rounds);
  print("4 threads", 4, scale, rounds);
  std::fflush(stdout);
  return 0;
}

}  // namespace
}  // namespace sluice::cli

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 2000;
  if (rounds < 1) {
    std::fprintf(stderr, "metric_bench: rounds: a number above 0\n");
    return 2;
  }
  return sluice::cli::run(sluice::u32(rounds));
}
