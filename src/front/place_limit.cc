#include "front/place_limit.h"

#include <algorithm>
#include <cstdlib>

#include "base/durations.h"
#include "base/made.h"
#include "front/front.h"
#include "front/random.h"
#include "os/process.h"
#include "sluice/detail/site_limit.h"

namespace sluice::front {
namespace {

// Room for any sites_max; what no site uses is never touched.
constexpr u32 kTallies = 65536;
constinit std::atomic<PlaceTally*> g_tallies{nullptr};

}  // namespace

// relaxed, here and below: see the table
bool PlaceTally::admit(u64 second) {
  const PlaceLimit allowed = PlaceLimit::of(limit.load(std::memory_order_relaxed));
  if (allowed.kind == PlaceLimit::Kind::kSample) {
    if (random_bits() % std::max(allowed.amount, 1U) == 0) return true;
  } else {
    u64 seen = window.load(std::memory_order_relaxed);
    for (;;) {
      // A thread that read the clock in the second before counts in this one.
      const u64 next = seen >> 32 >= second ? seen + 1 : second << 32 | 1;
      if (allowed.kind == PlaceLimit::Kind::kRate && u32(next) > allowed.amount) break;
      if (window.compare_exchange_weak(seen, next, std::memory_order_relaxed)) return true;
    }
  }
  if (kept_out.fetch_add(1, std::memory_order_relaxed) == 0) {
    told_second.store(second, std::memory_order_relaxed);
  }
  return false;
}

u64 PlaceTally::take_kept_out(u64 second) {
  if (kept_out.load(std::memory_order_relaxed) == 0) return 0;
  u64 told = told_second.load(std::memory_order_relaxed);
  if (second <= told ||
      !told_second.compare_exchange_strong(told, second, std::memory_order_relaxed)) {
    return 0;
  }
  return kept_out.exchange(0, std::memory_order_relaxed);
}

u64 limit_second() {
  const u64 known = detail::g_backend_ns.load(std::memory_order_relaxed);
  return (known != 0 ? known : u64(os::monotonic_ns())) / u64(kNsPerSecond);
}

bool make_tallies() {
  if (Made::look(g_tallies) != nullptr) return true;
  auto* const made = static_cast<PlaceTally*>(std::calloc(kTallies, sizeof(PlaceTally)));
  if (made != nullptr) Made::publish(g_tallies, made);
  return made != nullptr;
}

PlaceTally* tally_of(u32 site) {
  PlaceTally* const tallies = Made::look(g_tallies);
  return tallies != nullptr && site >= kSiteFirstCaller && site < kTallies ? tallies + site
                                                                           : nullptr;
}

void forget_kept_out() {
  PlaceTally* const tallies = Made::look(g_tallies);
  if (tallies == nullptr) return;
  const u32 used = std::min(g_front.next_site_id.load(std::memory_order_relaxed), kTallies);
  for (u32 site = kSiteFirstCaller; site < used; ++site) {
    tallies[site].kept_out.store(0, std::memory_order_relaxed);
  }
}

}  // namespace sluice::front
