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

std::uint32_t debug_here() {
  SLUICE_DEBUG("here");
  return __LINE__ - 1;
}
std::uint32_t error_there() {
  error("there");
  return __LINE__ - 1;
}
std::string place(const char* file, std::uint32_t line) {
  return std::string(file) + ":" + std::to_string(line);
}

ISOLATED_TEST(Levels, OfACallSiteByItsPlace) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const std::string here = place("levels_test.cc", debug_here());
  const std::string there = place("contract/levels_test.cc", error_there());
  const auto said = [&] {
    (void)kept.messages();
    debug_here();
    error_there();
    return kept.messages();
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(said(), Texts{"there"});
  EXPECT_EQ(set_site_level(here, Level::debug), 1u);
  EXPECT_EQ(said(), (Texts{"here", "there"}));
  EXPECT_EQ(set_site_level(there, Level::off), 1u);
  EXPECT_EQ(said(), Texts{"here"});
  set_level("", Level::critical);
  EXPECT_EQ(said(), Texts{"here"}) << "whatever the logger's level is";
  EXPECT_EQ(reset_site_level(here), 1u);
  EXPECT_EQ(said(), Texts{});
  EXPECT_EQ(reset_site_level(there), 1u);
  set_level("", Level::info);
  EXPECT_EQ(said(), Texts{"there"});
  EXPECT_EQ(stats().filtered, 1u + 1 + 0 + 1 + 1 + 2 + 1);
}

ISOLATED_TEST(Levels, PlacesAreBounded) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  error_there();
  for (int i = 0; i < 1024; ++i) {
    (void)set_site_level("f" + std::to_string(i) + ".cc", Level::debug);
  }
  EXPECT_EQ(set_site_level("levels_test.cc", Level::off), 0u);
  error_there();
  EXPECT_EQ(kept.messages(), (std::vector<std::string>{"there", "there"}));
  (void)set_site_level("f7.cc", Level::off);  // one that is there
  EXPECT_EQ(reset_site_level("f7.cc"), 0u);
}

ISOLATED_TEST(Levels, OfAFileAndTheCloserPlaceHolds) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const std::uint32_t line = debug_here();
  error_there();
  (void)kept.messages();
  EXPECT_EQ(set_site_level("levels_test.cc", Level::off), 2u);
  say_all();  // first calls, in the same file
  debug_here();
  error_there();
  EXPECT_EQ(kept.messages(), std::vector<std::string>{});
  EXPECT_EQ(set_site_level(place("levels_test.cc", line), Level::trace), 1u);
  EXPECT_EQ(set_site_level("contract/levels_test.cc", Level::error), 2u + 6);
  say_all();
  debug_here();
  EXPECT_EQ(kept.messages(), (std::vector<std::string>{"error", "critical", "here"}));
  // Whole components of a path only; and what names nothing.
  for (const char* other : {"evels_test.cc", "evels_test.cc:1", "levels_test.cc:1", "levels_test",
                            "", ":7", "levels_test.cc:", "/levels_test.cc:x"}) {
    EXPECT_EQ(set_site_level(other, Level::trace), 0u) << other;
  }
  EXPECT_EQ(set_site_level(__FILE__, Level::trace), 8u);
}

// The logger's own test comes first, in the caller.
ISOLATED_TEST(Levels, ACallSiteOfALoggerObjectCanBeSilenced) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  static Logger net{"net"};
  const auto say = [] {
    SLUICE_LOGGER_DEBUG(net, "d");
    SLUICE_LOGGER_INFO(net, "i");
  };
  say();
  EXPECT_EQ(set_site_level("levels_test.cc", Level::trace), 1u);
  say();
  EXPECT_EQ(kept.messages(), (std::vector<std::string>{"i", "i"}));
  set_site_level("levels_test.cc", Level::warning);
  say();
  EXPECT_EQ(kept.messages(), std::vector<std::string>{});
}

ISOLATED_TEST(Levels, OfACallSiteFromTheEnvironment) {
  ::setenv("SLUICE_SITE_LEVEL", "other.cc=off,levels_test.cc=error", 1);
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  EXPECT_NE(configuration().find("site_level.levels_test.cc = error\n"), std::string_view::npos);
  say_all();
  EXPECT_EQ(kept.messages(), (std::vector<std::string>{"error", "critical"}));
  ASSERT_TRUE(stop(60'000));
  ::setenv("SLUICE_SITE_LEVEL", "debug,a.cc:1=loud", 1);
  EXPECT_FALSE(start(options_for(dirs, kept)));
  EXPECT_NE(last_error().find("SLUICE_SITE_LEVEL: 'debug' names no place; write FILE=LEVEL"),
            std::string_view::npos);
  EXPECT_NE(last_error().find("SLUICE_SITE_LEVEL: 'a.cc:1=loud' names no level"),
            std::string_view::npos);
}

// A registration beside changes ends with what was set last.
ISOLATED_TEST(Levels, OfCallSitesThatRegisterMeanwhile) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  std::thread thread([] {
    const auto say = []<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
      ((void)[] { SLUICE_INFO("site {}", kIndex); }(), ...);
    };
    say(std::make_index_sequence<200>());
  });
  for (int i = 0; i < 200; ++i) set_site_level("levels_test.cc", i % 2 ? Level::off : Level::info);
  thread.join();
  (void)kept.messages();
  EXPECT_EQ(set_site_level("contract/levels_test.cc", Level::info), 200u);
  EXPECT_EQ(reset_site_level("contract/levels_test.cc"), 200u);
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
