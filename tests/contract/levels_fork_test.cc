// sanitizers: none (a child of a program with threads, which leaves those threads' memory alone)
// emulator: no (qemu 7.2 aborts when a child of a program with threads begins one)
//
// Levels of call sites hold in forked children and in the next start.
#include <gtest/gtest.h>
#include <sluice/sluice.h>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

Options options_for(const Dirs& dirs, Kept& kept) {
  return {
      .product = "levels", .sinks = {kept.sink()}, .region_directory = dirs.region, .quiet = true};
}

void say_all() {
  SLUICE_TRACE("trace");
  SLUICE_DEBUG("debug");
  SLUICE_INFO("info");
  SLUICE_NOTICE("notice");
  SLUICE_WARNING("warning");
  SLUICE_ERROR("error");
  SLUICE_CRITICAL("critical");
}

ISOLATED_TEST(LevelsFork, OfACallSiteInAChildAndInTheNextStart) {
  ::setenv("SLUICE_REGION_DIRECTORY", dirs.region.c_str(), 1);
  set_site_level("levels_fork_test.cc", Level::error);  // before anything was said
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  say_all();
  EXPECT_EQ(kept.messages(), (std::vector<std::string>{"error", "critical"}));
  EXPECT_EQ(exit_code_of([] {
              say_all();
              (void)flush();
              EXPECT_EQ(stats().filtered, 5u);
              EXPECT_EQ(stats().attempted, 7u);
            }),
            0);
  ASSERT_TRUE(stop(60'000));
  sinks_begin_here();
  ASSERT_TRUE(start(options_for(dirs, kept)));
  say_all();
  EXPECT_EQ(kept.messages(), (std::vector<std::string>{"error", "critical"}));
}

}  // namespace
}  // namespace sluice::test
