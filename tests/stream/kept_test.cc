// sanitizers: address (one thread, in which ThreadSanitizer has nothing to find)
//
// A stream with `survive_kill`, on disks that fail: whoever is killed at any call of the disk, the
// writer or those that come after it, what was accepted is in files once; what close() has to leave
// stays for the next writer; and a file of kept memory that anybody wrote does no harm.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "stream/core_bench.h"
#include "support/kill_io.h"
#include "support/read_file.h"

namespace sluice::stream {
namespace {

using testing::Killed;
using testing::KillIo;

class Kept : public ::testing::TestWithParam<Framing> {
 protected:
  void TearDown() override {
    for (const std::string& path : in_memory()) std::filesystem::remove(path);
  }
  [[nodiscard]] StreamOptions options() const {
    StreamOptions options = small_files(GetParam());
    options.survive_kill = true;
    options.buffer_bytes = 1 << 20;
    return options;
  }
  [[nodiscard]] std::vector<std::string> in_memory() const {
    std::vector<std::string> paths;
    for (const char* const suffix : {"", KeptMemory::kSuffix}) {
      const std::string path = left_path(id_, suffix, true);
      if (std::filesystem::exists(path)) paths.push_back(path);
    }
    return paths;
  }
  // Writes until it is killed; how many were accepted.
  int write_until_killed(os::Io& io) {
    int accepted = 0;
    try {
      Bench bench(io, options(), id_);
      if (!bench.started.ok()) return 0;
      while (accepted < kRecords && bench.put(accepted)) {
        if (++accepted % 3 == 0) bench.rounds(2);
      }
      bench.core->begin_close();
      bench.rounds(60);
      EXPECT_TRUE(bench.core->is_over());
    } catch (const Killed&) {
    }
    return accepted;
  }
  // The next writer, who writes nothing; what it says of the one before it.
  StreamStatistics open_next(os::Io& io) {
    Bench next(io, options(), id_);
    EXPECT_TRUE(next.started.ok()) << next.started.message();
    const StreamStatistics told = next.core->statistics();
    next.core->begin_close();
    next.rounds(5);
    EXPECT_TRUE(next.core->is_over());
    return told;
  }

