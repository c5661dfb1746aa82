// Things that are deleted while others use them, under every interleaving and every stale read:
// what a thread uses is whole and is not deleted before it has ended (P28). The steps of who takes
// are those of Set::close_stream() and Set::delete_unused().
#include "base/in_use.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "explorer/explorer.h"
#include "explorer/orders.h"
#include "explorer/report.h"

namespace sluice::explorer {
namespace {

struct Thing {
  Plain<u64> value{0};
};

constexpr u64 kWhole = 7;
constexpr u64 kDeleted = 0;

struct Place {
  Atomic<Thing*> published{nullptr};
  Atomic<const void*> own{nullptr};
  Thing things[2];
};

enum class Barrier { kPassed, kForgotten };

template <class Orders>
void use(Place& place) {
  using Words = InUse<ModelSync, Orders>;
  Thing* const thing = Words::begin(place.own, place.published);
  if (thing == nullptr) return;
  check(thing->value.get() == kWhole, "what is used is whole");
  Words::end(place.own);
}

// Puts another in its place, then deletes the first if nobody has it.
template <class Orders>
void take(Place& place, Barrier barrier) {
  place.things[1].value.set(kWhole);
  Made::publish(place.published, &place.things[1]);
  if (barrier == Barrier::kPassed) barrier_all_threads();
  if (!InUse<ModelSync, Orders>::has(place.own, &place.things[0])) {
    place.things[0].value.set(kDeleted);
  }
}

template <class Orders = InUseOrders>
Result use_beside_taking(Barrier barrier = Barrier::kPassed) {
  return explore({}, [=](Scenario& s) {
    auto& place = s.make<Place>();
    s.name(&place.published, "published");
    s.name(&place.own, "own");
    place.things[0].value.set(kWhole);
    place.published.store(&place.things[0], std::memory_order_relaxed);
    s.thread("user", [&place] {
      use<Orders>(place);
      use<Orders>(place);
    });
    s.thread("taker", [=, &place] { take<Orders>(place, barrier); });
  });
}

TEST(InUse, NothingIsDeletedThatIsUsed) { expect_holds("uses beside taking", use_beside_taking()); }

SLUICE_WEAKER(InUseOrders, begin, relaxed);
SLUICE_WEAKER(InUseOrders, end, relaxed);
SLUICE_WEAKER(InUseOrders, look, relaxed);

TEST(InUse, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {
      {"begin", [] { return use_beside_taking<InUseOrders_begin>(); }},
      {"end", [] { return use_beside_taking<InUseOrders_end>(); }},
      {"look", [] { return use_beside_taking<InUseOrders_look>(); }},
  };
  expect_all_listed("src/base/in_use.h", "InUseOrders", weakenings);
  expect_each_caught(weakenings);
}

TEST(InUse, AForgottenBarrierIsCaught) {
  const Result result = use_beside_taking(Barrier::kForgotten);
  print("no barrier", result);
  EXPECT_TRUE(result.failed);
}

}  // namespace
}  // namespace sluice::explorer
