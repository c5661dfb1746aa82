// Limits that are set by place while a program runs: each call site by itself, what is kept out is
// counted exactly and told, and nothing else is touched.
#include <gtest/gtest.h>
#include <sluice/limit.h>
#include <sluice/sluice.h>

#include <cmath>
#include <thread>

#include "contract/isolated.h"
#include "contract/outputs.h"
#include "front/front.h"
#include "os/process.h"

namespace sluice::test {
namespace {

using front::PlaceLimit;
using front::PlaceTally;

Options options_for(const Dirs& dirs, Kept& kept) {
  return {.product = "place limit",
          .sinks = {kept.sink()},
          .region_directory = dirs.region,
          .quiet = true};
}

struct Said {
  std::uint64_t passed = 0;
  std::uint64_t told = 0;  // to be kept out
  std::uint64_t notices = 0;
};
Said take_said(Kept& kept) {
  (void)flush();
  Said said;
  for (const auto& record : kept.take()) {
    if (record.logger != "sluice") {
      ++said.passed;
      continue;
    }
    ++said.notices;
    said.told += record.json["fields"]["suppressed"].get<std::uint64_t>();
    EXPECT_NE(record.message.find("place_limit_test.cc:"), std::string::npos) << record.message;
  }
  return said;
}

constexpr u32 kChattyLine = __LINE__ + 1;
void chatter() { SLUICE_INFO("chatter"); }
void other() { SLUICE_ERROR("other"); }

std::string chatty_place() { return "place_limit_test.cc:" + std::to_string(kChattyLine); }

ISOLATED_TEST(PlaceLimits, SoManyInASecondOfAllThreads) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  EXPECT_EQ(set_site_rate(chatty_place(), 50), 0u) << "it has not been called yet";
  const i64 begin = os::monotonic_ns();
  std::atomic<std::uint64_t> calls{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      while (os::monotonic_ns() - begin < 2'300'000'000) {
        chatter();
        ++calls;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto seconds = std::uint64_t((os::monotonic_ns() - begin) / 1'000'000'000 + 2);
  const Stats then = stats();
  const Said said = take_said(kept);
  EXPECT_LE(said.passed, 50 * seconds);
  EXPECT_GE(said.passed, 100u);
  EXPECT_GE(said.notices, 1u);
  EXPECT_LE(said.notices, seconds);
  EXPECT_EQ(then.filtered, calls - said.passed);
  EXPECT_EQ(then.attempted, calls + said.notices);
  EXPECT_LE(said.told, then.filtered);
  // The next call of a later second tells the rest.
  std::uint64_t told = said.told, more = 0;
  while (told < then.filtered) {
    chatter();
    ++more;
    told += take_said(kept).told;
  }
  EXPECT_LE(told, then.filtered + more);
}

ISOLATED_TEST(PlaceLimits, FromTheEnvironment) {
  ::setenv("SLUICE_SITE_LIMIT", ("*=1/1," + chatty_place() + "=1/4294967295,x.cc=7/s").c_str(), 1);
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept))) << last_error();
  EXPECT_NE(configuration().find("site_limit.x.cc = 7/s\n"), std::string_view::npos);
  EXPECT_NE(configuration().find(chatty_place() + " = 1/4294967295\n"), std::string_view::npos);
  for (int i = 0; i < 100; ++i) chatter();
  for (int i = 0; i < 100; ++i) other();
  EXPECT_EQ(take_said(kept).passed, 100u) << "fails once in 40 million";
  EXPECT_EQ(stats().filtered, 100u);
  ASSERT_TRUE(stop(60'000));
  ::setenv("SLUICE_SITE_LIMIT", "5/s,a.cc=5,b.cc=0/s,c.cc=1/2k,d.cc=4294967296/s,=1/s,e.cc=2/9", 1);
  EXPECT_FALSE(start(options_for(dirs, kept)));
  for (const char* part :
       {"5/s", "a.cc=5", "b.cc=0/s", "c.cc=1/2k", "d.cc=4294967296/s", "=1/s", "e.cc=2/9"}) {
    EXPECT_NE(last_error().find("SLUICE_SITE_LIMIT: '" + std::string(part) +
                                "' is no limit of a place; write FILE:LINE"),
              std::string_view::npos)
        << part << " in " << last_error();
  }
}

ISOLATED_TEST(PlaceLimits, MorePlacesThanThereIsRoomFor) {
  Kept kept;
  std::string most;
  for (u32 i = 1; i <= front::kSiteRulesMax; ++i) most += "a.cc:" + std::to_string(i) + "=1/s,";
  ::setenv("SLUICE_SITE_LIMIT", most.c_str(), 1);
  ::setenv("SLUICE_SITE_LEVEL", "a.cc:7=off", 1);
  ASSERT_TRUE(start(options_for(dirs, kept))) << last_error();
  ASSERT_TRUE(stop(60'000));
  ::setenv("SLUICE_SITE_LEVEL", "b.cc=off", 1);
  EXPECT_FALSE(start(options_for(dirs, kept)));
  EXPECT_NE(last_error().find("they name 1025 places; name at most 1024"), std::string_view::npos)
      << last_error();
}

ISOLATED_TEST(PlaceLimits, OneInSoMany) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  chatter();
  EXPECT_EQ(take_said(kept).passed, 1u);
  EXPECT_EQ(set_site_sample(chatty_place(), 50), 1u);
  constexpr std::uint64_t kCalls = 200'000;
  Said all;
  for (std::uint64_t i = 0; i < kCalls; ++i) {
    chatter();
    if (i % 1024 == 1023) all.passed += take_said(kept).passed;
  }
  all.passed += take_said(kept).passed;
  // Ten deviations: a right one fails once in 10^22.
  const double expected = double(kCalls) / 50;
  EXPECT_NEAR(double(all.passed), expected, 10 * std::sqrt(expected));
  EXPECT_EQ(all.passed + stats().filtered, kCalls);
  EXPECT_EQ(set_site_sample(chatty_place(), 1), 1u);
  for (int i = 0; i < 1000; ++i) chatter();
  EXPECT_GE(take_said(kept).passed, 1000u) << "and a notice at most";
}

ISOLATED_TEST(PlaceLimits, OfTheClosestPlaceAndOfLogsAndEventsOnly) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const auto say_all = [&] {
    chatter();
    other();
    SLUICE_EVENT("event");
    SLUICE_GAUGE("gauge", 1);
    SLUICE_STATE(kv("hp", 93));
    log_text(Level::info, "net", "a text of run time");
    std::vector<std::string> said;
    for (const std::string& message : kept.messages()) {
      if (message.find("a limit kept") == std::string::npos) said.push_back(message);
    }
    return said;
  };
  EXPECT_EQ(say_all().size(), 6u);
  // Not in the second that a limit of one a second begins with.
  const auto comes_to = [&](std::size_t count) {
    for (int i = 0; i < 100; ++i) {
      if (say_all().size() == count) return true;
    }
    return false;
  };
  EXPECT_EQ(set_site_rate("*", 1), 5u) << "without the one that has no place";
  EXPECT_TRUE(comes_to(3)) << "metrics, state and texts of run time pass";
  (void)set_site_rate("place_limit_test.cc", 1'000'000);
  EXPECT_EQ(say_all().size(), 6u);
  (void)set_site_rate(chatty_place(), 1);
  EXPECT_TRUE(comes_to(5)) << "each by itself";
  (void)set_site_level(chatty_place(), Level::off);
  const auto filtered = stats().filtered;
  EXPECT_EQ(say_all().size(), 5u);
  EXPECT_EQ(stats().filtered, filtered + 1) << "once, by the level";
  (void)reset_site_level(chatty_place());
  for (const std::string& place :
       std::vector<std::string>{"*", "place_limit_test.cc", chatty_place()}) {
    (void)set_site_rate(place, 0);
  }
  for (int i = 0; i < 5; ++i) EXPECT_EQ(say_all().size(), 6u);
}

ISOLATED_TEST(PlaceLimits, BesideALimitOfTheSource) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  (void)set_site_rate("place_limit_test.cc", 2);
  for (int i = 0; i < 1000; ++i) SLUICE_LOG_LIMITED(Level::info, every_nth(4), "x");
  (void)flush();
  std::uint64_t passed = 0;
  for (const auto& record : kept.take()) passed += record.logger != "sluice";
  EXPECT_GE(passed, 1u);
  EXPECT_LE(passed, 20u);
  EXPECT_EQ(stats().attempted - stats().filtered, stats().merged);
}

ISOLATED_TEST(PlaceLimits, InImmediateMode) {
  Kept kept;
  Options options = options_for(dirs, kept);
  options.mode = Mode::immediate;
  ASSERT_TRUE(start(options));
  chatter();
  (void)set_site_rate(chatty_place(), 1);
  const i64 begin = os::monotonic_ns();
  for (int i = 0; i < 1000; ++i) chatter();
  const auto seconds = std::uint64_t((os::monotonic_ns() - begin) / 1'000'000'000 + 2);
  const Said said = take_said(kept);
  EXPECT_GE(said.passed, 2u);
  EXPECT_LE(said.passed, 1 + seconds);
}

TEST(PlaceTally, AdmitsExactlySoMany) {
  static PlaceTally tally{};
  tally.limit.store(PlaceLimit{PlaceLimit::Kind::kRate, 100}.word());
  std::atomic<u64> admitted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) admitted += tally.admit(7);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(admitted, 100u);
  EXPECT_EQ(tally.take_kept_out(7), 0u) << "in a later second only";
  EXPECT_TRUE(tally.admit(8));
  EXPECT_EQ(tally.take_kept_out(8), 7900u);
  EXPECT_EQ(tally.take_kept_out(9), 0u);
  u64 late = 0;
  for (int i = 0; i < 200; ++i) late += tally.admit(7);
  EXPECT_EQ(late, 99u) << "a thread that read the clock before counts in the second that is";
  tally.limit.store(0);
  EXPECT_TRUE(tally.admit(8));
}

}  // namespace
}  // namespace sluice::test
