#include "record/time_text.h"

namespace sluice {
namespace {

constexpr i64 kSecondsPerDay = 86'400;

struct Parts {
  i64 whole;
  i64 rest;  // never negative
};
Parts divide(i64 value, i64 by) {
  i64 whole = value / by;
  i64 rest = value % by;
  if (rest < 0) {
    rest += by;
    --whole;
  }
  return {whole, rest};
}

char* put_decimal(char* at, u64 magnitude, u64 unit, u32 digits) {
  const u64 whole = magnitude / unit;
  u64 fraction = magnitude % unit;
  at = put_u64(at, whole);
  if (fraction == 0) return at;
  *at++ = '.';
  for (u32 i = digits; i-- > 0;) {
    at[i] = char('0' + fraction % 10);
    fraction /= 10;
  }
  at += digits;
  while (at[-1] == '0') --at;
  return at;
}

u64 magnitude_of(i64 value) { return value < 0 ? 0 - u64(value) : u64(value); }

}  // namespace

// Both from the civil-calendar arithmetic of H. Hinnant, "chrono-Compatible Low-Level Date
// Algorithms": a year that begins in March puts the leap day last.
i64 days_of_date(i64 year, u32 month, u32 day) {
  if (month <= 2) --year;
  const auto [era, year_of_era] = divide(year, 400);
  const i64 day_of_year = (153 * (i64{month} + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const i64 day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

Date date_of_days(i64 days) {
  const auto [era, day_of_era] = divide(days + 719'468, 146'097);
  const i64 year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const i64 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const i64 shifted = (5 * day_of_year + 2) / 153;
  const u32 day = u32(day_of_year - (153 * shifted + 2) / 5 + 1);
  const u32 month = u32(shifted < 10 ? shifted + 3 : shifted - 9);
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

u32 TimeText::renew(i64 wall_ns) {
  const auto [seconds, ns] = divide(wall_ns, kNsPerSecond);
  skipped_ = wall_ns < INT64_MIN + ns ? u32(u64(INT64_MIN) + u64(ns) - u64(wall_ns)) : 0;
  from_ns_ = skipped_ != 0 ? INT64_MIN : wall_ns - ns;
  const auto [days, second_of_day] = divide(seconds, kSecondsPerDay);
  const Date date = date_of_days(days);
  const u32 second = u32(second_of_day);
  put_2_digits(prefix_, u32(date.year / 100));
  put_2_digits(prefix_ + 2, u32(date.year % 100));
  put_2_digits(prefix_ + 5, date.month);
  put_2_digits(prefix_ + 8, date.day);
  put_2_digits(prefix_ + 11, second / 3600);
  put_2_digits(prefix_ + 14, second / 60 % 60);
  put_2_digits(prefix_ + 17, second % 60);
  return u32(ns);
}

char* put_time(char* at, i64 wall_ns) {
  TimeText text;
  return text.put(at, wall_ns);
}

std::string time_string(i64 wall_ns) {
  char text[kNumberRoom];
  return {text, put_time(text, wall_ns)};
}

char* put_duration(char* at, i64 ns) {
  if (ns < 0) *at++ = '-';
  const u64 magnitude = magnitude_of(ns);
  struct Unit {
    u64 ns;
    u32 digits;
    std::string_view name;
  };
  constexpr Unit kUnits[] = {
      {1'000'000'000, 9, "s"}, {1'000'000, 6, "ms"}, {1'000, 3, "us"}, {1, 0, "ns"}};
  for (const Unit& unit : kUnits) {
    if (magnitude < unit.ns && unit.ns != 1) continue;
    at = put_decimal(at, magnitude, unit.ns, unit.digits);
    std::memcpy(at, unit.name.data(), unit.name.size());
    return at + unit.name.size();
  }
  return at;
}

char* put_seconds(char* at, i64 ns) {
  if (ns < 0) *at++ = '-';
  return put_decimal(at, magnitude_of(ns), 1'000'000'000, 9);
}

}  // namespace sluice
