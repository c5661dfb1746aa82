// The lock that a forked child can open, under every interleaving and every stale read (P21).
#include "base/spin_lock.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "explorer/explorer.h"
#include "explorer/orders.h"
#include "explorer/report.h"

namespace sluice::explorer {
namespace {

template <class Orders>
struct Shared {
  SpinLock<ModelSync, Orders> lock;
  Plain<u64> count{0};
};

template <class Orders>
Result two_inside() {
  return explore({}, [](Scenario& s) {
    auto& shared = s.make<Shared<Orders>>();
    for (const char* name : {"first", "second"}) {
      s.thread(name, [&shared] {
        shared.lock.lock(spin);
        shared.count.set(shared.count.get() + 1);
        shared.lock.unlock();
      });
    }
    s.finally([&shared] { check(shared.count.get() == 2, "one behind the other"); });
  });
}

TEST(SpinLock, OneIsInside) { expect_holds("two inside", two_inside<SpinOrders>()); }

SLUICE_WEAKER(SpinOrders, lock, relaxed);
SLUICE_WEAKER(SpinOrders, unlock, relaxed);

TEST(SpinLock, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {
      {"lock", two_inside<SpinOrders_lock>},
      {"unlock", two_inside<SpinOrders_unlock>},
  };
  expect_all_listed("src/base/spin_lock.h", "SpinOrders", weakenings);
  expect_each_caught(weakenings);
}

}  // namespace
}  // namespace sluice::explorer
