// How far the rings are published, and how much of that is not in the journal yet.
#include <algorithm>

#include "back/merger.h"

namespace sluice::back {

using region::RingLines;

// relaxed: `slots_used` is a bound for the scan, `drops` a counter
std::vector<u64> Merger::published() const {
  const u32 used = region_.wake().slots_used.load(std::memory_order_relaxed);
  std::vector<u64> heads(std::min<std::size_t>(used, sources_.size()));
  for (u32 i = 0; i < heads.size(); ++i) {
    const RingLines* lines = region_.lines_of(region_.slots()[i]);
    // acquire: as in RingConsumer::published()
    if (lines) heads[i] = lines->head.load(detail::RingOrders::read_head);
  }
  return heads;
}

bool Merger::has_merged(const std::vector<u64>& published) const {
  if (sample_now_ || sampling_ || has_last_words()) return false;
  if (report_now_ && region_.wake().drops.load(std::memory_order_relaxed) != reported_drops_) {
    return false;
  }
  for (u32 i = 0; i < published.size(); ++i) {
    const u64 position = sources_[i].lines ? sources_[i].ring.position() : 0;
    if (position < published[i]) return false;
  }
  return true;
}

u64 Merger::queued() const {
  u64 count = 0;
  const u32 used = region_.wake().slots_used.load(std::memory_order_relaxed);
  for (u32 i = 0; i < used && i < sources_.size(); ++i) {
    RingConsumer<RealSync> ring = sources_[i].ring;
    if (!sources_[i].lines) {
      // Of a thread that the merge has not met yet.
      const RingLines* lines = region_.lines_of(region_.slots()[i]);
      if (!lines) continue;
      // relaxed: nobody but the consumer moves it, and that is who asks
      ring = {region_.ring_of(region_.slots()[i]), lines->tail.load(std::memory_order_relaxed)};
    }
    u64 position = ring.position();
    const u64 end = ring.published();
    if (end - position > ring.capacity()) continue;
    while (position < end) {
      const u64 word = RealSync::read_word(ring.at(position));
      const u64 bytes = size_of_word(word);
      if (bytes < 8) break;
      if (from_caller(site_of_word(word))) ++count;
      position += bytes;
    }
  }
  return count;
}

}  // namespace sluice::back
