// The series of this process: what its metrics are called, and where they are counted.
//
// A fixed table in process memory that is never freed, so it survives a fork, whose child writes
// its series into a region of its own under the same places. No lock and no heap: the first add may
// be in a signal handler.
#ifndef SLUICE_SRC_FRONT_SERIES_H_
#define SLUICE_SRC_FRONT_SERIES_H_

#include <span>

#include "front/front.h"
#include "region/metric_area.h"
#include "sluice/metric.h"

namespace sluice::front {

struct SeriesKey {
  detail::CellKind kind;
  std::string_view name, unit;
  std::span<const Label> labels = {};
  std::span<const double> bounds = {};  // of kExplicit
};

// A cell that no sum contains, and one that nobody writes: of what found no room.
inline constexpr u32 kNoSeries = detail::kSeriesMax;
inline constexpr u32 kNoHistogram = kNoSeries + 1;
static_assert(kNoHistogram < region::kBlockCells);

// The place of a series, made if need be. Without room: one of these two. Threads that ask for the
// same new one at once may make two; readers add them up.
[[nodiscard]] u32 find_series(const SeriesKey& key);

// Makes the region know the series, and gives the thread a block. False: there is no memory.
bool prepare_cells(u32 series);

// The series of a handle, which the region knows before any thread finds its place in `known`; 0:
// there is no memory.
[[nodiscard]] u32 prepare_series(std::atomic<u32>& known, const SeriesKey& key);

// Counts a series that found no room.
void count_refused();

// Counts an add, a set or an observation for which there was no memory.
void count_lost_add();

// A chunk of the region; 0: there is no room, and was none a moment ago.
[[nodiscard]] u64 allocate_cells(u64 bytes);

// histogram.cc
// Makes the region know the bounds of a histogram. False: there is no memory.
[[nodiscard]] bool publish_histogram(region::SeriesEntry& entry, detail::CellKind kind,
                                     std::span<const double> bounds);

// The buckets of a histogram in a block, made if need be. Null: there is no memory.
[[nodiscard]] detail::HistogramCell* make_buckets(detail::Cell* block, u32 series);

// The cells of nobody; null: none yet.
[[nodiscard]] detail::Cell* shared_cells();

// The thread ends: its block goes to another.
void detach_cells();
// In a forked child. True: an add that the fork has interrupted may yet write to the old place.
bool forget_cells();

}  // namespace sluice::front

#endif  // SLUICE_SRC_FRONT_SERIES_H_
