// What calls cost as a metric of the library's own: one in about 1,024, when it is asked for.
#include <gtest/gtest.h>
#include <sluice/sluice.h>

#include <thread>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

Options options_for(const Dirs& dirs) {
  return {.product = "cost",
          .sinks = {json_file(dirs.file("a.jsonl"))},
          .overflow = Overflow::block,
          .metrics_interval_ms = 0,
          .measure_calls = true,
          .region_directory = dirs.region,
          .quiet = true};
}

struct Measured {
  std::uint64_t calls = 0;
  double seconds = 0;
  std::uint64_t records = 0;  // that are none of it
};
Measured measured(const Dirs& dirs) {
  Measured all;
  for (const nlohmann::json& record : read_json(dirs.file("a.jsonl"))) {
    if (record.value("name", "") != "sluice.call.duration") {
      ++all.records;
      continue;
    }
    EXPECT_EQ(record["metric"], "timer");
    EXPECT_EQ(record["unit"], "s");
    const auto count = record["fields"]["count"].get<std::uint64_t>();
    all.calls += count;
    all.seconds += record["value"].get<double>() * double(count);
  }
  return all;
}

ISOLATED_TEST(CallCost, OneCallInAboutAThousand) {
  ASSERT_TRUE(start(options_for(dirs)));
  constexpr int kThreads = 4, kCalls = 25'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < kCalls; ++i) SLUICE_INFO("call {} of {}", i, 1.5);
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(stop(60'000));
  const Measured all = measured(dirs);
  EXPECT_EQ(all.records, std::uint64_t{kThreads} * kCalls);
  EXPECT_GE(all.calls, kThreads * kCalls / 1024 / 2);
  EXPECT_LE(all.calls, kThreads * kCalls / 1024 * 2);
  EXPECT_GT(all.seconds / double(all.calls), 1e-9);
  EXPECT_LT(all.seconds / double(all.calls), 1e-3);
}

// A ring is then wrapped, and its limit met, more often than a call is due.
ISOLATED_TEST(CallCost, OfLongRecordsToo) {
  Options options = options_for(dirs);
  options.ring_bytes = 32 << 10;
  ASSERT_TRUE(start(options));
  const std::string text(1000, 'x');
  constexpr std::uint64_t kCalls = 10'000;
  for (std::uint64_t i = 0; i < kCalls; ++i) SLUICE_INFO("{}", text);
  ASSERT_TRUE(stop(60'000));
  const Measured all = measured(dirs);
  EXPECT_EQ(all.records, kCalls);
  EXPECT_GE(all.calls, 1u);
  EXPECT_LE(all.calls, kCalls / 1024 * 2);
}

ISOLATED_TEST(CallCost, NotUnlessItIsAskedFor) {
  Options options = options_for(dirs);
  options.measure_calls = false;
  ASSERT_TRUE(start(options));
  for (int i = 0; i < 20'000; ++i) SLUICE_INFO("call {}", i);
  ASSERT_TRUE(stop(60'000));
  EXPECT_EQ(measured(dirs).calls, 0u);
}

}  // namespace
}  // namespace sluice::test
