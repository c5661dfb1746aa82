// The texts of filter options (record/filter.h).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "record/filter.h"
#include "record/time_text.h"

namespace sluice {
namespace {

constexpr i64 kNsPerDay = 86'400 * kNsPerSecond;

Status bad_time(std::string_view text, std::string_view what) {
  return fatal(
      fmt::format("time \"{}\": {}; write 10m, 2h, 7d, today, yesterday, @1700000000, or "
                  "2025-11-22T10:30:00Z",
                  text, what));
}

// Adds with a check; false when the time is not one of the years 1677 to 2262.
bool add(i64 a, i64 b, i64& out) { return !__builtin_add_overflow(a, b, &out); }
bool multiply(i64 a, i64 b, i64& out) { return !__builtin_mul_overflow(a, b, &out); }

struct Unit {
  std::string_view name;
  i64 ns;
};
constexpr Unit kUnits[] = {{"ms", 1'000'000},        {"s", kNsPerSecond},
                           {"m", 60 * kNsPerSecond}, {"h", 3600 * kNsPerSecond},
                           {"d", kNsPerDay},         {"w", 7 * kNsPerDay}};

// "10m" and the like. False: no number in front; what is wrong otherwise stands in `wrong`.
bool read_length(std::string_view text, i64& length, std::string& wrong) {
  u64 count = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, count);
  if (read.ptr == text.data()) return false;
  const std::string_view unit_name(read.ptr, std::size_t(end - read.ptr));
  const Unit* const unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                        [&](const Unit& known) { return known.name == unit_name; });
  if (unit == std::end(kUnits)) {
    wrong = fmt::format("\"{}\" is no unit (ms, s, m, h, d, w)", unit_name);
  } else if (read.ec != std::errc() || count > u64(INT64_MAX) ||
             !multiply(i64(count), unit->ns, length)) {
    wrong = "too far away";
  }
  return true;
}

// Reads exactly `digits` decimal digits off the front.
bool take_digits(std::string_view& text, u32 digits, u32& out) {
  if (text.size() < digits) return false;
  out = 0;
  for (u32 i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    out = out * 10 + u32(text[i] - '0');
  }
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// ".25" as nanoseconds; digits past the ninth are dropped.
bool take_fraction(std::string_view& text, i64& ns) {
  ns = 0;
  if (!take(text, '.')) return true;
  i64 unit = kNsPerSecond / 10;
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    ns += unit * (text[digits++] - '0');
    unit /= 10;
  }
  text.remove_prefix(digits);
  return digits > 0;
}

bool take_zone(std::string_view& text, i64& offset_ns) {
  offset_ns = 0;
  if (text.empty() || take(text, 'Z') || take(text, 'z')) return true;
  const i64 sign = text[0] == '-' ? -1 : 1;
  if (!take(text, '+') && !take(text, '-')) return false;
  u32 hours = 0, minutes = 0;
  if (!take_digits(text, 2, hours) || hours > 23) return false;
  (void)take(text, ':');
  if (!take_digits(text, 2, minutes) || minutes > 59) return false;
  offset_ns = sign * i64(hours * 60 + minutes) * 60 * kNsPerSecond;
  return true;
}

u32 days_in_month(u32 year, u32 month) {
  return u32(month == 12 ? 31 : days_of_date(year, month + 1, 1) - days_of_date(year, month, 1));
}

