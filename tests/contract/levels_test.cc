// Levels: at compile time, for a logger and what is below it, for one call; changed while it runs.
#define SLUICE_ACTIVE_LEVEL ::sluice::Level::debug
#include <gtest/gtest.h>
#include <sluice/sluice.h>

#include <thread>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

Options options_for(const Dirs& dirs, Kept& kept, Level level = Level::info) {
  return {.product = "levels",
          .level = level,
          .sinks = {kept.sink()},
          .region_directory = dirs.region,
          .quiet = true};
}

void say_all() {
  SLUICE_TRACE("trace");  // not compiled here
  SLUICE_DEBUG("debug");
  SLUICE_INFO("info");
  SLUICE_NOTICE("notice");
  SLUICE_WARNING("warning");
  SLUICE_ERROR("error");
  SLUICE_CRITICAL("critical");
}

TEST(Level, NamesAreParsedInAnyCase) {
  Level level{};
  EXPECT_TRUE(parse_level("WARN", level));
  EXPECT_EQ(level, Level::warning);
  EXPECT_TRUE(parse_level("Fatal", level));
  EXPECT_EQ(level, Level::critical);
  EXPECT_TRUE(parse_level("off", level));
  EXPECT_EQ(level, Level::off);
  EXPECT_FALSE(parse_level("", level));
  EXPECT_FALSE(parse_level("infos", level));
  for (const Level each : {Level::trace, Level::debug, Level::info, Level::notice, Level::warning,
                           Level::error, Level::critical, Level::off}) {
    EXPECT_TRUE(parse_level(level_name(each), level));
    EXPECT_EQ(level, each);
  }
  EXPECT_EQ(level_name(static_cast<Level>(3)), "unknown");
}

ISOLATED_TEST(Levels, OneThresholdForAll) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  say_all();
  EXPECT_EQ(kept.messages(),
            (std::vector<std::string>{"info", "notice", "warning", "error", "critical"}));
  set_level("", Level::error);
  say_all();
  EXPECT_EQ(kept.messages(), (std::vector<std::string>{"error", "critical"}));
  set_level("", Level::off);
  say_all();
  EXPECT_EQ(kept.messages(), std::vector<std::string>{});
  set_level("", Level::trace);
  say_all();
  EXPECT_EQ(kept.messages(),
            (std::vector<std::string>{"debug", "info", "notice", "warning", "error", "critical"}));
  EXPECT_EQ(stats().filtered, 1u + 4u + 6u);
}

ISOLATED_TEST(Levels, WhatIsNotCompiledIsNotEvaluated) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept, Level::trace)));
  int evaluated = 0;
  for (int i = 0; i < 5; ++i) SLUICE_TRACE("{}", ++evaluated);
  EXPECT_EQ(evaluated, 0);
  EXPECT_EQ(stats().attempted, 0u);
}

ISOLATED_TEST(Levels, AHierarchyOfLoggers) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  static Logger net{"net"};
  static Logger http{"net.http"};
  static Logger netto{"netto"};
  const auto say = [](Logger& logger) {
    SLUICE_LOGGER_DEBUG(logger, "d");
    SLUICE_LOGGER_INFO(logger, "i");
    SLUICE_LOGGER_ERROR(logger, "e");
  };
  const auto count = [&](Logger& logger) {
    (void)kept.messages();
    say(logger);
    return kept.messages().size();
  };
  EXPECT_EQ(count(net), 2u);
  set_level("net", Level::debug);
  EXPECT_EQ(count(net), 3u);
  EXPECT_EQ(count(http), 3u);
  EXPECT_EQ(count(netto), 2u) << "a name that only begins the same is another logger";
  set_level("net.http", Level::error);
  EXPECT_EQ(count(net), 3u);
  EXPECT_EQ(count(http), 1u);
  set_level("", Level::off);
  EXPECT_EQ(count(netto), 0u);
  EXPECT_EQ(count(net), 3u) << "a level of its own holds against the root's";
  // A rule for a name that nobody has used yet holds for those that come later.
  set_level("late", Level::trace);
  static Logger late{"late.comer"};
  EXPECT_EQ(count(late), 3u);
  EXPECT_EQ(late.name(), "late.comer");
}

ISOLATED_TEST(Levels, AChangeReachesEveryThread) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept, Level::off)));
  std::atomic<bool> seen{false};
  std::thread thread([&] {
    while (info("x") != Admission::kOk) {
    }
    seen = true;
    while (info("y") != Admission::kFiltered) {
    }
  });
  set_level("", Level::info);
  while (!seen) std::this_thread::yield();
  set_level("", Level::warning);
  thread.join();
}

ISOLATED_TEST(Levels, FromTheEnvironment) {
  ::setenv("SLUICE_LEVEL", "warning,net=debug,net.http=off", 1);
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept, Level::trace)));
  static Logger net{"net"};
  static Logger http{"net.http"};
  SLUICE_INFO("root info");
  SLUICE_LOGGER_DEBUG(net, "net debug");
  SLUICE_LOGGER_CRITICAL(http, "http critical");
  EXPECT_EQ(kept.messages(), std::vector<std::string>{"net debug"});
}

ISOLATED_TEST(Levels, OfASink) {
  Kept kept, errors, below;
  Options options = options_for(dirs, kept);
  options.sinks = {kept.sink(), errors.sink({.level = Level::error}),
                   below.sink({.logger = "net.*"})};
  ASSERT_TRUE(start(options));
  static Logger net{"net"};
  static Logger http{"net.http"};
  static Logger other{"network"};
  SLUICE_ERROR("root error");
  SLUICE_LOGGER_INFO(net, "net info");
  SLUICE_LOGGER_INFO(http, "http info");
  SLUICE_LOGGER_ERROR(other, "other error");
  EXPECT_EQ(kept.messages().size(), 4u);
  EXPECT_EQ(errors.messages(), (std::vector<std::string>{"root error", "other error"}));
  EXPECT_EQ(below.messages(), (std::vector<std::string>{"net info", "http info"}));
  const Stats now = stats();
  EXPECT_EQ(now.sink[1].filtered, 2u);
  EXPECT_EQ(now.sink[1].delivered, 2u);
  EXPECT_EQ(now.sink[2].filtered, 2u);
}

// A full table must not make a rule for one logger a rule for all.
ISOLATED_TEST(Levels, AFullTableOfLoggersChangesNoOther) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  for (int i = 0; i < 600; ++i) {
    log_text(Level::info, "logger." + std::to_string(i), "x");
  }
  (void)kept.messages();
  set_level("one.more", Level::off);
  EXPECT_EQ(info("root"), Admission::kOk);
  EXPECT_EQ(log_text(Level::info, "logger.3", "known"), Admission::kOk);
  EXPECT_EQ(log_text(Level::info, "logger.599", "without a place"), Admission::kOk);
  EXPECT_EQ(kept.messages().size(), 3u);
}

}  // namespace
}  // namespace sluice::test
