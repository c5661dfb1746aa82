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

struct OctaveTable {
  static constexpr unsigned kMantissaBits = 52, kSlotBits = 6;
  static constexpr std::uint64_t kMantissa = (std::uint64_t{1} << kMantissaBits) - 1;
  // The mantissa at which a bucket begins, and one that none reaches.
  std::array<std::uint64_t, kOctaveBuckets + 1> begins{};
  // Of the mantissas that begin with these bits, the bucket of the least.
  std::array<std::uint8_t, 1u << kSlotBits> slots{};

  constexpr OctaveTable() {
    for (std::uint32_t i = 0; i < kOctaveBuckets; ++i) {
      begins[i] = std::bit_cast<std::uint64_t>(kEighths[i]) & kMantissa;
    }
    begins[kOctaveBuckets] = ~std::uint64_t{0};
    std::uint8_t bucket = 0;
    for (std::uint64_t slot = 0; slot < slots.size(); ++slot) {
      const std::uint64_t least = slot << (kMantissaBits - kSlotBits);
      if (begins[bucket + 1] <= least) ++bucket;
      slots[slot] = bucket;
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
  const std::uint64_t mantissa = bits & Table::kMantissa;
  const std::uint32_t slot =
      kOctaveTable.slots[mantissa >> (Table::kMantissaBits - Table::kSlotBits)];
  const std::uint32_t bucket = slot + (mantissa >= kOctaveTable.begins[slot + 1] ? 1 : 0);
  constexpr unsigned kCut = Table::kMantissaBits - kSumBits;
  const std::uint64_t rounded = (mantissa + (std::uint64_t{1} << (kCut - 1))) >> kCut;
  return {std::uint32_t(1 + octave * kOctaveBuckets + bucket),
          (std::uint64_t{1} << kSumBits) + rounded};
}

// ---- Explicit ----

struct ExplicitBounds {
  // Bounds are counted, four at a time within a block: no comparison waits for another, as those of
  // a search do, and no branch depends on the value.
  static constexpr std::uint32_t kStep = 4, kBlock = 16;
  static constexpr std::uint32_t kPlaces = (kBoundsMax + kBlock - 1) / kBlock * kBlock;

  double bounds[kPlaces];  // ascending, then infinities
  std::uint32_t count = 0;
  double scale = 1;

  // In any order. What is not finite or comes twice, and what is more than 63, is left out.
  constexpr ExplicitBounds(const double* from, std::size_t many) noexcept;
  [[nodiscard]] SLUICE_INLINE BucketAdd place(double value) const noexcept;
};

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
    const double bound = from[i];
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
  for (std::uint32_t i = count; i < kPlaces; ++i) bounds[i] = __builtin_inf();
  scale = explicit_scale(greatest);
}

BucketAdd ExplicitBounds::place(double value) const noexcept {
  using Pair = double __attribute__((vector_size(16)));
  using Mask = std::int64_t __attribute__((vector_size(16)));
  const Pair both = {value, value};
  Mask below = {0, 0}, more = {0, 0};  // minus the number of bounds below the value
  std::uint32_t from = 0;
  for (std::uint32_t next = kBlock; next < count; next += kBlock) {
    from += value > bounds[next - 1] ? kBlock : 0;
  }
  for (std::uint32_t i = from; i != from + kBlock; i += kStep) {
    Pair two, other;
    __builtin_memcpy(&two, bounds + i, sizeof two);
    __builtin_memcpy(&other, bounds + i + 2, sizeof other);
    below += Mask(both > two);
    more += Mask(both > other);
  }
  below += more;
  const auto bucket = from + std::uint32_t(-(below[0] + below[1]));
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