Result<i64> parse_date(std::string_view whole) {
  std::string_view text = whole;
  u32 year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  i64 fraction = 0, offset = 0;
  const bool date = take_digits(text, 4, year) && take(text, '-') && take_digits(text, 2, month) &&
                    take(text, '-') && take_digits(text, 2, day);
  if (!date) return bad_time(whole, "not understood");
  if (month < 1 || month > 12) return bad_time(whole, "the month is not 01 to 12");
  if (day < 1 || day > days_in_month(year, month)) {
    return bad_time(whole, "the month has no such day");
  }
  if (take(text, 'T') || take(text, 't') || take(text, ' ')) {
    const bool time = take_digits(text, 2, hour) && take(text, ':') && take_digits(text, 2, minute);
    if (!time) return bad_time(whole, "the time of day is not understood");
    if (take(text, ':') && (!take_digits(text, 2, second) || !take_fraction(text, fraction))) {
      return bad_time(whole, "the seconds are not understood");
    }
    // 60 is a leap second (RFC 3339 section 5.6).
    if (hour > 23 || minute > 59 || second > 60) return bad_time(whole, "no such time of day");
    if (!take_zone(text, offset)) return bad_time(whole, "the zone is not Z or +hh:mm");
  }
  if (!text.empty()) return bad_time(whole, fmt::format("\"{}\" is too much", text));
  i64 result = 0;
  const i64 in_day = i64(hour * 3600 + minute * 60 + second) * kNsPerSecond + fraction - offset;
  if (!multiply(days_of_date(year, month, day), kNsPerDay, result) ||
      !add(result, in_day, result)) {
    return bad_time(whole, "the year is not 1678 to 2261");
  }
  return result;
}

Result<i64> parse_unix(std::string_view whole) {
  i64 seconds = 0, fraction = 0, result = 0;
  const char* const end = whole.data() + whole.size();
  const auto read = std::from_chars(whole.data() + 1, end, seconds);
  std::string_view rest(read.ptr, std::size_t(end - read.ptr));
  if (read.ec != std::errc() || !take_fraction(rest, fraction) || !rest.empty()) {
    return bad_time(whole, "behind @ stand seconds since 1970");
  }
  if (whole[1] == '-') fraction = -fraction;
  if (!multiply(seconds, kNsPerSecond, result) || !add(result, fraction, result)) {
    return bad_time(whole, "too far away; behind @ stand seconds, not milliseconds");
  }
  return result;
}

}  // namespace

Result<i64> parse_time(std::string_view text, i64 now_ns) {
  if (text.empty()) return bad_time(text, "nothing given");
  if (text == "now") return now_ns;
  if (text == "today" || text == "yesterday") {
    const i64 past = (now_ns % kNsPerDay + kNsPerDay) % kNsPerDay;
    i64 midnight = 0;
    if (!add(now_ns, -past - (text == "today" ? 0 : kNsPerDay), midnight)) {
      return bad_time(text, "too far away");
    }
    return midnight;
  }
  if (text[0] == '@') return parse_unix(text);
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0 || text.substr(digits).starts_with('-')) return parse_date(text);
  if (digits == text.size()) return bad_time(text, "a number needs a unit, or @ before it");
  i64 length = 0, result = 0;
  std::string wrong;
  (void)read_length(text, length, wrong);
  if (wrong.empty() && !add(now_ns, -length, result)) wrong = "too far away";
  if (!wrong.empty()) return bad_time(text, wrong);
  return result;
}

Result<i64> parse_duration(std::string_view text) {
  i64 length = 0;
  std::string wrong;
  if (!read_length(text, length, wrong)) wrong = "not understood";
  if (wrong.empty() && length == 0) wrong = "nothing is not a length";
  if (wrong.empty()) return length;
  return fatal(fmt::format("duration \"{}\": {}; write for example 10s, 1m, 2h, 1d", text, wrong));
}

Result<FieldMatch> parse_field(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return fatal(fmt::format("field \"{}\": {}; write key=value, for example user_id=123", text,
                             equals == 0 ? "there is no key before \"=\"" : "there is no \"=\""));
  }
  return FieldMatch{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

Result<Level> parse_level_option(std::string_view text) {
  Level level = Level::off;
  if (parse_level(text, level) && level != Level::off) return level;
  return fatal(
      fmt::format("level \"{}\": there is none of this name; write trace, debug, info, "
                  "notice, warning, error or critical",
                  text));
}

Result<u64> parse_limit(std::string_view text) {
  u64 limit = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size() && limit > 0) return limit;
  return fatal(fmt::format("limit \"{}\": not a number above 0; write for example 100", text));
}

}  // namespace sluice
