// Question: what does an add cost, next to the least that counts at all, and to what others do?
//
// In one thread and in 4 at once, in turn, 1,000 adds a round: a number of the thread's own in
// memory (the floor), Counter::add(), one std::atomic of all threads by fetch_add (what most client
// libraries do), Gauge::set(), observations of histograms, two readings of the clock and a timer's
// scope around nothing; and calls that a level or a limit of the source keeps out, which count one
// more. The table shows medians of the rounds of all threads, in ns an add.
//
//   metric_bench [rounds]      default: 2000
#include <sluice/histogram.h>
#include <sluice/limit.h>
#include <sluice/metric.h>
#include <sluice/sluice.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "cli/call_timing.h"

namespace sluice::cli {
namespace {

constexpr u32 kAdds = 1000;
enum Kind : u32 {
  kFloor,
  kCounter,
  kAtomic,
  kGauge,
  kExponential,
  kExplicit16,
  kExplicit63,
  kClock,
  kTimer,
  kFiltered,
  kOnce,
  kNth,
  kSample,
  kKinds
};
constexpr const char* kNames[] = {
    "floor: own number",  "Counter::add",        "std::atomic of all",  "Gauge::set",
    "Histogram::observe", "Explicit, 16 bounds", "Explicit, 63 bounds", "two clock readings",
    "Timer::time",        "kept out by a level", "by once_in_ms()",     "by every_nth()",
    "by one_in()"};

constinit Counter g_counter("bench.counter");
constinit Gauge g_gauge("bench.gauge");
constinit Histogram g_histogram("bench.histogram");
constinit ExplicitHistogram g_explicit("bench.explicit", "s",
                                       {0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,
                                        0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10});
constinit ExplicitHistogram g_finest("bench.finest", "s",
                                     {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13,
                                      14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
                                      27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
                                      40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
                                      53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63});
constinit Timer g_timer("bench.timer");
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
  std::vector<double> values(kAdds);
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> durations(-5, 1);
  for (double& value : values) value = durations(random);
  for (u32 round = 0; round < rounds; ++round) {
    time_round(scale, times.of[kFloor], [&](u32) { own = own + 1; });
    time_round(scale, times.of[kCounter], [](u32) { g_counter.add(); });
    time_round(scale, times.of[kAtomic],
               [](u32) { g_atomic.fetch_add(1, std::memory_order_relaxed); });
    time_round(scale, times.of[kGauge], [](u32 i) { g_gauge.set(i); });
    // As durations lie, so that no branch can be foreseen that depends on the value.
    time_round(scale, times.of[kExponential], [&](u32 i) { g_histogram.observe(values[i]); });
    time_round(scale, times.of[kExplicit16], [&](u32 i) { g_explicit.observe(values[i]); });
    time_round(scale, times.of[kExplicit63], [&](u32 i) { g_finest.observe(1000 * values[i]); });
    time_round(scale, times.of[kClock], [&](u32) { own = ticks() - ticks(); });
    time_round(scale, times.of[kTimer], [](u32) { const auto scope = g_timer.time(); });
    time_round(scale, times.of[kFiltered], [](u32 i) { SLUICE_DEBUG("number {}", i); });
    time_round(scale, times.of[kOnce], [](u32 i) {
      SLUICE_LOG_LIMITED(Level::info, once_in_ms(3'600'000), "number {}", i);
    });
    time_round(scale, times.of[kNth], [](u32 i) {
      SLUICE_LOG_LIMITED(Level::info, every_nth(1'000'000'000), "number {}", i);
    });
    time_round(scale, times.of[kSample], [](u32 i) {
      SLUICE_LOG_LIMITED(Level::info, one_in(1'000'000'000), "number {}", i);
    });
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
