// Metric cells: what callers add is said once, exactly, by whichever threads and processes.
#include <sluice/metric.h>

#include <thread>

#include "contract/isolated.h"
#include "contract/outputs.h"
#include "contract/support/handlers.h"

namespace sluice::test {
namespace {

using nlohmann::json;

Options options_on(const Dirs& dirs, std::uint32_t interval_ms = 0) {
  return {.product = "metrics",
          .sinks = {json_file(dirs.file("a.jsonl"))},
          .metrics_interval_ms = interval_ms,
          .region_directory = dirs.region,
          .quiet = true};
}

struct Said {
  std::vector<double> values;
  [[nodiscard]] double sum() const {
    double all = 0;
    for (const double value : values) all += value;
    return all;
  }
};
// Of the records of a metric in a file, those whose fields are `fields`.
Said said_of(const std::string& file, const std::string& name, const json& fields = json()) {
  Said said;
  for (const json& record : read_json(file)) {
    if (!record.contains("metric") || record["name"] != name) continue;
    const json labels = record.value("fields", json());
    if (labels == fields) said.values.push_back(record["value"]);
  }
  return said;
}

constinit Counter g_added("things.added", "1");
constinit UpDownCounter g_open("things.open");
constinit Gauge g_level("things.level", "Cel");

ISOLATED_TEST(Metrics, ThreadsThatComeAndGoAddUpExactly) {
  ASSERT_TRUE(start(options_on(dirs, 1)));
  std::uint64_t expected = 0;
  for (int round = 0; round < 30; ++round) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      expected += 1000 + std::uint64_t(t) * 1000;
      threads.emplace_back([t] {
        for (int i = 0; i < 1000; ++i) {
          g_added.add();
          g_added.add(std::uint64_t(t));
          g_open.add(i % 2 == 0 ? 3 : -3);
        }
        g_open.add(1);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  ASSERT_TRUE(stop(60'000));
  const Said added = said_of(dirs.file("a.jsonl"), "things.added");
  EXPECT_EQ(added.sum(), double(expected));
  for (const double value : added.values) EXPECT_GT(value, 0) << "nothing new to say";
  EXPECT_EQ(said_of(dirs.file("a.jsonl"), "things.open").values.back(), 30 * 8);
  EXPECT_EQ(stats().series_refused, 0u);
}

ISOLATED_TEST(Metrics, AGaugeSaysWhatWasSetLast) {
  ASSERT_TRUE(start(options_on(dirs)));
  std::vector<double> set = {0.0, -273.15, 1e300};
  for (const double value : set) {
    g_level.set(5);
    g_level.set(value);
    ASSERT_TRUE(flush(Reach::written, 60'000).complete);
    ASSERT_TRUE(flush(Reach::written, 60'000).complete) << "and nothing twice";
  }
  ASSERT_TRUE(stop(60'000));
  EXPECT_EQ(said_of(dirs.file("a.jsonl"), "things.level").values, set);
}

ISOLATED_TEST(Metrics, IsSaidEachIntervalByItself) {
  ASSERT_TRUE(start(options_on(dirs, 5)));
  for (int i = 1; i <= 3; ++i) {
    g_added.add(7);
    while (said_of(dirs.file("a.jsonl"), "things.added").sum() < 7 * i) std::this_thread::yield();
  }
  EXPECT_EQ(said_of(dirs.file("a.jsonl"), "things.added").values, (std::vector<double>{7, 7, 7}));
}

// Two handles of one series, one that was made before start(), labels of any bytes.
ISOLATED_TEST(Metrics, LabelsMakeSeries) {
  Counter early("requests", "1", {{"route", "/cart"}, {"code", "200"}});
  early.add(2);
  ::setenv("SLUICE_REGION_DIRECTORY", dirs.region.c_str(), 1);
  ASSERT_TRUE(start(options_on(dirs)));
  Counter same("requests", "1", {{"route", "/cart"}, {"code", "200"}});
  Counter other("requests", "1", {{"route", "/\n\"\xff"}, {"code", "200"}});
  Counter no_labels("requests", "1", {});
  same.add(3);
  other.add(10);
  no_labels.add(100);
  ASSERT_TRUE(stop(60'000));
  const std::string file = dirs.file("a.jsonl");
  EXPECT_EQ(said_of(file, "requests", {{"route", "/cart"}, {"code", "200"}}).values,
            std::vector<double>{5});
  EXPECT_EQ(said_of(file, "requests").values, std::vector<double>{100});
  EXPECT_EQ(read_json(file).size(), 3u);
}

// Secrets in labels are taken out as those in fields are.
ISOLATED_TEST(Metrics, LabelsAreRedacted) {
  ASSERT_TRUE(start(options_on(dirs)));
  Counter logins("logins", "", {{"password", "hunter2"}});
  logins.add();
  ASSERT_TRUE(stop(60'000));
  EXPECT_EQ(read_file(dirs.file("a.jsonl")).find("hunter2"), std::string::npos);
  EXPECT_EQ(read_json(dirs.file("a.jsonl")).size(), 1u);
}

// 10^5 series in every run: those that find room are right, the others are counted.
ISOLATED_TEST(Metrics, AFloodOfLabelsIsCountedAndHarmsNobody) {
  ASSERT_TRUE(start(options_on(dirs)));
  g_added.add(1);
  const int flood = std::getenv("SLUICE_TEST_FULL") ? 1'000'000 : 20'000;
  for (int i = 0; i < flood; ++i) {
    Counter one("flood", "", {{"user", std::to_string(i)}});
    one.add();
  }
  const std::string endless(100'000, 'x');
  Counter too_long("long", "", {{"text", endless}});
  too_long.add();
  g_added.add(1);
  ASSERT_TRUE(stop(60'000));
  const std::string file = dirs.file("a.jsonl");
  EXPECT_EQ(said_of(file, "things.added").sum(), 2);
  EXPECT_EQ(said_of(file, "long", {{"text", endless}}).values.size(), 0u);
  const std::size_t said = read_json(file).size() - 1;
  EXPECT_GT(said, 2000u);
  EXPECT_EQ(stats().series_refused, std::uint64_t(flood) + 1 - said);
}

// More threads than there are blocks: the rest add in the block of nobody.
ISOLATED_TEST(Metrics, MoreThreadsThanBlocksLoseNothing) {
  ASSERT_TRUE(start(options_on(dirs)));
  constexpr int kThreads = 1100;
  std::atomic<int> there{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      g_added.add(1);
      there.fetch_add(1);
      while (there.load() < kThreads) std::this_thread::yield();
      g_added.add(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(stop(60'000));
  EXPECT_EQ(said_of(dirs.file("a.jsonl"), "things.added").sum(), 2.0 * kThreads);
}

ISOLATED_TEST(Metrics, HandlersAddBetweenAnyTwoInstructions) {
  ASSERT_TRUE(start(options_on(dirs)));
  const Interrupted added = add_beside_handlers([] { g_added.add(1); });
  ASSERT_TRUE(stop(60'000));
  EXPECT_GT(added.by_handlers, 0u);
  EXPECT_EQ(said_of(dirs.file("a.jsonl"), "things.added").sum(), double(added.all()));
}

// What was added is kept while nobody says it.
ISOLATED_TEST(Metrics, GoesOnAfterStopAndStart) {
  ASSERT_TRUE(start(options_on(dirs)));
  g_added.add(1);
  ASSERT_TRUE(stop(60'000));
  g_added.add(10);
  ASSERT_TRUE(start(options_on(dirs)));
  g_added.add(100);
  ASSERT_TRUE(stop(60'000));
  EXPECT_EQ(said_of(dirs.file("a.jsonl"), "things.added").values, (std::vector<double>{1, 110}));
}

// Samples count as merged, and every sink gets them.
ISOLATED_TEST(Metrics, AreRecordsLikeACallers) {
  ASSERT_TRUE(start(options_on(dirs)));
  Attempts mine;
  for (int i = 0; i < 10; ++i) {
    mine.add(info("a line"));
    g_added.add();
    ASSERT_TRUE(flush(Reach::written, 60'000).complete);
    mine.add(Admission::kOk);  // the sample's
  }
  EXPECT_EQ(imbalance(mine, stats()), "");
  EXPECT_EQ(imbalance_of_sinks(stats()), "");
}

}  // namespace
}  // namespace sluice::test
