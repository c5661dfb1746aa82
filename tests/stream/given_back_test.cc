// A stream that goes quiet after a burst gives its memory back, to the pool and by it to the
// system; what comes then is written as ever, and no write of it faults a page.
//
// sanitizers: none (their shadow memory faults pages in writes)
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "stream/core_bench.h"

namespace sluice::stream {
namespace {

constexpr u64 kPoolBytes = u64{64} << 20;
constexpr u64 kFirstChunkBytes = Pool::kBytesOf[0];
constexpr i64 kNsPerSecond = 1'000'000'000;

long faults_of_this_thread() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

class GivenBack : public ::testing::TestWithParam<Framing> {
 protected:
  // The rounds of the engine, so far apart: the pool's, then the stream's.
  void rounds(int count, i64 apart_ns) {
    for (int i = 0; i < count; ++i) {
      bench_.now += apart_ns;
      while (bench_.pool->provide(bench_.now)) continue;
      (void)bench_.core->round(bench_.now);
    }
  }
  // Records that fill their chunks within no time; page faults of the writes alone.
  long burst(int records) {
    long faults = 0;
    for (const int end = next_ + records; next_ < end; rounds(1, 0)) {
      const long before = faults_of_this_thread();
      for (int i = 0; i < 1000; ++i) EXPECT_TRUE(bench_.put(next_++));
      faults += faults_of_this_thread() - before;
    }
    return faults;
  }
  StreamStatistics told() { return bench_.core->statistics(); }

  MemoryIo io_;
  Bench bench_{io_, {.shards = 1, .flush_interval_ms = 1, .framing = GetParam()}, {}, kPoolBytes};
  int next_ = 0;
};
INSTANTIATE_TEST_SUITE_P(, GivenBack, ::testing::Values(Framing::lines, Framing::blocks),
                         [](const auto& framing) {
                           return framing.param == Framing::lines ? "Lines" : "Blocks";
                         });

TEST_P(GivenBack, AfterABurstAndWritesFaultNoPageThen) {
  rounds(1, 1);
  const u64 at_first = told().pool_memory_bytes;
  EXPECT_EQ(told().memory_bytes, kFirstChunkBytes);
  long faults = 0;
  for (int times = 0; times < 3; ++times) {
    faults = burst(100'000);
    // On a busy machine chunks fill slowly, and larger ones are taken later.
    for (int more = 0; more < 200 && told().memory_bytes == kFirstChunkBytes; ++more) {
      faults += burst(10'000);
    }
    const StreamStatistics then = told();
    EXPECT_GT(then.memory_bytes, kFirstChunkBytes) << "it has taken larger chunks";
    EXPECT_GT(then.pool_memory_bytes, at_first);
    rounds(5, kNsPerSecond);
    EXPECT_EQ(told().memory_bytes, kFirstChunkBytes);
    EXPECT_EQ(told().pool_memory_bytes, then.pool_memory_bytes) << "not yet";
    rounds(20, kNsPerSecond);
    EXPECT_EQ(told().memory_bytes, kFirstChunkBytes);
    EXPECT_EQ(told().pool_memory_bytes, at_first);
  }
  EXPECT_EQ(faults, 0);
  bench_.core->begin_close();
  rounds(5, 1);
  EXPECT_EQ(told().memory_bytes, 0u);
  EXPECT_EQ(numbers_in(io_, false), up_to(next_));
}

// The control: what was given back does fault when nobody faults it in first.
TEST(GivenBackPages, FaultWhenTheyAreTouched) {
  constexpr u64 kBytes = u64{64} * os::kPageBytes;
  char* const at = static_cast<char*>(os::reserve(kBytes));
  ASSERT_EQ(os::map_zero(at, kBytes), 0);
  ASSERT_EQ(os::populate(at, kBytes), 0);
  const auto touch = [&] {
    const long before = faults_of_this_thread();
    for (u64 offset = 0; offset < kBytes; offset += os::kPageBytes) {
      *static_cast<volatile char*>(at + offset) = 1;
    }
    return faults_of_this_thread() - before;
  };
  EXPECT_EQ(touch(), 0);
  ASSERT_EQ(os::discard(at, kBytes), 0);
  EXPECT_EQ(touch(), 64);
  os::release(at, kBytes);
}

}  // namespace
}  // namespace sluice::stream
