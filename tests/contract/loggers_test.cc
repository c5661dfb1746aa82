// Loggers: a constant one of a file, one known at run time, and what they are called in outputs.
#define SLUICE_LOGGER_NAME "game.physics"
#include <gtest/gtest.h>
#include <sluice/sluice.h>

#include <thread>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

Options options_for(const Dirs& dirs, Kept& kept) {
  return {
      .product = "loggers", .sinks = {kept.sink()}, .region_directory = dirs.region, .quiet = true};
}

ISOLATED_TEST(Loggers, TheNameOfAFile) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  SLUICE_INFO("x");
  auto last = kept.last();
  EXPECT_EQ(last.logger, "game.physics");
  EXPECT_EQ(last.json["logger"], "game.physics");
  set_level("game", Level::error);
  (void)kept.messages();
  SLUICE_INFO("quiet now");
  EXPECT_TRUE(kept.messages().empty());
}

ISOLATED_TEST(Loggers, KnownAtRunTime) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  std::string name = "plugin.a";
  {
    Logger temporary{name};
    SLUICE_LOGGER_WARNING(temporary, "first {}", 1);
    Logger copy = temporary;
    SLUICE_LOGGER_WARNING(copy, "second {n}", 2);
  }
  name = "overwritten";
  (void)flush();
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].logger, "plugin.a");
  EXPECT_EQ(all[0].message, "first 1");
  EXPECT_EQ(all[1].logger, "plugin.a");
  EXPECT_EQ(all[1].message, "second 2");
  EXPECT_EQ(all[1].json["fields"], nlohmann::json::parse(R"({"n":2})"));
}

// One site, two loggers: the logger travels in the record.
ISOLATED_TEST(Loggers, OneSiteForMany) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  static Logger loggers[] = {Logger{"a"}, Logger{"b"}};
  for (int i = 0; i < 4; ++i) SLUICE_LOGGER_INFO(loggers[i % 2], "n {}", i);
  (void)flush();
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 4u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(all[i].logger, i % 2 ? "b" : "a");
    EXPECT_EQ(all[i].message, "n " + std::to_string(i));
  }
}

ISOLATED_TEST(Loggers, ManyThreadsMakeTheSameOnes) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 50; ++i) {
        log_text(Level::info, "group." + std::to_string(i), std::to_string(i));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  (void)flush();
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 400u);
  for (const auto& record : all) EXPECT_EQ(record.logger, "group." + record.message);
}

}  // namespace
}  // namespace sluice::test
