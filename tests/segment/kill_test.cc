// A writer killed at every call, and inside every write; a recovery killed likewise, and repeated.
//
// FaultIo::stop_at() leaves on the "disk" exactly what a killed process leaves: everything up to
// the call, and a part of the write under way.
#include <gtest/gtest.h>

#include "fault_script.h"
#include "segment/recover.h"
#include "segment/verify.h"

namespace sluice::testing {
namespace {

constexpr u64 kPartials[] = {0, 1, 63, 64, 65, 200, 4096};

// The files of a writer that was killed at call `stop`, `partial` bytes into it; null: the script
// came to its end before.
struct Killed {
  std::unique_ptr<MemoryIo> disk = std::make_unique<MemoryIo>();
  Oracle oracle;
  u64 written_end = 1;
  bool finished = false;
};

// `good_syncs`: then one sync fails, so that the kill may fall into the rewriting.
Killed kill_at(u64 stop, u64 partial, std::optional<u64> good_syncs = {}) {
  Killed killed;
  killed.disk->make_directory("/d");
  killed.disk->good_syncs = good_syncs;
  FaultIo io(*killed.disk);
  io.stop_at(stop, partial);
  Script script(io);
  if (script.started()) {
    killed.finished = script.run();
    killed.oracle = script.oracle();
    killed.written_end = script.written_end;
  }
  return killed;
}

void expect_acknowledged(Killed& killed) {
  const std::vector<u64> served = read_directory(*killed.disk, "/d", killed.oracle);
  EXPECT_EQ(missing_of(served, 1, killed.written_end), std::vector<u64>{});
  EXPECT_TRUE(std::adjacent_find(served.begin(), served.end(), std::greater_equal<>()) ==
              served.end());
}

// How many of the files are empty.
u64 expect_recovered(MemoryIo& disk) {
  u64 empty = 0;
  for (const std::string& path : disk.paths()) {
    const SegmentReport report = verify_segment(disk, path).value();
    EXPECT_EQ(report.empty(), disk.bytes(path).empty());
    if (report.empty()) {
      ++empty;
      EXPECT_TRUE(report.whole()) << path;
    }
    if (!report.segment_id) continue;
    EXPECT_TRUE(report.sealed) << path;
    EXPECT_EQ(report.torn_tail.length, 0u) << path;
    EXPECT_EQ(report.damaged_ranges, 0u) << path;
  }
  return empty;
}

TEST(KilledWriter, AtEveryCallAndInsideEveryWrite) {
  u64 points = 0, empty = 0;
  for (u64 stop = 1;; ++stop) {
    bool finished = false;
    for (const u64 partial : kPartials) {
      SCOPED_TRACE("call " + std::to_string(stop) + ", " + std::to_string(partial) + " bytes");
      Killed killed = kill_at(stop, partial);
      finished = killed.finished;
      if (finished) break;
      ++points;
      expect_acknowledged(killed);
      const auto before = read_directory(*killed.disk, "/d", killed.oracle);
      for (const std::string& path : killed.disk->paths()) {
        ASSERT_TRUE(recover_segment(*killed.disk, path).ok());
      }
      empty += expect_recovered(*killed.disk);
      ASSERT_EQ(read_directory(*killed.disk, "/d", killed.oracle), before);
    }
    if (finished || ::testing::Test::HasFailure()) break;
  }
  EXPECT_GT(points, 200u);
  EXPECT_GT(empty, 0u);  // killed between making a file and its first frame
}

class NextWriter : public ::testing::TestWithParam<std::optional<u64>> {};

TEST_P(NextWriter, GoesOnExactlyAfterTheKilledOne) {
  for (u64 stop = 1;; ++stop) {
    SCOPED_TRACE("call " + std::to_string(stop));
    Killed killed = kill_at(stop, 100, GetParam());
    if (killed.finished) break;
    killed.disk->good_syncs.reset();
    // Whether or not a recovery came first.
    for (const std::string& path : killed.disk->paths()) {
      if (stop % 2 == 0) {
        ASSERT_TRUE(recover_segment(*killed.disk, path).ok());
      }
    }
    const auto last = last_sequence(*killed.disk, "/d", test_run().region_id);
    ASSERT_TRUE(last.ok());
    const u64 next = last.value() ? *last.value() + 1 : 1;
    const std::vector<u64> served = read_directory(*killed.disk, "/d", killed.oracle);
    ASSERT_EQ(served, sequences(1, next));
    ASSERT_GE(next, killed.written_end);
    std::map<std::string, Bytes> old;
    for (const std::string& path : killed.disk->paths()) old[path] = killed.disk->bytes(path);
    Script script(*killed.disk, next);
    ASSERT_TRUE(script.run());
    for (const auto& [path, bytes] : old) ASSERT_EQ(killed.disk->bytes(path), bytes);
    Oracle both = killed.oracle;
    both.erase(both.lower_bound(next), both.end());
    both.insert(script.oracle().begin(), script.oracle().end());
    ASSERT_EQ(read_directory(*killed.disk, "/d", both), sequences(1, script.taken_end()));
  }
}

INSTANTIATE_TEST_SUITE_P(Syncs, NextWriter, ::testing::Values(std::nullopt, 0u, 1u, 2u, 3u, 5u));

TEST(KilledRecovery, AtEveryCallAndInsideEveryWriteIsRepeated) {
  u64 points = 0;
  for (u64 stop = 5; stop < 40; stop += 5) {
    for (u64 call = 1;; ++call) {
      bool finished = true;
      for (const u64 partial : kPartials) {
        Killed killed = kill_at(stop, 100);
        const auto before = read_directory(*killed.disk, "/d", killed.oracle);
        FaultIo io(*killed.disk);
        io.stop_at(call, partial);
        for (const std::string& path : killed.disk->paths()) {
          finished = recover_segment(io, path).ok() && finished;
        }
        ASSERT_EQ(read_directory(*killed.disk, "/d", killed.oracle), before);
        // A second recovery, killed as well, and the last one.
        FaultIo again(*killed.disk);
        again.stop_at(call + 1, partial);
        for (const std::string& path : killed.disk->paths()) (void)recover_segment(again, path);
        for (const std::string& path : killed.disk->paths()) {
          ASSERT_TRUE(recover_segment(*killed.disk, path).ok());
        }
        expect_recovered(*killed.disk);
        ASSERT_EQ(read_directory(*killed.disk, "/d", killed.oracle), before);
        ++points;
      }
      if (finished || ::testing::Test::HasFailure()) break;
    }
  }
  EXPECT_GT(points, 300u);
}

TEST(KilledRecovery, EveryFailureIsReportedAndASecondRecoveryCompletes) {
  for (const int error : {EIO, ENOSPC}) {
    for (u64 call = 1;; ++call) {
      Killed killed = kill_at(20, 100);
      const std::string path = killed.disk->paths().back();
      FaultIo io(*killed.disk);
      io.fail({.call = call, .error = error});
      const bool ok = recover_segment(io, path).ok();
      if (io.total() < call) break;
      // A read that fails once is repeated in smaller pieces and need not fail the recovery.
      const bool read = io.calls()[call - 1].op == Op::kPread;
      ASSERT_TRUE(!ok || read) << "call " << call;
      ASSERT_TRUE(recover_segment(*killed.disk, path).ok());
      ASSERT_TRUE(verify_segment(*killed.disk, path).value().sealed);
      expect_acknowledged(killed);
    }
  }
}

TEST(Recovery, LeavesAloneWhatIsNoSegment) {
  MemoryIo disk;
  disk.make_directory("/d");
  const Bytes foreign(1000, std::byte{'x'});
  disk.put("/d/app-000001.seg", foreign);
  const auto report = recover_segment(disk, "/d/app-000001.seg");
  ASSERT_TRUE(report.ok());
  EXPECT_FALSE(report.value().is_segment);
  EXPECT_EQ(disk.bytes("/d/app-000001.seg"), foreign);
  EXPECT_FALSE(recover_segment(disk, "/d/none.seg").ok());
}

TEST(Recovery, DoesNotCutWhatItCannotRead) {
  MemoryIo disk;
  disk.make_directory("/d");
  Recorder recorder(disk);
  const Sites sites(1);
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(recorder.append(sites[0], 0, 8000).ok());
  ASSERT_TRUE(recorder.writer->flush().ok());
  const Bytes before = disk.bytes("/d/app-000001.seg");
  FaultIo io(disk);
  io.fail({.op = Op::kPread, .call = 3, .error = EIO, .for_good = true});
  EXPECT_FALSE(recover_segment(io, "/d/app-000001.seg").ok());
  EXPECT_EQ(disk.bytes("/d/app-000001.seg"), before);
  // A reader serves what can be read, and says that there is a tail it did not see.
  FaultIo half(disk);
  half.fail({.op = Op::kPread, .call = 3, .error = EIO, .for_good = true});
  const auto report = verify_segment(half, "/d/app-000001.seg");
  EXPECT_EQ(report.value().torn_tail.reason, FrameFault::kUnreadable);
  EXPECT_GT(report.value().counts.records, 0u);
}

}  // namespace
}  // namespace sluice::testing
