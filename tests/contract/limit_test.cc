// Limits of call sites: what is kept out is counted as filtered, exactly, and the next record tells
// how many that were; a clock that steps does no harm.
#include <gtest/gtest.h>
#include <sluice/limit.h>
#include <sluice/sluice.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

Options options_for(const Dirs& dirs, Kept& kept) {
  return {
      .product = "limit", .sinks = {kept.sink()}, .region_directory = dirs.region, .quiet = true};
}

std::uint64_t field(const Kept::Record& record, const char* name) {
  return record.json["fields"][name].get<std::uint64_t>();
}

std::uint64_t sum_of(const std::vector<Kept::Record>& records, const char* name) {
  std::uint64_t sum = 0;
  for (const Kept::Record& record : records) sum += field(record, name);
  return sum;
}

ISOLATED_TEST(Limit, TheFirstAndEachNth) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  int evaluated = 0;
  for (int i = 0; i < 10; ++i) {
    SLUICE_LOG_LIMITED(Level::info, every_nth(4), "call {i}", (++evaluated, i));
  }
  (void)flush();
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].message, "call 0 suppressed=0");
  EXPECT_EQ(all[1].message, "call 4 suppressed=3");
  EXPECT_EQ(all[2].message, "call 8 suppressed=3");
  EXPECT_EQ(evaluated, 3) << "what is kept out evaluates nothing";
  EXPECT_EQ(stats().filtered, 7u);
  EXPECT_EQ(stats().attempted, 10u);
}

ISOLATED_TEST(Limit, OnceInATimeTellsHowManyWereKeptOut) {
  using Clock = std::chrono::steady_clock;
  Kept kept;
  const Clock::time_point begin = Clock::now();
  ASSERT_TRUE(start(options_for(dirs, kept)));
  // The interval is over when the second record is there, however slow the machine is.
  std::uint64_t calls = 0;
  while (kept.count() < 2) {
    SLUICE_LOG_LIMITED(Level::info, once_in_ms(30), "x");
    ++calls;
    if (calls % 64 == 0) (void)flush();
  }
  (void)stop();
  const auto all = kept.take();
  const Stats now = stats();
  EXPECT_EQ(now.attempted, calls);
  EXPECT_EQ(now.filtered, calls - all.size());
  EXPECT_EQ(field(all[0], "suppressed"), 0u);
  EXPECT_GT(field(all[1], "suppressed"), 0u);
  EXPECT_LE((all.size() - 1) * std::chrono::milliseconds(30), Clock::now() - begin);
}

ISOLATED_TEST(Limit, AnHourKeepsAllButOneOut) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 1000; ++i) SLUICE_LOG_LIMITED(Level::info, once_in_ms(3'600'000), "x");
    });
  }
  for (std::thread& thread : threads) thread.join();
  (void)flush();
  EXPECT_EQ(kept.take().size(), 1u);
  EXPECT_EQ(stats().filtered, 7999u);
}

ISOLATED_TEST(Limit, ASampleKeepsItsWeight) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  constexpr std::uint64_t kCalls = 200'000, kN = 50;
  for (std::uint64_t i = 0; i < kCalls; ++i) {
    SLUICE_LOG_LIMITED(Level::info, one_in(kN), "x");
    if (i % 1024 == 0) (void)flush();
  }
  (void)flush();
  const auto all = kept.take();
  // Ten deviations: a right one fails once in 10^22.
  const double expected = double(kCalls) / kN;
  EXPECT_NEAR(double(all.size()), expected, 10 * std::sqrt(expected));
  EXPECT_EQ(sum_of(all, "weight"), kN * all.size());
  EXPECT_EQ(all.size() + stats().filtered, kCalls);
  // By chance, not by turns.
  std::uint64_t odd = 0;
  for (const auto& record : all) odd += field(record, "suppressed") != kN - 1 ? 1 : 0;
  EXPECT_GT(odd, all.size() / 2);
}

// More threads than a site has lanes, which come and go: no count is lost.
ISOLATED_TEST(Limit, ExactWithManyThreads) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  constexpr int kThreads = 24, kCalls = 3000, kRounds = 2;
  const auto call = [](std::uint64_t& said) {
    SLUICE_LOG_LIMITED(Level::info, every_nth(100), "x {}", ++said);
  };
  std::vector<std::uint64_t> said(kThreads);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kCalls; ++i) call(said[std::size_t(t)]);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  // Until one passes, which tells what is left.
  std::uint64_t extra = 0, last = 0;
  for (; last == 0; ++extra) call(last);
  (void)flush();
  const auto all = kept.take();
  const std::uint64_t total = std::uint64_t{kThreads} * kCalls * kRounds + extra;
  EXPECT_EQ(stats().dropped(), 0u);
  EXPECT_EQ(stats().attempted, total);
  EXPECT_EQ(all.size() + stats().filtered, total);
  EXPECT_EQ(sum_of(all, "suppressed") + all.size(), total);
}

ISOLATED_TEST(Limit, TheLevelComesFirst) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  static Logger net{"net"};
  set_level("net", Level::warning);
  const auto call = [] { SLUICE_LOGGER_LOG_LIMITED(net, Level::info, every_nth(2), "{}", 1); };
  for (int i = 0; i < 5; ++i) call();
  EXPECT_EQ(stats().filtered, 5u);
  set_level("net", Level::info);
  for (int i = 0; i < 2; ++i) call();
  (void)flush();
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].logger, "net");
  EXPECT_EQ(all[0].message, "1 suppressed=0") << "what a level keeps out is no matter of the limit";
}

ISOLATED_TEST(Limit, ARecordThatIsDroppedLeavesItsCountToTheNext) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const std::string huge(std::size_t{1} << 26, 'x');
  const auto call = [&](bool too_big) {
    SLUICE_LOG_LIMITED(Level::info, every_nth(3), "{}", too_big ? std::string_view(huge) : "ok");
  };
  call(false);
  for (int i = 0; i < 3; ++i) call(true);
  for (int i = 0; i < 3; ++i) call(false);
  (void)flush();
  auto all = kept.take();
  std::erase_if(all, [](const auto& one) { return !one.message.starts_with("ok "); });
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].message, "ok suppressed=4");
  EXPECT_EQ(stats().dropped_too_big, 1u);
}

TEST(SiteLimit, AClockThatStepsDoesNoHarm) {
  static constinit detail::SiteLimit limit;
  constexpr std::uint64_t kHour = 3'600'000'000'000, kSecond = 1'000'000'000;
  const auto passes = [](std::uint64_t now) {
    const bool begun = limit.begin_interval(now, kSecond);
    EXPECT_TRUE(limit.within(now, kSecond));
    return begun;
  };
  EXPECT_TRUE(passes(10 * kHour));
  EXPECT_FALSE(passes(10 * kHour + kSecond / 2));
  EXPECT_FALSE(limit.within(9 * kHour, kSecond));
  EXPECT_TRUE(passes(9 * kHour)) << "back: the next one passes,";
  EXPECT_FALSE(passes(9 * kHour + 1)) << "and from there on it holds";
  EXPECT_FALSE(limit.within(9'000 * kHour, kSecond));
  EXPECT_TRUE(passes(9'000 * kHour)) << "far forwards";
  EXPECT_FALSE(passes(9'000 * kHour + kSecond / 2));
  EXPECT_TRUE(passes(9'000 * kHour + 2 * kSecond));
}

}  // namespace
}  // namespace sluice::test
