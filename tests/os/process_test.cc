#include "os/process.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <thread>
#include <vector>

#include "os/memory.h"

namespace sluice::os {
namespace {

TEST(Process, KnowsItself) {
  EXPECT_EQ(process_id(), u32(::getpid()));
  EXPECT_GT(start_time(process_id()), 0u);
  EXPECT_EQ(start_time(0xfffffff0), 0u);
  EXPECT_NE(pid_namespace(), 0u);
  EXPECT_EQ(program_name(), "os.process_test");
  EXPECT_FALSE(host_name().empty());
  EXPECT_EQ(environment("SLUICE_NO_SUCH_VARIABLE"), "");
}

TEST(Process, NamesOfThreads) {
  std::thread([] {
    set_thread_name("short");
    char name[16];
    thread_name(name, sizeof name);
    EXPECT_STREQ(name, "short");
    char small[4];
    thread_name(small, sizeof small);
    EXPECT_STREQ(small, "sho");
    EXPECT_NE(thread_id(), process_id());
  }).join();
}

TEST(Process, RandomBytesDiffer) {
  u64 first[2] = {}, second[2] = {};
  random_bytes(first, sizeof first);
  random_bytes(second, sizeof second);
  EXPECT_NE(first[0], second[0]);
  EXPECT_NE(first[1], second[1]);
}

TEST(Process, ErrnoIsKeptOverAScope) {
  errno = 42;
  {
    const KeepErrno keep;
    errno = 7;
  }
  EXPECT_EQ(errno, 42);
}

TEST(Process, WaitingAndWaking) {
  std::atomic<u32> word{0};
  const i64 before = monotonic_ns();
  wait_on(word, 0, 5'000'000);
  EXPECT_GE(monotonic_ns() - before, 4'000'000);
  word = 1;
  wait_on(word, 0, -1);  // returns at once: the word has moved
  std::thread waiter([&] {
    while (word.load() == 1) wait_on(word, 1, -1);
  });
  word = 2;
  wake_all(word);
  waiter.join();
  (void)barrier_all_threads();
}

// One wake reaches all who wait: each of them passes it on.
TEST(Process, WakesInTurn) {
  constexpr u32 kThreads = 20;
  for (u32 round = 0; round < 200; ++round) {
    std::atomic<u32> word{round};
    std::atomic<u32> here{0};
    std::vector<std::thread> threads;
    for (u32 i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        here.fetch_add(1);
        while (word.load() == round) wait_in_turn(word, round, -1);
      });
    }
    while (here.load() < kThreads) yield();
    word.store(round + 1);
    wake_two(word, round);
    for (std::thread& thread : threads) thread.join();
    wait_in_turn(word, round, -1);             // returns at once: the word has moved
    wait_in_turn(word, round + 1, 1'000'000);  // and by itself
  }
}

thread_local int t_exits = 0;
std::atomic<int> g_exits{0};

TEST(Process, ThreadExitRunsItsHandlerOnce) {
  on_thread_exit([](void* value) { g_exits.fetch_add(*static_cast<int*>(value)); });
  std::thread([] {
    t_exits = 1;
    set_thread_exit_value(&t_exits);
  }).join();
  std::thread([] {}).join();
  EXPECT_EQ(g_exits.load(), 1);
}

TEST(Memory, ReserveMapPopulateRelease) {
  constexpr u64 kBytes = u64{8} << 20;
  void* at = reserve(kBytes);
  ASSERT_NE(at, nullptr);
  EXPECT_EQ(reinterpret_cast<u64>(at) % (u64{2} << 20), 0u);
  ASSERT_EQ(map_zero(at, kBytes), 0);
  ASSERT_EQ(populate(at, 64 * kPageBytes), 0);
  unsigned char resident[64];
  ASSERT_EQ(::mincore(at, 64 * kPageBytes, resident), 0);
  for (const unsigned char page : resident) EXPECT_TRUE(page & 1);
  EXPECT_EQ(static_cast<char*>(at)[kBytes - 1], 0);
  release(at, kBytes);
  EXPECT_EQ(map_file(reinterpret_cast<void*>(kPageBytes * 1024 * 1024), -1, kPageBytes), -EBADF);
  EXPECT_EQ(reserve(u64{1} << 60), nullptr);
}

TEST(Memory, KnowsItsFileSystems) {
  FILE* shm = std::fopen("/dev/shm/sluice-memory-test", "w");
  ASSERT_NE(shm, nullptr);
  EXPECT_TRUE(is_memory_filesystem(::fileno(shm)));
  std::fclose(shm);
  ::unlink("/dev/shm/sluice-memory-test");
  FILE* proc = std::fopen("/proc/self/status", "r");
  EXPECT_FALSE(is_memory_filesystem(::fileno(proc)));
  std::fclose(proc);
}

}  // namespace
}  // namespace sluice::os
