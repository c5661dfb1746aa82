// sanitizers: none (forks from many threads, from handlers, and at every instruction of a call)
// emulator: no (traps are those of x86-64, and children begin threads, see levels_fork_test)
//
// T19: fork storms, forks beside and inside calls, exec, threads that come and go or outlive main.
// Nothing hangs (every process under test has an alarm), nothing is repeated, nothing is inherited.
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <functional>
#include <thread>

#include "contract/support/oracle.h"
#include "contract/support/stepper.h"
#include "contract/support/victim.h"
#include "front/front.h"

extern char** environ;

namespace sluice::testing {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

struct HandlerState {
  Ledger* ledger = nullptr;
  const char* region = nullptr;
  std::uint32_t forks = 0;
  bool is_child = false;
};
HandlerState g_handler;

// A program of its own, forked off the test: started with a text sink, judged when it has ended.
class ForkTest : public ::testing::Test {
 protected:
  [[nodiscard]] Options options() const {
    Options options;
    options.product = "forker";
    options.sinks = {text_file(text_, {.pattern = "%(message)"})};
    options.region_directory = region_.path();
    options.quiet = true;
    options.recover = false;
    return options;
  }

  void run(const std::function<void()>& body, const std::string& end = "exit 0") {
    std::fflush(stdout);
    EXPECT_EQ(wait_for(spawn(body, 60)), end);
  }

  // Everything kept is in the file, once and in order, after a recovery of what was left.
  void expect_exact() {
    const Recovery recovery = recover(region_.path());
    EXPECT_TRUE(recovery.complete) << recovery.said;
    EXPECT_EQ(join(judge(*ledger_, read_text(text_))), "");
    EXPECT_EQ(join(region_.names()), "");
    EXPECT_EQ(inherited(), 0u) << "descriptors that a child kept";
  }

  [[nodiscard]] std::uint64_t kept() const {
    std::uint64_t count = 0;
    for (const LedgerRow& row : ledger_->row) count += row.kept.load(kRelaxed);
    return count;
  }

  void log(std::uint32_t writer, int count) {
    for (int i = 0; i < count; ++i) write_record(ledger_->row[writer], writer);
  }

  // In a child that has not logged yet.
  void look_for_inherited() {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
      if (target.find(region_.path()) != target.npos || target.find(files_.path()) != target.npos) {
        ledger_->word[0].fetch_add(1);
      }
    }
  }
  [[nodiscard]] std::uint32_t inherited() const { return ledger_->word[0].load(); }

  TempDirectory region_;
  TempDirectory files_;
  SharedLedger ledger_;
  const std::string text_ = files_ / "out.log";
};

TEST_F(ForkTest, StormBesideThreadsThatLog) {
  run([this] {
    start(options());
    std::atomic<bool> done{false};
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < 3; ++i) {
      threads.emplace_back([&, i] {
        while (!done.load(kRelaxed)) {
          log(i, 20);
          std::this_thread::yield();
        }
      });
    }
    std::vector<pid_t> children;
    for (std::uint32_t i = 0; i < 40; ++i) {
      children.push_back(spawn([&] {
        look_for_inherited();
        log(10 + i, 50);
        if (i % 2) stop();
      }));
    }
    for (const pid_t child : children) {
      if (wait_for(child) != "exit 0") ledger_->word[1].fetch_add(1);
    }
    done.store(true);
    for (std::thread& thread : threads) thread.join();
    log(0, 10);
    stop();
  });
  EXPECT_EQ(ledger_->word[1].load(), 0u) << "children that did not end by themselves";
  expect_exact();
  for (std::uint32_t i = 10; i < 50; ++i) EXPECT_EQ(ledger_->row[i].kept.load(), 50u);
}

TEST_F(ForkTest, ChildrenOfChildrenAndDaemons) {
  run([this] {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // to learn when the daemon has ended
    start(options());
    log(0, 10);
    const pid_t child = spawn([&] {
      log(1, 10);
      ::setsid();
      // The daemon's parent goes at once, without stop().
      const pid_t daemon = spawn([&] {
        look_for_inherited();
        log(2, 500);
        const pid_t last = spawn([&] { log(3, 10); });
        wait_for(last);
      });
      (void)daemon;
    });
    wait_for(child);
    log(0, 10);
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
    stop();
  });
  expect_exact();
  EXPECT_EQ(kept(), 540u);
}

