// Metrics that are added up where they happen: counters, up-down counters, gauges. Histograms and
// timers: sluice/histogram.h.
//
//     sluice::Counter requests{"http.requests", "1", {{"route", "/cart"}}};
//     static constinit sluice::UpDownCounter open{"http.connections"};
//     requests.add();
//
// An add is one instruction on a cell of the thread's own (about half a nanosecond): no record is
// made. Each Options::metrics_interval_ms, in a flush() and at the end the library makes one record
// of every series that has changed, as if SLUICE_COUNTER or SLUICE_GAUGE had been called: a
// counter's says by how much it has grown since the one before, an up-down counter's where it
// stands. The cells lie in the region, so what threads that have ended, or a process that was
// killed, had added is in the sum, exactly, once. `sluice metrics --prometheus PID` shows the
// totals of a running process.
//
// Name, unit (UCUM) and labels together are a series. Two handles of the same series add to the
// same total. A process has room for 2,047; what comes later counts nowhere and is itself counted
// (stats().series_refused): labels are for what has few values, a record's fields for the rest.
//
// Threading: any, signal handlers too. Never blocks. After the first add of a thread and of a
// handle: no system call. A forked child counts from zero. What is added after stop() is said when
// start() comes again.
#ifndef SLUICE_METRIC_H_
#define SLUICE_METRIC_H_

#include <bit>
#include <initializer_list>
#include <span>
#include <string_view>

#include "sluice/detail/call_site.h"
#include "sluice/detail/cells.h"

namespace sluice {
inline namespace v1 {

struct Label {
  std::string_view name;
  std::string_view value;
};
using Labels = std::initializer_list<Label>;

namespace detail {

// What all metrics have in common: a series, found at its first use.
template <CellKind kKind>
class SeriesHandle {
 public:
  SeriesHandle(const SeriesHandle&) = delete;
  SeriesHandle& operator=(const SeriesHandle&) = delete;

 protected:
  // The texts must live as long as the handle.
  constexpr SeriesHandle(const char* name, const char* unit) noexcept : name_(name), unit_(unit) {}
  // Texts are copied, 1,280 bytes and 31 labels at most: a longer series is refused. `bounds`: of
  // kExplicit.
  SLUICE_API SeriesHandle(std::string_view name, std::string_view unit, Labels labels,
                          std::span<const double> bounds = {}) noexcept;

  // The cell in the thread's block; null: not yet, or there is no such block.
  [[nodiscard]] SLUICE_INLINE Cell* cell() const noexcept {
    Cell* const cells = t_cells;
    // acquire: that the region knows the series, before an add that outlives a kill (P32)
    const std::uint32_t at = series_.load(SiteOrders::know_id);
    return cells != nullptr && at != 0 ? cells + at : nullptr;
  }
  SLUICE_API SLUICE_COLD void add_cold(std::uint64_t n) noexcept;
  SLUICE_API void set(std::uint64_t word) noexcept;

  // Of a histogram, to its buckets in the thread's block, whose cell says where; 0: not yet.
  SLUICE_INLINE void observe(std::uint32_t bucket, std::uint64_t sum,
                             std::span<const double> bounds = {}) noexcept {
    const Cell* const links = t_links;
    // acquire: as in cell(); 0: the first cell, which is always 0
    const std::uint32_t at = series_.load(SiteOrders::know_id);
    // relaxed: only this thread, and the handlers on it, write it
    const std::uint64_t away = links[at].load(std::memory_order_relaxed);
    if (away != 0) [[likely]] {
      auto* const mine = reinterpret_cast<HistogramCell*>(reinterpret_cast<std::uintptr_t>(links) +
                                                          std::uintptr_t(away)) +
                         bucket;
      add_to_cell(mine->sum, sum);
      add_to_cell(mine->count, 1);
    } else {
      observe_cold(bucket, sum, bounds);
    }
  }
  SLUICE_API SLUICE_COLD void observe_cold(std::uint32_t bucket, std::uint64_t sum,
                                           std::span<const double> bounds) noexcept;

 private:
  const char* name_;
  const char* unit_;
  std::atomic<std::uint32_t> series_{0};
};

}  // namespace detail

// Grows only.
class Counter : detail::SeriesHandle<detail::CellKind::kCounter> {
 public:
  constexpr explicit Counter(const char* name, const char* unit = "") noexcept
      : SeriesHandle(name, unit) {}
  Counter(std::string_view name, std::string_view unit, Labels labels) noexcept
      : SeriesHandle(name, unit, labels) {}

  SLUICE_INLINE void add(std::uint64_t n = 1) noexcept {
    if (detail::Cell* const mine = cell()) [[likely]] {
      detail::add_to_cell(*mine, n);
    } else {
      add_cold(n);
    }
  }
};

// Grows and shrinks: what is open, queued, in use.
class UpDownCounter : detail::SeriesHandle<detail::CellKind::kUpDown> {
 public:
  constexpr explicit UpDownCounter(const char* name, const char* unit = "") noexcept
      : SeriesHandle(name, unit) {}
  UpDownCounter(std::string_view name, std::string_view unit, Labels labels) noexcept
      : SeriesHandle(name, unit, labels) {}

  SLUICE_INLINE void add(std::int64_t n) noexcept {
    if (detail::Cell* const mine = cell()) [[likely]] {
      detail::add_to_cell(*mine, static_cast<std::uint64_t>(n));
    } else {
      add_cold(static_cast<std::uint64_t>(n));
    }
  }
};

// What was measured last, by whichever thread.
class Gauge : detail::SeriesHandle<detail::CellKind::kGauge> {
 public:
  constexpr explicit Gauge(const char* name, const char* unit = "") noexcept
      : SeriesHandle(name, unit) {}
  Gauge(std::string_view name, std::string_view unit, Labels labels) noexcept
      : SeriesHandle(name, unit, labels) {}

  void set(double value) noexcept { SeriesHandle::set(std::bit_cast<std::uint64_t>(value)); }
};

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_METRIC_H_
