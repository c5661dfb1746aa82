// sanitizers: none (it leaves its process without descriptors)
#include "os/descriptor_reserve.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <vector>

namespace sluice::os {
namespace {

int open_one() { return real_io().open("/dev/null", kRead); }

TEST(DescriptorReserve, OthersThatTakeWhatIsGivenUpDoNotTakeTheLast) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{40, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  {
    DescriptorReserve reserve;
    EXPECT_EQ(reserve.status(), 0);
    std::vector<int> others;
    for (int fd = open_one(); fd >= 0; fd = open_one()) others.push_back(fd);
    const auto give_up_to_another = [&] {
      reserve.give_up_one();
      const int fd = open_one();
      if (fd >= 0) others.push_back(fd);
      reserve.refill();
      return fd >= 0;
    };
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(give_up_to_another());
      EXPECT_EQ(reserve.status(), 0) << i;
    }
    EXPECT_TRUE(give_up_to_another());
    EXPECT_EQ(reserve.status(), -EMFILE);
    EXPECT_FALSE(give_up_to_another()) << "nothing is left to give up";
    close_descriptor(others.back());
    others.pop_back();
    reserve.refill();
    EXPECT_EQ(reserve.status(), 0);
    for (int& fd : others) close_descriptor(fd);
    reserve.refill();
  }
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace sluice::os
