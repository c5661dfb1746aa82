// "Never blocks": after the first call of a thread and of a call site, a call makes no system call,
// faults no page and allocates nothing, whatever the rest does: no backend yet, a sink that hangs
// for good, a consumer that is frozen, a ring that is full.
//
// sanitizers: none (their run-time makes system calls and allocations of its own)
//
// The thread under test installs a seccomp filter on itself: every system call from then on raises
// SIGSYS, whose handler counts it and lets it through as failed. Each way of catching is tried on a
// call that does it, or a test that sees nothing would prove nothing.
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sluice/sluice.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>
#include <thread>

#include "contract/conservation.h"
#include "contract/isolated.h"
#include "contract/outputs.h"

namespace {

// Allocations of the thread that counts; others go on as they like.
thread_local bool t_counting = false;
thread_local std::uint64_t t_allocations = 0;

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void __libc_free(void* memory);

// Every allocation of the program, operator new included, ends here.
void* malloc(std::size_t size) {
  t_allocations += t_counting;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  t_allocations += t_counting;
  return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
  t_allocations += t_counting;
  return __libc_realloc(old, size);
}
void free(void* memory) { __libc_free(memory); }
}

namespace sluice::test {
namespace {

std::atomic<std::uint64_t> g_system_calls{0};

void count_system_call(int, siginfo_t*, void*) { g_system_calls.fetch_add(1); }

// From here on every system call of this thread raises SIGSYS, but those that end it.
void forbid_system_calls() {
  struct sigaction action {};
  action.sa_sigaction = count_system_call;
  action.sa_flags = SA_SIGINFO;
  ASSERT_EQ(::sigaction(SIGSYS, &action, nullptr), 0);
  const sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      // The way back from the handler, and the end of the thread.
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(code), const_cast<sock_filter*>(code)};
  ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

struct Cost {
  std::uint64_t system_calls = 0;
  std::uint64_t allocations = 0;
  long page_faults = 0;
};

long faults_of_this_thread() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

// What `body` costs a thread of its own. Two runs: page faults are counted in the first, which may
// ask the kernel for the count; system calls in the second.
template <class First, class Body>
Cost cost_of(const First& first, const Body& body) {
  Cost cost;
  std::thread([&] {
    first();
    const long before = faults_of_this_thread();
    t_counting = true;
    body();
    t_counting = false;
    cost.page_faults = faults_of_this_thread() - before;
    cost.allocations = t_allocations;
    forbid_system_calls();
    const std::uint64_t calls_before = g_system_calls.load();
    body();
    cost.system_calls = g_system_calls.load() - calls_before;
    ::syscall(SYS_exit, 0);  // the library's own way out of a thread takes forbidden calls
  }).join();
  return cost;
}

std::uint64_t rounds() { return std::getenv("SLUICE_TEST_FULL") ? 10'000'000 / 5 : 1'000'000 / 5; }

Logger g_net{"net.never"};

// Five calls a round, of every shape: constant and run-time loggers, texts, named fields, events,
// metrics, state; kept, dropped and filtered.
void five_calls(std::uint64_t i, std::string_view text) {
  SLUICE_INFO("plain {} {}", i, 2.5);
  SLUICE_WARNING("named {id} {text}", i, text, kv("more", true));
  SLUICE_LOGGER_INFO(g_net, "by logger {}", i);
  switch (i % 4) {
    case 0:
      SLUICE_EVENT("event", kv("i", i));
      break;
    case 1:
      SLUICE_GAUGE("gauge", double(i));
      break;
    case 2:
      SLUICE_STATE(kv("i", i));
      break;
    default:
      SLUICE_DEBUG("filtered {}", i);
      break;
  }
  (void)info("function {}", i);
}

// The first call of the thread and of each site, and once around the ring: its pages are there from
// the start, the thread's own stack is not.
void first_calls() {
  for (std::uint64_t i = 0; i < 100; ++i) five_calls(i, "text");
}

void many_calls() {
  const std::string_view text = "a text of forty bytes, no more, no less.";
  for (std::uint64_t i = 0; i < rounds(); ++i) five_calls(i, text);
}

// Of a test's process, told to the one that judges.
std::atomic<long>& told_faults() {
  static auto* const told = new (::mmap(nullptr, sizeof(std::atomic<long>), PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0)) std::atomic<long>;
  return *told;
}

void expect_no_cost() {
  const Cost cost = cost_of(first_calls, many_calls);
  EXPECT_EQ(cost.system_calls, 0u);
  EXPECT_EQ(cost.allocations, 0u);
  told_faults() = cost.page_faults;
}

// One fault in a million calls was seen on a busy machine: the kernel may take a page away for a
// moment, to move it. A page that calls touch first they touch first in every process: so one of
// three has to be without.
void run_without_faults(IsolatedBody body) {
  for (int tries = 0; tries < 3 && !::testing::Test::HasFailure(); ++tries) {
    told_faults() = 0;
    run_isolated(body);
    if (told_faults() == 0) return;
  }
  EXPECT_EQ(told_faults(), 0) << "page faults, in each of three processes";
}

#define NEVER_BLOCKS_TEST(name)                         \
  static void name(const Dirs& dirs);                   \
  TEST(NeverBlocks, name) { run_without_faults(name); } \
  static void name([[maybe_unused]] const Dirs& dirs)

TEST(NeverBlocks, WhatDoesIsCaught) {
  const auto nothing = [] {};
  EXPECT_EQ(exit_code_of([&] {
              const Cost cost = cost_of(nothing, [] {
                (void)::syscall(SYS_getppid);
                void* volatile seen = std::malloc(100);  // or the compiler leaves both out
                std::free(seen);
                int* volatile also_seen = new int(5);
                delete also_seen;
              });
              EXPECT_EQ(cost.system_calls, 1u);
              EXPECT_EQ(cost.allocations, 2u);
              static char untouched[64 * 4096];
              const Cost faults = cost_of(nothing, [] {
                for (std::size_t i = 0; i < sizeof untouched; i += 4096) {
                  *static_cast<volatile char*>(untouched + i) = 1;
                }
              });
              EXPECT_GE(faults.page_faults, 60);
              EXPECT_EQ(faults.system_calls, 0u);
            }),
            0);
}

Options options_for(const Dirs& dirs) {
  return {.product = "never", .region_directory = dirs.region, .recover = false, .quiet = true};
}

NEVER_BLOCKS_TEST(WhileTheBackendWorks) {
  Options options = options_for(dirs);
  const std::string log = dirs.file("a.log");
  options.sinks = {text_file(log, {.level = Level::critical})};
  ASSERT_TRUE(start(options));
  expect_no_cost();
}

// Before start() nobody drains: the ring fills and everything is dropped.
NEVER_BLOCKS_TEST(WithoutABackend) {
  expect_no_cost();
  const Stats told = stats();
  EXPECT_GT(told.dropped_ring_full, rounds());
  Kept kept;
  Options options = options_for(dirs);
  options.sinks = {kept.sink()};
  ASSERT_TRUE(start(options));
}

NEVER_BLOCKS_TEST(WhileARequiredSinkHangsForGood) {
  static Gate gate;
  Options options = options_for(dirs);
  options.journal_bytes = 1 << 20;
  const std::string log = dirs.file("a.log");
  options.sinks = {gate.sink({.need = Sink::Need::required}),
                   text_file(log, {.level = Level::critical})};
  ASSERT_TRUE(start(options));
  expect_no_cost();
  EXPECT_GT(gate.entered(), 0u);
  EXPECT_GT(stats().dropped_ring_full, rounds());
  gate.open();
}

// The disk stands still: output to a pipe that nobody empties blocks in the kernel.
NEVER_BLOCKS_TEST(WhileTheDiskHangs) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const int old_stdout = ::dup(STDOUT_FILENO);
  ASSERT_EQ(::dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
  Options options = options_for(dirs);
  options.journal_bytes = 1 << 20;
  options.sinks = {
      console({.color = Color::never, .stderr_level = Level::off, .need = Sink::Need::required})};
  const bool started = start(options);
  EXPECT_TRUE(started);
  expect_no_cost();
  EXPECT_GT(stats().dropped_ring_full, rounds());
  EXPECT_FALSE(stop(100));
  ::dup2(old_stdout, STDOUT_FILENO);
}

pid_t thread_named(std::string_view wanted) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream in(task.path() / "comm");
    std::string name;
    std::getline(in, name);
    if (name == wanted) return std::stoi(task.path().filename());
  }
  return 0;
}

