// Limits of call sites in a forked child.
//
// sanitizers: none (forks beside the library's threads)
#include <gtest/gtest.h>
#include <sluice/limit.h>
#include <sluice/sluice.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

Options options_for(const Dirs& dirs, Kept& kept) {
  return {
      .product = "limit", .sinks = {kept.sink()}, .region_directory = dirs.region, .quiet = true};
}

// The child has no region until it logs: what a limit keeps out there makes one, to count in.
ISOLATED_TEST(Limit, AForkedChildCountsItsOwn) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const auto call = [] { SLUICE_LOG_LIMITED(Level::info, once_in_ms(3'600'000), "x"); };
  call();
  const pid_t child = ::fork();
  if (child == 0) {
    for (int i = 0; i < 3; ++i) call();
    ::_exit(stats().filtered == 3 && stats().attempted == 3 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

ISOLATED_TEST(PlaceLimits, HoldInAForkedChildWhichTellsOfItsOwn) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  (void)set_site_rate("limit_fork_test.cc", 1);
  const auto call = [] { SLUICE_INFO("x"); };
  for (int i = 0; i < 100'000; ++i) call();
  EXPECT_GT(stats().filtered, 90'000u);
  (void)flush();
  (void)kept.take();
  const pid_t child = ::fork();
  if (child == 0) {
    std::uint64_t told = 0;
    while (told == 0) {
      call();
      ::usleep(1000);
      (void)flush();
      for (const auto& record : kept.take()) {
        if (record.logger == "sluice") {
          told = record.json["fields"]["suppressed"].get<std::uint64_t>();
        }
      }
    }
    ::_exit(told <= stats().filtered ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace sluice::test
