// The explorer's own machinery: what it walks over, what it reports, threads that wait and die.
#include "explorer/explorer.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "explorer/report.h"

namespace sluice::explorer {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;

struct Shared {
  Atomic<int> x{0};
  Atomic<int> y{0};
  Atomic<int> z{0};
  int seen[8] = {};
};

TEST(Walk, CountsEveryInterleavingOnce) {
  const ScenarioFunction stores = [](Scenario& s) {
    auto& shared = s.make<Shared>();
    s.thread("a", [&] {
      shared.x.store(1, kRelaxed);
      shared.x.store(2, kRelaxed);
    });
    s.thread("b", [&] {
      shared.y.store(1, kRelaxed);
      shared.y.store(2, kRelaxed);
    });
  };
  const Result all = explore({.reduce = false}, stores);
  EXPECT_EQ(all.executions, 6u);
  EXPECT_TRUE(all.complete);
  EXPECT_EQ(explore({}, stores).executions, 1u);
  EXPECT_EQ(explore({.preemptions = 0}, stores).executions, 2u);
  const Result stopped = explore({.reduce = false, .executions_max = 3}, stores);
  EXPECT_EQ(stopped.executions, 3u);
  EXPECT_FALSE(stopped.complete);
}

// Random programs over three locations: the reduced walk sees exactly the outcomes of the full one.
TEST(Walk, ReductionLosesNoOutcome) {
  std::uint64_t state = 42;
  const auto random = [&state](std::uint64_t count) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % count;
  };
  const std::memory_order stores[] = {kRelaxed, kRelease, std::memory_order_seq_cst};
  const std::memory_order loads[] = {kRelaxed, kAcquire, std::memory_order_seq_cst};
  std::uint64_t full = 0;
  std::uint64_t reduced = 0;
  for (int program = 0; program < 150; ++program) {
    struct Step {
      std::uint64_t kind, location, value;
      std::memory_order load, store;
    };
    std::vector<std::vector<Step>> threads(3);
    for (std::size_t t = 0; t < threads.size(); ++t) {
      for (std::size_t i = 0; i < (t == 0 ? 3u : 2u); ++i) {
        threads[t].push_back(
            {random(4), random(3), 1 + random(3), loads[random(3)], stores[random(3)]});
      }
    }
    const auto outcomes = [&](bool reduce, std::uint64_t& executions) {
      std::set<std::vector<int>> all;
      const Result result = explore({.reduce = reduce}, [&](Scenario& s) {
        auto& shared = s.make<Shared>();
        int first = 0;
        for (const auto& steps : threads) {
          s.thread("thread", [&, first] {
            int* seen = shared.seen + first;
            Atomic<int>* locations[] = {&shared.x, &shared.y, &shared.z};
            for (const Step& step : steps) {
              Atomic<int>& location = *locations[step.location];
              const int value = static_cast<int>(step.value);
              if (step.kind == 0) {
                location.store(value, step.store);
              } else if (step.kind == 1) {
                int expected = value - 1;
                location.compare_exchange_strong(expected, value, step.store, kRelaxed);
                *seen++ = expected;
              } else {
                *seen++ = location.load(step.load);
              }
            }
          });
          first += static_cast<int>(steps.size());
        }
        s.finally([&] {
          std::vector<int> outcome(shared.seen, shared.seen + 8);
          outcome.push_back(shared.x.load());
          outcome.push_back(shared.y.load());
          outcome.push_back(shared.z.load());
          all.insert(outcome);
        });
      });
      EXPECT_TRUE(result.complete) << describe(result);
      executions += result.executions + result.redundant;
      return all;
    };
    EXPECT_EQ(outcomes(true, reduced), outcomes(false, full)) << "program " << program;
  }
  std::printf("[ explored ] 150 programs: %llu executions reduced to %llu\n",
              static_cast<unsigned long long>(full), static_cast<unsigned long long>(reduced));
  EXPECT_LT(reduced, full);
}

