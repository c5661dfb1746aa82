// Distributions that are counted where they happen: histograms and timers.
//
//     static constinit sluice::Histogram sizes{"http.response.size", "By"};
//     static constinit sluice::ExplicitHistogram waits{"queue.wait", "s", {0.001, 0.01, 0.1, 1}};
//     static constinit sluice::Timer handling{"http.duration"};
//     sizes.observe(1543);
//     auto scope = handling.time();  // till the end of the block
//
// An observation adds to two cells of the thread's own (3 times a Counter's add, with explicit
// bounds 6 times) and makes no record. At each interval one record says what has been observed
// since: the mean as its value, `count`, and `buckets`, a list of [mean, count], so sums and counts
// are exact and percentiles as fine as the buckets. A store counts them as so many samples
// (`sluice metrics NAME --agg p99`).
//
// What sluice/metric.h says of series, labels, threads, forks and kills holds here as well. Sums
// are of values rounded to 30 binary digits (ExplicitHistogram: to 2^-32 of the greatest bound).
// What is not a number is not counted.
#ifndef SLUICE_HISTOGRAM_H_
#define SLUICE_HISTOGRAM_H_

#include "sluice/detail/call.h"
#include "sluice/detail/histogram_buckets.h"
#include "sluice/metric.h"

namespace sluice {
inline namespace v1 {

// Eight buckets in each power of two from 9.3e-10 to 8.6e9 (OpenTelemetry's exponential buckets at
// scale 3): a value is known to 9 % of itself or better. What is less, zero and what is negative
// count as 0, what is more as 8.6e9.
class Histogram : detail::SeriesHandle<detail::CellKind::kExponential> {
 public:
  constexpr explicit Histogram(const char* name, const char* unit = "") noexcept
      : SeriesHandle(name, unit) {}
  Histogram(std::string_view name, std::string_view unit, Labels labels) noexcept
      : SeriesHandle(name, unit, labels) {}

  SLUICE_INLINE void observe(double value) noexcept {
    const auto [bucket, sum] = detail::place_exponential<detail::kFirstExponent>(value);
    if (bucket != detail::kNoBucket) [[likely]]
      SeriesHandle::observe(bucket, sum);
  }
};

// Buckets that end at the bounds, 63 at most, and one above them.
class ExplicitHistogram : detail::SeriesHandle<detail::CellKind::kExplicit> {
 public:
  // Bounds in any order; what is not finite or comes twice is left out.
  constexpr ExplicitHistogram(const char* name, const char* unit,
                              std::initializer_list<double> bounds) noexcept
      : SeriesHandle(name, unit), bounds_(bounds.begin(), bounds.size()) {}
  ExplicitHistogram(std::string_view name, std::string_view unit,
                    std::initializer_list<double> bounds, Labels labels) noexcept
      : ExplicitHistogram(name, unit, detail::ExplicitBounds(bounds.begin(), bounds.size()),
                          labels) {}

  SLUICE_INLINE void observe(double value) noexcept {
    if (value != value) [[unlikely]]
      return;
    const auto [bucket, sum] = bounds_.place(value);
    SeriesHandle::observe(bucket, sum, {bounds_.bounds, bounds_.count});
  }

 private:
  ExplicitHistogram(std::string_view name, std::string_view unit,
                    const detail::ExplicitBounds& bounds, Labels labels) noexcept
      : SeriesHandle(name, unit, labels, {bounds.bounds, bounds.count}), bounds_(bounds) {}

  const detail::ExplicitBounds bounds_;
};

// How long things take, in seconds, in exponential buckets of the clock's ticks.
class Timer : detail::SeriesHandle<detail::CellKind::kTimer> {
 public:
  constexpr explicit Timer(const char* name) noexcept : SeriesHandle(name, "s") {}
  Timer(std::string_view name, Labels labels) noexcept : SeriesHandle(name, "s", labels) {}

  // Counts the time from its making to its end, unless it was cancelled. One thread's.
  class Scope {
   public:
    SLUICE_INLINE explicit Scope(Timer& timer) noexcept : timer_(&timer), from_(ticks()) {}
    SLUICE_INLINE ~Scope() {
      if (timer_ != nullptr) timer_->observe_ticks(ticks() - from_);
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    void cancel() noexcept { timer_ = nullptr; }

   private:
    Timer* timer_;
    std::uint64_t from_;
  };
  [[nodiscard]] SLUICE_INLINE Scope time() noexcept { return Scope(*this); }

  // A time that was measured with sluice::ticks().
  SLUICE_INLINE void observe_ticks(std::uint64_t ticks) noexcept {
    // Signed: clocks of two processors may differ by a little.
    const double value = static_cast<double>(static_cast<std::int64_t>(ticks));
    const auto [bucket, sum] = detail::place_exponential<detail::kFirstTickExponent>(value);
    SeriesHandle::observe(bucket, sum);
  }
};

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_HISTOGRAM_H_
