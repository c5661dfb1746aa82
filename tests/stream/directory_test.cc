// One descriptor of an index in a process: closing a second one would lose the locks of the first.
#include "stream/directory.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <string_view>
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

void put_text(testing::MemoryIo& io, const std::string& path, std::string_view text) {
  const ByteView bytes = as_bytes(text);
  io.put(path, {bytes.begin(), bytes.end()});
}

TEST(Directory, TheNumberOfARemovedFileIsNotGivenAgain) {
  testing::MemoryIo io;
  io.make_directory("/d");
  {
    auto directory = Directory::open(io, "/d").value();
    (void)directory->claim("other");
    ASSERT_TRUE(directory->claim("s").ok());
    EXPECT_TRUE(directory->note_removed("s", 7).ok());
    EXPECT_TRUE(directory->note_removed("s", 5).ok()) << "lower, and forgotten";
    EXPECT_TRUE(directory->note_removed("unknown", 9).ok());
  }
  auto directory = Directory::open(io, "/d").value();
  EXPECT_EQ(directory->claim("s").value().finished, 7u);
  EXPECT_EQ(directory->claim("other").value().finished, 0u);
  EXPECT_EQ(directory->claim("new").value().finished, 0u);
}

TEST(Directory, NumbersThatAreNoneAreIgnored) {
  testing::MemoryIo io;
  io.make_directory("/d");
  put_text(io, "/d/.streams", "s\ts\nt\tt\n");
  put_text(io, "/d/.numbers",
           "\xff\xff\xff\xff\xff\xff\xff\xff"
           "abc");
  auto directory = Directory::open(io, "/d").value();
  EXPECT_EQ(directory->claim("s").value().finished, 0u);
  EXPECT_EQ(directory->claim("t").value().finished, 0u) << "its number is torn";
}

TEST(Directory, OnlyStreamsWithAnOpenFileAndNoWriterAreUnwritten) {
  testing::MemoryIo io;
  io.make_directory("/d");
  put_text(io, "/d/.streams", "a\ta\nb\tb\nc\tc\n../x\tx\n");
  for (const char* const name : {"/d/a.log", "/d/b.log", "/d/stranger.log"}) {
    put_text(io, name, "x\n");
  }
  auto directory = Directory::open(io, "/d").value();
  const auto written = directory->claim("a");
  ASSERT_TRUE(written.ok());
  std::string stems;
  const auto note = [&](stream::Claim& claim) {
    stems += claim.stem + " ";
    ++claim.finished;
  };
  EXPECT_TRUE(directory->for_unwritten(note).ok());
  EXPECT_EQ(stems, "b ");
  directory->release(written.value());
  EXPECT_TRUE(directory->for_unwritten(note).ok());
  EXPECT_EQ(stems, "b a b ");
  EXPECT_EQ(directory->claim("b").value().finished, 2u);
}

// A writer that comes while files are sealed waits, and is not told that somebody writes.
TEST(Directory, AClaimWaitsForTheSealing) {
  testing::MemoryIo io;
  io.make_directory("/d");
  put_text(io, "/d/.streams", "s\ts\n");
  put_text(io, "/d/s.log", "x\n");
  auto directory = Directory::open(io, "/d").value();
  std::future<bool> claimed;
  EXPECT_TRUE(directory
                  ->for_unwritten([&](stream::Claim&) {
                    claimed =
                        std::async(std::launch::async, [&] { return directory->claim("s").ok(); });
                    EXPECT_EQ(claimed.wait_for(std::chrono::milliseconds(100)),
                              std::future_status::timeout);
                  })
                  .ok());
  EXPECT_TRUE(claimed.get());
}

}  // namespace
}  // namespace sluice::test
