// Question: what does a call cost, next to the floor, from many call sites, and next to spdlog?
//
// In one thread, burst by burst in turn: the floor (cli/floor_ring.h) and this library with three
// numbers and with a 16-byte string; then both from 1,000 functions in rotation; then spdlog's
// asynchronous logger; then the floor and this library in 4 threads at once. Linked with the shared
// library, as a user's program is; the release preset has -O2 and no -march=native. A process may
// be unlucky in where its pages lie, so each start is a process of its own, and the table shows the
// median of the starts, the smallest and the largest, and the median of the ratios.
//
//   call_bench [starts [bursts]]      default: 20 starts, 1500 bursts a row in each
#include <sluice/limit.h>
#include <sluice/sluice.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "cli/call_timing.h"
#include "cli/floor_ring.h"
#ifdef SLUICE_BENCH_SPDLOG
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>
#endif

namespace sluice::cli {
namespace {

constexpr u32 kThreads = 4;
constexpr std::size_t kSites = 1000;

void call_numbers(u32 i) {
  SLUICE_INFO("Logging int: {}, int: {}, double: {}", i, i + 1, double(i) + 0.5);
}
void call_string(u32 i) {
  static const std::string text = "0123456789abcdef";
  SLUICE_INFO("Logging int: {}, int: {}, string: {}", i, i + 1, std::string_view(text));
}

// What a level, or a limit, keeps out.
void call_filtered(u32 i) { SLUICE_DEBUG("Logging int: {}, int: {}", i, i + 1); }
void call_once(u32 i) {
  SLUICE_LOG_LIMITED(Level::info, once_in_ms(3'600'000), "Logging int: {}, int: {}", i, i + 1);
}
void call_nth(u32 i) {
  SLUICE_LOG_LIMITED(Level::info, every_nth(1'000'000'000), "Logging int: {}, int: {}", i, i + 1);
}
void call_sample(u32 i) {
  SLUICE_LOG_LIMITED(Level::info, one_in(1'000'000'000), "Logging int: {}, int: {}", i, i + 1);
}

// Limits that are set from outside, by place.
constexpr u32 kPassesLine = __LINE__ + 1;
void call_passes(u32 i) { SLUICE_INFO("Logging int: {}, int: {}", i, i + 1); }
constexpr u32 kRateLine = __LINE__ + 1;
void call_rate(u32 i) { SLUICE_INFO("Logging int: {}, int: {}", i, i + 1); }
constexpr u32 kPlaceSampleLine = __LINE__ + 1;
void call_place_sample(u32 i) { SLUICE_INFO("Logging int: {}, int: {}", i, i + 1); }
void set_limits() {
  const auto place = [](u32 line) { return "call_bench.cc:" + std::to_string(line); };
  (void)set_site_rate(place(kPassesLine), 4'000'000'000);
  (void)set_site_rate(place(kRateLine), 1);
  (void)set_site_sample(place(kPlaceSampleLine), 1'000'000'000);
}

// The same call from 1,000 places: what each costs when neither its code nor its site is cached.
template <std::size_t>
[[gnu::noinline]] void call_site(u32 i) {
  SLUICE_INFO("Logging int: {}, int: {}, double: {}", i, i + 1, double(i) + 0.5);
}
template <std::size_t>
[[gnu::noinline]] void floor_site(FloorRing& ring, u32 i) {
  ring.put(i, i + 1, double(i) + 0.5);
}
template <std::size_t... kSite>
constexpr auto call_sites(std::index_sequence<kSite...>) {
  return std::array{call_site<kSite>...};
}
template <std::size_t... kSite>
constexpr auto floor_sites(std::index_sequence<kSite...>) {
  return std::array{floor_site<kSite>...};
}
constexpr auto kCallSites = call_sites(std::make_index_sequence<kSites>());
constexpr auto kFloorSites = floor_sites(std::make_index_sequence<kSites>());

// What any call with state of its own adds to the floor after a pause: four lines that are not in
// the cache any more (a thread's words, a site, its level, a flag).
class ColdLines {
 public:
  static constexpr std::size_t kLines = 4;
  [[gnu::always_inline]] void touch() {
    unsigned char sum = 0;
    for (const Line& line : lines_) sum = static_cast<unsigned char>(sum + line.value);
    sum_ = sum;
  }

 private:
  // As far apart as to be fetched one by one.
  struct alignas(256) Line {
    volatile unsigned char value = 1;  // read each time
  };
  std::array<Line, kLines> lines_;
  volatile unsigned char sum_ = 0;
};

enum Kind : u32 {
  kFloor,
  kFloorLines,
  kNumbers,
  kString,
  kFiltered,
  kOnce,
  kNth,
  kSample,
  kPasses,
  kRate,
  kPlaceSample,
  kFloorMany,
  kMany,
  kSpdlog,
  kKinds
};

struct RowName {
  const char* name;
  Kind kind;
  Kind baseline;
};
constexpr RowName kRows[] = {{"floor", kFloor, kFloor},
                             {"floor and 4 more lines", kFloorLines, kFloor},
                             {"call", kNumbers, kFloor},
                             {"call with 16-byte string", kString, kNumbers},
                             {"filtered call", kFiltered, kFiltered},
                             {"kept out by once_in_ms()", kOnce, kFiltered},
                             {"kept out by every_nth()", kNth, kFiltered},
                             {"kept out by one_in()", kSample, kFiltered},
                             {"passes a place's rate", kPasses, kNumbers},
                             {"kept out by its rate", kRate, kFiltered},
                             {"kept out by its sample", kPlaceSample, kFiltered},
                             {"floor, 1,000 functions", kFloorMany, kFloorMany},
                             {"call, 1,000 sites", kMany, kFloorMany},
                             {"spdlog async", kSpdlog, kNumbers}};

// What a start sends to its parent.
struct Figures {
  double burst_p50[kKinds] = {};
  double single_p99[kKinds] = {};
  double single_p999[kKinds] = {};
  double later_p999[kKinds] = {};
  double threads_floor = 0;
  double threads_call = 0;
  u64 dropped = 0;
};

#ifdef SLUICE_BENCH_SPDLOG
class Spdlog {
 public:
  explicit Spdlog(const std::string& file) {
    spdlog::init_thread_pool(8192, 1);
    // Its policy that does not wait: the oldest message is overwritten.
    logger_ = spdlog::basic_logger_mt<spdlog::async_factory_nonblock>("bench", file, true);
  }
  ~Spdlog() {
    logger_.reset();
    spdlog::shutdown();
  }
  Spdlog(const Spdlog&) = delete;
  Spdlog& operator=(const Spdlog&) = delete;
  void call(u32 i) {
    SPDLOG_LOGGER_INFO(logger_, "Logging int: {}, int: {}, double: {}", i, i + 1, double(i) + 0.5);
  }

 private:
  std::shared_ptr<spdlog::logger> logger_;
};
#endif

void measure_one_thread(const Scale& scale, u32 bursts, const std::string& directory,
                        Figures& figures) {
  (void)prepare_thread();
  FloorRing ring;
  const auto lines = std::make_unique<ColdLines>();
  CallSamples samples[kKinds];
  for (u32 round = 0; round < bursts + kWarmBursts; ++round) {
    time_burst(scale, round, samples[kFloor], [&](u32 i) { ring.put(i, i + 1, double(i) + 0.5); });
    time_burst(scale, round, samples[kFloorLines], [&](u32 i) {
      lines->touch();
      ring.put(i, i + 1, double(i) + 0.5);
    });
    time_burst(scale, round, samples[kNumbers], call_numbers);
    time_burst(scale, round, samples[kString], call_string);
    time_burst(scale, round, samples[kFiltered], call_filtered);
    time_burst(scale, round, samples[kOnce], call_once);
    time_burst(scale, round, samples[kNth], call_nth);
    time_burst(scale, round, samples[kSample], call_sample);
    time_burst(scale, round, samples[kPasses], call_passes);
    time_burst(scale, round, samples[kRate], call_rate);
    time_burst(scale, round, samples[kPlaceSample], call_place_sample);
  }
  std::size_t call = 0, floor = 0;
  for (u32 round = 0; round < bursts + kWarmBursts; ++round) {
    time_burst(scale, round, samples[kFloorMany],
               [&](u32 i) { kFloorSites[floor++ % kSites](ring, i); });
    time_burst(scale, round, samples[kMany], [&](u32 i) { kCallSites[call++ % kSites](i); });
  }
#ifdef SLUICE_BENCH_SPDLOG
  Spdlog spdlog(directory + "/spdlog.log");
  for (u32 round = 0; round < bursts + kWarmBursts; ++round) {
    time_burst(scale, round, samples[kSpdlog], [&](u32 i) { spdlog.call(i); });
  }
#else
  (void)directory;
#endif
  for (u32 kind = 0; kind < kKinds; ++kind) {
    figures.burst_p50[kind] = quantile(samples[kind].burst, 0.5);
    figures.single_p99[kind] = quantile(samples[kind].single, 0.99);
    figures.single_p999[kind] = quantile(samples[kind].single, 0.999);
    figures.later_p999[kind] = quantile(samples[kind].later, 0.999);
  }
}

void measure_threads(const Scale& scale, u32 bursts, Figures& figures) {
  CallSamples floors[kThreads], calls[kThreads];
  std::vector<std::thread> threads;
  for (u32 t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      (void)prepare_thread();
      FloorRing ring;
      for (u32 round = 0; round < bursts + kWarmBursts; ++round) {
        time_burst(scale, round, floors[t], [&](u32 i) { ring.put(i, i + 1, double(i) + 0.5); });
        time_burst(scale, round, calls[t], call_numbers);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto median_of_all = [](const CallSamples(&of)[kThreads]) {
    std::vector<double> all;
    for (const CallSamples& one : of) all.insert(all.end(), one.burst.begin(), one.burst.end());
    return quantile(all, 0.5);
  };
  figures.threads_floor = median_of_all(floors);
  figures.threads_call = median_of_all(calls);
}

// In a process of its own.
bool measure(u32 bursts, const std::string& directory, Figures& figures) {
  Options options;
  options.product = "call-bench";
  options.quiet = true;
  options.recover = false;
  options.sinks.push_back(text_file(directory + "/sluice.log"));
  if (!start(options)) {
    std::fprintf(stderr, "call_bench: %s\n", std::string(last_error()).c_str());
    return false;
  }
  set_limits();
  const Scale scale = Scale::measure();
  std::thread([&] { measure_one_thread(scale, bursts, directory, figures); }).join();
  measure_threads(scale, bursts / kThreads, figures);
  figures.dropped = stats().dropped();
  return stop();
}

bool measure_in_child(u32 bursts, const std::string& directory, Figures& figures) {
  int ends[2];
  if (::pipe(ends) != 0) return false;
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) {
    Figures own;
    const bool good = measure(bursts, directory, own) &&
                      ::write(ends[1], &own, sizeof own) == ssize_t(sizeof own);
    std::_Exit(good ? 0 : 1);
  }
  ::close(ends[1]);
  const bool whole = ::read(ends[0], &figures, sizeof figures) == ssize_t(sizeof figures);
  ::close(ends[0]);
  int status = 0;
  return ::waitpid(child, &status, 0) == child && status == 0 && whole;
}

template <class Get>
std::vector<double> of_each(const std::vector<Figures>& starts, Get&& get) {
  std::vector<double> values;
  for (const Figures& start : starts) values.push_back(get(start));
  std::sort(values.begin(), values.end());
  return values;
}

// `value(start)` and `baseline(start)`: ns a call.
template <class Value, class Baseline>
void print_bursts(const char* name, const std::vector<Figures>& starts, Value&& value,
                  Baseline&& baseline) {
  std::vector<double> values = of_each(starts, value);
  std::vector<double> ratios =
      of_each(starts, [&](const Figures& start) { return value(start) / baseline(start); });
  std::printf("%-26s %8.1f  %6.1f .. %-8.1f %8.2f", name, quantile(values, 0.5), values.front(),
              values.back(), quantile(ratios, 0.5));
}

void print(const std::vector<Figures>& starts) {
  std::printf("%-26s %8s  %6s    %-8s %8s %9s %9s %12s\n", "ns a call", "burst", "least", "most",
              "ratio", "call p99", "p99.9", "later p99.9");
  for (const RowName& row : kRows) {
    if (starts[0].burst_p50[row.kind] == 0) continue;  // built without spdlog
    print_bursts(
        row.name, starts, [&](const Figures& start) { return start.burst_p50[row.kind]; },
        [&](const Figures& start) { return start.burst_p50[row.baseline]; });
    std::vector<double> p99 =
        of_each(starts, [&](const Figures& start) { return start.single_p99[row.kind]; });
    std::vector<double> p999 =
        of_each(starts, [&](const Figures& start) { return start.single_p999[row.kind]; });
    std::vector<double> later =
        of_each(starts, [&](const Figures& start) { return start.later_p999[row.kind]; });
    std::printf(" %9.0f %9.0f %12.0f\n", quantile(p99, 0.5), quantile(p999, 0.5),
                quantile(later, 0.5));
  }
  const auto floor = [](const Figures& start) { return start.threads_floor; };
  print_bursts("floor, 4 threads", starts, floor, floor);
  std::printf("\n");
  print_bursts(
      "call, 4 threads", starts, [](const Figures& start) { return start.threads_call; }, floor);
  std::printf("\n");
}

int run(int starts, u32 bursts) {
  char name[] = "/tmp/call_bench.XXXXXX";
  if (!::mkdtemp(name)) {
    std::perror("call_bench: mkdtemp in /tmp");
    return 2;
  }
  std::vector<Figures> all;
  u64 dropped = 0;
  for (int i = 0; i < starts; ++i) {
    Figures figures;
    if (!measure_in_child(bursts, name, figures)) break;
    dropped += figures.dropped;
    all.push_back(figures);
  }
  std::filesystem::remove_all(name);
  if (int(all.size()) != starts) return 1;
  std::printf(
      "g++ %s, %s, %d starts, %u bursts of 20; ratio: to the floor; string and spdlog: to "
      "the call; kept out: to the filtered call\n",
      __VERSION__, SLUICE_BENCH_FLAGS, starts, bursts);
  print(all);
  if (dropped > 0) std::printf("%llu records dropped\n", static_cast<unsigned long long>(dropped));
  return dropped > 0 ? 1 : 0;
}

}  // namespace
}  // namespace sluice::cli

int main(int count, char** words) {
  const int starts = count > 1 ? std::atoi(words[1]) : 20;
  const int bursts = count > 2 ? std::atoi(words[2]) : 1500;
  if (starts < 1 || bursts < 60) {
    std::fprintf(stderr, "usage: call_bench [starts [bursts]]: 1 or more, 60 or more\n");
    return 2;
  }
  return sluice::cli::run(starts, sluice::u32(bursts));
}
