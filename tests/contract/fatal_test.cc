// sanitizers: none (they have handlers of their own for what these programs do wrong)
//
// What a program that crashes says last, wherever it does.
#include <signal.h>
#include <sluice/fatal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "contract/outputs.h"
#include "contract/support/victim.h"
#include "sluice/sluice.h"

namespace sluice::testing {

// Found in the stack by its name.
__attribute__((noinline)) void crash_here(volatile int* at) {
  *at = 1;
  std::fputs("", stderr);  // no tail of anybody
}
__attribute__((noinline)) int overflow(int depth) {  // NOLINT(misc-no-recursion): it is the point
  volatile char room[4096];
  room[depth % 4096] = 1;
  return depth < 0 ? 0 : overflow(depth + 1) + room[0];
}

namespace {

using nlohmann::json;

volatile int* const kNowhere = reinterpret_cast<volatile int*>(0x10);

Options options_on(const std::string& region, const std::string& file) {
  return {
      .product = "crashes", .sinks = {json_file(file)}, .region_directory = region, .quiet = true};
}

struct Ended {
  std::string how;  // as wait_for() says it
  std::vector<json> records;

  [[nodiscard]] std::vector<json> events(const std::string& name) const {
    std::vector<json> found;
    for (const json& record : records) {
      if (record.value("event", "") == name) found.push_back(record);
    }
    return found;
  }
  [[nodiscard]] std::string signal() const {
    const auto all = events("fatal.signal");
    if (all.size() != 1) return std::to_string(all.size()) + " events";
    EXPECT_EQ(all[0]["level"], "critical");
    return all[0]["fields"].value("signal", "") + " " + all[0]["fields"].value("code", "");
  }
};

// A program that does it, and what the next one finds of it.
template <class Crash>
Ended run(Crash&& crash) {
  const TempDirectory region, files;
  const std::string file = files / "a.jsonl";
  const pid_t child = spawn([&] {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    if (!start(options_on(region.path(), file))) ::_exit(1);
    info("before");
    crash(options_on(region.path(), file));
    ::_exit(0);
  });
  Ended ended{wait_for(child), {}};
  (void)recover(region.path(), {});
  if (std::filesystem::exists(file)) ended.records = test::read_json(file);
  EXPECT_GE(ended.records.size(), 1u) << "what was said before";
  return ended;
}

// The functions on a stack, by addr2line.
std::string functions_of(const json& stack) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe");
  std::string command = "addr2line -f -e '" + program + "'", functions;
  std::istringstream lines(stack["fields"]["stack"].get<std::string>());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("program+")) command += " " + line.substr(8);
  }
  std::FILE* const out = ::popen(command.c_str(), "r");
  char line[512];
  while (std::fgets(line, sizeof line, out) != nullptr) functions += line;
  EXPECT_EQ(::pclose(out), 0);
  return functions;
}

TEST(Fatal, AFaultSaysWhereItWas) {
  const Ended ended = run([](const Options&) {
    EXPECT_TRUE(catch_fatal_signals());
    EXPECT_TRUE(catch_fatal_signals()) << "again: nothing";
    crash_here(kNowhere);
  });
  EXPECT_EQ(ended.how, "signal 11");
  EXPECT_EQ(ended.signal(), "SIGSEGV SEGV_MAPERR");
  EXPECT_EQ(ended.events("fatal.signal")[0]["fields"]["address"], "0x10");
  const auto stacks = ended.events("fatal.stack");
  ASSERT_EQ(stacks.size(), 1u);
  EXPECT_GT(stacks[0]["fields"]["frames"], 3);
  EXPECT_NE(functions_of(stacks[0]).find("crash_here"), std::string::npos)
      << stacks[0] << functions_of(stacks[0]);
}

TEST(Fatal, ControlWithoutItNothingIsSaid) {
  const Ended ended = run([](const Options&) { crash_here(kNowhere); });
  EXPECT_EQ(ended.how, "signal 11");
  EXPECT_EQ(ended.signal(), "0 events");
}