TEST_F(ForkTest, ChildMayStartAnewOrSetLevelsFirst) {
  run([this] {
    start(options());
    log(0, 10);
    wait_for(spawn([&] {
      if (!start(options())) ledger_->word[1].fetch_add(1);
      log(1, 10);
      stop();
    }));
    wait_for(spawn([&] {
      set_level("", Level::info);
      log(2, 10);
      if (!flush(Reach::written, 60'000).complete) ledger_->word[1].fetch_add(1);
    }));
    stop();
    wait_for(spawn([&] {
      if (write_record(ledger_->row[3], 3) != Admission::kStopped) ledger_->word[1].fetch_add(1);
      if (!start(options())) ledger_->word[1].fetch_add(1);
      log(3, 10);
      stop();
    }));
  });
  EXPECT_EQ(ledger_->word[1].load(), 0u);
  expect_exact();
  EXPECT_EQ(kept(), 40u);
}

TEST_F(ForkTest, ImmediateModeInChildren) {
  run([this] {
    Options now = options();
    now.mode = Mode::immediate;
    start(now);
    log(0, 10);
    std::vector<std::thread> threads;
    for (std::uint32_t i = 1; i < 3; ++i) threads.emplace_back([&, i] { log(i, 300); });
    for (std::uint32_t i = 10; i < 30; ++i) {
      wait_for(spawn([&] { log(i, 10); }));
    }
    for (std::thread& thread : threads) thread.join();
  });
  expect_exact();
  EXPECT_EQ(kept(), 810u);
}

TEST_F(ForkTest, ExecLeavesARegionThatTheNextStartRecovers) {
  run([this] {
    start(options());
    for (std::uint32_t i = 0; i < 3; ++i) log(i, 1000);
    ::execl("/bin/true", "true", nullptr);
  });
  EXPECT_EQ(region_.names().size(), 1u);
  run([this] {
    Options again = options();
    again.recover = true;
    start(again);
    log(5, 10);
    stop();
  });
  EXPECT_EQ(join(judge(*ledger_, read_text(text_))), "");
  expect_exact();
}

TEST_F(ForkTest, ExitWithoutStop) {
  run([this] {
    start(options());
    log(0, 1000);
  });
  expect_exact();
}

TEST_F(ForkTest, ThreadsThatComeAndGo) {
  run([this] {
    start(options());
    for (int round = 0; round < 125; ++round) {
      std::vector<std::thread> threads;
      for (std::uint32_t i = 0; i < 8; ++i) threads.emplace_back([&, i] { log(i, 3); });
      for (std::thread& thread : threads) thread.join();
    }
    ledger_->word[1].store(std::uint32_t(stats().region_bytes >> 20));
    stop();
  });
  expect_exact();
  EXPECT_EQ(kept(), 3000u);
  EXPECT_LT(ledger_->word[1].load(), 200u) << "MiB: rings must go from thread to thread";
}

TEST_F(ForkTest, ThreadsThatOutliveMain) {
  run([this] {
    start(options());
    for (std::uint32_t i = 0; i < 4; ++i) {
      std::thread([&, i] {
        for (;;) write_record(ledger_->row[i], i);
      }).detach();
    }
    while (kept() < 2000) std::this_thread::yield();
    std::exit(0);
  });
  expect_exact();
}

TEST_F(ForkTest, AtExitHandlersAndStaticDestructors) {
  struct AtEnd {
    AtEnd(Ledger& ledger_in, std::uint32_t writer_in) : ledger(ledger_in), writer(writer_in) {}
    ~AtEnd() {
      ledger.word[writer].store(1 + std::uint32_t(write_record(ledger.row[writer], writer)));
    }
    Ledger& ledger;
    std::uint32_t writer;
  };
  run([this] {
    g_handler.ledger = &*ledger_;
    static AtEnd before(*ledger_, 3);
    start(options());
    static AtEnd after(*ledger_, 4);
    std::atexit([] { write_record(g_handler.ledger->row[5], 5); });
    log(0, 10);
    std::exit(0);
  });
  // Made before start(), it goes after the library's last word, and is told so.
  EXPECT_EQ(ledger_->word[3].load(), 1 + std::uint32_t(Admission::kStopped));
  EXPECT_EQ(ledger_->word[4].load(), 1 + std::uint32_t(Admission::kOk));
  expect_exact();
  EXPECT_EQ(kept(), 12u);
}

TEST_F(ForkTest, SpawnAndVforkBeside) {
  run([this] {
    start(options());
    std::atomic<bool> done{false};
    std::thread writer([&] {
      while (!done.load(kRelaxed)) log(0, 20);
    });
    for (int i = 0; i < 40; ++i) {
      pid_t child = 0;
      char name[] = "true";
      char* arguments[] = {name, nullptr};
      if (::posix_spawn(&child, "/bin/true", nullptr, nullptr, arguments, environ) != 0 ||
          wait_for(child) != "exit 0") {
        ledger_->word[1].fetch_add(1);
      }
      log(1, 5);
    }
    done.store(true);
    writer.join();
    stop();
  });
  EXPECT_EQ(ledger_->word[1].load(), 0u);
  expect_exact();
}

// ---- handlers ----

thread_local std::uint32_t t_handler_writer = 0;

void log_in_handler(int) {
  const int saved = errno;
  const std::uint32_t writer = t_handler_writer;
  if (writer) write_record(g_handler.ledger->row[writer], writer);
  errno = saved;
}

void handle(int signal, void (*handler)(int), int flags = 0) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART | flags;
  ::sigaction(signal, &action, nullptr);
}

TEST_F(ForkTest, HandlersThatLogInAStorm) {
  run([this] {
    start(options());
    g_handler.ledger = &*ledger_;
    handle(SIGUSR1, log_in_handler);
    std::atomic<std::uint32_t> running{0};
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < 2; ++i) {
      threads.emplace_back([&, i] {
        t_handler_writer = 10 + i;
        running.fetch_add(1);
        // Until enough handlers ran on this thread.
        while (ledger_->row[10 + i].begun.load(kRelaxed) < 500) write_record(ledger_->row[i], i);
        t_handler_writer = 0;
        running.fetch_sub(1);
        while (running.load() != 100) ::usleep(100);
      });
    }
    while (running.load() < 2) std::this_thread::yield();
    while (running.load() > 0) {
      for (std::thread& thread : threads) ::pthread_kill(thread.native_handle(), SIGUSR1);
      ::usleep(20);
    }
    running.store(100);
    for (std::thread& thread : threads) thread.join();
    const Stats counted = stats();
    ledger_->word[1].store(counted.attempted ==
                           counted.filtered + counted.merged + counted.queued + counted.dropped());
    stop();
  });
  EXPECT_EQ(ledger_->word[1].load(), 1u);
  expect_exact();
  std::printf("storm: %llu calls in handlers\n",
              static_cast<unsigned long long>(ledger_->row[10].begun.load() +
                                              ledger_->row[11].begun.load()));
}

