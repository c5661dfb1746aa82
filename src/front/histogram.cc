// What a histogram needs of the region: its bounds, and buckets in a block of cells.
#include <algorithm>

#include "base/made.h"
#include "front/series.h"
#include "region/histogram_area.h"

namespace sluice {
namespace front {

using detail::Cell;
using detail::HistogramCell;
using region::HistogramChunk;

bool publish_histogram(region::SeriesEntry& entry, detail::CellKind kind,
                       std::span<const double> bounds) {
  u64 known = Made::look(entry.histogram);
  if (known != 0) return true;
  const u32 buckets = region::HistogramShape(kind, bounds).buckets();
  const u64 made = allocate_cells(region::histogram_chunk_bytes(buckets));
  if (made == 0) return false;
  auto& chunk = *reinterpret_cast<HistogramChunk*>(g_front.region.base() + made);
  // relaxed: published by the chunk's place (P18)
  chunk.bounds.store(bounds.size(), std::memory_order_relaxed);
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    chunk.bound[i].store(std::bit_cast<u64>(bounds[i]), std::memory_order_relaxed);
  }
  (void)Made::publish_in_place(entry.histogram, known, made);
  return true;
}

HistogramCell* make_buckets(Cell* block, u32 series) {
  const region::Region& region = g_front.region;
  const region::SeriesEntry& entry = region.metrics().series[series];
  char* const from = reinterpret_cast<char*>(block);
  u64 away = Made::look(block[series]);
  if (away == 0) {
    const u64 shape = Made::look(entry.histogram);
    if (shape == 0) return nullptr;
    const auto& chunk = *reinterpret_cast<const HistogramChunk*>(region.base() + shape);
    // relaxed, both: published by the chunk's place, and by the handle's (P18, P32)
    const u64 bounds = chunk.bounds.load(std::memory_order_relaxed);
    const bool is_explicit =
        entry.kind.load(std::memory_order_relaxed) == detail::CellKind::kExplicit;
    const u64 buckets = is_explicit ? bounds + 1 : detail::kExponentialBuckets;
    const u64 place = allocate_cells(buckets * sizeof(HistogramCell));
    if (place == 0) return nullptr;
    // A handler on this thread, or in the block of all another thread, may have been faster.
    const u64 made = u64(region.base() + place - from);
    if (Made::publish_in_place(block[series], away, made)) away = made;
  }
  return reinterpret_cast<HistogramCell*>(from + away);
}

}  // namespace front

inline namespace v1 {
namespace detail {

BucketAdd place_outside(double value, int first_exponent) noexcept {
  if (value != value) return {kNoBucket, 0};
  if (value <= std::ldexp(1.0, first_exponent)) return {0, 0};
  return {kExponentialBuckets - 1, u64{1} << kSumBits};
}

std::uint32_t search_bounds(const ExplicitBounds& bounds, double value) noexcept {
  const double* const from = bounds.bounds;
  return u32(std::lower_bound(from, from + bounds.count, value) - from);
}

}  // namespace detail
}  // namespace v1
}  // namespace sluice