TEST(Fatal, AbortWithinTheHeap) {
  const Ended ended = run([](const Options&) {
    (void)catch_fatal_signals();
    // Behind the compiler's back: none that malloc() gave.
    char* volatile const inner = static_cast<char*>(std::malloc(100)) + 16;
    std::free(inner);
  });
  EXPECT_EQ(ended.how, "signal 6");
  EXPECT_EQ(ended.signal(), "SIGABRT SI_TKILL");
  EXPECT_EQ(ended.events("fatal.stack").size(), 1u);
}

TEST(Fatal, AStackThatOverflows) {
  for (const bool logs : {true, false}) {
    const Ended ended = run([logs](const Options&) {
      (void)catch_fatal_signals();
      std::thread([logs] {
        if (logs) info("a thread");
        if (!logs) prepare_thread_for_fatal_signals();
        std::printf("%d\n", overflow(1));
      }).join();
    });
    EXPECT_EQ(ended.how, "signal 11");
    EXPECT_EQ(ended.signal().substr(0, 7), "SIGSEGV") << logs;
    const auto stacks = ended.events("fatal.stack");
    ASSERT_EQ(stacks.size(), 1u) << logs;
    EXPECT_NE(functions_of(stacks[0]).find("overflow"), std::string::npos) << stacks[0];
  }
}

TEST(Fatal, WithinASink) {
  const Ended ended = run([](Options options) {
    (void)catch_fatal_signals();
    (void)stop(60'000);
    options.sinks.push_back(
        callback([](const CallbackRecord&, void*) { crash_here(kNowhere); }, nullptr, {}));
    if (!start(options)) ::_exit(2);
    info("for the sink");
    (void)flush(Reach::written, 60'000);
  });
  EXPECT_EQ(ended.how, "signal 11");
  EXPECT_EQ(ended.signal(), "SIGSEGV SEGV_MAPERR");
}

// A handler of the program's that faults, in the middle of calls.
TEST(Fatal, WithinAHandlerThatInterruptedACall) {
  const Ended ended = run([](const Options&) {
    (void)catch_fatal_signals();
    struct sigaction action {};
    action.sa_handler = [](int) { crash_here(kNowhere); };
    ::sigaction(SIGUSR1, &action, nullptr);
    const pthread_t self = ::pthread_self();
    std::thread sender([self] { ::pthread_kill(self, SIGUSR1); });
    for (int i = 0;; ++i) info("number {i}", i);
  });
  EXPECT_EQ(ended.how, "signal 11");
  EXPECT_EQ(ended.signal(), "SIGSEGV SEGV_MAPERR");
}

TEST(Fatal, OneThatWasSent) {
  const Ended ended = run([](const Options&) {
    (void)catch_fatal_signals();
    ::kill(::getpid(), SIGBUS);
    for (;;) ::pause();
  });
  EXPECT_EQ(ended.how, "signal 7");
  EXPECT_EQ(ended.signal(), "SIGBUS SI_USER");
  EXPECT_GT(ended.events("fatal.signal")[0]["fields"]["sender"], 1);
}

// Whoever was there before is called, and may end the program as he likes.
TEST(Fatal, HandlersOfBeforeAreCalled) {
  const Ended ended = run([](const Options&) {
    struct sigaction action {};
    action.sa_handler = [](int) { ::_exit(42); };
    ::sigaction(SIGSEGV, &action, nullptr);
    (void)catch_fatal_signals();
    crash_here(kNowhere);
  });
  EXPECT_EQ(ended.how, "exit 42");
  EXPECT_EQ(ended.signal(), "SIGSEGV SEGV_MAPERR");
}

// Many threads at once: each says what it has done, and the program ends.
TEST(Fatal, ManyThreadsAtOnce) {
  const Ended ended = run([](const Options&) {
    (void)catch_fatal_signals();
    std::atomic<int> there{0};
    for (int i = 0; i < 16; ++i) {
      std::thread([&there] {
        info("a thread");
        there.fetch_add(1);
        while (there.load() < 16) std::this_thread::yield();
        crash_here(kNowhere);
      }).detach();
    }
    for (;;) ::pause();
  });
  EXPECT_EQ(ended.how, "signal 11");
  EXPECT_GE(ended.events("fatal.signal").size(), 1u);
}

}  // namespace
}  // namespace sluice::testing
