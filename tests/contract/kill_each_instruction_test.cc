// sanitizers: none (steps the processes under test one instruction at a time and kills them)
// emulator: no (each step is made by ptrace, which has no emulated program)
//
// T2b: exactly once is a matter of single stores. A process drains three records in the caller
// (immediate mode), stops, or recovers a dead region, and is killed after instruction N; after
// recovery every record is there once. Quick: 520 points spread over N; full: every N, of a
// recovery every few, at most 50,000. A step costs microseconds, so a quick run drains one record.
//
// The child steps itself: with the trap flag set, SIGTRAP comes after each instruction, and its
// handler counts and kills. System calls count as one.
#include <gtest/gtest.h>

#include <thread>

#include "contract/support/oracle.h"
#include "contract/support/victim.h"
#include "front/front.h"

namespace sluice::testing {
namespace {

std::uint64_t g_left = 0;    // instructions until the kill
Ledger* g_ledger = nullptr;  // word[0]: passed through; word[1]: instructions of a whole run

// A repeated store or copy of bytes would be a step for each byte: done here, as the one
// instruction that it is.
void finish_repeated(greg_t* registers) {
  unsigned char code[2];
  std::memcpy(code, reinterpret_cast<const void*>(registers[REG_RIP]), sizeof code);
  const auto count = std::size_t(registers[REG_RCX]);
  if (code[0] != 0xf3 || (code[1] != 0xaa && code[1] != 0xa4)) return;
  auto* const to = reinterpret_cast<char*>(registers[REG_RDI]);
  if (code[1] == 0xaa) {
    std::memset(to, int(registers[REG_RAX] & 0xff), count);
  } else {
    std::memmove(to, reinterpret_cast<const char*>(registers[REG_RSI]), count);
    registers[REG_RSI] += greg_t(count);
  }
  registers[REG_RDI] += greg_t(count);
  registers[REG_RCX] = 0;
  registers[REG_RIP] += 2;
}

void count_instruction(int, siginfo_t*, void* context) {
  if (g_left-- == 0) ::kill(::getpid(), SIGKILL);
  if (g_ledger->word[0].load(std::memory_order_relaxed) == 1) {
    // Over: takes the flag out of what goes on.
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~greg_t{0x100};
    return;
  }
  g_ledger->word[1].fetch_add(1, std::memory_order_relaxed);
  finish_repeated(static_cast<ucontext_t*>(context)->uc_mcontext.gregs);
}

// Runs `body` one instruction at a time; kills the process after `limit` of them.
template <class Body>
void step_through(Ledger& ledger, std::uint64_t limit, Body&& body) {
  g_ledger = &ledger;
  g_left = limit;
  ledger.word[0].store(0);
  ledger.word[1].store(0);
  struct sigaction action {};
  action.sa_sigaction = count_instruction;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGTRAP, &action, nullptr);
  // Below the red zone, which a push would overwrite.
  asm volatile(
      "leaq -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; leaq 128(%%rsp), %%rsp" ::
          : "cc", "memory");
  body();
  ledger.word[0].store(1);
}

struct Place {
  TempDirectory region;
  TempDirectory files;
  SharedLedger ledger;
  const std::string text = files / "out.log";

