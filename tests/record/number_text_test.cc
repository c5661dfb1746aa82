#include "record/number_text.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace sluice {
namespace {

std::string f64(double value) {
  char text[kNumberRoom];
  return {text, put_f64(text, value)};
}
std::string f32(float value) {
  char text[kNumberRoom];
  return {text, put_f32(text, value)};
}
std::string u64_text(u64 value) {
  char text[kNumberRoom];
  return {text, put_u64(text, value)};
}
std::string i64_text(i64 value) {
  char text[kNumberRoom];
  return {text, put_i64(text, value)};
}

TEST(NumberText, IntegersAroundEveryPowerOfTenAndTwo) {
  std::vector<u64> edges{0, 1, 9, 10, 99, 100, UINT64_MAX};
  for (u64 p = 1; p < UINT64_MAX / 10; p *= 10) edges.insert(edges.end(), {p - 1, p, p + 1});
  edges.insert(edges.end(), {10'000'000'000'000'000'000u, 9'999'999'999'999'999'999u});
  for (int bit = 0; bit < 64; ++bit)
    edges.insert(edges.end(), {u64{1} << bit, (u64{1} << bit) - 1});
  for (u64 value : edges) {
    ASSERT_EQ(u64_text(value), std::to_string(value));
    ASSERT_EQ(i64_text(i64(value)), std::to_string(i64(value)));
  }
  std::mt19937_64 random(3);
  for (int i = 0; i < 100'000; ++i) {
    const u64 value = random() >> (random() % 64);
    ASSERT_EQ(u64_text(value), std::to_string(value));
  }
}

TEST(NumberText, NineDigits) {
  char text[16];
  for (u32 value : {0u, 1u, 99'999u, 100'000u, 123'456'789u, 999'999'999u, 1'000u, 10'203'040u}) {
    EXPECT_EQ(std::string(text, put_9_digits(text, value)), fmt::format("{:09}", value));
  }
}

TEST(NumberText, SpecialDoubles) {
  EXPECT_EQ(f64(0.0), "0");
  EXPECT_EQ(f64(-0.0), "-0");
  EXPECT_EQ(f64(std::nan("")), "nan");
  EXPECT_EQ(f64(INFINITY), "inf");
  EXPECT_EQ(f64(-INFINITY), "-inf");
  EXPECT_EQ(f64(0.1), "0.1");
  EXPECT_EQ(f64(1e15), "1000000000000000");
  EXPECT_EQ(f64(1e16), "1e+16");
  EXPECT_EQ(f64(0.0001), "0.0001");
  EXPECT_EQ(f64(0.00001), "1e-05");
  EXPECT_EQ(f64(5e-324), "5e-324");
  EXPECT_EQ(f64(std::numeric_limits<double>::max()), "1.7976931348623157e+308");
}

void expect_like_fmt(double value) {
  ASSERT_EQ(f64(value), fmt::format("{}", value)) << fmt::format("{:a}", value);
}

TEST(NumberText, DoublesLookAsFmtPrintsThem) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 300'000; ++i) expect_like_fmt(std::bit_cast<double>(random()));
  for (int i = 0; i < 300'000; ++i) {
    // Decimals of 1 to 17 digits on both sides of every border of the short path.
    const double digits = double(random() >> (random() % 63));
    const double value = digits / std::pow(10.0, double(random() % 26));
    expect_like_fmt(value);
    expect_like_fmt(-value);
    expect_like_fmt(std::nextafter(value, 0.0));
    expect_like_fmt(std::nextafter(value, INFINITY));
  }
}

TEST(NumberText, FloatsLookAsFmtPrintsThem) {
  std::mt19937 random(9);
  for (int i = 0; i < 300'000; ++i) {
    const float value = std::bit_cast<float>(u32(random()));
    ASSERT_EQ(f32(value), fmt::format("{}", value)) << value;
  }
  EXPECT_EQ(f32(0.1f), "0.1");
  EXPECT_EQ(f32(16777216.0f), "16777216");
}

}  // namespace
}  // namespace sluice
