// sluice bench: what a call and a message cost on this machine, each next to the floor.
//
// The floor (cli/floor_ring.h) is measured in the same run, burst by burst in turn, so that what
// the machine does meanwhile falls on both. Bursts are of 20 calls with about a millisecond between
// them, which is how Quill publishes its figures; a single call is fenced. Nothing is pinned and no
// priority is changed: these are the user's own conditions.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/command.h"
#include "cli/floor_ring.h"
#include "os/io.h"
#include "os/process.h"
#include "os/trial.h"
#include "sluice/sluice.h"

namespace sluice::cli {
namespace {

constexpr u32 kBurst = 20;
constexpr u32 kWarmBursts = 50;
constexpr i64 kPauseNs = 400'000;
constexpr u32 kThreads = 4;
constexpr u32 kBlockDeadlineMs = 60'000;

struct BenchOptions {
  u32 bursts = 1500;
  u64 messages = 1'000'000;
  bool json = false;
};

struct Row {
  std::string name;
  double value = 0;
  std::string unit;
  std::string baseline;
  double baseline_value = 0;
};

// The clock, with everything before it done and nothing after it begun.
[[gnu::always_inline]] inline u64 fenced_ticks() {
#if defined(__x86_64__)
  __builtin_ia32_lfence();
  const u64 now = ticks();
  __builtin_ia32_lfence();
  return now;
#else
  return ticks();
#endif
}

// Nanoseconds a tick, and what an empty measurement costs.
struct Scale {
  double ns_per_tick = 1;
  double empty_ticks = 0;

  static Scale measure() {
    constexpr i64 kSpanNs = 20'000'000;
    const i64 began_ns = os::monotonic_ns();
    const u64 began = ticks();
    os::sleep_ns(kSpanNs);
    Scale scale;
    scale.ns_per_tick = double(os::monotonic_ns() - began_ns) / double(ticks() - began);
    std::vector<u64> empty(1000);
    for (u64& cost : empty) {
      const u64 from = fenced_ticks();
      cost = fenced_ticks() - from;
    }
    std::sort(empty.begin(), empty.end());
    scale.empty_ticks = double(empty[empty.size() / 2]);
    return scale;
  }
  [[nodiscard]] double ns(u64 spent) const {
    return std::max(0.0, (double(spent) - empty_ticks) * ns_per_tick);
  }
};

double quantile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::size_t(share * double(values.size() - 1))];
}

struct Samples {
  std::vector<double> burst;   // mean of a burst, ns a call
  std::vector<double> single;  // ns of one call
};

void pause() {
  constexpr i64 kSpinNs = 20'000;  // awake before the burst, as a busy program is
  os::sleep_ns(kPauseNs);
  const i64 until = os::monotonic_ns() + kSpinNs;
  while (os::monotonic_ns() < until) {
  }
}

// One burst in three is timed whole, the others call by call.
template <class Call>
[[gnu::noinline]] void burst(const Scale& scale, u32 round, Samples& samples, Call&& call) {
  constexpr u32 kWholeEvery = 3;
  if (round % kWholeEvery == 0) {
    const u64 from = fenced_ticks();
    for (u32 i = 0; i < kBurst; ++i) call(i);
    const u64 spent = fenced_ticks() - from;
    if (round >= kWarmBursts) samples.burst.push_back(scale.ns(spent) / kBurst);
    return;
  }
  for (u32 i = 0; i < kBurst; ++i) {
    const u64 from = fenced_ticks();
    call(i);
    const u64 spent = fenced_ticks() - from;
    if (round >= kWarmBursts) samples.single.push_back(scale.ns(spent));
  }
}

void call_numbers(u32 i) {
  SLUICE_INFO("Logging int: {}, int: {}, double: {}", i, i + 1, double(i) + 0.5);
}
void call_string(u32 i) {
  static const std::string text = "0123456789abcdef";
  SLUICE_INFO("Logging int: {}, int: {}, string: {}", i, i + 1, std::string_view(text));
}

struct CallSamples {
  Samples floor;
  Samples numbers;
  Samples strings;
};

void measure_calls(const Scale& scale, u32 bursts, CallSamples& samples, bool strings) {
  (void)prepare_thread();
  FloorRing ring(-1);
  for (u32 round = 0; round < bursts + kWarmBursts; ++round) {
    burst(scale, round, samples.floor, [&](u32 i) { ring.put(i, i + 1, double(i) + 0.5); });
    pause();
    burst(scale, round, samples.numbers, call_numbers);
    pause();
    if (!strings) continue;
    burst(scale, round, samples.strings, call_string);
    pause();
  }
}

