#include "record/number_text.h"

#include <charconv>
#include <cmath>

namespace sluice {
namespace {

constexpr double kScale = 1e6;  // decimals that the short path tries

// In millionths, if that is exact or divides back to the value: a decimal of at most 15 digits that
// stands for a double is its shortest form, since two different ones never round to the same double
// (DBL_DIG). No division for what is whole in 64ths (10^6 / 64 is whole too); one otherwise.
bool in_millionths(double magnitude, u64& scaled) {
  const u64 parts = u64(magnitude * 64);
  if (double(parts) == magnitude * 64) {
    scaled = parts * 15625;
    return true;
  }
  scaled = u64(magnitude * kScale + 0.5);
  return double(scaled) / kScale == magnitude;
}

char* put_short_decimal(char* at, double value) {
  const double magnitude = std::fabs(value);
  // Below 1e-4 the shortest form has an exponent; above 1e9 there would be more than 15 digits.
  if (!(magnitude < 1e9) || (magnitude < 1e-4 && magnitude != 0)) return nullptr;
  u64 scaled;
  if (!in_millionths(magnitude, scaled)) return nullptr;
  *at = '-';
  at += std::signbit(value) ? 1 : 0;
  const u64 whole = scaled / 1000000;
  const u32 fraction = u32(scaled - whole * 1000000);
  at = put_u64(at, whole);
  if (fraction == 0) return at;
  *at++ = '.';
  const u32 high = fraction / 10000;
  const u32 rest = fraction - high * 10000;
  put_2_digits(at, high);
  put_2_digits(at + 2, rest / 100);
  put_2_digits(at + 4, rest % 100);
  at += 6;
  while (at[-1] == '0') --at;
  return at;
}

// fmt's "{}" uses an exponent below 1e-4 and from 1e16 on, and plain digits between.
template <class Float>
char* put_shortest(char* at, Float value) {
  char buffer[kNumberRoom];
  char* const end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const char* from = buffer;
  if (*from == '-') *at++ = *from++;
  if (!(*from >= '0' && *from <= '9')) {  // inf, nan
    std::memcpy(at, from, 3);
    return at + 3;
  }
  const char* mark = end - 1;  // of the exponent, which has two or three digits
  while (*mark != 'e') --mark;
  int exponent = 0;
  for (const char* digit = mark + 2; digit != end; ++digit)
    exponent = exponent * 10 + (*digit - '0');
  if (mark[1] == '-') exponent = -exponent;
  if (exponent < -4 || exponent >= 16) {
    std::memcpy(at, from, std::size_t(end - from));
    return at + (end - from);
  }
  const char first = *from;
  const char* const rest = from + 2;  // behind "d."
  const int decimals = mark > rest ? int(mark - rest) : 0;
  if (exponent < 0) {
    std::memcpy(at, "0.0000", 6);
    at += 1 - exponent;
    *at++ = first;
    std::memcpy(at, rest, 24);
    return at + decimals;
  }
  *at++ = first;
  if (decimals <= exponent) {
    std::memcpy(at, rest, std::size_t(decimals));
    std::memset(at + decimals, '0', std::size_t(exponent - decimals));
    return at + exponent;
  }
  std::memcpy(at, rest, 16);
  at += exponent;
  *at = '.';
  std::memcpy(at + 1, rest + exponent, 24);
  return at + 1 + decimals - exponent;
}

}  // namespace

char* put_hex(char* at, u64 value) { return std::to_chars(at, at + 16, value, 16).ptr; }

char* put_f64(char* at, double value) {
  if (char* end = put_short_decimal(at, value)) return end;
  return put_shortest(at, value);
}

char* put_f32(char* at, float value) { return put_shortest(at, value); }

}  // namespace sluice
