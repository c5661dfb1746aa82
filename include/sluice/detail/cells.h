// Where a thread's counters are: its block of cells in the region.
#ifndef SLUICE_DETAIL_CELLS_H_
#define SLUICE_DETAIL_CELLS_H_

#include <atomic>
#include <cstdint>

#include "sluice/detail/api.h"
#include "sluice/detail/ring.h"

namespace sluice {
inline namespace v1 {
namespace detail {

enum class CellKind : std::uint32_t {
  kCounter = 1,
  kUpDown = 2,
  kGauge = 3,
  kExplicit = 4,     // buckets between bounds
  kExponential = 5,  // of OpenTelemetry's scale 3
  kTimer = 6,        // the same, of clock ticks
};

inline constexpr std::uint32_t kSeriesMax = 2048;
inline constexpr std::uint32_t kBoundsMax = 63;

using Cell = std::atomic<std::uint64_t>;

// A bucket of a histogram: how many values, and what they come to (src/region/histogram_area.h).
struct HistogramCell {
  Cell count;
  Cell sum;
};

// initial-exec: one instruction to reach it, as thread_block.h. Null: the thread has no block yet
// (or none any more, after a fork), and an add takes the cold path.
extern SLUICE_API constinit thread_local Cell* t_cells __attribute__((tls_model("initial-exec")));
// The same for what only reads a cell before it adds elsewhere, as histograms do: never null, but
// cells of zeros then.
extern SLUICE_API constinit thread_local const Cell* t_links
    __attribute__((tls_model("initial-exec")));

// Adds to a cell that only this thread, and the handlers on it, write.
SLUICE_INLINE void add_to_cell(Cell& cell, std::uint64_t n) noexcept {
#if defined(__x86_64__) && !defined(SLUICE_THREAD_SANITIZER_)
  asm volatile("addq %1, %0" : "+m"(cell) : "er"(n) : "cc");
#else
  // relaxed: a counter; a handler between a load and a store would be lost
  cell.fetch_add(n, std::memory_order_relaxed);
#endif
}

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_DETAIL_CELLS_H_
