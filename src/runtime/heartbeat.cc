// Heartbeats: places in the region that a collector reads.
#include "sluice/heartbeat.h"

#include <algorithm>

#include "base/fixed_text.h"
#include "front/front.h"
#include "os/process.h"
#include "region/marks.h"

namespace sluice {
inline namespace v1 {
namespace {

using region::HeartbeatEntry;

// Tells a place that somebody else has now, in a forked child too.
u64 new_token() {
  static std::atomic<u32> made{0};
  // relaxed: only that it is another each time
  return u64{os::process_id()} << 32 | (made.fetch_add(1, std::memory_order_relaxed) + 1);
}

// A bit for each place that an object of this process beats at. Those of its parent's that a forked
// child has inherited go on beating there, so no promise of the child's may be there as well.
// relaxed: a fork copies it, and the token decides between threads
std::atomic<u32> beaten_at{0};
static_assert(region::kHeartbeatsMax <= 32);

}  // namespace

Heartbeat::Heartbeat(std::string_view name, std::uint32_t within_ms) noexcept : beats_(&unseen_) {
  if (!front::ensure_region() || !front::g_front.region.shared()) return;
  for (u32 i = 0; i < region::kHeartbeatsMax; ++i) {
    HeartbeatEntry& entry = front::g_front.region.heartbeats()[i];
    u64 free = 0;
    if ((beaten_at.load(std::memory_order_relaxed) & (1u << i)) != 0) continue;
    // relaxed: what is told is told by the mark behind it
    if (!entry.token.compare_exchange_strong(free, token_ = new_token(),
                                             std::memory_order_relaxed)) {
      token_ = 0;
      continue;
    }
    beaten_at.fetch_or(1u << i, std::memory_order_relaxed);
    entry.beats.store(0, std::memory_order_relaxed);
    entry.resting.store(0, std::memory_order_relaxed);
    copy_text(entry.name, name);
    region::Marks::set(entry.within_ms, std::max<u32>(within_ms, region::kHeartbeatLeastMs));
    beats_ = &entry.beats;
    place_ = i;
    return;
  }
}

Heartbeat::~Heartbeat() {
  if (token_ != 0) beaten_at.fetch_and(~(1u << place_), std::memory_order_relaxed);
  if (!is_seen()) return;
  HeartbeatEntry& entry = front::g_front.region.heartbeats()[place_];
  region::Marks::set(entry.within_ms, 0u);
  region::Marks::set(entry.token, u64{0});
}

void Heartbeat::pause() noexcept {
  if (!is_seen()) return;
  // relaxed, both: as beat()
  const u64 beats = beats_->load(std::memory_order_relaxed);
  front::g_front.region.heartbeats()[place_].resting.store(beats + 1, std::memory_order_relaxed);
}

bool Heartbeat::is_seen() const noexcept {
  // relaxed: ours, or another's that stays so
  return token_ != 0 && front::g_front.region.exists() &&
         front::g_front.region.heartbeats()[place_].token.load(std::memory_order_relaxed) == token_;
}

}  // namespace v1
}  // namespace sluice
