#include "collector/heart_watch.h"

#include <algorithm>

#include "base/durations.h"
#include "base/fixed_text.h"
#include "record/escape.h"

namespace sluice::collector {
namespace {}  // namespace

std::string HeartWatch::look(const region::HeartbeatEntry* entries, i64 now_ns) {
  std::string hangs;
  has_promises_ = false;
  for (u32 i = 0; i < region::kHeartbeatsMax; ++i) {
    const region::HeartbeatEntry& entry = entries[i];
    Seen& seen = seen_[i];
    // relaxed: words of a copy
    const u32 said_ms = entry.within_ms.load(std::memory_order_relaxed);
    const u32 within_ms = said_ms == 0 ? 0 : std::max(said_ms, region::kHeartbeatLeastMs);
    const u64 token = entry.token.load(std::memory_order_relaxed);
    const u64 beats = entry.beats.load(std::memory_order_relaxed);
    const bool rests = entry.resting.load(std::memory_order_relaxed) == beats + 1;
    has_promises_ |= within_ms != 0;
    if (within_ms == 0 || rests || token != seen.token || beats != seen.beats) {
      seen = {.token = token, .beats = beats, .since_ns = now_ns};
      continue;
    }
    if (now_ns - seen.since_ns <= i64{within_ms} * kNsPerMs) continue;
    hangs += (hangs.empty() ? "" : ", ") + escaped(TextForm::kText, field_text(entry.name)) +
             " has not beaten for " + std::to_string(within_ms) + " ms";
  }
  return hangs;
}

}  // namespace sluice::collector
