// What samples come to in spans of time, beside the same sums done by hand.
#include "store/points.h"

#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "store/schema.h"
#include "store/store_fixture.h"

namespace sluice::test {
namespace {

using storage::Access;
using storage::Aggregate;
using storage::Connection;
using storage::Series;
using storage::Span;
using storage::Statement;

constexpr i64 kMs = 1'000'000;
constexpr i64 kMinute = 60'000 * kMs;
constexpr i64 kFrom = 1'699'999'980'000 * kMs;  // a whole minute

struct Sample {
  i64 series, time_ns;
  double value;
};

class PointsTest : public ::testing::Test {
 protected:
  PointsTest() {
    connection_ = Connection::open(folder_ / "a.db", Access::kCreate).value();
    EXPECT_TRUE(make_schema(*connection_).ok());
    EXPECT_TRUE(
        connection_
            ->run("INSERT INTO series VALUES(1, 'ms', 'timer', 'ms', '{\"host\":\"a\"}'),"
                  "(2, 'ms', 'timer', 'ms', '{\"host\":\"b\"}'), (3, 'load', 'gauge', '', '{}')")
            .ok());
  }
  void add(const Sample& sample) {
    Result<Statement> insert =
        connection_->prepare("INSERT INTO points(series, time_ns, value, run) VALUES(?, ?, ?, 1)");
    insert.value().bind(1, sample.series);
    insert.value().bind(2, sample.time_ns);
    insert.value().bind(3, sample.value);
    ASSERT_TRUE(insert.value().run().ok());
    samples_.push_back(sample);
  }
  std::vector<Span> spans(const std::string& name, const Filter& filter, i64 every,
                          const std::vector<const char*>& names, u64 limit = 0) {
    std::vector<Aggregate> aggregates;
    for (const char* one : names) aggregates.push_back(storage::parse_aggregate(one).value());
    const auto series = find_series(*connection_, name);
    const auto all =
        aggregate_points(*connection_, series.value(), filter, every, aggregates, limit);
    EXPECT_TRUE(all.ok());
    return all.value();
  }
  static double number(const Span& span, std::size_t at) {
    if (const auto* integer = std::get_if<i64>(&span.values[at])) return double(*integer);
    const auto* real = std::get_if<double>(&span.values[at]);
    return real != nullptr ? *real : std::nan("");
  }

