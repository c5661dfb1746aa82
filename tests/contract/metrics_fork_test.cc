// sanitizers: none (forks beside threads)
// emulator: no (qemu 7.2 aborts when a child of a program with threads begins one)
//
// What a forked child adds is said once.
#include <sluice/histogram.h>
#include <sluice/metric.h>

#include <atomic>
#include <thread>

#include "contract/support/said_metrics.h"
#include "contract/support/victim.h"
#include "sluice/sluice.h"

namespace sluice::testing {
namespace {

constinit Counter g_added("added");
constinit Histogram g_observed("observed");

// A child counts from zero in a region of its own, also of series it has inherited; the parent's
// other threads go on meanwhile.
TEST(MetricsForked, AChildCountsItsOwn) {
  const TempDirectory region, files;
  const std::string file = files / "a.jsonl";
  const pid_t program = spawn([&] {
    if (!start(options_on(region.path(), file))) ::_exit(1);
    Counter labelled("labelled", "", {{"of", "parent"}});
    std::atomic<bool> stopped{false};
    std::uint64_t others = 0;
    std::thread other([&] {
      while (!stopped.load()) {
        g_added.add();
        ++others;
      }
    });
    g_added.add(1'000'000'000);
    g_observed.observe(5);
    labelled.add(5);
    for (int i = 0; i < 20; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        Counter own("of_children");
        g_added.add(7);
        g_observed.observe(5);
        labelled.add(3);
        own.add(1);
        ::_exit(stop(60'000) ? 0 : 1);
      }
      if (wait_for(child) != "exit 0") ::_exit(2);
    }
    stopped.store(true);
    other.join();
    if (!stop(60'000)) ::_exit(3);
    const std::uint64_t expected = 1'000'000'000 + others + 20 * 7;
    ::_exit(said_in(file, "added") == expected ? 0 : 4);
  });
  ASSERT_EQ(wait_for(program), "exit 0");
  EXPECT_EQ(said_in(file, "of_children"), 20u);
  EXPECT_EQ(said_in(file, "labelled"), 5u + 20 * 3);
  EXPECT_EQ(said_in(file, "observed"), 1u + 20);
}

}  // namespace
}  // namespace sluice::testing
