// Which bucket of a histogram a value belongs to, and what it adds to the bucket's sum.
//
// Buckets hold what is above their lower bound, and their upper bound itself. A sum is a whole
// number, so that an add is one instruction that no signal handler can break: of an exponential
// bucket in units of 2^-30 of the power of two below it, of an explicit one in units of 2^-32 of
// the power of two that no bound exceeds.
#ifndef SLUICE_DETAIL_HISTOGRAM_BUCKETS_H_
#define SLUICE_DETAIL_HISTOGRAM_BUCKETS_H_

#include <array>
#include <bit>
#include <cstdint>

#include "sluice/detail/cells.h"

namespace sluice {
inline namespace v1 {
namespace detail {

struct BucketAdd {
  std::uint32_t bucket;
  std::uint64_t sum;
};

// ---- Exponential: 8 buckets in each of 63 octaves, one below them, one above ----

inline constexpr std::uint32_t kOctaves = 63;
inline constexpr std::uint32_t kOctaveBuckets = 8;
inline constexpr std::uint32_t kExponentialBuckets = kOctaves * kOctaveBuckets + 2;
inline constexpr int kFirstExponent = -30;  // of the least octave, 9.3e-10; the last ends at 8.6e9
inline constexpr int kFirstTickExponent = 0;
inline constexpr int kSumBits = 30;

// The bounds within an octave: OpenTelemetry's scale 3, 2^(n/8).
inline constexpr std::array<double, kOctaveBuckets> kEighths = {1.0,
                                                                1.0905077326652577,
                                                                1.1892071150027210,
                                                                1.2968395546510096,
                                                                1.4142135623730951,
                                                                1.5422108254079407,
                                                                1.6817928305074290,
                                                                1.8340080864093424};

// The bucket of a mantissa by one addition: what is added to a mantissa that begins with six given
// bits carries the number of its bucket into the bits above the mantissa. No slot has the begins of
// two buckets.
struct OctaveTable {
  static constexpr unsigned kMantissaBits = 52, kSlotBits = 6;
  static constexpr std::uint64_t kOne = std::uint64_t{1} << kMantissaBits;
  std::array<std::uint64_t, 1u << kSlotBits> addends{};

  constexpr OctaveTable() {
    std::uint64_t bucket = 0;  // of the least mantissa of a slot
    for (std::uint64_t slot = 0; slot < addends.size(); ++slot) {
      const std::uint64_t behind = (slot + 1) << (kMantissaBits - kSlotBits);
      const std::uint64_t next = bucket + 1 < kOctaveBuckets
                                     ? std::bit_cast<std::uint64_t>(kEighths[bucket + 1]) % kOne
                                     : kOne;
      addends[slot] = next < behind ? (bucket + 1) * kOne - next : bucket * kOne;
      if (next <= behind) ++bucket;
    }
  }
};
inline constexpr OctaveTable kOctaveTable;

// What is below the first octave, and what is above the last one. No place: not a number.
[[nodiscard]] SLUICE_API BucketAdd place_outside(double value, int first_exponent) noexcept;
inline constexpr std::uint32_t kNoBucket = ~std::uint32_t{0};

template <int kFirst>
[[nodiscard]] SLUICE_INLINE BucketAdd place_exponential(double value) noexcept {
  using Table = OctaveTable;
  // The number below it, so that a bound belongs to the bucket that it ends.
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(value) - 1;
  const std::uint64_t octave = (bits >> Table::kMantissaBits) - std::uint64_t(1023 + kFirst);
  if (octave >= kOctaves) [[unlikely]]
    return place_outside(value, kFirst);
  const std::uint64_t mantissa = bits % Table::kOne;
  const std::uint64_t addend =
      kOctaveTable.addends[mantissa >> (Table::kMantissaBits - Table::kSlotBits)];
  const std::uint64_t bucket = (mantissa + addend) >> Table::kMantissaBits;
  constexpr unsigned kCut = Table::kMantissaBits - kSumBits;
  const std::uint64_t rounded = (mantissa + (std::uint64_t{1} << (kCut - 1))) >> kCut;
  return {std::uint32_t(1 + octave * kOctaveBuckets + bucket),
          (std::uint64_t{1} << kSumBits) + rounded};
}

// ---- Explicit ----

// The bits of positive doubles ascend as they do. So their range, from the least positive bound to
// the greatest, is cut into at most 254 cells of equal width in bits, as narrow as that allows,
// with one below and one above. The cell of a value says how many bounds lie in those before it;
// what lies in the same one, a bound or two where bounds grow as they mostly do, is compared.
struct ExplicitBounds {
  static constexpr std::uint32_t kCells = 256;
  static constexpr std::uint32_t kStepsMax = 4;  // where more lie in a cell they are searched

  double bounds[kBoundsMax + 1];  // ascending, then infinities
  double scale = 1;
  std::int64_t first_cell = 0, last_cell = 0;
  std::uint32_t count = 0;
  std::uint32_t shift = 0;
  std::uint32_t steps = 0;           // bounds in a cell, at most
  std::uint8_t before[kCells] = {};  // by cell: bounds in those before it

  // In any order. What is not finite or comes twice, and what is more than 63, is left out.
  constexpr ExplicitBounds(const double* from, std::size_t many) noexcept;
  [[nodiscard]] SLUICE_INLINE BucketAdd place(double value) const noexcept;

 private:
  [[nodiscard]] constexpr std::int64_t cell_of(double value) const noexcept {
    std::int64_t cell = std::bit_cast<std::int64_t>(value) >> shift;  // of a negative one: below 0
    cell = cell > first_cell ? cell : first_cell;
    return (cell < last_cell ? cell : last_cell) - first_cell;
  }
  constexpr void make_cells() noexcept;
};

// How many bounds are less than the value.
[[nodiscard]] SLUICE_API std::uint32_t search_bounds(const ExplicitBounds& bounds,
                                                     double value) noexcept;

// 2^32 over the least power of two that no bound exceeds.
[[nodiscard]] constexpr double explicit_scale(double greatest) noexcept {
  double power = 1;
  while (power < greatest && power < 1e300) power *= 2;
  while (greatest > 0 && power / 2 >= greatest && power > 1e-300) power /= 2;
  return 4294967296.0 / power;
}

constexpr ExplicitBounds::ExplicitBounds(const double* from, std::size_t many) noexcept : bounds{} {
  double greatest = 0;
  for (std::size_t i = 0; i < many && count < kBoundsMax; ++i) {
    const double bound = from[i] + 0.0;  // 0 of -0, whose bits are no place among the others
    if (!(bound - bound == 0)) continue;
    std::uint32_t at = count;
    while (at > 0 && bounds[at - 1] > bound) --at;
    if (at > 0 && bounds[at - 1] == bound) continue;
    for (std::uint32_t to = count; to > at; --to) bounds[to] = bounds[to - 1];
    bounds[at] = bound;
    ++count;
    const double size = bound < 0 ? -bound : bound;
    greatest = size > greatest ? size : greatest;
  }
  for (std::uint32_t i = count; i <= kBoundsMax; ++i) bounds[i] = __builtin_inf();
  scale = explicit_scale(greatest);
  make_cells();
}

constexpr void ExplicitBounds::make_cells() noexcept {
  std::uint32_t positive = 0;
  while (positive < count && bounds[positive] <= 0) ++positive;
  if (positive < count) {
    const auto least = std::bit_cast<std::int64_t>(bounds[positive]);
    const auto greatest = std::bit_cast<std::int64_t>(bounds[count - 1]);
    constexpr std::int64_t kBetween = kCells - 3;
    while ((greatest >> shift) - (least >> shift) > kBetween) ++shift;
    first_cell = (least >> shift) - 1;
    last_cell = (greatest >> shift) + 1;
  }
  std::uint32_t at = 0;
  for (std::int64_t cell = 0; cell <= last_cell - first_cell; ++cell) {
    before[cell] = std::uint8_t(at);
    while (at < count && cell_of(bounds[at]) == cell) ++at;
    const std::uint32_t here = at - before[cell];
    steps = here > steps ? here : steps;
  }
}

BucketAdd ExplicitBounds::place(double value) const noexcept {
  std::uint32_t bucket;
  if (steps <= kStepsMax) [[likely]] {
    bucket = before[cell_of(value)];
    for (std::uint32_t step = 0; step < steps; ++step) bucket += value > bounds[bucket] ? 1 : 0;
  } else {
    bucket = search_bounds(*this, value);
  }
  // Far outside of the bounds: as much as fits. Then rounded: in the last bits of such a number.
  constexpr double kMost = 1125899906842624.0, kWhole = 6755399441055744.0;
  double scaled = value * scale;
  scaled = scaled < kMost ? scaled : kMost;
  scaled = scaled > -kMost ? scaled : -kMost;
  return {bucket,
          std::bit_cast<std::uint64_t>(scaled + kWhole) - std::bit_cast<std::uint64_t>(kWhole)};
}

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_DETAIL_HISTOGRAM_BUCKETS_H_
