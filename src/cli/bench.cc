// sluice bench: what a call and a message cost on this machine, each next to the floor.
//
// The floor (cli/floor_ring.h) is measured in the same run, burst by burst in turn, so that what
// the machine does meanwhile falls on both. cli/call_timing.h says how a call is timed.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/call_timing.h"
#include "cli/command.h"
#include "cli/floor_ring.h"
#include "os/child.h"
#include "os/io.h"
#include "os/process.h"
#include "os/trial.h"
#include "sluice/sluice.h"

namespace sluice::cli {
namespace {

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

void call_numbers(u32 i) {
  SLUICE_INFO("Logging int: {}, int: {}, double: {}", i, i + 1, double(i) + 0.5);
}
void call_string(u32 i) {
  static const std::string text = "0123456789abcdef";
  SLUICE_INFO("Logging int: {}, int: {}, string: {}", i, i + 1, std::string_view(text));
}

struct Calls {
  CallSamples floor;
  CallSamples numbers;
  CallSamples strings;
};

void measure_calls(const Scale& scale, u32 bursts, Calls& samples, bool strings) {
  (void)prepare_thread();
  FloorRing ring;
  for (u32 round = 0; round < bursts + kWarmBursts; ++round) {
    time_burst(scale, round, samples.floor, [&](u32 i) { ring.put(i, i + 1, double(i) + 0.5); });
    time_burst(scale, round, samples.numbers, call_numbers);
    if (strings) time_burst(scale, round, samples.strings, call_string);
  }
}

void add_call_rows(const Scale& scale, const BenchOptions& options, std::vector<Row>& rows) {
  constexpr const char* kFloor = "floor: clock, 48 bytes, release store, live consumer";
  Calls one;
  std::thread([&] { measure_calls(scale, options.bursts, one, true); }).join();
  const double floor_burst = quantile(one.floor.burst, 0.5);
  rows.push_back({"call burst p50", quantile(one.numbers.burst, 0.5), "ns", kFloor, floor_burst});
  rows.push_back({"call single p99.9", quantile(one.numbers.single, 0.999), "ns", kFloor,
                  quantile(one.floor.single, 0.999)});
  rows.push_back({"call with string burst p50", quantile(one.strings.burst, 0.5), "ns",
                  "call burst p50", quantile(one.numbers.burst, 0.5)});
  Calls many[kThreads];
  std::vector<std::thread> threads;
  for (Calls& samples : many) {
    threads.emplace_back([&] { measure_calls(scale, options.bursts / kThreads, samples, false); });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<double> ours, floors;
  for (const Calls& samples : many) {
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
    FloorRing ring(
        [file](const char* from, u64 bytes) { (void)os::write_fully(file, from, bytes); });
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
  engine.sinks.push_back(text_file(file));
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