  Folder folder_;
  std::unique_ptr<Connection> connection_;
  std::vector<Sample> samples_;
};

TEST_F(PointsTest, SpansAreThoseOfTheEpochAndPercentilesAreExact) {
  std::mt19937_64 random(11);
  ASSERT_TRUE(connection_->run("BEGIN").ok());
  for (int i = 0; i < 3000; ++i) {
    add({1 + i64(random() % 2), kFrom + i64(random() % u64(7 * kMinute)),
         double(random() % 1000) / 8});
  }
  ASSERT_TRUE(connection_->run("COMMIT").ok());
  const Filter filter{.since_ns = kFrom + kMinute / 2 + 1, .until_ns = kFrom + 6 * kMinute};
  std::map<std::pair<i64, i64>, std::vector<Sample>> by_span;
  for (const Sample& sample : samples_) {
    if (sample.time_ns < *filter.since_ns || sample.time_ns >= *filter.until_ns) continue;
    by_span[{sample.time_ns / kMinute * kMinute, sample.series - 1}].push_back(sample);
  }
  const std::vector<Span> found =
      spans("ms", filter, kMinute,
            {"avg", "min", "max", "sum", "count", "last", "p50", "p99.9", "p100", "p0.01"});
  ASSERT_EQ(found.size(), by_span.size());
  std::size_t at = 0;
  for (auto& [key, of] : by_span) {
    const Span& span = found[at++];
    EXPECT_EQ(span.start_ns, key.first);
    EXPECT_EQ(i64(span.series), key.second);
    std::vector<double> values;
    double sum = 0;
    const Sample* last = &of[0];
    for (const Sample& sample : of) {
      values.push_back(sample.value);
      sum += sample.value;
      if (sample.time_ns >= last->time_ns) last = &sample;
    }
    std::sort(values.begin(), values.end());
    const auto rank = [&](double percent) {
      std::size_t n = 1;
      while (double(n) < percent / 100 * double(values.size())) ++n;
      return values[n - 1];
    };
    const double wanted[] = {sum / double(values.size()),
                             values.front(),
                             values.back(),
                             sum,
                             double(values.size()),
                             last->value,
                             rank(50),
                             rank(99.9),
                             values.back(),
                             values.front()};
    for (std::size_t i = 0; i < std::size(wanted); ++i)
      EXPECT_DOUBLE_EQ(number(span, i), wanted[i]) << i;
  }
  const std::vector<Span> newest = spans("ms", filter, kMinute, {"count"}, 3);
  ASSERT_EQ(newest.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(newest[i].start_ns, found[found.size() - 3 + i].start_ns);
    EXPECT_EQ(number(newest[i], 0), number(found[found.size() - 3 + i], 4));
  }
  EXPECT_EQ(spans("ms", filter, 0, {"count"}).size(), 2u) << "without spans a row for each series";
}

// Rows that stand for many samples are as many of their value.
TEST_F(PointsTest, WeightsCountAsSoManySamples) {
  std::mt19937_64 random(12);
  ASSERT_TRUE(connection_->run("BEGIN").ok());
  for (int i = 0; i < 500; ++i) {
    const i64 weight = i64(random() % 20);
    const double value = double(random() % 1000) / 8;
    const i64 time = kFrom + i;
    for (i64 n = 0; n < weight; ++n) add({1, time, value});
    ASSERT_TRUE(connection_
                    ->run("INSERT INTO points(series, time_ns, value, weight) VALUES(2, " +
                          std::to_string(time) + ", " + std::to_string(value) + ", " +
                          (weight == 1 ? "NULL" : std::to_string(weight)) + ")")
                    .ok());
  }
  ASSERT_TRUE(connection_->run("COMMIT").ok());
  const std::vector<Span> found = spans("ms", {}, 0, {"avg", "sum", "count", "p50", "p99", "p1"});
  ASSERT_EQ(found.size(), 2u);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_DOUBLE_EQ(number(found[0], i), number(found[1], i)) << i;
  }
}

TEST_F(PointsTest, TheNearestRankIsExact) {
  ASSERT_TRUE(connection_->run("BEGIN").ok());
  for (int i = 1; i <= 1000; ++i) add({3, kFrom + i, double(i)});
  ASSERT_TRUE(connection_->run("COMMIT").ok());
  const std::vector<Span> found =
      spans("load", {}, 0, {"p99.9", "p99.91", "p50", "p50.000000001", "p0.1", "p7", "p55.5"});
  const double wanted[] = {999, 1000, 500, 501, 1, 70, 555};
  for (std::size_t i = 0; i < std::size(wanted); ++i) EXPECT_EQ(number(found[0], i), wanted[i]);
}

TEST_F(PointsTest, NumbersThatAreNone) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  add({3, kFrom, std::nan("")});
  add({3, kFrom, 1});
  std::vector<Span> found = spans("load", {}, 0, {"count", "avg", "p99"});
  EXPECT_EQ(number(found[0], 0), 1);
  EXPECT_EQ(number(found[0], 1), 1);
  add({3, kFrom, kInfinity});
  add({3, kFrom, -kInfinity});
  found = spans("load", {}, 0, {"max", "min", "sum", "p50"});
  EXPECT_EQ(number(found[0], 0), kInfinity);
  EXPECT_EQ(number(found[0], 1), -kInfinity);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(found[0].values[2])) << "no number";
  EXPECT_EQ(number(found[0], 3), 1);
  EXPECT_EQ(spans("none", {}, 0, {"count"}).size(), 0u);
}

TEST_F(PointsTest, TheNewestOfAllSeries) {
  for (int i = 0; i < 50; ++i) add({1 + i % 2, kFrom + i * kMs, double(i)});
  const auto series = find_series(*connection_, "ms");
  EXPECT_EQ(newest_points(*connection_, series.value(), {}, 3).value(),
            (std::vector<i64>{48, 49, 50}));
  EXPECT_EQ(
      newest_points(*connection_, series.value(), {.since_ns = kFrom + 40 * kMs}, 0).value().size(),
      10u);
}

