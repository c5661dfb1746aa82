// What a region holds of metrics (AreaKind::kMetricCells): the series, and where the cells of each
// thread are.
//
// A block of cells is a thread's while it lives, and goes on counting for the next thread that
// takes it: nothing is ever reset or moved, so the total of a series is the sum of its cells over
// all blocks, whoever has ended or was killed. Block 0 is nobody's: there every thread adds that
// has none of its own, and there are the gauges.
//
// | word               | written by          | read by         | order                          |
// |--------------------|---------------------|-----------------|--------------------------------|
// | SeriesEntry::state | registering threads | consumer, tools | P32 (marks.h): the rest of it  |
// | MetricBlock::taken | its thread          | the next one    | P33, as P8: its cells          |
// | MetricBlock::chunk | who makes it        | any             | P18 (base/made.h)              |
// | cells              | the block's thread  | consumer, tools | relaxed: counters only         |
// | *_used, refused    | registering threads | any             | relaxed RMW: only unique       |
// | SeriesEntry::told  | consumer            | its successor   | in force by a committed batch  |
#ifndef SLUICE_SRC_REGION_METRIC_AREA_H_
#define SLUICE_SRC_REGION_METRIC_AREA_H_

#include <atomic>
#include <span>

#include "base/bytes.h"
#include "base/made.h"
#include "region/marks.h"
#include "sluice/detail/cells.h"

namespace sluice::region {

using detail::CellKind;

inline constexpr u32 kSeriesMax = detail::kSeriesMax;  // with 0, which is no series
inline constexpr u32 kBlockCells = 2560;               // a cell a series; whole pages
inline constexpr u64 kBlockBytes = u64{kBlockCells} * 8;
inline constexpr u32 kBlocksMax = 1024;
inline constexpr u32 kSeriesLabelBytesMax = 1024;
static_assert(kSeriesMax <= kBlockCells && kBlockBytes % 4096 == 0);

enum class SeriesState : u32 { kFree = 0, kWriting = 1, kReady = 2, kRefused = 3 };

// What a consumer's samples have said of a series. Two of them, written in turn: of those whose
// batch is committed, the later one holds.
struct ToldCopy {
  u64 batch_end;  // journal position behind the batch that said it; 0: none
  u64 total;
};

// A series is its place in the table, and so is its cell in every block.
struct SeriesEntry {
  // relaxed, but the first: several threads may write the same
  std::atomic<SeriesState> state;
  std::atomic<CellKind> kind;
  std::atomic<u32> site;          // of its records
  std::atomic<u32> label_offset;  // in MetricArea::labels
  // The arguments behind a record's value: words, then texts, padded to 8.
  std::atomic<u32> label_bytes;
  std::atomic<u32> labels;  // how many
  ToldCopy told[2];
  std::atomic<u64> histogram;  // its HistogramChunk (histogram_area.h); 0: it is none
};
static_assert(sizeof(SeriesEntry) == 64);

struct MetricBlock {
  std::atomic<u64> chunk;  // kBlockBytes of cells at this offset of the region; 0: not made yet
  std::atomic<u32> taken;
  u32 zero;
};

struct alignas(64) MetricLines {
  std::atomic<u32> series_used;  // no entry from here on was ever in use
  std::atomic<u32> blocks_used;
  std::atomic<u64> refused;  // series that found no room
};

inline constexpr u32 kMetricAreaBytes = 64 * 4096;
struct MetricArea {
  MetricLines lines;
  MetricBlock blocks[kBlocksMax];
  SeriesEntry series[kSeriesMax];
  char labels[kMetricAreaBytes - sizeof(MetricLines) - kBlocksMax * sizeof(MetricBlock) -
              kSeriesMax * sizeof(SeriesEntry)];
};
static_assert(sizeof(MetricArea) == kMetricAreaBytes);

// The totals of the first `totals.size()` series, whose cells `read(offset, to, bytes)` brings from
// the region; false when it could not. `area`: believed in nothing.
template <class Read>
[[nodiscard]] bool sum_cells(const MetricArea& area, std::span<u64> totals, const Read& read) {
  u64 cells[kBlockCells];
  // relaxed: a bound for the scan; a block is published by its chunk (P18)
  const u32 used = area.lines.blocks_used.load(std::memory_order_relaxed);
  for (u32 i = 0; i < used && i < kBlocksMax; ++i) {
    const u64 chunk = Made::look(area.blocks[i].chunk);
    if (chunk == 0) continue;
    if (!read(chunk, cells, totals.size() * sizeof(u64))) return false;
    for (std::size_t at = 0; at < totals.size(); ++at) totals[at] += cells[at];
  }
  return true;
}

}  // namespace sluice::region

#endif  // SLUICE_SRC_REGION_METRIC_AREA_H_
