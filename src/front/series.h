// The series of this process: what its metrics are called, and where they are counted.
//
// A fixed table in process memory that is never freed, so it survives a fork, whose child writes
// its series into a region of its own under the same places. No lock and no heap: the first add may
// be in a signal handler.
#ifndef SLUICE_SRC_FRONT_SERIES_H_
#define SLUICE_SRC_FRONT_SERIES_H_

#include <span>

#include "front/front.h"
#include "sluice/metric.h"

namespace sluice::front {

// The place of a series, made if need be. Without room: kSeriesMax, a cell that no sum contains.
// Threads that ask for the same new one at once may make two; readers add them up.
[[nodiscard]] u32 find_series(detail::CellKind kind, std::string_view name, std::string_view unit,
                              std::span<const Label> labels);

// Makes the region know the series, and gives the thread a block. False: there is no memory.
bool prepare_cells(u32 series);

// Counts a series that found no room.
void count_refused();

// The cells of nobody; null: none yet.
[[nodiscard]] detail::Cell* shared_cells();

// The thread ends: its block goes to another.
void detach_cells();
// In a forked child. True: an add that the fork has interrupted may yet write to the old place.
bool forget_cells();

}  // namespace sluice::front

#endif  // SLUICE_SRC_FRONT_SERIES_H_
