// sanitizers: none (kills the processes under test at any instruction)
//
// What was added before a SIGKILL is said once.
#include <sluice/histogram.h>
#include <sluice/metric.h>
#include <sys/mman.h>

#include <atomic>
#include <new>
#include <thread>

#include "contract/support/said_metrics.h"
#include "contract/support/victim.h"
#include "sluice/sluice.h"

namespace sluice::testing {
namespace {

constexpr int kThreads = 3;

// What each thread is about to add, and what it has added: memory that outlives them.
struct Tallies {
  std::atomic<std::uint64_t> before[kThreads] = {};
  std::atomic<std::uint64_t> after[kThreads] = {};

  static Tallies& make() {
    return *new (::mmap(nullptr, sizeof(Tallies), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Tallies;
  }
  [[nodiscard]] static std::uint64_t sum(const std::atomic<std::uint64_t> (&of)[kThreads]) {
    std::uint64_t all = 0;
    for (const auto& one : of) all += one.load();
    return all;
  }
};

constinit Counter g_added("added");
constinit Histogram g_observed("observed");
constinit ExplicitHistogram g_placed("placed", "", {1, 2});

// Threads that come and go, until it is killed.
[[noreturn]] void add_for_ever(const std::string& region, const std::string& file, Tallies& told) {
  (void)start(options_on(region, file));
  for (;;) {
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&told, t] {
        for (int i = 0; i < 2000; ++i) {
          told.before[t].fetch_add(1);
          g_added.add();
          g_observed.observe(5);
          g_placed.observe(1.5);
          told.after[t].fetch_add(1);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(MetricsKilled, EveryAddIsSaidOnce) {
  Random random{std::uint64_t(now_ns())};
  const std::uint64_t rounds = points(40, 1000);
  std::uint64_t all = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const TempDirectory region, files;
    Tallies& told = Tallies::make();
    const std::string file = files / "a.jsonl";
    const pid_t child = spawn([&] { add_for_ever(region.path(), file, told); });
    spin_us(random.next(20'000) * times_slower());
    ::kill(child, SIGKILL);
    ASSERT_EQ(wait_for(child), "signal 9");
    (void)recover(region.path(), {});
    for (const char* const name : {"added", "observed", "placed"}) {
      const std::uint64_t said = std::filesystem::exists(file) ? said_in(file, name) : 0;
      // The thread that was between the two was in the middle of one.
      EXPECT_GE(said, Tallies::sum(told.after)) << name << ", round " << round;
      EXPECT_LE(said, Tallies::sum(told.before)) << name << ", round " << round;
      all += said;
    }
    EXPECT_TRUE(region.names().empty()) << "round " << round;
    ::munmap(&told, sizeof told);
    if (HasFailure()) break;
  }
  EXPECT_GT(all, 0u);
  std::printf("%llu kills, %llu adds, each once\n", static_cast<unsigned long long>(rounds),
              static_cast<unsigned long long>(all));
}

}  // namespace
}  // namespace sluice::testing
