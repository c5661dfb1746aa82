#include "cli/trial.h"

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/line_file.h"
#include "os/child.h"
#include "os/io.h"
#include "os/process.h"
#include "os/trial.h"
#include "sluice/sluice.h"

namespace sluice::cli {
namespace {

constexpr u64 kJournalBytes = 1 << 20;
constexpr u64 kSmallRingBytes = 32 * 1024;
constexpr u64 kSmallDiskBytes = 256 * 1024;
constexpr u64 kLargeDiskBytes = u64{256} << 20;
constexpr u32 kStopDeadlineMs = 20'000;
constexpr int kBurst = 64;
constexpr i64 kPauseNs = 500'000;
constexpr i64 kFreezePatienceNs = 5'000'000'000;
constexpr std::string_view kLogger = "selftest";

// Where delivered records are counted, and where a stuck destination is stuck.
struct Receiver {
  std::atomic<u64> delivered{0};
  std::atomic<u32> stuck{0};  // futex: 1 while it takes nothing
};

void receive(const CallbackRecord& record, void* user) {
  auto& receiver = *static_cast<Receiver*>(user);
  // relaxed, as all of it: nothing but the word itself is handed over
  while (receiver.stuck.load(std::memory_order_relaxed)) os::wait_on(receiver.stuck, 1, -1);
  // relaxed: read after stop(), which joins the sink's thread
  if (record.logger == kLogger) receiver.delivered.fetch_add(1, std::memory_order_relaxed);
}

Admission say(u64 number) {
  static constexpr detail::SiteText text = [] {
    detail::SiteText made;
    made.logger = kLogger.data();
    made.format = "call {} of the trial, {}";
    return made;
  }();
  static constinit detail::CallSite site{Level::info, detail::RecordKind::kLog};
  return detail::call(site, text, 0, number, 0.5);
}

struct Timings {
  std::vector<u32> ticks;
  double ns_per_tick = 0;
};

double ns_per_tick_between(u64 ticks, i64 ns) {
  return double(ns) / double(std::max<u64>(ticks, 1));
}

// Makes the calls; the kernel is asked only between bursts.
void measure(u64 calls, bool paced, TrialReport& report, Timings& timings) {
  timings.ticks.assign(calls, 0);
  const i64 began_ns = os::monotonic_ns();
  const u64 began = ticks();
  for (u64 done = 0; done < calls;) {
    const os::ThreadUsage before = os::thread_usage();
    for (int i = 0; i < kBurst && done < calls; ++i, ++done) {
      const u64 start = ticks();
      const Admission admission = say(done);
      timings.ticks[done] = u32(std::min<u64>(ticks() - start, ~u32{0}));
      ++report.attempted;
      ++(admission == Admission::kOk ? report.admitted : report.dropped);
    }
    const os::ThreadUsage after = os::thread_usage();
    report.waits += after.voluntary_switches - before.voluntary_switches;
    report.preempted += after.involuntary_switches - before.involuntary_switches;
    report.page_faults += after.page_faults - before.page_faults;
    if (paced) os::sleep_ns(kPauseNs);
  }
  timings.ns_per_tick = ns_per_tick_between(ticks() - began, os::monotonic_ns() - began_ns);
}

void summarise(Timings& timings, TrialReport& report) {
  std::vector<u32>& sorted = timings.ticks;
  if (sorted.empty()) return;
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&](double share) {
    const auto index = std::size_t(share * double(sorted.size() - 1));
    return double(sorted[index]) * timings.ns_per_tick;
  };
  report.p50_ns = at(0.5);
  report.p999_ns = at(0.999);
  report.max_ns = at(1);
}

void print(const std::string& line) {
  const std::string whole = line + "\n";
  (void)os::write_fully(1, whole.data(), whole.size());
}

// False: nobody froze it.
bool wait_frozen(u32 tid, bool frozen) {
  const i64 deadline = os::monotonic_ns() + kFreezePatienceNs;
  while (os::is_frozen(tid) != frozen) {
    if (os::monotonic_ns() > deadline) return false;
    os::sleep_ns(1'000'000);
  }
  return true;
}

u64 count_lines(const std::string& path) {
  LineFile file(os::real_io(), path, false);
  if (!file.open().ok()) return 0;
  u64 count = 0;
  std::string_view line;
  while (file.next(line)) count += line.find("of the trial") != std::string_view::npos;
  return count;
}

// Brings a condition about and lifts it again.
class Hardship {
 public:
  Hardship(std::string_view condition, Receiver& receiver, const std::string& disk)
      : condition_(condition), receiver_(receiver), disk_(disk) {}

  // Empty: it holds; else why it cannot be tried.
  std::string begin() {
    if (condition_ == "backend stopped") receiver_.stuck.store(1, std::memory_order_relaxed);
    if (condition_ != "consumer frozen") return {};
    tid_ = os::find_thread("sluice-backend");
    if (tid_ == 0) return "there is no backend thread";
    print("freeze " + std::to_string(tid_));
    return wait_frozen(tid_, true) ? "" : "this process may not be traced (ptrace)";
  }

