#include "sluice/detail/site_limit.h"

#include <algorithm>
#include <cmath>

#include "front/front.h"
#include "front/random.h"
#include "os/process.h"
#include "sluice/sluice.h"

namespace sluice {
inline namespace v1 {
namespace detail {

constinit std::atomic<std::uint64_t> g_backend_ns{0};

namespace {

// relaxed, here and below: see the table in the header

// How many calls are kept out before one passes, when each passes with probability 1/n.
u64 random_gap(u64 n) {
  if (n <= 1) return 0;
  const double uniform = double((front::random_bits() >> 11) + 1) * 0x1p-53;  // (0, 1]
  return u64(std::min(std::log(uniform) / std::log1p(-1 / double(n)), 0x1p62));
}

}  // namespace

bool SiteLimit::begin_interval(std::uint64_t now_ns, std::uint64_t interval_ns) noexcept {
  u64 since = since_.load(std::memory_order_relaxed);
  return (since == 0 || now_ns - since >= interval_ns) &&
         since_.compare_exchange_strong(since, now_ns, std::memory_order_relaxed);
}

bool SiteLimit::passes(const Limit& limit, Lane& lane) noexcept {
  if (limit.kind == Limit::Kind::interval) {
    const u64 known = g_backend_ns.load(std::memory_order_relaxed);
    return begin_interval(known != 0 ? known : u64(os::monotonic_ns()), limit.amount);
  }
  u64 next = lane.next.load(std::memory_order_relaxed);
  const u64 count = lane.count.load(std::memory_order_relaxed);
  if (count < next) return false;
  if (limit.kind == Limit::Kind::nth) {
    const u64 gap = limit.amount > 1 ? limit.amount - 1 : 0;
    return lane.next.compare_exchange_strong(next, count + gap, std::memory_order_relaxed);
  }
  const u64 gap = random_gap(limit.amount);
  // A lane whose first gap was not drawn yet: that is this one.
  const bool first = next == 0 && gap != 0;
  return lane.next.compare_exchange_strong(next, count + gap, std::memory_order_relaxed) && !first;
}

bool SiteLimit::admit_slowly(const Limit& limit) noexcept {
  const os::KeepErrno keep;
  // Now and not by the call that passes, which would count in one lane first and then in another.
  // Not in a handler that has interrupted the making of a ring.
  if (!t_block.attached && t_block.in_cold.load(std::memory_order_relaxed) == 0) {
    (void)prepare_thread();
  }
  const bool own = t_block.attached && t_block.slot < kLanes;
  Lane& lane = lanes_[own ? t_block.slot : kLanes];
  if (passes(limit, lane)) return true;
  if (own) {
    RealSync::add_one(lane.count);
  } else {
    lane.count.fetch_add(1, std::memory_order_relaxed);
  }
  return false;
}

std::uint64_t SiteLimit::take_suppressed() noexcept {
  u64 all = 0;
  for (const Lane& lane : lanes_) all += lane.count.load(std::memory_order_relaxed);
  u64 told = told_.load(std::memory_order_relaxed);
  // Signed: another thread may have told of more than this one has seen.
  while (i64(all - told) > 0) {
    if (told_.compare_exchange_weak(told, all, std::memory_order_relaxed)) return all - told;
  }
  return 0;
}

void SiteLimit::put_back(std::uint64_t suppressed) noexcept {
  told_.fetch_sub(suppressed, std::memory_order_relaxed);
}

}  // namespace detail
}  // namespace v1
}  // namespace sluice