  // A directory that no other process has.
  const StreamId id_{{7, u64(::getpid())}, 1};
};
INSTANTIATE_TEST_SUITE_P(, Kept, ::testing::Values(Framing::lines, Framing::blocks),
                         [](const auto& framing) {
                           return framing.param == Framing::lines ? "Lines" : "Blocks";
                         });

TEST_P(Kept, IsInFilesOnceWhoeverIsKilledAtAnyCall) {
  const u64 stride = ::getenv("SLUICE_TEST_FULL") != nullptr ? 1 : 5;
  u64 kept = 0, kills = 0;
  bool was_killed = true;
  for (u64 call = 1; was_killed && !HasFailure(); call += stride) {
    for (const u64 partial : {u64{0}, u64{25}}) {
      // The one that opens it next is killed at each call of its own, then nobody.
      bool next_killed = true;
      for (u64 next_call = 1 + call % stride; next_killed; next_call += stride) {
        MemoryIo disk;
        KillIo kills_writer(disk, call, partial);
        const int accepted = write_until_killed(kills_writer);
        was_killed = kills_writer.calls() >= call;
        next_killed = false;
        KillIo kills_next(disk, next_call, partial);
        try {
          kept += open_next(kills_next).kept_earlier;
        } catch (const Killed&) {
          next_killed = true;
          ++kills;
          kept += open_next(disk).kept_earlier;
        }
        ASSERT_EQ(numbers_in(disk, true), up_to(accepted))
            << "call " << call << " partial " << partial << ", then " << next_call;
        EXPECT_EQ(in_memory(), std::vector<std::string>{});
      }
    }
  }
  EXPECT_GT(kept, 0u);
  EXPECT_GT(kills, 0u);
}

// Killed between the hold of a chunk and the word behind it: what was not taken goes behind the
// hold, or a second recovery would take it for written.
struct OneHeldOneOpen {
  static u32 chunks() { return 2; }
  static u32 lanes() { return 1; }
  static u64 taken() { return 100; }
  static u64 first(u32) { return active_word(2, 7); }
  static u64 word(u32 index) {
    return index == 1 ? open_word(5) | kClosedBit | 50 : open_word(7) | 30;
  }
  static u64 next(u32) { return 0; }
  static u64 position(u32) { return 100; }
  static u64 use(u32 index) { return index == 1 ? use_word(5, 0, 50) : 0; }
};

TEST(KeptParts, WhatWasNotTakenGoesBehindEveryHold) {
  u64 untaken = 0;
  const std::vector<KeptPart> parts = kept_parts(OneHeldOneOpen(), untaken);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_TRUE(parts[0].held);
  EXPECT_EQ(parts[0].position, 100u);
  EXPECT_EQ(parts[1].index, 2u);
  EXPECT_FALSE(parts[1].held);
  EXPECT_EQ(untaken, 150u);
}

// The first block of a file is torn behind its head: it is a block all the same.
TEST_P(Kept, AFileWithATornFirstUnitIsUnderstood) {
  constexpr int kMany = 400;
  u64 torn = 0;
  for (u64 call = 1; call < 30; ++call) {
    MemoryIo disk;
    KillIo io(disk, call, kBlockStep);
    StreamOptions one = options();
    one.rotate_bytes = 0;
    int accepted = 0;
    try {
      Bench bench(io, one, id_);
      for (; accepted < kMany && bench.put(accepted); ++accepted) continue;
      bench.rounds(5);
    } catch (const Killed&) {
      torn += io.fatal_bytes() > kBlockStep;
    }
    open_next(disk);
    EXPECT_EQ(numbers_in(disk, true), up_to(accepted)) << call;
  }
  EXPECT_GT(torn, 0u);
}

// What is there and cannot be looked at now is not gone.
TEST_P(Kept, MemoryThatCannotBeReadIsForLater) {
  MemoryIo disk;
  {
    Bench never_closed(disk, options(), id_);
    for (int number = 0; number < kRecords; ++number) ASSERT_TRUE(never_closed.put(number));
  }
  for (const char* const suffix : {"", KeptMemory::kSuffix}) {
    const std::string path = left_path(id_, suffix, true);
    std::filesystem::rename(path, path + "-aside");
    std::filesystem::create_directory(path);  // it opens, and no byte of it can be read
    {
      Bench next(disk, options(), id_);
      EXPECT_EQ(next.started.error_class(), ErrorClass::kRetryable) << next.started.message();
      EXPECT_NE(next.started.message().find(path), std::string::npos) << next.started.message();
    }
    std::filesystem::remove(path);
    std::filesystem::rename(path + "-aside", path);
  }
  EXPECT_EQ(open_next(disk).kept_earlier, u64(kRecords));
  EXPECT_EQ(numbers_in(disk, true), up_to(kRecords));
}

// The disk is full when it is closed, and stays so: nothing is lost for that.
TEST_P(Kept, WhatCloseCannotWriteIsForTheNextWriter) {
  MemoryIo disk;
  {
    Bench bench(disk, options(), id_);
    ASSERT_TRUE(bench.started.ok()) << bench.started.message();
    ASSERT_TRUE(bench.put(0));
    bench.rounds(2);
    disk.space = GetParam() == Framing::lines ? 300 : 2 * kBlockStep;
    for (int number = 1; number < kRecords; ++number) ASSERT_TRUE(bench.put(number));
    bench.rounds(5);
    const Status status = close_beside_rounds(bench, 1);
    EXPECT_FALSE(status.ok());
    EXPECT_NE(status.message().find("for the next writer"), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("ENOSPC"), std::string::npos) << status.message();
    const StreamStatistics told = bench.core->statistics();
    EXPECT_EQ(told.lost, 0u);
    EXPECT_GT(told.left_in_memory, 0u);
    EXPECT_FALSE(bench.core->flush(0, false, false)) << "of what is not in a file";
    EXPECT_FALSE(bench.put(99));
  }
  {
    // No more room than before: it is left again.
    Bench next(disk, options(), id_);
    EXPECT_EQ(next.started.error_class(), ErrorClass::kRetryable) << next.started.message();
  }
  disk.space = ~u64{0};
  EXPECT_EQ(open_next(disk).lost_earlier, 0u);
  EXPECT_EQ(numbers_in(disk, true), up_to(kRecords));
  EXPECT_EQ(in_memory(), std::vector<std::string>{});
}

// The last chunk of all, closed, when it is full: the lane waits for that chunk and for no other.
TEST_P(Kept, EveryChunkMayBeFull) {
  MemoryIo disk;
  int accepted = 0;
  {
    StreamOptions one = options();
    one.rotate_bytes = 0;
    Bench bench(disk, one, id_);
    disk.space = 300;
    while (bench.put(accepted)) ++accepted;
    bench.rounds(20);
    while (bench.put(accepted)) ++accepted;
    EXPECT_FALSE(close_beside_rounds(bench, 1).ok());
    EXPECT_TRUE(bench.core->is_over());
  }
  disk.space = ~u64{0};
  StreamOptions one = options();
  one.rotate_bytes = 0;
  {
    Bench next(disk, one, id_);
    EXPECT_TRUE(next.started.ok()) << next.started.message();
  }
  EXPECT_EQ(numbers_in(disk, true), up_to(accepted));
}

// Memory of /dev/shm that a burst took goes back while the stream is open, and what was accepted
// before and after that is found.
TEST_P(Kept, WhatABurstTookIsGivenBackAndNothingIsMissed) {
  constexpr i64 kNsPerSecond = 1'000'000'000;
  MemoryIo disk;
  int accepted = 0;
  {
    StreamOptions one = one_file(GetParam());
    one.survive_kill = true;
    one.buffer_bytes = 32 << 20;
    Bench killed(disk, one, id_);
    ASSERT_TRUE(killed.started.ok()) << killed.started.message();
    const auto told = [&] { return killed.core->statistics().pool_memory_bytes; };
    const auto on_tmpfs = [&] {
      struct stat info {};
      EXPECT_EQ(::stat(left_path(id_, KeptMemory::kSuffix, false).c_str(), &info), 0);
      return u64(info.st_blocks) * 512;
    };
    (void)killed.core->round(killed.now);
    const u64 at_first = told(), at_first_on_tmpfs = on_tmpfs();
    disk.space = 0;  // so that it takes memory, however fast this machine is
    for (; accepted < 200'000; ++accepted) {
      ASSERT_TRUE(killed.put(accepted));
      if (accepted % 1000 == 0) (void)killed.core->round(killed.now);
    }
    disk.space = ~u64{0};
    EXPECT_GT(told(), at_first + Pool::kBytesOf[1]);
    EXPECT_GT(on_tmpfs(), at_first_on_tmpfs + Pool::kBytesOf[1]);
    for (int second = 0; second < 30; ++second) {
      (void)killed.core->round(killed.now += kNsPerSecond);
    }
    EXPECT_LE(told(), at_first);
    EXPECT_LE(on_tmpfs(), at_first_on_tmpfs);
    for (const int more = accepted + kRecords; accepted < more; ++accepted) {
      ASSERT_TRUE(killed.put(accepted));
    }
  }
  EXPECT_EQ(open_next(disk).kept_earlier, u64(kRecords));
  EXPECT_EQ(numbers_in(disk, true), up_to(accepted));
}

TEST_P(Kept, WithoutAPlaceForItTheStreamIsRefused) {
  MemoryIo disk;
  Bench bench(disk, options());
  EXPECT_FALSE(bench.started.ok());
  EXPECT_NE(bench.started.message().find("survive_kill"), std::string::npos)
      << bench.started.message();
}

// Any byte of what was left may be wrong: the next writer opens, and serves whole records only.
TEST_P(Kept, DamagedMemoryDoesNoHarm) {
  {
    MemoryIo disk;
    Bench never_closed(disk, options(), id_);
    for (int number = 0; number < kRecords; ++number) {
      ASSERT_TRUE(never_closed.put(number));
      if (number == kRecords / 2) never_closed.rounds(2);
    }
  }
  const std::vector<std::string> paths = in_memory();
  ASSERT_EQ(paths.size(), 2u);
  std::map<std::string, std::string> left;
  for (const std::string& path : paths) left[path] = test::read_file(path);
  const char* const given = ::getenv("SLUICE_TEST_SEED");
  const unsigned seed = given ? unsigned(std::atoi(given)) : std::random_device{}();
  std::printf("SLUICE_TEST_SEED=%u\n", seed);
  std::mt19937 random(seed);
  // Words and marks; what is in records is the writer's business.
  const u64 words = KeptLayout(1, 16, 1 << 20).marks + 64;
  for (int round = 0; round < 200 && !HasFailure(); ++round) {
    for (const auto& [path, bytes] : left) {
      std::string damaged = bytes;
      const u64 reach =
          std::min<u64>(path.ends_with(KeptMemory::kSuffix) ? words : 512, bytes.size());
      for (int flips = int(random() % 4); flips > 0; --flips) {
        // Half of them among the words that say most.
        const u64 at = random() % (random() % 2 == 0 ? reach : std::min<u64>(reach, 128));
        damaged[at] = char(damaged[at] ^ (1 << random() % 8));
      }
      if (random() % 8 == 0) damaged.resize(random() % damaged.size());
      std::ofstream(path, std::ios::binary) << damaged;
    }
    MemoryIo copy;
    (void)open_next(copy);
    for (const int number : numbers_in(copy, true)) EXPECT_LT(number, kRecords);
    EXPECT_EQ(in_memory(), std::vector<std::string>{});
  }
}

}  // namespace
}  // namespace sluice::stream