  void end() {
    if (condition_ == "backend stopped") {
      receiver_.stuck.store(0, std::memory_order_relaxed);
      os::wake_all(receiver_.stuck);
    }
    if (condition_ == "disk full") (void)os::resize_small(disk_, kLargeDiskBytes);
    if (tid_ != 0) {
      print("measured");
      (void)wait_frozen(tid_, false);
    }
  }

 private:
  const std::string_view condition_;
  Receiver& receiver_;
  const std::string& disk_;
  u32 tid_ = 0;
};

Options options_for(std::string_view condition, Receiver& receiver, const std::string& file,
                    const std::string& shared) {
  Options options;
  options.product = "sluice-selftest";
  options.quiet = true;
  options.recover = false;
  options.region_directory = shared;
  options.journal_bytes = kJournalBytes;
  options.stop_deadline_ms = kStopDeadlineMs;
  if (condition == "ring full") options.ring_bytes = kSmallRingBytes;
  if (condition == "disk full") {
    options.sinks.push_back(text_file(file));
  } else {
    options.sinks.push_back(callback(receive, &receiver, {.need = Sink::Need::required}));
  }
  return options;
}

}  // namespace

const std::vector<Condition>& conditions() {
  static const std::vector<Condition> all = {
      {"running", "nothing is wrong"},
      {"backend stopped", "a required sink takes nothing: the journal fills, then the ring"},
      {"disk full", "a text file on a disk without room"},
      {"consumer frozen", "the thread that drains the rings stands still"},
      {"ring full", "calls faster than any backend, into the smallest ring"}};
  return all;
}

TrialReport run_trial(std::string_view condition, u64 calls) {
  TrialReport report;
  report.condition = condition;
  const os::ScratchDirectory shared("/dev/shm");
  const os::ScratchDirectory scratch("/tmp");
  if (shared.path().empty() || scratch.path().empty()) {
    report.skipped = "no directory can be made in /dev/shm and /tmp";
    return report;
  }
  if (condition == "disk full") {
    const int failed = os::mount_small(scratch.path(), kSmallDiskBytes);
    if (failed != 0) {
      report.skipped = "a small disk cannot be mounted: " + os::error_text(failed);
      return report;
    }
  }
  Receiver receiver;
  const std::string file = scratch.path() + "/trial.log";
  if (!start(options_for(condition, receiver, file, shared.path()))) {
    report.skipped = last_error();
    return report;
  }
  // First use of the thread and of the site is not what is measured.
  (void)prepare_thread();
  const bool warm = say(0) == Admission::kOk;
  (void)flush();
  Hardship hardship(condition, receiver, scratch.path());
  report.skipped = hardship.begin();
  Timings timings;
  if (report.skipped.empty()) measure(calls, condition == "running", report, timings);
  hardship.end();
  if (!stop() && report.skipped.empty()) report.skipped = last_error();
  summarise(timings, report);
  // relaxed: stop() has joined whoever counted
  const u64 arrived = condition == "disk full" ? count_lines(file)
                                               : receiver.delivered.load(std::memory_order_relaxed);
  if (condition == "disk full") os::unmount_small(scratch.path());
  report.delivered = arrived - (warm && arrived > 0);
  report.counted_drops = stats().dropped();
  return report;
}

std::string to_json(const TrialReport& report) {
  nlohmann::ordered_json object = {{"condition", report.condition},
                                   {"skipped", report.skipped},
                                   {"attempted", report.attempted},
                                   {"admitted", report.admitted},
                                   {"dropped", report.dropped},
                                   {"delivered", report.delivered},
                                   {"counted_drops", report.counted_drops},
                                   {"p50_ns", report.p50_ns},
                                   {"p99.9_ns", report.p999_ns},
                                   {"max_ns", report.max_ns},
                                   {"waits", report.waits},
                                   {"preempted", report.preempted},
                                   {"page_faults", report.page_faults},
                                   {"passed", report.passed()}};
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool from_json(std::string_view line, TrialReport& report) {
  const auto object = nlohmann::json::parse(line, nullptr, false);
  if (!object.is_object()) return false;
  report.condition = object.value("condition", "");
  report.skipped = object.value("skipped", "");
  report.attempted = object.value("attempted", u64{0});
  report.admitted = object.value("admitted", u64{0});
  report.dropped = object.value("dropped", u64{0});
  report.delivered = object.value("delivered", u64{0});
  report.counted_drops = object.value("counted_drops", u64{0});
  report.p50_ns = object.value("p50_ns", 0.0);
  report.p999_ns = object.value("p99.9_ns", 0.0);
  report.max_ns = object.value("max_ns", 0.0);
  report.waits = object.value("waits", u64{0});
  report.preempted = object.value("preempted", u64{0});
  report.page_faults = object.value("page_faults", u64{0});
  return true;
}

}  // namespace sluice::cli
