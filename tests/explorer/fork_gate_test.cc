// Scopes and forks under every interleaving and every stale read (P20): a fork copies what a scope
// changes before the scope, or behind it, never in between. A fork waits without a time limit here.
#include "os/fork_gate.h"

#include <gtest/gtest.h>

#include "explorer/explorer.h"
#include "explorer/orders.h"
#include "explorer/report.h"

namespace sluice::explorer {
namespace {

using os::ForkGate;
using os::ForkOrders;

struct Process {
  Atomic<u32> inside{0};
  Atomic<u32> forking{0};
  Plain<u64> descriptor{0};
  Plain<u64> entry{0};
};

// NoForkWithin: opens a descriptor and notes it, or gives up (which the product does not).
template <class Orders>
void open_descriptor(Process& process) {
  using Gate = ForkGate<ModelSync, Orders>;
  for (int tries = 0; Gate::enter(process.inside, process.forking) != 0; ++tries) {
    Gate::leave(process.inside);
    if (tries == 1) return;
    spin();
  }
  process.descriptor.set(1);
  process.entry.set(1);
  Gate::leave(process.inside);
}

// before_fork(), the copy, after_fork().
template <class Orders>
void fork(Process& process) {
  using Gate = ForkGate<ModelSync, Orders>;
  Gate::begin(process.forking);
  while (Gate::how_many_inside(process.inside) != 0) spin();
  check(process.descriptor.get() == process.entry.get(), "a descriptor with its entry");
  Gate::end(process.forking);
}

template <class Orders>
Result fork_beside_a_scope() {
  return explore({}, [](Scenario& s) {
    auto& process = s.make<Process>();
    s.name(&process.inside, "inside");
    s.name(&process.forking, "forking");
    s.thread("scope", [&process] { open_descriptor<Orders>(process); });
    s.thread("fork", [&process] { fork<Orders>(process); });
  });
}

TEST(ForkGate, NoForkFallsWithinAScope) {
  expect_holds("a fork beside a scope", fork_beside_a_scope<ForkOrders>());
}

SLUICE_WEAKER(ForkOrders, enter, acq_rel);
SLUICE_WEAKER(ForkOrders, see_forks, acquire);
SLUICE_WEAKER(ForkOrders, leave, relaxed);
SLUICE_WEAKER(ForkOrders, begin, acq_rel);
SLUICE_WEAKER(ForkOrders, see_inside, acquire);
SLUICE_WEAKER(ForkOrders, end, relaxed);

TEST(ForkGate, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {
      {"enter", fork_beside_a_scope<ForkOrders_enter>},
      {"see_forks", fork_beside_a_scope<ForkOrders_see_forks>},
      {"leave", fork_beside_a_scope<ForkOrders_leave>},
      {"begin", fork_beside_a_scope<ForkOrders_begin>},
      {"see_inside", fork_beside_a_scope<ForkOrders_see_inside>},
      {"end", fork_beside_a_scope<ForkOrders_end>},
  };
  expect_all_listed("src/os/fork_gate.h", "ForkOrders", weakenings);
  expect_each_caught(weakenings);
}

}  // namespace
}  // namespace sluice::explorer