  [[nodiscard]] Options options(Mode mode) const {
    Options options;
    options.product = "stepped";
    options.mode = mode;
    options.sinks = {text_file(text, {.pattern = "%(message)"})};
    options.region_directory = region.path();
    options.ring_bytes = 32 * 1024;
    options.journal_bytes = 1 << 20;
    options.sites_max = 64;
    options.sync_interval_ms = 0;
    options.quiet = true;
    options.recover = false;
    return options;
  }
  void write(int count) const {
    for (int i = 0; i < count; ++i) write_record(ledger->row[0], 0);
  }
};

// A live process in whose rings the records stay: the merge waits for older ones of others.
void start_and_hold_back(const Place& place) {
  Options options = place.options(Mode::asynchronous);
  options.merge_window_us = 1'000'000'000;
  start(options);
  place.write(1);
  flush();
  static std::atomic<bool> ready;
  std::thread([] {
    (void)prepare_thread();
    ready.store(true);
    for (;;) ::pause();
  }).detach();
  while (!ready.load()) std::this_thread::yield();
  place.write(3);
}

void drain_in_the_caller(const Place& place, std::uint64_t limit) {
  start(place.options(Mode::immediate));
  place.write(full_size() ? 1 : 3);
  step_through(*place.ledger, limit, [&] { place.write(full_size() ? 3 : 1); });
}

void stop_stepped(const Place& place, std::uint64_t limit) {
  start(place.options(Mode::immediate));
  place.write(2);
  step_through(*place.ledger, limit, [] { stop(); });
}

void recover_stepped(const Place& place, std::uint64_t limit) {
  const pid_t dead = spawn([&] {
    start_and_hold_back(place);
    ::kill(::getpid(), SIGKILL);
  });
  wait_for(dead);
  step_through(*place.ledger, limit, [&] { recover(place.region.path()); });
}

// The negative control: a consumer that gives records back to their writer before it has committed
// them.
void careless_consumer(const Place& place, std::uint64_t limit) {
  start_and_hold_back(place);
  step_through(*place.ledger, limit, [] {
    const region::Region& region = front::g_front.region;
    region::RingLines& lines = *region.lines_of(region.slots()[detail::t_block.slot]);
    lines.tail.store(lines.head.load(std::memory_order_relaxed), std::memory_order_release);
    flush();
  });
}

using Victim = void (*)(const Place&, std::uint64_t);

// Empty: all is well.
std::string try_point(Victim victim, std::uint64_t limit, std::uint64_t second_limit,
                      std::uint64_t* instructions = nullptr) {
  const Place place;
  std::string end = wait_for(spawn([&] { victim(place, limit); }, 300));
  if (end != "exit 0" && end != "signal 9") return "ended by " + end;
  if (instructions) *instructions = place.ledger->word[1].load();
  if (second_limit) {
    end = wait_for(spawn(
        [&] { step_through(*place.ledger, second_limit, [&] { recover(place.region.path()); }); }));
    if (end != "exit 0" && end != "signal 9") return "recovery ended by " + end;
  }
  const Recovery recovery = recover(place.region.path());
  std::vector<std::string> wrong = judge(*place.ledger, read_text(place.text));
  if (!recovery.complete) wrong.push_back(recovery.said);
  for (const std::string& name : place.region.names()) wrong.push_back("left behind: " + name);
  return join(wrong);
}

constexpr std::uint64_t kFullPointsMax = 50'000;

struct Result {
  std::uint64_t points = 0, violations = 0, instructions = 0;
  std::string first;
};

// `about`: roughly how many instructions there are, for those too many to step through in a quick
// run; 0: count them.
Result try_points(Victim victim, std::uint64_t wanted, bool kill_recovery, std::uint64_t about) {
  Result result;
  result.instructions = about;
  if (about == 0 || full_size()) {
    const std::string whole = try_point(victim, ~std::uint64_t{0}, 0, &result.instructions);
    EXPECT_EQ(whole, "") << "not killed at all";
  }
  Random random{std::uint64_t(now_ns())};
  // A recovery has some hundred thousand, which all together would take days.
  const std::uint64_t stride = 1 + result.instructions / kFullPointsMax;
  const std::uint64_t most = full_size() ? result.instructions / stride : wanted;
  for (std::uint64_t i = 0; i < most; ++i) {
    const std::uint64_t limit =
        full_size() ? i * stride : (i * 0x9e3779b97f4a7c15u >> 20) % (result.instructions + 1);
    const std::uint64_t second = kill_recovery ? 1 + random.next(30'000) : 0;
    const std::string wrong = try_point(victim, limit, second);
    ++result.points;
    if (wrong.empty()) continue;
    ++result.violations;
    if (result.first.empty()) {
      result.first = "after instruction " + std::to_string(limit) + ", recovery after " +
                     std::to_string(second) + ":\n" + wrong;
    }
  }
  return result;
}

void expect_exact(const char* name, Victim victim, std::uint64_t wanted, bool kill_recovery,
                  std::uint64_t about = 0) {
  const Result result = try_points(victim, wanted, kill_recovery, about);
  std::printf("%s: %llu instructions, %llu points, %llu violations\n", name,
              static_cast<unsigned long long>(result.instructions),
              static_cast<unsigned long long>(result.points),
              static_cast<unsigned long long>(result.violations));
  EXPECT_EQ(result.violations, 0u) << result.first;
  EXPECT_GE(result.points, wanted);
  EXPECT_GT(result.instructions, 1000u);
}

TEST(KilledAtAnInstruction, OfADrainInTheCaller) {
  expect_exact("drain, commit, write", drain_in_the_caller, 200, false);
}
TEST(KilledAtAnInstruction, OfStop) { expect_exact("stop", stop_stepped, 200, false); }
TEST(KilledAtAnInstruction, OfARecovery) {
  expect_exact("recovery", recover_stepped, 20, false, 400'000);
}
TEST(KilledAtAnInstruction, OfADrainAndThenOfItsRecovery) {
  expect_exact("drain, then its recovery", drain_in_the_caller, 100, true);
}

TEST(KilledAtAnInstruction, ACarelessConsumerIsCaught) {
  std::uint64_t caught = 0;
  for (std::uint64_t limit = 0; limit < 200; limit += 10) {
    caught += !try_point(careless_consumer, limit, 0).empty();
  }
  EXPECT_GT(caught, 0u);
}

}  // namespace
}  // namespace sluice::testing
