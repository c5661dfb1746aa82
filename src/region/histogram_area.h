// What a region holds of a histogram: a chunk that says what its buckets are and how far they were
// told, and for each block of cells a chunk of buckets (HistogramCell), made at the first
// observation by a thread that has the block.
//
// | word                   | written by          | read by           | order                      |
// |------------------------|---------------------|-------------------|----------------------------|
// | SeriesEntry::histogram | who makes it        | consumer, tools   | P18 (base/made.h): bounds  |
// | cell of the series     | who makes buckets   | the block's       | P18: zeros; an offset from |
// |                        |                     | thread, consumers | the block                  |
// | HistogramCell          | the block's thread  | consumer, tools   | relaxed: counters only     |
// | HistogramChunk::told   | consumer            | its successor     | in force by a committed    |
// |                        |                     |                   | batch, as ToldCopy         |
#ifndef SLUICE_SRC_REGION_HISTOGRAM_AREA_H_
#define SLUICE_SRC_REGION_HISTOGRAM_AREA_H_

#include <cmath>
#include <limits>

#include "region/metric_area.h"
#include "sluice/detail/histogram_buckets.h"

namespace sluice::region {

struct HistogramTold {
  u64 batch_end;  // journal position behind the batch that said it; 0: none
  u64 zero;
};

// Behind it: two copies of what was told, a Bucket for each bucket.
struct HistogramChunk {
  std::atomic<u64> bounds;  // how many
  u64 zero;
  std::atomic<u64> bound[detail::kBoundsMax + 1];  // f64
  HistogramTold told[2];
};

// As in the cells.
struct Bucket {
  u64 count = 0;
  u64 sum = 0;
  bool operator==(const Bucket&) const = default;
};
static_assert(sizeof(Bucket) == sizeof(detail::HistogramCell));
inline constexpr u32 kBucketsMax = detail::kExponentialBuckets;

[[nodiscard]] inline bool is_histogram(CellKind kind) {
  return kind == CellKind::kExplicit || kind == CellKind::kExponential || kind == CellKind::kTimer;
}

// Which values the buckets hold. Of a timer in ticks.
class HistogramShape {
 public:
  HistogramShape() = default;
  // `bounds`: of kExplicit, ascending and finite.
  HistogramShape(CellKind kind, std::span<const double> bounds)
      : kind_(kind), count_(u32(std::min<std::size_t>(bounds.size(), detail::kBoundsMax))) {
    double greatest = 0;
    for (u32 i = 0; i < count_; ++i) {
      bounds_[i] = bounds[i];
      greatest = std::max(greatest, std::abs(bounds_[i]));
    }
    scale_ = detail::explicit_scale(greatest);
  }

  [[nodiscard]] u32 buckets() const {
    return kind_ == CellKind::kExplicit ? count_ + 1 : detail::kExponentialBuckets;
  }
  // The greatest value that a bucket holds.
  [[nodiscard]] double upper(u32 bucket) const {
    if (kind_ == CellKind::kExplicit) {
      return bucket < count_ ? bounds_[bucket] : std::numeric_limits<double>::infinity();
    }
    if (bucket + 1 >= detail::kExponentialBuckets) return std::numeric_limits<double>::infinity();
    return std::ldexp(detail::kEighths[bucket % detail::kOctaveBuckets],
                      first() + int(bucket / detail::kOctaveBuckets));
  }
  // What the values of a bucket come to.
  [[nodiscard]] double sum(u32 bucket, u64 sum) const {
    if (kind_ == CellKind::kExplicit) return double(i64(sum)) / scale_;
    if (bucket == 0) return 0;
    return std::ldexp(double(sum),
                      first() + int((bucket - 1) / detail::kOctaveBuckets) - detail::kSumBits);
  }

 private:
  [[nodiscard]] int first() const {
    return kind_ == CellKind::kTimer ? detail::kFirstTickExponent : detail::kFirstExponent;
  }

  CellKind kind_ = CellKind::kExponential;
  u32 count_ = 0;
  double bounds_[detail::kBoundsMax] = {};
  double scale_ = 1;
};

[[nodiscard]] inline u64 histogram_chunk_bytes(u32 buckets) {
  return sizeof(HistogramChunk) + u64{2} * buckets * sizeof(Bucket);
}

// The shape of a series, by its chunk, which `read(offset, to, bytes)` brings from the region.
// False: it could not, or it is none.
template <class Read>
[[nodiscard]] bool read_shape(CellKind kind, u64 chunk, HistogramShape& shape, const Read& read) {
  u64 words[2 + detail::kBoundsMax];
  double bounds[detail::kBoundsMax];
  if (chunk == 0 || !read(chunk, words, sizeof words)) return false;
  const u64 count = kind == CellKind::kExplicit ? words[0] : 0;
  if (count > detail::kBoundsMax) return false;
  for (u64 i = 0; i < count; ++i) {
    bounds[i] = std::bit_cast<double>(words[2 + i]);
    if (!std::isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1])) return false;
  }
  shape = HistogramShape(kind, {bounds, count});
  return true;
}

// Adds up the buckets of a series over all blocks. As sum_cells().
template <class Read>
[[nodiscard]] bool sum_buckets(const MetricArea& area, u32 series, std::span<Bucket> totals,
                               const Read& read) {
  Bucket buckets[kBucketsMax];
  // relaxed: a bound for the scan; a block is published by its chunk (P18)
  const u32 used = area.lines.blocks_used.load(std::memory_order_relaxed);
  for (u32 i = 0; i < used && i < kBlocksMax; ++i) {
    const u64 block = Made::look(area.blocks[i].chunk);
    u64 away = 0;
    if (block == 0) continue;
    if (!read(block + u64{series} * sizeof(u64), &away, sizeof away)) return false;
    if (away == 0) continue;
    if (!read(block + away, buckets, totals.size_bytes())) return false;
    for (std::size_t at = 0; at < totals.size(); ++at) {
      totals[at].count += buckets[at].count;
      totals[at].sum += buckets[at].sum;
    }
  }
  return true;
}

}  // namespace sluice::region

#endif  // SLUICE_SRC_REGION_HISTOGRAM_AREA_H_
