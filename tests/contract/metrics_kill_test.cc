// sanitizers: none (kills the processes under test at any instruction, forks beside threads)
//
// What was added before a SIGKILL, or by a forked child, is said once.
#include <sluice/histogram.h>
#include <sluice/metric.h>
#include <sys/mman.h>

#include <atomic>
#include <new>
#include <nlohmann/json.hpp>
#include <thread>

#include "contract/outputs.h"
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

Options options_on(const std::string& region, const std::string& file) {
  return {.product = "metrics",
          .sinks = {json_file(file)},
          .journal_bytes = 1 << 20,
          .metrics_interval_ms = 1,
          .region_directory = region,
          .quiet = true};
}

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

std::uint64_t said_in(const std::string& file, const std::string& name) {
  double sum = 0;
  for (const nlohmann::json& record : test::read_json(file)) {
    if (record.value("name", "") != name) continue;
    const bool summary = record["metric"] == "histogram";
    sum += summary ? double(record["fields"]["count"]) : double(record["value"]);
    if (name == "observed") {
      EXPECT_EQ(record["fields"]["buckets"].size(), 1u);
    }
  }
  return std::uint64_t(sum);
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