TEST_F(PointsTest, TheIndexIsUsed) {
  for (const Filter& filter :
       {Filter{}, Filter{.since_ns = kFrom, .until_ns = kFrom + 1, .run = "x"}}) {
    const storage::Query query = storage::points_query({1, "", "", ""}, filter);
    Result<Statement> plan = connection_->prepare("EXPLAIN QUERY PLAN " + query.sql);
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    ASSERT_TRUE(bind_all(plan.value(), query.values).ok());
    std::string text;
    while (plan.value().step().value()) text += std::string(plan.value().text(3)) + "\n";
    const char* const wanted = filter.run.empty()
                                   ? "points_by_series (series=?)"
                                   : "points_by_series (series=? AND <expr>>? AND <expr><?)";
    EXPECT_NE(text.find(wanted), std::string::npos) << text;
    EXPECT_EQ(text.find("FOR ORDER BY"), std::string::npos) << text;
  }
}

// Samples have no index by their run: they are gone through once, for all series together.
TEST_F(PointsTest, TheSeriesOfARunInOnePass) {
  ASSERT_TRUE(connection_
                  ->run("INSERT INTO runs(id, region, run_id, product, version, host, pid,"
                        " started_ns) VALUES(1, x'01', 'run-1', '', '', '', 7, 5),"
                        " (2, x'02', 'run-2', '', '', '', 7, 5)")
                  .ok());
  for (int i = 0; i < 90; ++i) add({1 + i % 3, kFrom + i * kMs, double(i)});
  ASSERT_TRUE(connection_->run("UPDATE points SET run = 2 WHERE id > 60 OR series = 3").ok());
  const auto ask = [&](const std::string& before, const Filter& filter, u64 limit) {
    const storage::Query query = storage::series_query(filter, limit);
    Result<Statement> rows = connection_->prepare(before + query.sql);
    EXPECT_TRUE(rows.ok()) << rows.status().message();
    EXPECT_TRUE(bind_all(rows.value(), query.values).ok());
    std::string text;
    while (rows.value().step().value()) {
      for (int i = 3; i < rows.value().columns(); ++i) {
        text.append(rows.value().text(i)).append(i + 1 < rows.value().columns() ? "|" : "\n");
      }
    }
    return text;
  };
  const std::string a = "{\"host\":\"a\"}|20|2023-11-14 22:13:00.000|2023-11-14 22:13:00.057\n";
  const std::string b = "{\"host\":\"b\"}|20|2023-11-14 22:13:00.001|2023-11-14 22:13:00.058\n";
  EXPECT_EQ(ask("", {.run = "run-1"}, 0), a + b);
  EXPECT_EQ(ask("", {.run = "run-1"}, 1), a);
  EXPECT_EQ(ask("", {.run = "none"}, 0), "");
  const Filter part{.since_ns = kFrom + 3 * kMs, .until_ns = kFrom + 9 * kMs, .run = "run-1"};
  EXPECT_EQ(ask("", part, 0),
            "{\"host\":\"a\"}|2|2023-11-14 22:13:00.003|2023-11-14 22:13:00.006\n"
            "{\"host\":\"b\"}|2|2023-11-14 22:13:00.004|2023-11-14 22:13:00.007\n");
  const std::string plan = ask("EXPLAIN QUERY PLAN ", part, 0);
  EXPECT_NE(plan.find("SCAN points"), std::string::npos) << plan;
  EXPECT_EQ(plan.find("points", plan.find("SCAN points") + 11), std::string::npos) << plan;
}

TEST_F(PointsTest, Aggregates) {
  EXPECT_EQ(storage::parse_aggregate("p99.9").value().percent_e9, 99'900'000'000u);
  EXPECT_EQ(storage::parse_aggregate("p100").value().name, "p100");
  for (const char* bad : {"", "p", "p0", "p101", "p-5", "p9x", "p.5", "p5.", "p1.2.3",
                          "p100.000000001", "p-0", "p+5", "pnan", "p1e1", "median", "AVG", "p 5"}) {
    EXPECT_FALSE(storage::parse_aggregate(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace sluice::test