// Fails only when b runs between the two stores of a.
void between(Scenario& s) {
  auto& shared = s.make<Shared>();
  s.name(&shared.x, "x");
  s.thread("a", [&] {
    shared.x.store(1, std::memory_order_seq_cst);
    shared.x.store(0, std::memory_order_seq_cst);
  });
  s.thread("b", [&] { check(shared.x.load(std::memory_order_seq_cst) == 0, "not in between"); });
}

TEST(Walk, PreemptionBoundBoundsWhatIsSeen) {
  EXPECT_TRUE(explore({.preemptions = 0}, between).complete);
  EXPECT_TRUE(explore({.preemptions = 1}, between).failed);
}

TEST(Walk, EndlessExecutionsAreCutAndNotCalledComplete) {
  const Result result = explore({.executions_max = 10, .steps_max = 50}, [](Scenario& s) {
    auto& shared = s.make<Shared>();
    s.thread("forever", [&] {
      for (;;) shared.x.store(1, kRelaxed);
    });
  });
  EXPECT_FALSE(result.failed);
  EXPECT_FALSE(result.complete);
  EXPECT_EQ(result.cut, 1u);
}

TEST(Report, FailureIsReplayedFromItsChoices) {
  const Result found = explore({}, between);
  ASSERT_TRUE(found.failed);
  EXPECT_EQ(found.what, "not in between");
  EXPECT_NE(found.trace.find("b: load x seq_cst 1"), std::string::npos) << found.trace;
  const Result again = replay(found.choices, {}, between);
  EXPECT_TRUE(again.failed);
  EXPECT_EQ(again.trace, found.trace);
}

TEST(Report, RandomWalkIsReplayedFromItsSeed) {
  const Options options{.random_executions = 1000, .random_seed = 7};
  const Result found = explore(options, between);
  ASSERT_TRUE(found.failed);
  EXPECT_FALSE(found.complete);
  EXPECT_GT(found.executions, 1u);
  const Result again = explore({.random_executions = 1, .random_seed = found.seed}, between);
  EXPECT_TRUE(again.failed);
  EXPECT_EQ(again.choices, found.choices);
}

TEST(PlainMemory, ConflictingAccessesAreRaces) {
  const auto run = [](bool write, bool other_half) {
    return explore({}, [=](Scenario& s) {
      auto& words = s.make<std::array<std::uint64_t, 2>>();
      s.thread("a", [&] { ModelSync::write_word(&words[0], 1); });
      s.thread("b", [&words, write, other_half] {
        if (write) {
          ModelSync::write_word(&words[other_half ? 1 : 0], 2);
        } else {
          ModelSync::read_word(&words[other_half ? 1 : 0]);
        }
      });
    });
  };
  EXPECT_TRUE(run(true, false).failed);
  EXPECT_TRUE(run(false, false).failed);
  EXPECT_TRUE(run(true, true).complete);
  EXPECT_TRUE(run(false, true).complete);
}

// Load buffering is not played out, but a store that may overtake a load is found all the same.
TEST(ReadsMustEnd, StoreThatMayOvertakeALoadIsAFailure) {
  const auto run = [](std::memory_order done, std::memory_order see) {
    return explore({}, [=](Scenario& s) {
      auto& shared = s.make<Shared>();
      s.thread("reader", [&shared, done] {
        {
          ReadsMustEnd scope(&shared.x, sizeof shared.x);
          shared.x.load(kRelaxed);
        }
        shared.y.store(1, done);
      });
      s.thread("writer", [&shared, see] {
        if (shared.y.load(see) == 1) shared.x.store(1, kRelaxed);
      });
    });
  };
  EXPECT_TRUE(run(kRelease, kAcquire).complete);
  EXPECT_TRUE(run(kRelaxed, kAcquire).failed);
  EXPECT_TRUE(run(kRelease, kRelaxed).failed);
}

TEST(Waiting, SpinEndsWhenTheStoreIsThere) {
  const Result result = explore({}, [](Scenario& s) {
    auto& shared = s.make<Shared>();
    s.thread("waits", [&] {
      while (shared.x.load(kAcquire) == 0) spin();
      check(shared.y.load(kRelaxed) == 1, "what came before");
    });
    s.thread("stores", [&] {
      shared.y.store(1, kRelaxed);
      shared.x.store(1, kRelease);
    });
  });
  EXPECT_TRUE(result.complete) << describe(result);
}

