// SIGKILL at random moments of writing, flushing and rotating: what a flush has confirmed is in the
// files, nothing is torn or there twice, and the next writer says exactly how much is lost. With
// `survive_kill` that is nothing, also when the next writers are killed over it.
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

[[noreturn]] void write_until_killed(const std::string& directory, const StreamOptions& options,
                                     Page& page) {
  auto stream = Stream::open(directory, "s", options);
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

class StreamKill : public ::testing::TestWithParam<Framing> {
 protected:
  void SetUp() override {
    const char* const given = ::getenv("SLUICE_TEST_SEED");
    const unsigned seed = given ? unsigned(std::atoi(given)) : std::random_device{}();
    std::printf("SLUICE_TEST_SEED=%u\n", seed);
    random_.seed(seed);
    page_ = static_cast<Page*>(
        ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  }
  void TearDown() override { ::munmap(page_, sizeof(Page)); }

  static int kills() { return ::getenv("SLUICE_TEST_FULL") != nullptr ? 250 : 13; }
  [[nodiscard]] StreamOptions options() const {
    return {.framing = GetParam(),
            .rotate_bytes = 200'000,
            .preallocate_bytes = 1 << 20,
            .quiet = true};
  }

  // `confirm`: not before its first flush, which takes seconds on a slow disk.
  void kill_a_writer(const std::string& directory, const StreamOptions& options, bool confirm) {
    new (page_) Page{};
    const pid_t child = ::fork();
    if (child == 0) write_until_killed(directory, options, *page_);
    while ((page_->started == 0 || (confirm && page_->flushed[0] == 0)) &&
           ::waitpid(child, nullptr, WNOHANG) == 0) {
      ::usleep(100);
    }
    kill_within(child, 60'000);
  }
  // Whoever opens it is killed within so many microseconds, or has done it by then.
  void kill_an_opener(const std::string& directory, unsigned within) {
    const pid_t child = ::fork();
    if (child == 0) {
      (void)Stream::open(directory, "s", options());
      ::pause();
    }
    kill_within(child, within);
  }
  void kill_within(pid_t child, unsigned microseconds) {
    ::usleep(unsigned(random_() % microseconds));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  }

  // What the next writer says of the one that was killed.
  StreamStatistics statistics_of_next(const std::string& directory) {
    auto next = Stream::open(directory, "s", {.quiet = true});
    EXPECT_TRUE(next.ok()) << next.status().message();
    if (!next.ok()) return {};
    EXPECT_FALSE(std::filesystem::exists(next.value().path())) << "its file is finished";
    EXPECT_TRUE(next.value().close().ok());
    EXPECT_EQ(next.value().statistics().files, 0u) << "of another writer";
    return next.value().statistics();
  }
  // How many records there are of all writers, each once and in order, and those that were flushed.
  std::uint64_t count_records(const std::string& directory) {
    std::uint64_t there = 0;
    const auto numbers = numbers_by_writer(records_of_stream(directory, "s"));
    for (int writer = 0; writer < kWriters; ++writer) {
      const auto found = numbers.find(writer);
      const std::vector<int> mine = found == numbers.end() ? std::vector<int>{} : found->second;
      for (int i = 0; i < int(mine.size()); ++i) {
        EXPECT_EQ(mine[std::size_t(i)], i);
        if (mine[std::size_t(i)] != i) return 0;
      }
      EXPECT_GE(int(mine.size()), page_->flushed[writer].load());
      there += mine.size();
    }
    return there;
  }
  [[nodiscard]] std::uint64_t accepted() const {
    return std::uint64_t(page_->written[0]) + std::uint64_t(page_->written[1]);
  }
  [[nodiscard]] std::uint64_t confirmed() const {
    return std::uint64_t(page_->flushed[0]) + std::uint64_t(page_->flushed[1]);
  }

  std::mt19937 random_;
  Page* page_ = nullptr;
};

TEST_P(StreamKill, WhatWasFlushedIsThereOnceAndWhole) {
  std::uint64_t all_confirmed = 0, lost = 0;
  for (int kill = 0; kill < kills() && !HasFailure(); ++kill) {
    const OwnDirectory directory;
    kill_a_writer(directory.path(), options(), kill == 0);
    const StreamStatistics told = statistics_of_next(directory.path());
    const std::uint64_t there = count_records(directory.path());
    EXPECT_EQ(told.kept_earlier, 0u);
    // A call that was cut by the kill has no answer: its record may count as accepted.
    EXPECT_GE(there + told.lost_earlier, accepted());
    EXPECT_LE(there + told.lost_earlier, accepted() + kWriters);
    all_confirmed += confirmed();
    lost += told.lost_earlier;
  }
  EXPECT_GT(all_confirmed, 0u);
  EXPECT_GT(lost, 0u) << "nothing was on its way at any kill: this test has tested nothing";
  std::printf("%llu records confirmed, %llu lost and said so\n",
              static_cast<unsigned long long>(all_confirmed),
              static_cast<unsigned long long>(lost));
}

TEST_P(StreamKill, WhatWasAcceptedSurvives) {
  StreamOptions surviving = options();
  surviving.survive_kill = true;
  surviving.buffer_bytes = 4 << 20;
  std::uint64_t kept = 0, openers = 0;
  for (int kill = 0; kill < kills() && !HasFailure(); ++kill) {
    const OwnDirectory directory;
    surviving.rotate_bytes = kill % 3 == 0 ? 0 : 200'000;
    kill_a_writer(directory.path(), surviving, false);
    for (int opener = int(random_() % 4); opener > 0; --opener, ++openers) {
      kill_an_opener(directory.path(), 20'000);
    }
    const StreamStatistics told = statistics_of_next(directory.path());
    EXPECT_EQ(told.lost_earlier, 0u);
    const std::uint64_t there = count_records(directory.path());
    EXPECT_GE(there, accepted()) << kill;
    EXPECT_LE(there, accepted() + kWriters) << kill;
    kept += told.kept_earlier;
  }
  EXPECT_GT(kept, 0u) << "everything was in files at every kill: this test has tested nothing";
  std::printf("%llu records kept, %llu of those who opened it killed too\n",
              static_cast<unsigned long long>(kept), static_cast<unsigned long long>(openers));
}

INSTANTIATE_TEST_SUITE_P(Framings, StreamKill, ::testing::Values(Framing::lines, Framing::blocks));

}  // namespace
}  // namespace sluice::test
