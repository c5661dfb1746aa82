#include "record/time_text.h"

#include <gtest/gtest.h>

#include <ctime>
#include <random>
#include <string>

namespace sluice {
namespace {

std::string time_of(i64 ns) {
  char text[kNumberRoom];
  return {text, put_time(text, ns)};
}
std::string duration(i64 ns) {
  char text[kNumberRoom];
  return {text, put_duration(text, ns)};
}
std::string seconds(i64 ns) {
  char text[kNumberRoom];
  return {text, put_seconds(text, ns)};
}

TEST(TimeText, KnownTimes) {
  EXPECT_EQ(time_of(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(time_of(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(time_of(1'700'000'000'123'456'789), "2023-11-14T22:13:20.123456789Z");
  EXPECT_EQ(time_of(951'782'400'000'000'000), "2000-02-29T00:00:00.000000000Z");
  EXPECT_EQ(time_of(INT64_MAX), "2262-04-11T23:47:16.854775807Z");
  EXPECT_EQ(time_of(INT64_MIN), "1677-09-21T00:12:43.145224192Z");
  EXPECT_EQ(time_of(0).size(), TimeText::kBytes);
}

TEST(TimeText, AgreesWithTheCLibrary) {
  std::mt19937_64 random(2);
  TimeText text;
  char ours[kNumberRoom], theirs[64];
  for (int i = 0; i < 50'000; ++i) {
    const i64 ns = i64(random());
    if (ns < INT64_MIN + 2 * kNsPerSecond) continue;
    const std::time_t second =
        std::time_t((ns - ((ns % kNsPerSecond) + kNsPerSecond) % kNsPerSecond) / kNsPerSecond);
    const std::tm* const parts = std::gmtime(&second);
    // Windows' knows no time before 1970.
    if (parts == nullptr ||
        std::strftime(theirs, sizeof theirs, "%Y-%m-%dT%H:%M:%S.", parts) == 0) {
      continue;
    }
    const std::string got(ours, text.put(ours, ns));
    ASSERT_EQ(got.substr(0, 20), theirs) << ns;
  }
}

TEST(TimeText, CachedSecondIsNeverStale) {
  TimeText text;
  char out[kNumberRoom];
  for (i64 ns : {i64{5} * kNsPerSecond, 5 * kNsPerSecond + 999'999'999, 6 * kNsPerSecond,
                 5 * kNsPerSecond, i64{-1}, i64{0}, INT64_MIN, i64{0}, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(std::string(out, text.put(out, ns)), time_of(ns)) << ns;
  }
}

TEST(TimeText, DatesThereAndBack) {
  for (i64 day = -110'000; day < 110'000; day += 13) {
    const Date date = date_of_days(day);
    ASSERT_EQ(days_of_date(date.year, date.month, date.day), day);
  }
}

TEST(TimeText, Durations) {
  EXPECT_EQ(duration(0), "0ns");
  EXPECT_EQ(duration(12), "12ns");
  EXPECT_EQ(duration(1'500), "1.5us");
  EXPECT_EQ(duration(1'500'000), "1.5ms");
  EXPECT_EQ(duration(90'000'000'000), "90s");
  EXPECT_EQ(duration(-1'000'000'001), "-1.000000001s");
  EXPECT_EQ(duration(INT64_MIN), "-9223372036.854775808s");
  EXPECT_EQ(seconds(1'500'000), "0.0015");
  EXPECT_EQ(seconds(-2'000'000'000), "-2");
  EXPECT_EQ(seconds(0), "0");
}

}  // namespace
}  // namespace sluice