void add_call_rows(const Scale& scale, const BenchOptions& options, std::vector<Row>& rows) {
  constexpr const char* kFloor = "floor: clock, 48 bytes, release store, live consumer";
  CallSamples one;
  std::thread([&] { measure_calls(scale, options.bursts, one, true); }).join();
  const double floor_burst = quantile(one.floor.burst, 0.5);
  rows.push_back({"call burst p50", quantile(one.numbers.burst, 0.5), "ns", kFloor, floor_burst});
  rows.push_back({"call single p99.9", quantile(one.numbers.single, 0.999), "ns", kFloor,
                  quantile(one.floor.single, 0.999)});
  rows.push_back({"call with string burst p50", quantile(one.strings.burst, 0.5), "ns",
                  "call burst p50", quantile(one.numbers.burst, 0.5)});
  CallSamples many[kThreads];
  std::vector<std::thread> threads;
  for (CallSamples& samples : many) {
    threads.emplace_back([&] { measure_calls(scale, options.bursts / kThreads, samples, false); });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<double> ours, floors;
  for (const CallSamples& samples : many) {
    ours.insert(ours.end(), samples.numbers.burst.begin(), samples.numbers.burst.end());
    floors.insert(floors.end(), samples.floor.burst.begin(), samples.floor.burst.end());
  }
  rows.push_back(
      {"call 4 threads burst p50", quantile(ours, 0.5), "ns", kFloor, quantile(floors, 0.5)});
}

struct Throughput {
  double messages_per_s = 0;
  double backend_ns = 0;  // CPU a message outside the calling thread
};

// `work` publishes everything, `finish` returns when it is written.
template <class Work, class Finish>
Throughput throughput(u64 messages, Work&& work, Finish&& finish) {
  Throughput result;
  std::thread([&] {
    (void)prepare_thread();
    const i64 process = os::process_cpu_ns(), own = os::thread_usage().cpu_ns;
    const i64 began = os::monotonic_ns();
    work();
    finish();
    const double wall = double(os::monotonic_ns() - began);
    const double others =
        double(os::process_cpu_ns() - process) - double(os::thread_usage().cpu_ns - own);
    result = {double(messages) * 1e9 / wall, others / double(messages)};
  }).join();
  return result;
}

void add_throughput_rows(const BenchOptions& options, const std::string& directory,
                         std::vector<Row>& rows) {
  constexpr const char* kRaw = "floor: the same ring, 48 raw bytes a message into a file";
  constexpr u32 kFlushMs = 120'000;
  os::Io& io = os::real_io();
  const int file = io.open((directory + "/floor.raw").c_str(), os::kWrite | os::kCreate);
  Throughput floor;
  {
    FloorRing ring(file);
    floor = throughput(
        options.messages,
        [&] {
          for (u64 i = 0; i < options.messages; ++i) ring.put(i, i * 2, double(i) / 2);
        },
        [&] { ring.drain(); });
  }
  io.close(file);
  const Throughput ours = throughput(
      options.messages,
      [&] {
        for (u64 i = 0; i < options.messages; ++i) {
          SLUICE_INFO("Logging int: {}, int: {}, double: {}", i, i * 2, double(i) / 2);
        }
      },
      [] { (void)flush(Reach::written, kFlushMs); });
  rows.push_back({"throughput to a text file", ours.messages_per_s / 1e6, "M messages/s", kRaw,
                  floor.messages_per_s / 1e6});
  rows.push_back({"backend CPU per message", ours.backend_ns, "ns", kRaw, floor.backend_ns});
}

std::string to_json(const std::vector<Row>& rows) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    const double ratio = row.baseline_value > 0 ? row.value / row.baseline_value : 0;
    all.push_back({{"name", row.name},
                   {"value", row.value},
                   {"unit", row.unit},
                   {"baseline", row.baseline},
                   {"baseline_value", row.baseline_value},
                   {"ratio", ratio}});
  }
  return all.dump(2) + "\n";
}

std::string to_text(const std::vector<Row>& rows) {
  std::string text;
  char line[256];
  std::snprintf(line, sizeof line, "%-28s %10s %10s %7s  %s\n", "", "value", "baseline", "ratio",
                "unit; baseline");
  text += line;
  for (const Row& row : rows) {
    const double ratio = row.baseline_value > 0 ? row.value / row.baseline_value : 0;
    std::snprintf(line, sizeof line, "%-28s %10.2f %10.2f %7.2f  %s; %s\n", row.name.c_str(),
                  row.value, row.baseline_value, ratio, row.unit.c_str(), row.baseline.c_str());
    text += line;
  }
  return text;
}

int bench(const BenchOptions& options) {
  const os::ScratchDirectory scratch("/tmp");
  const os::ScratchDirectory shared("/dev/shm");
  if (scratch.path().empty()) return refuse({"no directory can be made in /tmp; free some space"});
  Options engine;
  engine.product = "sluice-bench";
  engine.quiet = true;
  engine.recover = false;
  engine.region_directory = shared.path();
  engine.overflow = Overflow::block;
  engine.block_deadline_ms = kBlockDeadlineMs;
  const std::string file = scratch.path() + "/bench.log";
  engine.sinks.add(text_file(file));
  if (!start(engine)) {
    complain(last_error());
    return kUsage;
  }
  std::vector<Row> rows;
  const Scale scale = Scale::measure();
  add_call_rows(scale, options, rows);
  add_throughput_rows(options, scratch.path(), rows);
  const u64 dropped = stats().dropped();
  if (!stop()) complain(last_error());
  Output output;
  output.write(options.json ? to_json(rows) : to_text(rows));
  output.flush();
  if (dropped > 0) {
    complain(std::to_string(dropped) + " records were dropped: the figures are not to be trusted");
    return kProblem;
  }
  return output.exit_code();
}

}  // namespace

void add_bench(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub =
      app.add_subcommand("bench", "Measure what a call costs here, next to the floor");
  auto options = std::make_shared<BenchOptions>();
  sub->add_option("--bursts", options->bursts, "Bursts of 20 calls in each row")
      ->type_name("N")
      ->check(CLI::Range(u32{30}, u32{1'000'000}));
  sub->add_option("--messages", options->messages, "Messages for the throughput")
      ->type_name("N")
      ->check(CLI::Range(u64{1000}, u64{1'000'000'000}));
  sub->add_flag("--json", options->json, "An array of objects");
  sub->footer("Writes to /tmp and /dev/shm while it runs. Exit code 1: records were dropped.");
  sub->callback([options, &chosen] { chosen = [options] { return bench(*options); }; });
}

}  // namespace sluice::cli