TEST(Waiting, EndlessSpinIsALivelock) {
  const Result result = explore({}, [](Scenario& s) {
    auto& shared = s.make<Shared>();
    s.thread("waits", [&] {
      while (shared.x.load(kAcquire) == 0) spin();
    });
    s.thread("forgets", [&] { shared.y.store(1, kRelaxed); });
  });
  EXPECT_TRUE(result.failed);
  EXPECT_NE(result.what.find("livelock"), std::string::npos) << result.what;
}

struct Locked {
  Mutex a;
  Mutex b;
  Plain<int> count{0};
};

TEST(Mutexes, ExcludeAndOrder) {
  const auto run = [](bool locked) {
    return explore({}, [=](Scenario& s) {
      auto& l = s.make<Locked>();
      for (int i = 0; i < 3; ++i) {
        s.thread("adder", [&l, locked] {
          if (locked) l.a.lock();
          l.count.set(l.count.get() + 1);
          if (locked) l.a.unlock();
        });
      }
      s.finally([&l] { check(l.count.get() == 3, "three increments"); });
    });
  };
  EXPECT_TRUE(run(true).complete);
  EXPECT_TRUE(run(false).failed);
}

TEST(Mutexes, OppositeOrdersDeadlock) {
  const Result result = explore({}, [](Scenario& s) {
    auto& l = s.make<Locked>();
    s.thread("ab", [&] {
      l.a.lock();
      l.b.lock();
      l.b.unlock();
      l.a.unlock();
    });
    s.thread("ba", [&] {
      l.b.lock();
      l.a.lock();
      l.a.unlock();
      l.b.unlock();
    });
  });
  EXPECT_TRUE(result.failed);
  EXPECT_NE(result.what.find("deadlock"), std::string::npos) << result.what;
}

TEST(Death, LockGoesToTheNext) {
  bool next_saw_half = false;
  bool next_saw_whole = false;
  const Result result = explore({}, [&](Scenario& s) {
    auto& l = s.make<Locked>();
    auto& shared = s.make<Shared>();
    s.killable_thread("dies", [&] {
      l.a.lock();
      shared.x.store(1, kRelease);
      shared.y.store(1, kRelease);
      l.a.unlock();
    });
    s.thread("next", [&] {
      l.a.lock();
      const int y = shared.y.load(kAcquire);
      const int x = shared.x.load(kRelaxed);
      check(y <= x, "y only after x");
      (x == y ? next_saw_whole : next_saw_half) = true;
      l.a.unlock();
    });
  });
  EXPECT_TRUE(result.complete) << describe(result);
  EXPECT_TRUE(next_saw_half);
  EXPECT_TRUE(next_saw_whole);
}

// The last writes of the dead may be missing unless a release of theirs came after them.
TEST(Death, UnorderedLastWritesMayBeMissing) {
  const auto run = [](std::memory_order second, bool plain) {
    return explore({}, [=](Scenario& s) {
      auto& l = s.make<Locked>();
      auto& shared = s.make<Shared>();
      s.killable_thread("dies", [=, &l, &shared] {
        l.a.lock();
        if (plain) {
          l.count.set(1);
        } else {
          shared.x.store(1, kRelaxed);
        }
        shared.y.store(1, second);
        l.a.unlock();
      });
      s.thread("next", [=, &l, &shared] {
        l.a.lock();
        if (shared.y.load(kRelaxed) == 1) {
          check((plain ? l.count.get() : shared.x.load(kRelaxed)) == 1, "y only after x");
        }
        l.a.unlock();
      });
    });
  };
  for (const bool plain : {false, true}) {
    EXPECT_TRUE(run(kRelease, plain).complete);
    EXPECT_TRUE(run(kRelaxed, plain).failed);
  }
}

}  // namespace
}  // namespace sluice::explorer
