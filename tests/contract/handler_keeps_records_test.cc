// Signal handlers that log at any instruction of a call: what a call has accepted is merged, each
// record once, neither taken back by the call that the handler interrupted nor written over.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "sluice/log.h"
#include "sluice/sluice.h"

namespace {

std::atomic<std::uint64_t> g_from_handlers{0};
std::atomic<std::uint64_t> g_accepted{0};  // of those

void log_from_handler(int) {
  g_from_handlers.fetch_add(1);
  if (sluice::info("from a handler") == sluice::Admission::kOk) g_accepted.fetch_add(1);
}

// By the macro: its call is the shortest, and waits (Overflow::block) rather than drops.
void log_many(int thread) {
  for (int i = 0; i < 2000; ++i) SLUICE_INFO("thread {} record {}", thread, i);
}

void set_timer(long microseconds) {
  const itimerval interval{{0, microseconds}, {0, microseconds}};
  ASSERT_EQ(setitimer(ITIMER_REAL, &interval, nullptr), 0);
}

TEST(SignalHandlers, RecordsAreNeitherTakenBackNorWrittenOver) {
  struct sigaction action {};
  action.sa_handler = log_from_handler;
  ASSERT_EQ(sigaction(SIGALRM, &action, nullptr), 0);
  constexpr std::uint64_t kRounds = 40;
  const std::string path = testing::TempDir() + "handler_keeps_records.log";
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    sluice::Options options;
    options.quiet = true;
    options.recover = false;
    options.overflow = sluice::Overflow::block;
    options.sinks = {sluice::text_file(path)};
    ASSERT_TRUE(sluice::start(options));
    set_timer(70);
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back(log_many, i);
    log_many(3);
    for (std::thread& thread : threads) thread.join();
    set_timer(0);
    ASSERT_TRUE(sluice::stop(60'000));
    const sluice::Stats stats = sluice::stats();
    ASSERT_EQ(stats.merged, round * 4 * 2000 + g_accepted.load()) << "round " << round;
    ASSERT_EQ(stats.attempted, round * 4 * 2000 + g_from_handlers.load());
  }
  EXPECT_GT(g_from_handlers.load(), kRounds);
}

}  // namespace
