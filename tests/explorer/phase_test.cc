// The phase of the process's logging under every interleaving and every stale read: one thread
// makes the region, the others find it whole (P13); a registration beside stop() leaves nothing
// open (P9).
#include "front/phase.h"

#include <gtest/gtest.h>

#include "explorer/explorer.h"
#include "explorer/orders.h"
#include "explorer/report.h"

namespace sluice::explorer {
namespace {

using front::Phase;
using front::PhaseOrders;
using front::PhaseWords;

template <class Orders>
struct Process {
  PhaseWords<ModelSync, Orders> phase;
  Plain<u64> options{1};   // written by a start() that makes the region
  Plain<u64> attempts{0};  // what a creator without memory leaves
  Plain<u64> region{0};
};

enum class Memory { kEnough, kNotAtFirst };
enum class Wanted { kWithTheClaim, kBeforeTheClaim };

// front::ensure_region(), for a start() with options of its own or for a call.
template <class Orders>
void ensure(Process<Orders>& process, u64 wanted, Memory memory,
            Wanted when = Wanted::kWithTheClaim) {
  if (when == Wanted::kBeforeTheClaim && process.phase.look() == Phase::kFresh) {
    process.options.set(wanted);
    wanted = 0;
  }
  const auto make = [&process, wanted, memory] {
    if (wanted != 0) process.options.set(wanted);
    const u64 attempt = process.attempts.get() + 1;
    process.attempts.set(attempt);
    if (memory == Memory::kNotAtFirst && attempt == 1) return false;
    check(process.region.get() == 0, "one region is made");
    process.region.set(process.options.get());
    return true;
  };
  const auto wait = [] {
    spin();
    return true;
  };
  if (!process.phase.ensure(make, wait)) return;
  check(process.region.get() == process.options.get(), "the region is there");
}

template <class Orders>
Result make_a_region(Memory memory) {
  return explore({}, [memory](Scenario& s) {
    auto& process = s.make<Process<Orders>>();
    s.name(&process.phase.word, "phase");
    s.thread("call", [&process, memory] { ensure(process, 0, memory); });
    s.thread("start", [&process, memory] { ensure(process, 2, memory); });
    s.thread("another call", [&process, memory] { ensure(process, 0, memory); });
  });
}

Result start_beside_a_call(Wanted when) {
  return explore({}, [when](Scenario& s) {
    auto& process = s.make<Process<PhaseOrders>>();
    s.thread("call", [&process] { ensure(process, 0, Memory::kEnough); });
    s.thread("start", [&process, when] { ensure(process, 2, Memory::kEnough, when); });
  });
}

template <class Orders>
struct Stop {
  PhaseWords<ModelSync, Orders> phase;
  Atomic<bool> open{false};  // a control byte
};

template <class Orders>
Result register_beside_stop() {
  return explore({}, [](Scenario& s) {
    auto& stop = s.make<Stop<Orders>>();
    s.name(&stop.phase.word, "phase");
    s.name(&stop.phase.registering, "registering");
    s.name(&stop.open, "open");
    stop.phase.word.store(Phase::kRunning);
    for (const char* name : {"call", "another call"}) {
      s.thread(name, [&stop] {
        if (stop.phase.count_in()) stop.open.store(true, std::memory_order_relaxed);
        stop.phase.count_out();
      });
    }
    s.thread("stop", [&stop] {
      stop.phase.stop();
      while (stop.phase.count() != 0) spin();
      stop.open.store(false, std::memory_order_relaxed);
    });
    s.finally([&stop] { check(!stop.open.load(), "nothing is open behind a stop"); });
  });
}

TEST(Phase, OneRegionIsMadeAndFound) {
  expect_holds("a start and two calls", make_a_region<PhaseOrders>(Memory::kEnough));
  expect_holds("the same without memory at first", make_a_region<PhaseOrders>(Memory::kNotAtFirst));
}

// As start() once did: the creator may be reading them.
TEST(Phase, OptionsWrittenBeforeTheClaimAreCaught) {
  EXPECT_FALSE(start_beside_a_call(Wanted::kWithTheClaim).failed);
  const Result result = start_beside_a_call(Wanted::kBeforeTheClaim);
  print("options written before the claim", result);
  EXPECT_TRUE(result.failed);
}

TEST(Phase, NothingIsOpenBehindAStop) {
  expect_holds("two registrations beside a stop", register_beside_stop<PhaseOrders>());
}

SLUICE_WEAKER(PhaseOrders, set, relaxed);
SLUICE_WEAKER(PhaseOrders, look, relaxed);
SLUICE_WEAKER(PhaseOrders, claim, relaxed);
SLUICE_WEAKER(PhaseOrders, stop, release);
SLUICE_WEAKER(PhaseOrders, look_inside, acquire);
SLUICE_WEAKER(PhaseOrders, count_in, acq_rel);
SLUICE_WEAKER(PhaseOrders, count_out, relaxed);
SLUICE_WEAKER(PhaseOrders, see_count, acquire);

TEST(Phase, EveryWeakerOrderIsCaught) {
  const auto make = [](auto orders) {
    return [] { return make_a_region<decltype(orders)>(Memory::kNotAtFirst); };
  };
  const std::vector<Weakening> weakenings = {
      {"set", make(PhaseOrders_set{})},
      {"look", make(PhaseOrders_look{})},
      {"claim", make(PhaseOrders_claim{})},
      {"stop", register_beside_stop<PhaseOrders_stop>},
      {"look_inside", register_beside_stop<PhaseOrders_look_inside>},
      {"count_in", register_beside_stop<PhaseOrders_count_in>},
      {"count_out", register_beside_stop<PhaseOrders_count_out>},
      {"see_count", register_beside_stop<PhaseOrders_see_count>},
  };
  expect_all_listed("src/front/phase.h", "PhaseOrders", weakenings);
  expect_each_caught(weakenings);
}

}  // namespace
}  // namespace sluice::explorer
