// Histograms and timers: each value is counted once, in the right bucket, whoever observed it.
#include <sluice/histogram.h>

#include <cmath>
#include <limits>
#include <random>
#include <thread>

#include "contract/isolated.h"
#include "contract/outputs.h"
#include "contract/support/handlers.h"
#include "region/histogram_area.h"

namespace sluice::test {
namespace {

using detail::BucketAdd;
using nlohmann::json;
using region::CellKind;
using region::HistogramShape;

Options options_on(const Dirs& dirs, std::uint32_t interval_ms = 0) {
  return {.product = "histograms",
          .sinks = {json_file(dirs.file("a.jsonl"))},
          .metrics_interval_ms = interval_ms,
          .region_directory = dirs.region,
          .quiet = true};
}

// What all records of a metric come to.
struct Said {
  std::vector<json> records;
  double sum = 0;
  std::uint64_t count = 0;
};
Said said_of(const std::string& file, const std::string& name) {
  Said said;
  for (const json& record : read_json(file)) {
    if (!record.contains("metric") || record["name"] != name) continue;
    const json& fields = record["fields"];
    std::uint64_t count = 0;
    double sum = 0;
    for (const json& bucket : fields["buckets"]) {
      count += bucket[1].get<std::uint64_t>();
      sum += double(bucket[0]) * double(bucket[1]);
    }
    EXPECT_EQ(fields["count"], count);
    EXPECT_NEAR(record["value"], sum / double(count), std::abs(sum / double(count)) * 1e-9);
    said.count += count;
    said.sum += sum;
    said.records.push_back(record);
  }
  return said;
}

// ---- places ----

TEST(Buckets, ExponentialOnesEndAtTheEighthsOfPowersOfTwo) {
  const HistogramShape shape(CellKind::kExponential, {});
  std::mt19937_64 random(7);
  const auto check = [&](double value) {
    const BucketAdd at = detail::place_exponential<detail::kFirstExponent>(value);
    ASSERT_LT(at.bucket, shape.buckets());
    EXPECT_LE(value, shape.upper(at.bucket)) << value;
    if (at.bucket > 0) {
      EXPECT_GT(value, shape.upper(at.bucket - 1)) << value;
    }
    if (at.bucket > 0 && at.bucket + 1 < shape.buckets()) {
      EXPECT_NEAR(shape.sum(at.bucket, at.sum), value, value * 0x1p-30);
    }
  };
  std::uniform_real_distribution<double> exponent(-30, 33);
  for (int i = 0; i < 200'000; ++i) check(std::exp2(exponent(random)));
  for (int power = -30; power < 33; ++power) {
    for (const double edge : {std::ldexp(1.0, power), std::ldexp(1.0, power) * 1.5}) {
      check(edge);
      check(std::nextafter(edge, 0));
      check(std::nextafter(edge, INFINITY));
    }
  }
  for (u32 i = 0; i + 1 < shape.buckets(); ++i) {
    EXPECT_EQ(detail::place_exponential<detail::kFirstExponent>(shape.upper(i)).bucket, i);
  }
  for (const double low : {0.0, -0.0, -1.0, -1e300, 1e-300, 5e-324, -double(INFINITY)}) {
    EXPECT_EQ(detail::place_exponential<detail::kFirstExponent>(low).bucket, 0u) << low;
  }
  for (const double high : {1e10, 1e300, double(INFINITY)}) {
    EXPECT_EQ(detail::place_exponential<detail::kFirstExponent>(high).bucket, shape.buckets() - 1);
  }
  EXPECT_EQ(detail::place_exponential<detail::kFirstExponent>(NAN).bucket, detail::kNoBucket);
  EXPECT_EQ(detail::place_exponential<detail::kFirstExponent>(-NAN).bucket, detail::kNoBucket);
}

TEST(Buckets, ExplicitOnesHoldTheirUpperBound) {
  std::mt19937_64 random(8);
  for (std::size_t many = 0; many <= detail::kBoundsMax + 3; ++many) {
    std::vector<double> given;
    for (std::size_t i = 0; i < many; ++i) given.push_back(double(random() % 100'000) / 7 - 5000);
    const detail::ExplicitBounds bounds(given.data(), given.size());
    const std::span<const double> kept(bounds.bounds, bounds.count);
    ASSERT_TRUE(std::is_sorted(kept.begin(), kept.end()));
    const HistogramShape shape(CellKind::kExplicit, kept);
    ASSERT_EQ(shape.buckets(), bounds.count + 1);
    std::vector<double> values(kept.begin(), kept.end());
    for (int i = 0; i < 200; ++i) values.push_back(double(random() % 300'000) / 11 - 10'000);
    for (const double edge : kept) values.push_back(std::nextafter(edge, INFINITY));
    for (const double value : values) {
      const BucketAdd at = bounds.place(value);
      const auto linear =
          std::size_t(std::lower_bound(kept.begin(), kept.end(), value) - kept.begin());
      ASSERT_EQ(at.bucket, linear) << value << " of " << many;
      EXPECT_NEAR(shape.sum(at.bucket, at.sum), value, 16384 * 0x1p-32);
    }
    EXPECT_EQ(bounds.place(INFINITY).bucket, bounds.count);
    EXPECT_EQ(bounds.place(-INFINITY).bucket, 0u);
  }
}

// Where bounds lie decides how a bucket is found: by cells of equal width, or by a search.
TEST(Buckets, ExplicitOnesMayBeSpacedInAnyWay) {
  const auto steps_of = [](const std::vector<double>& given) {
    const detail::ExplicitBounds bounds(given.data(), given.size());
    EXPECT_EQ(bounds.count, given.size());
    std::vector<double> values = {0.0, -0.0, 5e-324, -5e-324, 1e308, -1e308, INFINITY, -INFINITY};
    for (const double edge : given) {
      for (const double value : {edge, std::nextafter(edge, INFINITY),
                                 std::nextafter(edge, -INFINITY), edge * 1.04, -edge, edge / 3}) {
        values.push_back(value);
      }
    }
    for (const double value : values) {
      const auto linear = std::lower_bound(given.begin(), given.end(), value) - given.begin();
      EXPECT_EQ(bounds.place(value).bucket, u32(linear)) << value;
    }
    return bounds.steps;
  };
  std::vector<double> decades, whole, fine, widest, near_one = {1};
  for (int i = -9; i < 12; ++i) {
    for (const double digit : {1, 2, 5}) decades.push_back(digit * std::pow(10, i));
  }
  for (int i = 1; i <= 63; ++i) whole.push_back(i);
  for (int i = 0; i < 63; ++i) fine.push_back(100 + 0.001 * i);
  for (int i = 0; i < 63; ++i) widest.push_back(std::ldexp(1.0, -1000 + 32 * i));
  while (near_one.size() < 63) near_one.push_back(std::nextafter(near_one.back(), 2));
  for (const auto& even : {decades, whole, fine, widest, near_one}) EXPECT_LE(steps_of(even), 2u);
  EXPECT_EQ(steps_of({}), 0u);
  EXPECT_EQ(steps_of({0}), 1u);
  EXPECT_EQ(steps_of({5e-324, 1.7e308}), 1u);
  EXPECT_EQ(steps_of({-0.0, 5e-324, 1.7e308}), 2u);
  EXPECT_EQ(steps_of({-2, -1, 0, 0.001, 0.01, 0.1}), 3u);
  std::vector<double> crowded = {1e-9};
  for (int i = 0; i < 40; ++i) crowded.push_back(1 + 0.0001 * i);
  crowded.push_back(1e9);
  EXPECT_GT(steps_of(crowded), detail::ExplicitBounds::kStepsMax);
  std::vector<double> both_sides;
  for (int i = -31; i <= 31; ++i) both_sides.push_back(i);
  EXPECT_GT(steps_of(both_sides), detail::ExplicitBounds::kStepsMax);
}

TEST(Buckets, BoundsThatAreNoneAreLeftOut) {
  const double odd[] = {3, NAN, 1, INFINITY, 3, -INFINITY, 2, 1e308};
  const detail::ExplicitBounds mended(odd, std::size(odd));
  ASSERT_EQ(mended.count, 4u);
  EXPECT_EQ(mended.bounds[0], 1);
  EXPECT_EQ(mended.bounds[3], 1e308);
}

// ---- what is said ----

constinit Histogram g_sizes("sizes", "By");
constinit ExplicitHistogram g_waits("waits", "s", {0.001, 0.01, 0.1});
constinit Timer g_timer("took");

ISOLATED_TEST(Histograms, SayWhatWasObservedSince) {
  ASSERT_TRUE(start(options_on(dirs)));
  for (const double value : {1.0, 1.0, 1000.0}) g_sizes.observe(value);
  for (const double value : {0.001, 0.0011, 5.0, -1.0}) g_waits.observe(value);
  g_waits.observe(NAN);
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  ASSERT_TRUE(flush(Reach::written, 60'000).complete) << "and nothing twice";
  g_sizes.observe(8);
  ASSERT_TRUE(stop(60'000));
  const Said sizes = said_of(dirs.file("a.jsonl"), "sizes");
  ASSERT_EQ(sizes.records.size(), 2u);
  EXPECT_EQ(sizes.records[0]["metric"], "histogram");
  EXPECT_EQ(sizes.records[0]["unit"], "By");
  EXPECT_EQ(sizes.records[0]["value"], 334);
  EXPECT_EQ(sizes.records[0]["fields"], json::parse(R"({"count":3,"buckets":[[1,2],[1000,1]]})"));
  EXPECT_EQ(sizes.records[1]["fields"], json::parse(R"({"count":1,"buckets":[[8,1]]})"));
  const Said waits = said_of(dirs.file("a.jsonl"), "waits");
  ASSERT_EQ(waits.records.size(), 1u);
  const json& buckets = waits.records[0]["fields"]["buckets"];
  ASSERT_EQ(buckets.size(), 3u);
  EXPECT_EQ(buckets[0][1], 2) << "0.001 itself, and what is below";
  EXPECT_NEAR(buckets[1][0], 0.0011, 1e-9);
  EXPECT_EQ(buckets[2], json::parse("[5,1]"));
  EXPECT_NEAR(waits.sum, 0.001 + 0.0011 + 5 - 1, 1e-8);
}

ISOLATED_TEST(Histograms, LabelsAndBoundsMakeSeries) {
  ASSERT_TRUE(start(options_on(dirs)));
  ExplicitHistogram one("size", "By", {10, 20}, {{"route", "/a"}, {"empty", ""}});
  ExplicitHistogram same("size", "By", {20, 10}, {{"route", "/a"}, {"empty", ""}});
  ExplicitHistogram other("size", "By", {10, 30}, {{"route", "/a"}, {"empty", ""}});
  Histogram another("size", "By", {{"route", "a longer one, \"quoted\""}});
  one.observe(5);
  same.observe(15);
  other.observe(15);
  another.observe(15);
  ASSERT_TRUE(stop(60'000));
  const Said said = said_of(dirs.file("a.jsonl"), "size");
  ASSERT_EQ(said.records.size(), 3u);
  EXPECT_EQ(said.records[0]["fields"],
            json::parse(R"({"count":2,"buckets":[[5,1],[15,1]],"route":"/a","empty":""})"));
  EXPECT_EQ(said.records[1]["fields"]["count"], 1);
  EXPECT_EQ(said.records[2]["fields"]["route"], "a longer one, \"quoted\"");
}

ISOLATED_TEST(Histograms, LabelsAreRedacted) {
  ASSERT_TRUE(start(options_on(dirs)));
  Histogram logins("logins", "", {{"password", "hunter2"}, {"user", "me"}});
  logins.observe(3);
  ASSERT_TRUE(stop(60'000));
  EXPECT_EQ(read_file(dirs.file("a.jsonl")).find("hunter2"), std::string::npos);
  const Said said = said_of(dirs.file("a.jsonl"), "logins");
  ASSERT_EQ(said.records.size(), 1u);
  EXPECT_EQ(said.records[0]["fields"]["user"], "me");
}

ISOLATED_TEST(Histograms, TimersCountSecondsOfTheirScopes) {
  ASSERT_TRUE(start(options_on(dirs)));
  const auto from = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) {
    auto scope = g_timer.time();
    auto not_counted = g_timer.time();
    not_counted.cancel();
    const auto began = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - began < std::chrono::microseconds(200)) {
    }
  }
  const double whole =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
  ASSERT_TRUE(stop(60'000));
  const Said said = said_of(dirs.file("a.jsonl"), "took");
  EXPECT_EQ(said.count, 100u);
  EXPECT_EQ(said.records.at(0)["metric"], "timer");
  // The rate of the clock's ticks is known to a thousandth.
  EXPECT_GE(said.sum, 0.02 * 0.999);
  EXPECT_LE(said.sum, whole * 1.001);
}

ISOLATED_TEST(Histograms, ThreadsThatComeAndGoCountExactly) {
  ASSERT_TRUE(start(options_on(dirs, 1)));
  for (int round = 0; round < 20; ++round) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([t] {
        for (int i = 1; i <= 1000; ++i) {
          g_sizes.observe(i * (t + 1));
          g_waits.observe(i / 5000.0);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  ASSERT_TRUE(stop(60'000));
  const Said sizes = said_of(dirs.file("a.jsonl"), "sizes");
  EXPECT_EQ(sizes.count, 20u * 8 * 1000);
  EXPECT_NEAR(sizes.sum, 20.0 * 36 * 500'500, 1) << "whole numbers of few digits are exact";
  EXPECT_EQ(said_of(dirs.file("a.jsonl"), "waits").count, 20u * 8 * 1000);
}

ISOLATED_TEST(Histograms, MoreThreadsThanBlocksLoseNothing) {
  ASSERT_TRUE(start(options_on(dirs)));
  constexpr int kThreads = 1100;
  std::atomic<int> there{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      g_waits.observe(0.05);
      there.fetch_add(1);
      while (there.load() < kThreads) std::this_thread::yield();
      g_waits.observe(0.05);
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(stop(60'000));
  EXPECT_EQ(said_of(dirs.file("a.jsonl"), "waits").count, 2u * kThreads);
}

ISOLATED_TEST(Histograms, HandlersObserveBetweenAnyTwoInstructions) {
  ASSERT_TRUE(start(options_on(dirs)));
  const Interrupted added = add_beside_handlers([] { g_sizes.observe(2); });
  ASSERT_TRUE(stop(60'000));
  EXPECT_GT(added.by_handlers, 0u);
  const Said said = said_of(dirs.file("a.jsonl"), "sizes");
  EXPECT_EQ(said.count, added.all());
  EXPECT_EQ(said.sum, 2.0 * double(said.count)) << "no sum is lost between two instructions";
}

// Refused ones, beside counters that were refused: the cells of neither are the other's.
ISOLATED_TEST(Histograms, AFloodOfSeriesHarmsNobody) {
  ASSERT_TRUE(start(options_on(dirs)));
  for (int i = 0; i < 5000; ++i) {
    Counter counter("flood", "", {{"user", std::to_string(i)}});
    counter.add(4096);
    Histogram histogram("flood.sizes", "", {{"user", std::to_string(i)}});
    histogram.observe(3);
  }
  g_sizes.observe(7);
  ASSERT_TRUE(stop(60'000));
  const Said flood = said_of(dirs.file("a.jsonl"), "flood.sizes");
  EXPECT_GT(flood.count, 500u);
  EXPECT_EQ(flood.sum, 3.0 * double(flood.count));
  EXPECT_GT(stats().series_refused, 5000u);
}

ISOLATED_TEST(Histograms, GoOnAfterStopAndStart) {
  ASSERT_TRUE(start(options_on(dirs)));
  g_sizes.observe(1);
  ASSERT_TRUE(stop(60'000));
  g_sizes.observe(10);
  ASSERT_TRUE(start(options_on(dirs)));
  g_sizes.observe(100);
  ASSERT_TRUE(stop(60'000));
  const Said said = said_of(dirs.file("a.jsonl"), "sizes");
  ASSERT_EQ(said.records.size(), 2u);
  EXPECT_EQ(said.records[1]["fields"]["buckets"], json::parse("[[10,1],[100,1]]"));
}

}  // namespace
}  // namespace sluice::test
