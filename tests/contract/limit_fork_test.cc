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

// The child has no region until it logs: what a limit keeps out there makes one, to count in.
ISOLATED_TEST(Limit, AForkedChildCountsItsOwn) {
  Kept kept;
  ASSERT_TRUE(start({.product = "limit",
                     .sinks = {kept.sink()},
                     .region_directory = dirs.region,
                     .quiet = true}));
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

}  // namespace
}  // namespace sluice::test