// The consumer stopped by a debugger, in the middle of whatever it was doing.
NEVER_BLOCKS_TEST(WhileTheConsumerIsFrozen) {
  Options options = options_for(dirs);
  const std::string log = dirs.file("a.log");
  options.sinks = {text_file(log, {.level = Level::critical})};
  ASSERT_TRUE(start(options));
  ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  pid_t consumer = 0;
  while (consumer == 0) consumer = thread_named("sluice-backend");
  int frozen[2], finish[2];
  ASSERT_EQ(::pipe(frozen), 0);
  ASSERT_EQ(::pipe(finish), 0);
  const pid_t debugger = ::fork();
  if (debugger == 0) {
    char answer = 'n';
    if (::ptrace(PTRACE_SEIZE, consumer, 0, 0) == 0 &&
        ::ptrace(PTRACE_INTERRUPT, consumer, 0, 0) == 0) {
      int status;
      ::waitpid(consumer, &status, __WALL);
      answer = 'y';
    }
    (void)!::write(frozen[1], &answer, 1);
    (void)!::read(finish[0], &answer, 1);
    ::_exit(0);  // which lets the consumer go
  }
  char answer = 0;
  ASSERT_EQ(::read(frozen[0], &answer, 1), 1);
  if (answer == 'y') {
    expect_no_cost();
  } else {
    std::puts("skipped: this machine does not allow ptrace");
  }
  ASSERT_EQ(::write(finish[1], "x", 1), 1);
  int status;
  ::waitpid(debugger, &status, 0);
  if (answer == 'y') {
    EXPECT_GT(stats().dropped_ring_full, rounds());
  }
}

}  // namespace
}  // namespace sluice::test
