// Things that are made once, under every interleaving and every stale read: whoever finds the
// address finds the thing whole (P18).
#include "base/made.h"

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

struct Place {
  Atomic<Thing*> made{nullptr};
  Atomic<bool> making{false};
  Thing things[2];
};

// As runtime::runtime(): one makes it, the others wait.
template <class Orders>
Thing& make_or_wait(Place& place) {
  using Made = MadeWords<Orders>;
  for (;;) {
    if (Thing* made = Made::look(place.made)) return *made;
    if (!place.making.exchange(true, std::memory_order_relaxed)) {
      place.things[0].value.set(7);
      Made::publish(place.made, &place.things[0]);
    } else {
      spin();
    }
  }
}

// As mutex_of() in sink/lock_file.cc: all make one, the first holds.
template <class Orders>
Thing& make_or_drop(Place& place, int maker) {
  using Made = MadeWords<Orders>;
  Thing* current = Made::look(place.made);
  if (current == nullptr) {
    Thing* const made = &place.things[maker];
    made->value.set(7);
    if (Made::publish_in_place(place.made, current, made)) current = made;
  }
  return *current;
}

enum class How { kOneMakesIt, kTheFirstHolds };

template <class Orders>
Result find(How how) {
  return explore({}, [how](Scenario& s) {
    auto& place = s.make<Place>();
    s.name(&place.made, "made");
    s.name(&place.making, "making");
    for (const int maker : {0, 1}) {
      s.thread(maker == 0 ? "first" : "second", [&place, how, maker] {
        Thing& thing = how == How::kOneMakesIt ? make_or_wait<Orders>(place)
                                               : make_or_drop<Orders>(place, maker);
        check(thing.value.get() == 7, "a whole thing");
      });
    }
  });
}

TEST(Made, WhoFindsTheAddressFindsTheThing) {
  expect_holds("one makes it, another waits", find<MadeOrders>(How::kOneMakesIt));
  expect_holds("both make one, the first holds", find<MadeOrders>(How::kTheFirstHolds));
}

SLUICE_WEAKER(MadeOrders, publish, relaxed);
SLUICE_WEAKER(MadeOrders, look, relaxed);

TEST(Made, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {
      {"publish", [] { return find<MadeOrders_publish>(How::kOneMakesIt); }},
      {"publish", [] { return find<MadeOrders_publish>(How::kTheFirstHolds); }},
      {"look", [] { return find<MadeOrders_look>(How::kOneMakesIt); }},
      {"look", [] { return find<MadeOrders_look>(How::kTheFirstHolds); }},
  };
  expect_all_listed("src/base/made.h", "MadeOrders", weakenings);
  expect_each_caught(weakenings);
}

}  // namespace
}  // namespace sluice::explorer
