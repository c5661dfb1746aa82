// sanitizers: none (kills the processes under test at any instruction)
// emulator: no (what a kill meets is a matter of microseconds: an emulated ring is empty or full)
//
// T3: a record whose call has returned kOk outlives SIGKILL of its process: after recovery it is in
// every destination once, whole, in its thread's order; what was dropped is counted. The processes
// die at random microseconds: while they start, log, rotate rings, fill them, or stop.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "contract/support/oracle.h"
#include "contract/support/victim.h"

namespace sluice::testing {
namespace {

// One killed process: where it writes, and what it told its callers.
struct Place {
  Place() : files("/dev/shm") {}
  explicit Place(const std::string& parent) : files(parent) {}
  TempDirectory region;
  TempDirectory files;
  SharedLedger ledger;

  [[nodiscard]] std::string text() const { return files / "out.log"; }
  [[nodiscard]] std::string json() const { return files / "out.jsonl"; }
  [[nodiscard]] std::string segments() const { return files / "segments"; }
};

struct PlaceTexts {
  explicit PlaceTexts(const Place& place)
      : region(place.region.path()),
        text(place.text()),
        json(place.json()),
        segments(place.segments()) {}
  std::string region, text, json, segments;

  [[nodiscard]] Options options(std::vector<Sink> sinks) const {
    Options options;
    options.product = "victim";
    options.sinks = sinks;
    options.region_directory = region;
    options.ring_bytes = 64 * 1024;
    options.journal_bytes = 1 << 20;
    options.quiet = true;
    return options;
  }
  [[nodiscard]] Sink text_sink() const { return text_file(text, {.pattern = "%(message)"}); }
};

// Numbered records with the context field "block" = number / 10.
void log_with_context(LedgerRow& row, std::uint64_t writer, std::uint64_t count) {
  while (row.kept.load(std::memory_order_relaxed) < count) {
    const std::uint64_t block = row.kept.load(std::memory_order_relaxed) / 10;
    const Context context(kv("block", block));
    while (row.kept.load(std::memory_order_relaxed) / 10 == block) {
      if (write_record(row, writer) != Admission::kOk) std::this_thread::yield();
    }
  }
}

void run_writers(Ledger& ledger, std::uint32_t count,
                 const std::function<void(LedgerRow&, std::uint32_t)>& body) {
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < count; ++i) {
    threads.emplace_back([&, i] { body(ledger.row[i], i); });
  }
  for (std::thread& thread : threads) thread.join();
}

void asynchronous(const PlaceTexts& at, Ledger& ledger) {
  start(at.options({at.text_sink(), json_file(at.json), segment_files(at.segments)}));
  run_writers(ledger, 3, [](LedgerRow& row, std::uint32_t i) { log_with_context(row, i, 3000); });
  stop();
}

void immediate(const PlaceTexts& at, Ledger& ledger) {
  Options options = at.options({at.text_sink(), json_file(at.json)});
  options.mode = Mode::immediate;
  start(options);
  run_writers(ledger, 2, [](LedgerRow& row, std::uint32_t i) { log_with_context(row, i, 400); });
  stop();
}

// A required sink that takes nothing: the journal fills, then the rings, then records drop.
void stuck(const PlaceTexts& at, Ledger& ledger) {
  static constexpr auto kHang = [](const CallbackRecord&, void*) {
    for (;;) ::pause();
  };
  start(at.options({at.text_sink(), json_file(at.json),
                    callback(kHang, nullptr, {.need = Sink::Need::required})}));
  run_writers(ledger, 3, [](LedgerRow& row, std::uint32_t i) {
    for (int n = 0; n < 20'000; ++n) n % 16 ? write_record(row, i) : write_warning(row, i);
  });
}

// Nobody ever consumed: everything is in the rings, the rest dropped.
void before_start(const PlaceTexts& at, Ledger& ledger) {
  ::setenv("SLUICE_REGION_DIRECTORY", at.region.c_str(), 1);
  run_writers(ledger, 3, [](LedgerRow& row, std::uint32_t i) {
    for (int n = 0; n < 10'000; ++n) n % 16 ? write_record(row, i) : write_text(row, i, "early");
  });
}

struct Scenario {
  const char* name;
  void (*victim)(const PlaceTexts&, Ledger&);
  std::uint64_t life_us;  // kills are spread over this
  bool has_json;
  bool has_context;
  bool has_segments;
  bool extra_sinks;  // the process named no destination
};

constexpr Scenario kScenarios[] = {
    {"asynchronous", asynchronous, 30'000, true, true, true, false},
    {"immediate", immediate, 30'000, true, true, false, false},
    {"stuck", stuck, 60'000, true, false, false, false},
    {"before start", before_start, 15'000, false, false, false, true},
};

std::vector<std::string> judge_place(const Scenario& scenario, const Place& place,
                                     const Recovery& recovery) {
  std::vector<std::string> wrong;
  const auto add = [&wrong](const char* where, const std::vector<std::string>& more) {
    for (const std::string& line : more) wrong.push_back(std::string(where) + ": " + line);
  };
  add("text", judge(*place.ledger, read_text(place.text())));
  if (scenario.has_json) {
    add("json", judge(*place.ledger, read_json(place.json(), scenario.has_context)));
  }
  if (scenario.has_segments) add("segments", judge(*place.ledger, read_segments(place.segments())));
  // A region that stop() had finished is only removed.
  if (recovery.merged != 0) {
    add("accounts", judge_accounts(*place.ledger, recovery.merged, recovery.dropped));
  }
  if (!recovery.complete) add("recovery", {recovery.said});
  for (const std::string& name : place.region.names()) add("left behind", {name});
  return wrong;
}

struct Tally {
  std::uint64_t points = 0;
  std::uint64_t violations = 0;
  std::uint64_t recovered = 0;
  std::uint64_t records = 0;
  std::uint64_t drops = 0;
  std::vector<std::int64_t> recovery_ns;  // whole recoveries, on tmpfs
};

Recovery recover_place(const Scenario& scenario, const Place& place) {
  std::vector<back::SinkConfig> extra;
  if (scenario.extra_sinks) {
    back::SinkConfig config;
    config.kind = SinkKind::text;
    config.path = place.text();
    config.pattern = "%(message)";
    config.required = true;
    extra.push_back(config);
  }
  return recover(place.region.path(), extra);
}

void try_point(const Scenario& scenario, std::uint64_t delay_us, const std::string& files,
               Tally& tally) {
  const Place place(files);
  const PlaceTexts texts(place);
  const pid_t child = spawn([&] { scenario.victim(texts, *place.ledger); });
  spin_us(delay_us);
  ::kill(child, SIGKILL);
  const std::string end = wait_for(child);
  ASSERT_TRUE(end == "signal 9" || end == "exit 0") << end;
  const std::int64_t begun = now_ns();
  const Recovery recovery = recover_place(scenario, place);
  if (files == "/dev/shm") tally.recovery_ns.push_back(now_ns() - begun);
  const std::vector<std::string> wrong = judge_place(scenario, place, recovery);
  ++tally.points;
  for (const auto& region : recovery.regions) tally.recovered += region.recovered;
  for (const LedgerRow& row : place.ledger->row) {
    tally.records += row.kept.load();
    tally.drops += row.dropped.load();
  }
  if (!wrong.empty()) {
    ++tally.violations;
    ADD_FAILURE() << scenario.name << ", killed after " << delay_us << " us (" << end << "):\n"
                  << join(wrong) << recovery.said;
  }
}

class Killed : public ::testing::TestWithParam<Scenario> {};

TEST_P(Killed, KeepsWhatWasPublished) {
  const Scenario& scenario = GetParam();
  const std::uint64_t seed = std::uint64_t(now_ns());
  Random random(seed);
  Tally tally;
  const std::int64_t deadline = now_ns() + std::int64_t(points(9, 1'000'000)) * 1'000'000'000;
  const std::uint64_t wanted = points(150, 2500);
  while (tally.points < wanted && now_ns() < deadline && tally.violations < 5) {
    // Every eighth on a disk, where a write is torn between pages.
    const std::string files = tally.points % 8 == 7 ? "/tmp" : "/dev/shm";
    try_point(scenario, random.next(scenario.life_us), files, tally);
    if (HasFatalFailure()) break;
  }
  std::printf(
      "%s: %llu points, %llu violations; %llu records kept, %llu of them recovered from "
      "rings; %llu dropped; seed %llu\n",
      scenario.name, static_cast<unsigned long long>(tally.points),
      static_cast<unsigned long long>(tally.violations),
      static_cast<unsigned long long>(tally.records),
      static_cast<unsigned long long>(tally.recovered),
      static_cast<unsigned long long>(tally.drops), static_cast<unsigned long long>(seed));
  std::sort(tally.recovery_ns.begin(), tally.recovery_ns.end());
  const std::int64_t median_ns = tally.recovery_ns[tally.recovery_ns.size() / 2];
  std::printf("recovery, begin to end: median %lld us, slowest %lld us\n",
              static_cast<long long>(median_ns / 1000),
              static_cast<long long>(tally.recovery_ns.back() / 1000));
  // The whole of it takes less than it may take to begin.
  EXPECT_LT(median_ns, 100'000'000);
  EXPECT_GT(tally.points, 20u);
  EXPECT_GT(tally.records, 0u);
  EXPECT_GT(tally.recovered, 0u) << "no kill found a record in a ring";
}

INSTANTIATE_TEST_SUITE_P(All, Killed, ::testing::ValuesIn(kScenarios), [](const auto& param) {
  std::string name = param.param.name;
  for (char& c : name) c = c == ' ' ? '_' : c;
  return name;
});

}  // namespace
}  // namespace sluice::testing
