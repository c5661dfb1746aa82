// SIGKILL at random moments of writing, flushing and rotating: what a flush has confirmed is in the
// files, nothing is torn or there twice, and the next writer says exactly how much is lost.
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
  std::atomic<int> written[kWriters];  // records below were accepted
  std::atomic<int> flushed[kWriters];  // records below are confirmed
};

[[noreturn]] void write_until_killed(const std::string& directory, Framing framing, Page& page) {
  auto stream = Stream::open(
      directory, "s",
      {.framing = framing, .rotate_bytes = 200'000, .preallocate_bytes = 1 << 20, .quiet = true});
  if (!stream.ok()) ::_exit(1);
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      const std::string filler(200, 'x');
      for (int number = 0;;) {
        const std::string record =
            std::to_string(writer) + " " + std::to_string(number) + " " + filler;
        if (stream.value().write(record) == Admission::kOk) page.written[writer] = ++number;
      }
    });
  }
  page.started = 1;
  for (;;) {
    const int before[kWriters] = {page.written[0], page.written[1]};
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
  std::uint64_t confirmed = 0, lost = 0;
  for (int kill = 0; kill < kills; ++kill) {
    const OwnDirectory directory;
    const Framing framing = kill % 2 == 0 ? Framing::lines : Framing::blocks;
    new (page) Page{};
    const pid_t child = ::fork();
    if (child == 0) write_until_killed(directory.path(), framing, *page);
    // One is killed only after its first flush, which takes seconds on a slow disk.
    const bool confirm = kill == 0;
    while ((page->started == 0 || (confirm && page->flushed[0] == 0)) &&
           ::waitpid(child, nullptr, WNOHANG) == 0) {
      ::usleep(100);
    }
    ::usleep(unsigned(random() % 60'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);

    auto next = Stream::open(directory.path(), "s", {.quiet = true});
    ASSERT_TRUE(next.ok()) << next.status().message();
    EXPECT_FALSE(std::filesystem::exists(next.value().path())) << "its file is finished";
    EXPECT_TRUE(next.value().close().ok());
    const std::uint64_t told = next.value().statistics().lost_earlier;
    EXPECT_EQ(next.value().statistics().files, 0u) << "of another writer";
    std::uint64_t accepted = 0, there = 0;
    const auto numbers = numbers_by_writer(records_of_stream(directory.path(), "s"));
    for (int writer = 0; writer < kWriters; ++writer) {
      const auto found = numbers.find(writer);
      const std::vector<int> mine = found == numbers.end() ? std::vector<int>{} : found->second;
      for (int i = 0; i < int(mine.size()); ++i) ASSERT_EQ(mine[std::size_t(i)], i);
      EXPECT_GE(int(mine.size()), page->flushed[writer].load());
      confirmed += std::uint64_t(page->flushed[writer].load());
      accepted += std::uint64_t(page->written[writer].load());
      there += mine.size();
    }
    // A call that was cut by the kill has no answer: its record may count as accepted.
    EXPECT_GE(there + told, accepted);
    EXPECT_LE(there + told, accepted + kWriters);
    lost += told;
  }
  EXPECT_GT(confirmed, 0u);
  EXPECT_GT(lost, 0u) << "nothing was on its way at any kill: this test has tested nothing";
  std::printf("%d kills, %llu records confirmed, %llu lost and said so\n", kills,
              static_cast<unsigned long long>(confirmed), static_cast<unsigned long long>(lost));
  ::munmap(page, sizeof(Page));
}

}  // namespace
}  // namespace sluice::test
