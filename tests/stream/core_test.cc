// A stream on disks that fail, one round of its flusher at a time: what was accepted is in files of
// whole lines, once, whatever call fails, and a killed writer leaves what the next one can finish.
#include "stream/core.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "stream/core_bench.h"
#include "support/fault_io.h"

namespace sluice::stream {
namespace {

using testing::FaultIo;
using testing::Op;

class StreamCore : public ::testing::TestWithParam<Framing> {
 protected:
  // Which of all writes is the Nth to the file of records: lines have a file of sums beside, with a
  // head and an entry a write.
  [[nodiscard]] static u64 write_of(u64 nth) {
    return GetParam() == Framing::lines ? 2 * nth : nth;
  }
};
INSTANTIATE_TEST_SUITE_P(, StreamCore, ::testing::Values(Framing::lines, Framing::blocks),
                         [](const auto& framing) {
                           return framing.param == Framing::lines ? "Lines" : "Blocks";
                         });

// Every call of a whole life fails once, in every way.
TEST_P(StreamCore, EveryCallFailsOnceAndNothingIsLost) {
  MemoryIo clean;
  FaultIo counting(clean);
  {
    Bench bench(counting, small_files(GetParam()));
    write_and_close(bench);
    ASSERT_TRUE(bench.core->is_over());
  }
  ASSERT_EQ(numbers_in(clean, false), up_to(kRecords));
  for (const std::string& path : clean.paths()) {
    // Without a failure every file has its end.
    if (path != "/d/.streams") (void)test::stored_records(as_text(clean.bytes(path)));
  }
  const std::pair<Op, std::vector<int>> kinds[] = {
      {Op::kPwrite, {EIO, ENOSPC, EINTR, EDQUOT}},
      {Op::kOpen, {EIO, ENOSPC, EMFILE}},
      {Op::kRename, {EIO, ENOSPC}},
      {Op::kSyncData, {EIO}},
      {Op::kSyncDirectory, {EIO}},
      {Op::kStat, {EIO}},
  };
  int lives = 0;
  for (const auto& [op, errors] : kinds) {
    for (u64 call = 1; call <= counting.count(op); ++call) {
      for (const int error : errors) {
        MemoryIo memory;
        FaultIo io(memory);
        Bench bench(io, small_files(GetParam()));
        ASSERT_TRUE(bench.started.ok());
        io.fail({.op = op, .call = io.count(op) + call, .error = error});
        write_and_close(bench);
        ++lives;
        EXPECT_TRUE(bench.core->is_over()) << int(op) << " " << call << " " << error;
        EXPECT_EQ(numbers_in(memory, false), up_to(kRecords))
            << int(op) << " call " << call << " error " << error;
        EXPECT_EQ(bench.core->statistics().lost, 0u);
      }
    }
  }
  EXPECT_GT(lives, 100);
}

TEST_P(StreamCore, ShortWritesGoOnWhereTheyStopped) {
  for (i64 bytes = 1; bytes < 40; ++bytes) {
    MemoryIo memory;
    FaultIo io(memory);
    Bench bench(io, small_files(GetParam()));
    ASSERT_TRUE(bench.started.ok());
    for (u64 call = 1; call < 30; ++call) {
      io.fail({.op = Op::kPwrite, .call = io.count(Op::kPwrite) + call, .short_bytes = bytes});
    }
    write_and_close(bench);
    EXPECT_EQ(numbers_in(memory, false), up_to(kRecords)) << bytes;
  }
}

// Part of a line is there when the write fails for good: it is taken back, and written elsewhere.
TEST_P(StreamCore, AFileThatFailsInTheMiddleOfALineIsCutAndFinished) {
  for (i64 bytes = 1; bytes < 40; ++bytes) {
    MemoryIo memory;
    FaultIo io(memory);
    Bench bench(io, small_files(GetParam()));
    const u64 before = io.count(Op::kPwrite);
    io.fail({.op = Op::kPwrite, .call = before + write_of(2), .short_bytes = bytes});
    io.fail({.op = Op::kPwrite, .call = before + write_of(3), .error = EIO});
    write_and_close(bench);
    EXPECT_EQ(numbers_in(memory, false), up_to(kRecords)) << bytes;
    EXPECT_GE(bench.core->statistics().flush_errors, 1u);
  }
}

// The wrong disk: the checks above see what it does.
TEST_P(StreamCore, ADiskThatLiesIsSeen) {
  MemoryIo memory;
  FaultIo io(memory);
  Bench bench(io, one_file(GetParam()));
  io.fail({.op = Op::kPwrite,
           .call = io.count(Op::kPwrite) + write_of(1),
           .short_bytes = 0,
           .lie_about_short = true});
  ASSERT_TRUE(bench.put(0));
  bench.rounds(2);
  bench.core->begin_close();
  bench.rounds(10);
  EXPECT_NE(memory.paths(), std::vector<std::string>{});
  for (const std::string& path : memory.paths()) {
    if (!path.ends_with("_1.log")) continue;
    EXPECT_TRUE(test::records_of_blocks(as_text(memory.bytes(path))).empty());
    EXPECT_EQ(as_text(memory.bytes(path)).find("record"), std::string_view::npos);
  }
}

TEST_P(StreamCore, AFullDiskHoldsWhatWasAcceptedAndGoesOn) {
  MemoryIo io;
  Bench bench(io, one_file(GetParam()));
  ASSERT_TRUE(bench.put(0));
  bench.rounds(2);
  io.space = GetParam() == Framing::lines ? 300 : 2 * kBlockStep;  // and ".streams" takes some
  int accepted = 1;
  for (; accepted < kRecords; ++accepted) ASSERT_TRUE(bench.put(accepted));
  bench.rounds(20);
  EXPECT_FALSE(bench.core->status().ok());
  EXPECT_EQ(bench.core->status().os_error(), ENOSPC);
  // Until there is no room in memory either: dropped, and counted.
  u64 dropped = 0;
  while (dropped == 0) {
    if (bench.put(accepted)) {
      ++accepted;
    } else {
      ++dropped;
    }
  }
  bench.rounds(20);
  io.space = ~u64{0};
  bench.rounds(20);
  EXPECT_TRUE(bench.core->status().ok());
  bench.core->begin_close();
  bench.rounds(20);
  ASSERT_TRUE(bench.core->is_over());
  EXPECT_EQ(numbers_in(io, false), up_to(accepted));
  EXPECT_EQ(bench.core->statistics().dropped_full, dropped);
  EXPECT_EQ(bench.core->statistics().accepted, u64(accepted));
  ASSERT_EQ(bench.said.sentences.size(), 2u);  // that it began, and that it is over
  EXPECT_NE(bench.said.sentences[0].find("ENOSPC"), std::string::npos);
}

// Nobody makes room here: the one waiter too many would wait for ever.
TEST_P(StreamCore, OneWaiterTooManyDropsAtOnce) {
  MemoryIo io;
  Bench bench(io, {.shards = 1, .wait_ms = ~u32{0}, .waiters_max = 0});
  int accepted = 0;
  while (bench.put(accepted)) ++accepted;
  EXPECT_GT(accepted, 0);
  EXPECT_EQ(bench.core->statistics().dropped_full, 1u);
}

// While another thread does the rounds.
bool flush(Bench& bench, bool durable) {
  std::atomic<bool> over{false};
  std::thread flusher([&] {
    while (!over.load()) bench.rounds(1);
  });
  const bool flushed = bench.core->flush(60'000, durable, false);
  over = true;
  flusher.join();
  return flushed;
}

// The sync of a file that was finished on the way fails, that of the next one does not.
TEST_P(StreamCore, DurableIsNotSaidOfAFileWhoseSyncFailed) {
  MemoryIo memory;
  FaultIo io(memory);
  Bench bench(io, small_files(GetParam()));
  io.fail({.op = Op::kSyncData, .call = io.count(Op::kSyncData) + 1, .error = EIO});
  for (int number = 0; number < kRecords; ++number) ASSERT_TRUE(bench.put(number));
  EXPECT_FALSE(flush(bench, true));
  EXPECT_EQ(bench.core->statistics().sync_errors, 1u);
  ASSERT_TRUE(bench.put(kRecords));
  EXPECT_TRUE(flush(bench, true));
}

TEST_P(StreamCore, WhatAFileTookBeforeItFailedIsDurableToo) {
  MemoryIo memory;
  FaultIo io(memory);
  Bench bench(io, one_file(GetParam()));
  const u64 before = io.count(Op::kPwrite);
  io.fail({.op = Op::kPwrite, .call = before + 1, .short_bytes = 31});
  io.fail({.op = Op::kPwrite, .call = before + 2, .error = EIO});
  for (int number = 0; number < 5; ++number) ASSERT_TRUE(bench.put(number));
  EXPECT_TRUE(flush(bench, true));
  memory.power_loss();
  EXPECT_EQ(numbers_in(memory, true), up_to(5));
}

// A file system without direct writes, found out at the opening or at a write.
TEST(StreamCoreBlocks, GoThroughThePageCacheWhereTheyMust) {
  for (const Op op : {Op::kOpen, Op::kPwrite}) {
    MemoryIo memory;
    FaultIo io(memory);
    Bench bench(io, small_files(Framing::blocks));
    io.fail({.op = op, .call = io.count(op) + 1, .error = EINVAL});
    write_and_close(bench);
    EXPECT_EQ(numbers_in(memory, false), up_to(kRecords));
    EXPECT_EQ(bench.core->statistics().flush_errors, 0u);
    ASSERT_EQ(bench.said.sentences.size(), 1u) << "once, for all files";
    EXPECT_NE(bench.said.sentences[0].find("O_DIRECT"), std::string::npos);
  }
}

// The disk stays full: close() gives up, and what it leaves behind is counted and cut to lines.
TEST_P(StreamCore, GivingUpCountsWhatIsLost) {
  MemoryIo io;
  Bench bench(io, one_file(GetParam()));
  ASSERT_TRUE(bench.put(0));
  bench.rounds(2);
  io.space = GetParam() == Framing::lines ? 300 : 2 * kBlockStep;
  for (int number = 1; number < kRecords; ++number) ASSERT_TRUE(bench.put(number));
  bench.rounds(5);
  const Status status = close_beside_rounds(bench, 1);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("ENOSPC"), std::string::npos) << status.message();
  EXPECT_EQ(bench.said.sentences.size(), 1u) << "it does not go on";
  EXPECT_FALSE(bench.core->flush(0, false, false)) << "of what is lost";
  const auto there = numbers_in(io, false);
  const StreamStatistics told = bench.core->statistics();
  EXPECT_GT(told.lost, 0u);
  EXPECT_GE(there.size(), 1u);
  EXPECT_EQ(there, up_to(int(there.size())));
  EXPECT_EQ(told.accepted, there.size() + told.lost);
}

// Not even the cut of what is torn succeeds then: no finished file has it, and the next writer
// cuts.
TEST_P(StreamCore, GivingUpWhereNothingCanBeCutLeavesThatToTheNextWriter) {
  MemoryIo memory;
  u64 lost = 0;
  {
    FaultIo io(memory);
    Bench bench(io, one_file(GetParam()));
    const u64 before = io.count(Op::kPwrite);
    for (int number = 0; number < kRecords; ++number) ASSERT_TRUE(bench.put(number));
    io.fail({.op = Op::kPwrite, .call = before + write_of(1), .short_bytes = 31});
    io.fail(
        {.op = Op::kPwrite, .call = before + write_of(1) + 1, .error = ENOSPC, .for_good = true});
    io.fail({.op = Op::kTruncate, .call = io.count(Op::kTruncate) + 1, .for_good = true});
    bench.rounds(5);
    EXPECT_FALSE(close_beside_rounds(bench, 1).ok());
    EXPECT_TRUE(bench.core->is_over());
    lost = bench.core->statistics().lost;
    EXPECT_EQ(numbers_in(memory, false), up_to(0));
    ASSERT_EQ(memory.bytes("/d/s.log").size(), 31u) << "more than whole records";
  }
  Bench next(memory, one_file(GetParam()));
  ASSERT_TRUE(next.started.ok()) << next.started.message();
  const auto there = numbers_in(memory, true);
  EXPECT_EQ(there, up_to(int(there.size())));
  EXPECT_EQ(there.size() + lost, u64(kRecords));
  for (const std::string& path : memory.paths()) EXPECT_NE(path, "/d/s.log");
}

// It gives up in a round in which it has not written: what was written before is not what is left.
TEST_P(StreamCore, GivingUpBehindAWholeBatchCountsWhatIsLost) {
  for (const int more : {0, 1, kRecords}) {
    MemoryIo io;
    Bench bench(io, one_file(GetParam()));
    for (int number = 0; number < 3; ++number) ASSERT_TRUE(bench.put(number));
    bench.rounds(3);
    for (int number = 0; number < more; ++number) ASSERT_TRUE(bench.put(3 + number));
    EXPECT_FALSE(bench.core->close(0).ok()) << "nobody works: the first round is one that gives up";
    bench.rounds(10);
    EXPECT_TRUE(bench.core->is_over());
    const auto there = numbers_in(io, false);
    EXPECT_EQ(there, up_to(int(there.size())));
    EXPECT_EQ(u64(3 + more), there.size() + bench.core->statistics().lost) << more;
  }
}

// A chunk without records, closed by one that was too long for it, comes behind what a rotation
// waits for: it is not answered for that, and the file that has its records is finished.
TEST_P(StreamCore, ARotationWaitsForItsRecordsWhateverEmptyChunksCome) {
  constexpr int kOfAChunk = 3000;
  MemoryIo io;
  StreamOptions options = one_file(GetParam());
  options.batch_percent = 1;  // such a chunk is a batch
  options.buffer_bytes = 4 << 20;
  Bench bench(io, options, {}, 16 << 20);
  io.space = 10;
  for (int number = 0; number < 2 * kOfAChunk; ++number) {
    ASSERT_TRUE(bench.put(number));
    if (number == kOfAChunk - 1) bench.rounds(3);
  }
  EXPECT_FALSE(bench.core->flush(0, false, true)) << "it is asked for, and answered later";
  bench.rounds(3);
  ASSERT_EQ(bench.core->write(std::string(100'000, 'x')), Admission::kOk);
  bench.rounds(3);
  io.space = ~u64{0};
  bench.rounds(5);
  EXPECT_EQ(numbers_in(io, false), up_to(2 * kOfAChunk));
}

// The disk fills in the midst of a batch behind the one that a rotation waits for.
TEST_P(StreamCore, AFileIsNotFinishedInTheMidstOfAUnit) {
  MemoryIo io;
  StreamOptions options = one_file(GetParam());
  options.batch_percent = 1;  // a chunk is a batch
  options.buffer_bytes = 4 * Pool::kBytesOf[0];
  Bench bench(io, options, {}, 16 << 20);
  io.space = 100;
  for (int number = 0; number < 300; ++number) EXPECT_TRUE(bench.put(number));
  EXPECT_FALSE(bench.core->flush(0, false, true)) << "it is asked for, and answered later";
  bench.rounds(3);
  for (int number = 300; number < 700; ++number) EXPECT_TRUE(bench.put(number));
  bench.rounds(3);
  // For the first 300, and for some of what is behind them.
  io.space = GetParam() == Framing::lines ? 8000 : 3 * kBlockStep + 100;
  bench.rounds(5);
  io.space = ~u64{0};
  bench.rounds(10);
  bench.core->begin_close();
  bench.rounds(10);
  EXPECT_TRUE(bench.core->is_over());
  EXPECT_EQ(numbers_in(io, false), up_to(700));
}

// Something happens during its first write.
struct Meanwhile final : MemoryIo {
  i64 pwritev(int fd, std::span<const ByteView> parts, u64 offset) override {
    if (during) std::exchange(during, nullptr)();
    return MemoryIo::pwritev(fd, parts, offset);
  }
  std::function<void()> during;
};

TEST_P(StreamCore, WhileOneThreadWritesAnotherMakesReady) {
  Meanwhile io;
  Bench bench(io, one_file(GetParam()));
  ASSERT_TRUE(bench.put(0));
  std::vector<bool> did;
  io.during = [&] {
    std::thread another([&] {
      EXPECT_TRUE(bench.put(1));
      // It is seen, has waited, and is taken once.
      for (int i = 0; i < 3; ++i) did.push_back(bench.core->round(bench.now += 200'000'000));
    });
    another.join();
  };
  bench.rounds(2);
  EXPECT_EQ(did, (std::vector<bool>{false, true, false}));
  bench.core->begin_close();
  bench.rounds(5);
  EXPECT_EQ(numbers_in(io, false), up_to(2));
}

// Killed at every call, in the midst of every write: the next writer finishes the file, once.
TEST_P(StreamCore, KilledAtEveryCall) {
  u64 calls = 0;
  {
    MemoryIo memory;
    FaultIo io(memory);
    Bench bench(io, small_files(GetParam()));
    write_and_close(bench);
    calls = io.total();
  }
  u64 cut = 0;
  for (u64 call = 1; call <= calls; ++call) {
    for (const u64 partial : {u64{0}, u64{7}, u64{25}}) {
      MemoryIo memory;
      int accepted = 0;
      {
        FaultIo io(memory);
        Bench bench(io, small_files(GetParam()));
        io.stop_at(io.total() + call, partial);
        for (; accepted < kRecords && bench.put(accepted); ++accepted) {
          if (accepted % 3 == 0) bench.rounds(2);
        }
        bench.core->begin_close();
        bench.rounds(5);
      }
      {
        Bench next(memory, small_files(GetParam()));
        ASSERT_TRUE(next.started.ok()) << next.started.message();
        cut += next.said.sentences.size();
        next.core->begin_close();
        next.rounds(5);
      }
      const auto there = numbers_in(memory, true);
      EXPECT_EQ(there, up_to(int(there.size()))) << "call " << call << " partial " << partial;
      for (const std::string& path : memory.paths()) EXPECT_NE(path, "/d/s.log");
    }
  }
  EXPECT_GT(cut, 0u) << "no line was torn";
}

}  // namespace
}  // namespace sluice::stream
