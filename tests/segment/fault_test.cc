// A writer on a failing disk: what it acknowledged is readable, whatever fails, once or for good.
#include <gtest/gtest.h>

#include "fault_script.h"
#include "segment/recover.h"
#include "segment/verify.h"
#include "support/forwarding_io.h"

namespace sluice::testing {
namespace {

constexpr u64 kCallsMin = 30;  // the script must really have something to spoil

u64 calls_of_a_good_run() {
  MemoryIo disk;
  disk.make_directory("/d");
  FaultIo io(disk);
  Script script(io);
  EXPECT_TRUE(script.run());
  EXPECT_EQ(read_directory(disk, "/d", script.oracle()), sequences(1, script.taken_end()));
  EXPECT_GT(io.total(), kCallsMin);
  EXPECT_GT(script.writer().counts().files_sealed, 2u);
  return io.total();
}

// The writer's counters against what the disk saw.
void check_counters(const FaultIo& io, const SegmentCounts& counts, u64 taken) {
  u64 write_failures = 0;
  u64 sync_failures = 0;
  for (const FaultIo::Call& call : io.calls()) {
    if (call.result >= 0 || call.result == -EINTR) continue;
    write_failures += call.op == Op::kPwrite || (call.op == Op::kOpen && call.result != -EEXIST);
  }
  for (const FaultIo::Call& call : io.calls()) {
    sync_failures += call.result < 0 && (call.op == Op::kSyncData || call.op == Op::kSyncDirectory);
  }
  EXPECT_EQ(counts.write_failures, write_failures);
  EXPECT_EQ(counts.sync_failures, sync_failures);
  EXPECT_EQ(counts.records, taken);
  EXPECT_EQ(counts.records_at_risk, 0u);
}

struct Spoiled {
  int error;
  i64 short_bytes;
  bool for_good;
};

class EveryCallFails : public ::testing::TestWithParam<Spoiled> {};

TEST_P(EveryCallFails, AcknowledgedIsReadableAndAllIsAfterwards) {
  const Spoiled spoiled = GetParam();
  const u64 calls = calls_of_a_good_run();
  for (u64 call = 1; call <= calls; ++call) {
    SCOPED_TRACE("call " + std::to_string(call));
    MemoryIo disk;
    disk.make_directory("/d");
    FaultIo io(disk);
    io.fail({.call = call,
             .error = spoiled.error,
             .for_good = spoiled.for_good,
             .short_bytes = spoiled.short_bytes});
    Script script(io);
    if (!script.started()) continue;
    if (!script.run()) {
      ASSERT_TRUE(spoiled.for_good) << script.last_error.message();
      ASSERT_EQ(script.last_error.error_class(), ErrorClass::kRetryable);
      const std::vector<u64> served = read_directory(disk, "/d", script.oracle());
      ASSERT_EQ(missing_of(served, 1, script.written_end), std::vector<u64>{});
      io.heal();
      ASSERT_TRUE(script.run()) << script.last_error.message();
    }
    ASSERT_EQ(read_directory(disk, "/d", script.oracle()), sequences(1, script.taken_end()));
    ASSERT_EQ(script.durable_end, script.taken_end());
    check_counters(io, script.writer().counts(), script.taken_end() - 1);
    disk.power_loss();
    ASSERT_EQ(read_directory(disk, "/d", script.oracle()), sequences(1, script.taken_end()));
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, EveryCallFails,
                         ::testing::Values(Spoiled{EIO, -1, false}, Spoiled{EIO, -1, true},
                                           Spoiled{ENOSPC, -1, false}, Spoiled{ENOSPC, -1, true},
                                           Spoiled{EINTR, -1, false}, Spoiled{0, 10, false},
                                           Spoiled{0, 10, true}));

// What a disk that says "written" for bytes it dropped does to the same script: the checker must
// see it, or the test above proves nothing.
TEST(FaultControl, AWriteThatLiesIsSeen) {
  u64 seen = 0;
  for (u64 call = 1; call <= 10; ++call) {
    MemoryIo disk;
    disk.make_directory("/d");
    FaultIo io(disk);
    io.fail({.op = Op::kPwrite, .call = call, .short_bytes = 80, .lie_about_short = true});
    Script script(io);
    ASSERT_TRUE(script.run());
    const std::vector<u64> served = read_directory(disk, "/d", script.oracle());
    seen += missing_of(served, 1, script.written_end).empty() ? 0 : 1;
  }
  // Not all ten: a header or a seal that is lost costs no record.
  EXPECT_GE(seen, 5u);
}

u64 syncs_of_a_good_run() {
  MemoryIo disk;
  disk.make_directory("/d");
  FaultIo io(disk);
  Script script(io);
  EXPECT_TRUE(script.run());
  return io.count(Op::kSyncData);
}

TEST(FailedSync, LosesNothingThatWasAcknowledgedAsDurable) {
  const u64 syncs = syncs_of_a_good_run();
  ASSERT_GE(syncs, 5u);
  for (u64 good = 0; good < syncs; ++good) {
    MemoryIo disk;
    disk.make_directory("/d");
    disk.good_syncs = good;
    Script script(disk);
    ASSERT_TRUE(script.run());
    EXPECT_EQ(script.writer().counts().sync_failures, 1u);
    EXPECT_GE(script.writer().counts().frames_rewritten, 1u);
    disk.power_loss();
    const std::vector<u64> served = read_directory(disk, "/d", script.oracle());
    EXPECT_EQ(served, sequences(1, script.durable_end)) << "after " << good << " syncs";
  }
}

// The wrong way: asking again after a failed sync, until it "succeeds".
class RetriesSync final : public ForwardingIo {
 public:
  explicit RetriesSync(os::Io& real) : ForwardingIo(real) {}
  int sync_data(int fd) override { return real_.sync_data(fd) < 0 ? real_.sync_data(fd) : 0; }
};

TEST(FaultControl, AWriterThatRetriesSyncIsSeen) {
  for (u64 good = 0; good < syncs_of_a_good_run(); ++good) {
    MemoryIo disk;
    disk.make_directory("/d");
    disk.good_syncs = good;
    RetriesSync io(disk);
    Script script(io);
    ASSERT_TRUE(script.run());
    disk.power_loss();
    const std::vector<u64> served = read_directory(disk, "/d", script.oracle());
    EXPECT_FALSE(missing_of(served, 1, script.durable_end).empty()) << good;
  }
}

TEST(FailedSync, WhatMemoryCannotHoldIsCountedAndSaidOnce) {
  MemoryIo disk;
  disk.make_directory("/d");
  Recorder recorder(disk, {.keep_bytes = 0});
  const Sites sites(1);
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(recorder.append(sites[0], 0, 16 * 1024).ok());
  ASSERT_TRUE(recorder.writer->flush().ok());
  disk.good_syncs = 0;
  const Status status = recorder.writer->sync();
  EXPECT_EQ(status.error_class(), ErrorClass::kRotate);
  const SegmentCounts counts = recorder.writer->counts();
  EXPECT_GT(counts.records_at_risk, 0u);
  EXPECT_LT(counts.records_at_risk, 400u);
  EXPECT_TRUE(recorder.writer->sync().ok());
  // On a machine that does not lose power everything is still there, once.
  EXPECT_EQ(read_directory(disk, "/d", recorder.oracle), sequences(1, 401));
  disk.power_loss();
  EXPECT_EQ(read_directory(disk, "/d", recorder.oracle).size(), 400 - counts.records_at_risk);
}

TEST(FullDisk, WholeFramesOnlyAndGoesOnWhenThereIsSpace) {
  for (u64 space = 0; space < 12'000; space += 100) {
    MemoryIo disk;
    disk.make_directory("/d");
    disk.space = space;
    Script script(disk);
    ASSERT_FALSE(script.run());
    ASSERT_EQ(script.last_error.error_class(), ErrorClass::kRetryable);
    ASSERT_EQ(script.last_error.os_error(), ENOSPC);
    const std::vector<u64> served = read_directory(disk, "/d", script.oracle());
    ASSERT_EQ(missing_of(served, 1, script.written_end), std::vector<u64>{});
    const std::size_t files = disk.paths().size();
    ASSERT_FALSE(script.run());
    ASSERT_EQ(disk.paths().size(), files) << "a full disk must not be filled with files";
    disk.space = ~u64{0};
    ASSERT_TRUE(script.run());
    ASSERT_EQ(read_directory(disk, "/d", script.oracle()), sequences(1, script.taken_end()));
    for (const std::string& path : disk.paths()) {
      ASSERT_TRUE(verify_segment(disk, path).value().whole()) << path;
    }
  }
}

TEST(DeadDisk, LeavesNoHeapOfEmptyFiles) {
  MemoryIo disk;
  disk.make_directory("/d");
  FaultIo io(disk);
  io.fail({.op = Op::kPwrite, .call = 1, .error = EIO, .for_good = true});
  Script script(io);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(script.run());
  EXPECT_TRUE(disk.paths().empty());
  EXPECT_EQ(disk.open_descriptors(), 0u);
  io.heal();
  EXPECT_TRUE(script.run());
  EXPECT_EQ(read_directory(disk, "/d", script.oracle()), sequences(1, script.taken_end()));
}

TEST(DeadDisk, ThatRefusesEverySyncIsNotFilledWithCopies) {
  for (const bool synced_before : {false, true}) {
    MemoryIo disk;
    disk.make_directory("/d");
    FaultIo io(disk);
    io.fail({.op = Op::kSyncData, .call = synced_before ? 2u : 1u, .error = EIO, .for_good = true});
    Recorder recorder(io);
    const Sites sites(3);
    for (u64 i = 0; i < 20; ++i) {
      ASSERT_TRUE(recorder.append(sites[i]).ok());
      const Status status = recorder.writer->sync();
      ASSERT_EQ(status.ok(), synced_before && i == 0) << i;
    }
    EXPECT_EQ(read_directory(disk, "/d", recorder.oracle), sequences(1, 21));
    EXPECT_EQ(disk.paths().size(), synced_before ? 2u : 1u);
    EXPECT_EQ(recorder.writer->durable_end(), synced_before ? 2u : 0u);
    io.heal();
    ASSERT_TRUE(recorder.writer->sync().ok());
    disk.power_loss();
    EXPECT_EQ(read_directory(disk, "/d", recorder.oracle), sequences(1, 21));
  }
}

}  // namespace
}  // namespace sluice::testing
