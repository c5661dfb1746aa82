// SIGKILL at random moments of writing, flushing and rotating: what a flush has confirmed is in the
// files, nothing is torn or there twice, and the next writer says that there was one before.
//
// sanitizers: none (children of a process are killed here)
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "sluice/stream.h"
#include "stream/stream_files.h"

namespace sluice::test {
namespace {

constexpr int kWriters = 2;

// Shared with the child that is killed.
struct Page {
  std::atomic<int> started;
  std::atomic<int> flushed[kWriters];  // records below are confirmed
};

[[noreturn]] void write_until_killed(const std::string& directory, Page& page) {
  auto stream = Stream::open(
      directory, "s", {.rotate_bytes = 200'000, .preallocate_bytes = 1 << 20, .quiet = true});
  if (!stream.ok()) ::_exit(1);
  std::atomic<int> written[kWriters] = {};
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      const std::string filler(200, 'x');
      for (int number = 0;;) {
        const std::string record =
            std::to_string(writer) + " " + std::to_string(number) + " " + filler;
        if (stream.value().write(record) == Admission::kOk) written[writer] = ++number;
      }
    });
  }
  page.started = 1;
  for (;;) {
    const int before[kWriters] = {written[0], written[1]};
    if (!stream.value().flush(60'000)) ::_exit(2);
    for (int writer = 0; writer < kWriters; ++writer) page.flushed[writer] = before[writer];
  }
}

TEST(StreamKill, WhatWasFlushedIsThereOnceAndWhole) {
  const int kills = ::getenv("SLUICE_TEST_FULL") != nullptr ? 500 : 25;
  const char* const given = ::getenv("SLUICE_TEST_SEED");
  const unsigned seed = given ? unsigned(std::atoi(given)) : std::random_device{}();
  std::printf("SLUICE_TEST_SEED=%u\n", seed);
  std::mt19937 random(seed);
  auto* const page = static_cast<Page*>(
      ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  std::uint64_t confirmed = 0;
  for (int kill = 0; kill < kills; ++kill) {
    const OwnDirectory directory;
    new (page) Page{};
    const pid_t child = ::fork();
    if (child == 0) write_until_killed(directory.path(), *page);
    while (page->started == 0 && ::waitpid(child, nullptr, WNOHANG) == 0) ::usleep(100);
    ::usleep(unsigned(random() % 60'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);

    auto next = Stream::open(directory.path(), "s", {.quiet = true});
    ASSERT_TRUE(next.ok()) << next.status().message();
    EXPECT_FALSE(std::filesystem::exists(next.value().path())) << "its file is finished";
    EXPECT_TRUE(next.value().close().ok());
    const auto numbers = numbers_by_writer(lines_of_stream(directory.path(), "s"));
    for (int writer = 0; writer < kWriters; ++writer) {
      const auto found = numbers.find(writer);
      const std::vector<int> mine = found == numbers.end() ? std::vector<int>{} : found->second;
      for (int i = 0; i < int(mine.size()); ++i) ASSERT_EQ(mine[std::size_t(i)], i);
      EXPECT_GE(int(mine.size()), page->flushed[writer].load());
      confirmed += std::uint64_t(page->flushed[writer].load());
    }
  }
  EXPECT_GT(confirmed, 0u);
  std::printf("%d kills, %llu records confirmed\n", kills,
              static_cast<unsigned long long>(confirmed));
  ::munmap(page, sizeof(Page));
}

}  // namespace
}  // namespace sluice::test
