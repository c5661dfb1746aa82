// One descriptor of an index in a process: closing a second one would lose the locks of the first.
#include "stream/directory.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "support/memory_io.h"

namespace sluice::test {
namespace {

using stream::Directory;

// Its close() takes as long as the test wants.
class SlowToClose final : public testing::MemoryIo {
 public:
  int open(const char* path, u32 flags) override {
    ++opened;
    return MemoryIo::open(path, flags);
  }
  int close(int fd) override {
    entered.set_value();
    go.get_future().wait();
    return MemoryIo::close(fd);
  }

  std::promise<void> entered, go;
  std::atomic<int> opened{0};
};

TEST(Directory, IsNotOpenedAgainBeforeItIsClosed) {
  SlowToClose io;
  auto first = Directory::open(io, "/d");
  ASSERT_TRUE(first.ok()) << first.status().message();
  std::thread last_holder([held = std::move(first.value())]() mutable { held.reset(); });
  io.entered.get_future().wait();
  auto second = std::async(std::launch::async, [&io] { return Directory::open(io, "/d"); });
  // Long enough for it to come as far as it can.
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
  EXPECT_EQ(io.opened, 1);
  io.go.set_value();
  last_holder.join();
  const auto opened = second.get();
  EXPECT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_EQ(io.opened, 2);
  io.entered = {};
  io.go = {};
  io.go.set_value();
}

}  // namespace
}  // namespace sluice::test
