// Numbers as text, for the path where nanoseconds count.
//
// Each function writes at `at` and returns the end. The caller has room for kNumberRoom bytes,
// which is more than any of them needs. Doubles and floats look as fmt's "{}" prints them: the
// shortest digits that read back to the same value.
//
// Threading: thread-safe, never blocks, no allocation.
#ifndef SLUICE_SRC_RECORD_NUMBER_TEXT_H_
#define SLUICE_SRC_RECORD_NUMBER_TEXT_H_

#include <bit>
#include <cstring>

#include "base/bytes.h"

namespace sluice {

inline constexpr std::size_t kNumberRoom = 48;

namespace internal {
struct DigitPairs {
  char text[200];
  constexpr DigitPairs() : text() {
    for (int i = 0; i < 100; ++i) {
      text[2 * i] = char('0' + i / 10);
      text[2 * i + 1] = char('0' + i % 10);
    }
  }
};
inline constexpr DigitPairs kDigitPairs;

struct Powers {
  u64 of[20];
  constexpr Powers() : of{0} {
    u64 power = 1;
    for (int i = 1; i < 20; ++i) of[i] = power *= 10;
  }
  constexpr u64 operator[](u32 i) const { return of[i]; }
};
// 10^i; 0 for i = 0, so that no number has fewer digits than one.
inline constexpr Powers kPowers;
}  // namespace internal

// Exactly two digits of a value below 100.
inline char* put_2_digits(char* at, u32 value) {
  std::memcpy(at, internal::kDigitPairs.text + 2 * value, 2);
  return at + 2;
}

inline char* put_u64(char* at, u64 value) {
  if (value < 10) {
    *at = char('0' + value);
    return at + 1;
  }
  if (value < 100) return put_2_digits(at, u32(value));
  // Digits of a number with b bits: b * log10(2), corrected by one table look-up.
  const u32 guess = u32(std::bit_width(value)) * 1233 >> 12;
  char* const end = at + guess + (value >= internal::kPowers[guess] ? 1 : 0);
  char* to = end;
  while (value >= 10000) {
    const u64 rest = value / 10000;
    const u32 four = u32(value - rest * 10000);
    to -= 4;
    put_2_digits(to, four / 100);
    put_2_digits(to + 2, four % 100);
    value = rest;
  }
  u32 low = u32(value);
  if (low >= 100) {
    to -= 2;
    put_2_digits(to, low % 100);
    low /= 100;
  }
  if (low >= 10) {
    put_2_digits(to - 2, low);
  } else {
    to[-1] = char('0' + low);
  }
  return end;
}

inline char* put_i64(char* at, i64 value) {
  if (value >= 0) return put_u64(at, u64(value));
  *at = '-';
  return put_u64(at + 1, 0 - u64(value));
}

// Exactly nine digits of a value below 1e9.
inline char* put_9_digits(char* at, u32 value) {
  const u32 high = value / 100000;  // four digits
  const u32 low = value - high * 100000;
  at = put_2_digits(at, high / 100);
  at = put_2_digits(at, high % 100);
  const u32 middle = low / 1000;
  const u32 last = low - middle * 1000;
  at = put_2_digits(at, middle);
  *at++ = char('0' + last / 100);
  return put_2_digits(at, last % 100);
}

// Lower-case hexadecimal without leading zeros and without a prefix.
[[nodiscard]] char* put_hex(char* at, u64 value);

[[nodiscard]] char* put_f64(char* at, double value);
[[nodiscard]] char* put_f32(char* at, float value);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_NUMBER_TEXT_H_
