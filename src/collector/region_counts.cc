// What another process has counted in its region of calls that left no record.
#include <algorithm>
#include <cstddef>

#include "collector/region_image.h"

namespace sluice::collector {

using region::AreaKind;
using region::RingLines;
using region::ThreadSlot;
using region::WakeLines;

u32 RegionImage::slots() {
  u32 used = 0;
  (void)read_in(AreaKind::kWake, offsetof(WakeLines, slots_used), &used, sizeof used);
  return std::min(used, slots_max_);
}

std::vector<u64> RegionImage::drops() {
  u32 used = 0;
  (void)read_in(AreaKind::kWake, offsetof(WakeLines, sites_used), &used, sizeof used);
  constexpr u64 kSiteBytes = kDropReasons * sizeof(u64);
  const u64 sites = std::min<u64>(
      {used, sites_max_, area(AreaKind::kDropCells).length / kSiteBytes, kSitesShown});
  std::vector<u64> cells(sites * kDropReasons);
  if (!read_in(AreaKind::kDropCells, 0, cells.data(), cells.size() * sizeof(u64))) return {};
  std::vector<u64> by_site(sites);
  for (std::size_t at = 0; at < cells.size(); ++at) by_site[at / kDropReasons] += cells[at];
  return by_site;
}

u64 RegionImage::filtered() {
  u64 total = 0;
  (void)read_in(AreaKind::kWake, offsetof(WakeLines, filtered), &total, sizeof total);
  const u32 used = slots();
  for (u32 i = 0; i < used; ++i) {
    u64 chunk = 0, count = 0;
    if (!read_in(AreaKind::kThreadSlots, u64{i} * sizeof(ThreadSlot) + offsetof(ThreadSlot, chunk),
                 &chunk, sizeof chunk)) {
      break;
    }
    if (chunk != 0 && read_at(chunk + offsetof(RingLines, filtered), &count, sizeof count)) {
      total += count;
    }
  }
  return total;
}

u64 RegionImage::skip_to_end() {
  return position_ = journal_word(offsetof(region::JournalLines, committed), position_);
}

}  // namespace sluice::collector
