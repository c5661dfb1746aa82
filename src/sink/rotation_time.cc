#include "sink/rotation_time.h"

#include <algorithm>
#include <string>

#include "base/durations.h"

namespace sluice::sink {
namespace {

std::optional<u32> two_digits(std::string_view text, u32 below) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!digit(text[0]) || !digit(text[1])) return std::nullopt;
  const u32 number = u32(text[0] - '0') * 10 + u32(text[1] - '0');
  return number < below ? std::optional(number) : std::nullopt;
}

}  // namespace

Result<std::optional<os::TimeOfDay>> parse_time_of_day(std::string_view text) {
  if (text.empty()) return std::optional<os::TimeOfDay>();
  const bool utc = text.size() == 6 && text.back() == 'Z';
  if ((text.size() == 5 || utc) && text[2] == ':') {
    const std::optional<u32> hours = two_digits(text, 24);
    const std::optional<u32> minutes = two_digits(text.substr(3), 60);
    if (hours && minutes) return std::optional(os::TimeOfDay{*hours * 60 + *minutes, utc});
  }
  return fatal("'" + std::string(text) +
               "' is no time of day; write 00:00 to 23:59, and a Z behind it for UTC");
}

i64 RotationTime::due_ns(i64 began_ns) const {
  i64 due = kNever;
  if (seconds > 0 && i64(std::min(seconds, u64(kNever))) < (kNever - began_ns) / kNsPerSecond) {
    due = began_ns + i64(seconds) * kNsPerSecond;
  }
  if (at) due = std::min(due, os::next_time_of_day(*at, began_ns));
  return due;
}

}  // namespace sluice::sink
