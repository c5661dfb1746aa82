// sanitizers: address (a handler that runs sinks is what ThreadSanitizer calls signal-unsafe)
//
// In immediate mode a call runs the sinks; a handler's does not while the thread that it
// interrupted holds what that takes. The handler comes where printf() could be called: the loop
// below allocates nothing.
#include <gtest/gtest.h>
#include <signal.h>
#include <sluice/sluice.h>
#include <sys/time.h>

#include <atomic>

namespace {

std::atomic<std::uint64_t> g_from_handlers{0};

void log_from_handler(int) {
  g_from_handlers.fetch_add(1);
  (void)sluice::info("from a handler");
}

void set_timer(long microseconds) {
  const itimerval interval{{0, microseconds}, {0, microseconds}};
  ASSERT_EQ(setitimer(ITIMER_REAL, &interval, nullptr), 0);
}

TEST(HandlerImmediate, WaitsForNothingOfItsOwnThread) {
  struct sigaction action {};
  action.sa_handler = log_from_handler;
  ASSERT_EQ(sigaction(SIGALRM, &action, nullptr), 0);
  sluice::Options options;
  options.quiet = true;
  options.recover = false;
  options.mode = sluice::Mode::immediate;
  options.sinks = {sluice::text_file(testing::TempDir() + "handler_immediate.log")};
  ASSERT_TRUE(sluice::start(options));
  set_timer(100);
  while (g_from_handlers.load() < 500) (void)sluice::stats();
  set_timer(0);
  ASSERT_TRUE(sluice::stop(60'000));
  EXPECT_EQ(sluice::stats().attempted, g_from_handlers.load());
  EXPECT_EQ(sluice::stats().dropped(), 0u);
}

}  // namespace