// A call of one number: the interrupted one of the tests below.
void numbered_call(LedgerRow& row, std::uint32_t writer) { write_record(row, writer); }

// Calls `at` with a signal delivered after its first, second, ... instruction.
template <class Between>
std::uint64_t at_every_instruction(pid_t child, std::uint64_t stride, Between&& between) {
  Stepper stepper(child);
  std::uint64_t tried = 0;
  for (std::uint64_t step = 0;; step += stride) {
    if (!stepper.run_to_mark()) break;
    if (!stepper.step(step)) {
      stepper.finish();
      break;
    }
    stepper.go_on_with(SIGUSR1);
    if (!stepper.run_to_mark()) break;
    ++tried;
    between();
  }
  return tried;
}

TEST_F(ForkTest, HandlerThatLogsAtEveryInstructionOfACall) {
  for (const bool first_call : {false, true}) {
    SCOPED_TRACE(first_call ? "a thread's first call" : "the fast path");
    ledger_.clear();
    std::filesystem::remove(text_);
    const pid_t child = spawn([&] {
      start(options());
      g_handler.ledger = &*ledger_;
      handle(SIGUSR1, log_in_handler);
      write_record(ledger_->row[2], 2);
      Stepper::be_traced();
      t_handler_writer = 1;
      for (;;) {
        Stepper::mark();
        if (first_call && front::g_front.region.exists()) front::detach_thread(detail::t_block);
        numbered_call(ledger_->row[0], 0);
        Stepper::mark();
      }
    });
    const std::uint64_t tried = at_every_instruction(child, first_call ? points(5, 1) : 1, [] {});
    wait_for(child);
    std::printf("%llu instructions\n", static_cast<unsigned long long>(tried));
    EXPECT_GT(tried, 50u);
    EXPECT_EQ(ledger_->row[1].begun.load(), ledger_->row[1].kept.load());
    expect_exact();
  }
}

