// Times as text: RFC 3339 in UTC with nine digits and Z, and durations for people.
//
// Threading: thread-compatible values, no allocation. Any i64 of nanoseconds is a valid time (years
// 1677 to 2262).
#ifndef SLUICE_SRC_RECORD_TIME_TEXT_H_
#define SLUICE_SRC_RECORD_TIME_TEXT_H_

#include <string>

#include "base/bytes.h"
#include "base/durations.h"
#include "record/number_text.h"

namespace sluice {

// Days since 1970-01-01 of a proleptic Gregorian date, and back.
[[nodiscard]] i64 days_of_date(i64 year, u32 month, u32 day);
struct Date {
  i64 year;
  u32 month;
  u32 day;
};
[[nodiscard]] Date date_of_days(i64 days);

// Formats times that are mostly in the same second as the one before.
class TimeText {
 public:
  static constexpr std::size_t kBytes = 30;  // 2025-11-22T22:18:03.123456789Z

  // Needs room for kNumberRoom bytes.
  [[nodiscard]] char* put(char* at, i64 wall_ns) {
    const u32 fraction = set(wall_ns);
    std::memcpy(at, prefix_, kPrefixBytes);
    at = put_9_digits(at + kPrefixBytes, fraction);
    *at = 'Z';
    return at + 1;
  }
  // The text up to and with the point ("2025-11-22T22:18:03."), for parts of it.
  [[nodiscard]] const char* prefix(i64 wall_ns) {
    (void)set(wall_ns);
    return prefix_;
  }

 private:
  static constexpr std::size_t kPrefixBytes = 20;

  u32 set(i64 wall_ns) {
    const u64 past = u64(wall_ns) - u64(from_ns_);
    if (wall_ns >= from_ns_ && past < u64{kNsPerSecond} - skipped_) return u32(past) + skipped_;
    return renew(wall_ns);
  }
  u32 renew(i64 wall_ns);

  // Where the second of prefix_ begins; the very first one begins before the range of i64, by
  // skipped_ nanoseconds.
  i64 from_ns_ = 0;
  u32 skipped_ = 0;
  char prefix_[kPrefixBytes + 1] = "1970-01-01T00:00:00.";
};

[[nodiscard]] char* put_time(char* at, i64 wall_ns);
[[nodiscard]] std::string time_string(i64 wall_ns);

// "12ns", "1.5ms", "90s": the largest unit up to seconds that gives at least 1, exactly.
[[nodiscard]] char* put_duration(char* at, i64 ns);
// Seconds as an exact decimal number: "0.0015".
[[nodiscard]] char* put_seconds(char* at, i64 ns);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_TIME_TEXT_H_
