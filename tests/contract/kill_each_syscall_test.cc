// sanitizers: none (traces the processes under test and kills them between system calls)
// emulator: no (each step is made by ptrace, which has no emulated program)
//
// T2: a session (start with recovery, log, rotate, flush, stop) and the recovery of what it left,
// killed before the Nth system call of all its threads, for every N; then recovered; every record
// is there once. Quick: every so many N.
#include <gtest/gtest.h>
#include <sys/ptrace.h>

#include <algorithm>
#include <thread>

#include "contract/support/oracle.h"
#include "contract/support/victim.h"

namespace sluice::testing {
namespace {

struct Place {
  TempDirectory region;
  TempDirectory files;
  SharedLedger ledger;

  [[nodiscard]] Options options(const std::string& text, const std::string& segments,
                                Mode mode) const {
    Options options;
    options.product = "traced";
    options.mode = mode;
    options.sinks = {text_file(text, {.pattern = "%(message)", .rotate_bytes = 2048}),
                     segment_files(segments)};
    options.region_directory = region.path();
    options.ring_bytes = 32 * 1024;
    options.journal_bytes = 1 << 20;
    options.quiet = true;
    return options;
  }

  [[nodiscard]] Found read_texts() const {
    std::vector<std::pair<std::uint64_t, std::string>> rotated;
    for (const std::string& name : files.names()) {
      if (!name.starts_with("out") || name == "out.log" || name.ends_with(".lock")) continue;
      std::uint64_t number = 0;
      for (const char c : name) {
        if (c >= '0' && c <= '9') number = number * 10 + std::uint64_t(c - '0');
      }
      rotated.emplace_back(number, files / name);
    }
    std::sort(rotated.begin(), rotated.end());
    Found found;
    for (const auto& [number, path] : rotated) found.add(read_text(path));
    found.add(read_text(files / "out.log"));
    return found;
  }
};

void session(const Place& place, std::uint32_t writer, Mode mode) {
  start(place.options(place.files / "out.log", place.files / "segments", mode));
  LedgerRow& row = place.ledger->row[writer];
  for (int i = 0; i < 20; ++i) write_record(row, writer);
  flush(Reach::durable);
  std::thread([&] {
    for (int i = 0; i < 20; ++i) write_record(place.ledger->row[writer + 1], writer + 1);
  }).join();
  stop();
}

// Runs `body` and kills it before system call `limit` of all its threads together. The number of
// calls it made; the child is gone afterwards.
template <class Body>
std::uint64_t run_traced(Body&& body, std::uint64_t limit) {
  const pid_t child = spawn([&] {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    body();
  });
  int status = 0;
  ::waitpid(child, &status, 0);
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr,
           PTRACE_O_TRACECLONE | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  ::ptrace(PTRACE_SYSCALL, child, nullptr, 0);
  std::uint64_t stops = 0;
  for (;;) {
    const pid_t stopped = ::waitpid(-1, &status, __WALL);
    if (stopped < 0) break;
    if (!WIFSTOPPED(status)) {
      if (stopped == child) break;
      continue;
    }
    int signal = WSTOPSIG(status);
    const bool at_call = signal == (SIGTRAP | 0x80);
    if (at_call && stops++ == limit) ::kill(child, SIGKILL);
    if (at_call || signal == SIGTRAP || signal == SIGSTOP) signal = 0;
    ::ptrace(PTRACE_SYSCALL, stopped, nullptr, signal);
  }
  while (::waitpid(-1, &status, __WALL | WNOHANG) > 0) {
  }
  return stops;
}

std::vector<std::string> judge_place(const Place& place) {
  const Recovery recovery = recover(place.region.path());
  std::vector<std::string> wrong;
  for (const auto& line : judge(*place.ledger, place.read_texts()))
    wrong.push_back("text: " + line);
  for (const auto& line : judge(*place.ledger, read_segments(place.files / "segments"))) {
    wrong.push_back("segments: " + line);
  }
  if (!recovery.complete) wrong.push_back(recovery.said);
  for (const std::string& name : place.region.names()) wrong.push_back("left behind: " + name);
  return wrong;
}

// `run(place, limit)` gives the number of calls; it is tried with every limit below that.
template <class Run>
void try_all(const char* name, std::uint64_t stride, std::int64_t seconds, Run&& run) {
  std::uint64_t tried = 0, violations = 0, calls = 0;
  const std::int64_t deadline = now_ns() + seconds * 1'000'000'000;
  // A quick run takes each stride's points from another offset.
  for (std::uint64_t limit = full_size() ? 0 : std::uint64_t(now_ns()) % stride;;
       limit += full_size() ? 1 : stride) {
    const Place place;
    calls = std::max(calls, run(place, limit));
    ++tried;
    const std::vector<std::string> wrong = judge_place(place);
    if (!wrong.empty() && ++violations < 4) {
      ADD_FAILURE() << name << ", killed at stop " << limit << ":\n" << join(wrong);
    }
    if (limit > calls || violations > 3) break;
    if (!full_size() && now_ns() > deadline) break;
  }
  std::printf("%s: %llu stops at system calls, %llu points, %llu violations\n", name,
              static_cast<unsigned long long>(calls), static_cast<unsigned long long>(tried),
              static_cast<unsigned long long>(violations));
  EXPECT_GT(tried, 10u);
}

TEST(KilledAtASystemCall, OfASession) {
  try_all("asynchronous", 1, 12, [](const Place& place, std::uint64_t limit) {
    return run_traced([&] { session(place, 0, Mode::asynchronous); }, limit);
  });
}
TEST(KilledAtASystemCall, OfASessionInTheCaller) {
  try_all("immediate", 1, 22, [](const Place& place, std::uint64_t limit) {
    return run_traced([&] { session(place, 0, Mode::immediate); }, limit);
  });
}
TEST(KilledAtASystemCall, OfARecoveryAndOfItsRecovery) {
  try_all("recovery", 1, 13, [](const Place& place, std::uint64_t limit) {
    wait_for(spawn([&] {
      const std::string text = place.files / "out.log", segments = place.files / "segments";
      Options options = place.options(text, segments, Mode::asynchronous);
      options.merge_window_us = 1'000'000'000;
      start(options);
      for (std::uint32_t writer = 0; writer < 2; ++writer) {
        std::thread([&] {
          for (int i = 0; i < 30; ++i) write_record(place.ledger->row[writer], writer);
        }).join();
      }
      ::kill(::getpid(), SIGKILL);
    }));
    const auto again = [&] { recover(place.region.path()); };
    const std::uint64_t calls = run_traced(again, limit);
    run_traced(again, limit / 2);
    return calls;
  });
}

}  // namespace
}  // namespace sluice::testing