// The negative control: a call that looks at its position, and then says that it is under way.
void careless_call(LedgerRow& row, std::uint32_t writer) {
  BookedCall booked(row);
  char text[kPayloadMax];
  detail::RingProducer<detail::RealSync>& ring = detail::t_block.ring;
  const std::uint64_t position = ring.load();
  std::atomic_signal_fence(std::memory_order_seq_cst);
  ring.enter(position);
  ring.leave(position);
  (void)info("@ {w} {n} {p};", std::uint64_t{writer}, booked.number(),
             payload_of(writer, booked.number(), text));
  booked.end(Admission::kOk);
}

TEST_F(ForkTest, ACarelessCallIsCaughtByTheHandlerTest) {
  const pid_t child = spawn([&] {
    Options slow = options();
    slow.merge_window_us = 1'000'000;  // nothing is taken out of the ring meanwhile
    start(slow);
    g_handler.ledger = &*ledger_;
    handle(SIGUSR1, log_in_handler);
    write_record(ledger_->row[2], 2);
    std::thread([] {
      (void)prepare_thread();
      ::pause();
    }).detach();
    Stepper::be_traced();
    t_handler_writer = 1;
    for (;;) {
      Stepper::mark();
      careless_call(ledger_->row[0], 0);
      Stepper::mark();
    }
  });
  at_every_instruction(child, 1, [] {});
  wait_for(child);
  recover(region_.path());
  EXPECT_NE(join(judge(*ledger_, read_text(text_))), "");
}

// A child that comes to the mark behind the call instead of its end.
void end_of_child(int) {
  write_record(g_handler.ledger->row[1], 1);
  ::_exit(0);
}

void fork_in_handler(int) {
  const int saved = errno;
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    g_handler.is_child = true;
    handle(SIGTRAP, end_of_child);
    if (g_handler.forks % 2) {
      write_record(g_handler.ledger->row[1], 1);
      ::_exit(0);
    }
    return;
  }
  ++g_handler.forks;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
  }
  if (status != 0) {
    g_handler.ledger->word[1].fetch_add(1);
    g_handler.ledger->word[2].store(std::uint32_t(status));
  }
  errno = saved;
}

// Every second child logs in the handler; the others return into the call, which is theirs too.
TEST_F(ForkTest, HandlerThatForksAtEveryInstructionOfACall) {
  const pid_t child = spawn([&] {
    start(options());
    g_handler.ledger = &*ledger_;
    handle(SIGUSR1, fork_in_handler);
    LedgerRow mine{};  // not shared: children book their half of the call here
    write_record(mine, 0);
    Stepper::be_traced();
    for (;;) {
      Stepper::mark();
      numbered_call(mine, 0);
      if (g_handler.is_child) {
        write_record(ledger_->row[1], 1);
        ::_exit(0);
      }
      ledger_->row[0].kept.store(mine.kept.load());
      ledger_->row[0].begun.store(mine.begun.load());
      Stepper::mark();
    }
  });
  std::uint64_t recovered = 0;
  const std::uint64_t tried = at_every_instruction(child, 1, [&] {
    if (++recovered % 16 == 0) recover(region_.path());
  });
  wait_for(child);
  std::printf("%llu instructions\n", static_cast<unsigned long long>(tried));
  EXPECT_GT(tried, 50u);
  EXPECT_EQ(ledger_->word[1].load(), 0u)
      << "children that hung or died; last status " << ledger_->word[2].load();
  recover(region_.path());
  Found found = read_text(text_);
  // A call that was forked in two may have been finished by both. The children are processes of
  // their own, recovered in any order.
  std::vector<std::uint64_t>& calls = found.numbers[0];
  std::sort(calls.begin(), calls.end());
  calls.erase(std::unique(calls.begin(), calls.end()), calls.end());
  std::sort(found.numbers[1].begin(), found.numbers[1].end());
  EXPECT_EQ(join(judge(*ledger_, found)), "");
  EXPECT_EQ(ledger_->row[1].kept.load(), tried);
}

}  // namespace
}  // namespace sluice::testing
