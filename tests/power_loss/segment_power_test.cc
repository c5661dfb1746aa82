// Segments and the loss of power: what sync() has confirmed is there and reads back, no record is
// served that was not appended, and a file that is called whole is whole.
//
// sanitizers: none (mounts, and a process that dies with its parent)
#include <gtest/gtest.h>

#include "power_loss/rig.h"
#include "segment/recover.h"
#include "segment/segment_fixture.h"
#include "segment/verify.h"
#include "support/fault_io.h"

namespace sluice::power_loss {
namespace {

using testing::Oracle;
using testing::Sites;

constexpr u64 kRecords = 9000;

struct Written {
  std::vector<Told> told;
  Oracle oracle;
};

// Some 5 MB in several files.
Written write_records(Rig& rig, os::Io& io) {
  const Sites sites(7);
  Written written;
  std::minstd_rand random(7);
  std::filesystem::create_directory(rig.directory());
  testing::Recorder recorder;
  recorder.writer =
      SegmentWriter::open(
          {.directory = rig.directory(), .name = "app", .segment_bytes = 1 << 20, .io = &io},
          testing::test_run())
          .value();
  recorder.writer->define_clock(recorder.clock);
  recorder.name_thread(0, 1, "main");
  for (u64 i = 0; i < kRecords; ++i) {
    EXPECT_TRUE(recorder.append(sites[i], 0, 40 + random() % 128 * 8).ok());
    if (random() % 50 == 0) {
      EXPECT_TRUE(recorder.writer->flush().ok());
    }
    if (random() % 200 == 0) rig.commit();
    if (random() % 400 == 0 && recorder.writer->sync().ok()) {
      written.told.push_back({rig.now(), i + 1});
    }
  }
  EXPECT_TRUE(recorder.writer->seal().ok());
  written.told.push_back({rig.now(), kRecords});
  written.oracle = std::move(recorder.oracle);
  return written;
}

void recover_all(const std::string& directory) {
  os::Io& io = os::real_io();
  for (const SegmentName& segment : list_segments(io, directory).value()) {
    const std::string path = directory + "/" + segment_file_name(segment.name, segment.number);
    const RecoveryReport recovered = recover_segment(io, path).value();
    const SegmentReport report = verify_segment(io, path).value();
    EXPECT_EQ(recovered.is_segment, report.sealed) << path;
    if (!report.whole() || report.empty()) continue;
    auto reader = SegmentReader::open(io, path).value();
    SegmentRecord record;
    for (u64 next = *report.first_sequence; reader->next(record); ++next) {
      EXPECT_EQ(record.sequence, next) << path;
    }
  }
}

// How many points had less than was durable there.
u64 points_with_loss(Rig& rig, const Written& written, u32 count) {
  u64 lost = 0;
  rig.each_point(count, [&](u64 point, const std::string& directory) {
    SCOPED_TRACE(point);
    const u64 durable = durable_at(written.told, point);
    std::vector<u64> served;
    if (std::filesystem::exists(directory)) {
      recover_all(directory);
      served = testing::read_directory(os::real_io(), directory, written.oracle);
    }
    const auto wanted = testing::sequences(1, durable + 1);
    lost += !std::includes(served.begin(), served.end(), wanted.begin(), wanted.end());
  });
  return lost;
}

TEST(SegmentPower, WhatIsDurableIsThereAndNothingElseIsServed) {
  Rig rig({});
  if (!rig.problem().empty()) GTEST_SKIP() << rig.problem();
  const Written written = write_records(rig, os::real_io());
  EXPECT_GT(written.told.size(), 10u);
  EXPECT_EQ(points_with_loss(rig, written, points(40, 1000)), 0u);
}

// The wrong program: the check above sees what it does.
TEST(SegmentPower, AWriterThatDoesNotSyncIsCaught) {
  Rig rig({});
  if (!rig.problem().empty()) GTEST_SKIP() << rig.problem();
  testing::FaultIo io(os::real_io());
  io.fail({.op = testing::Op::kSyncData, .error = 0, .for_good = true});
  io.fail({.op = testing::Op::kSyncDirectory, .error = 0, .for_good = true});
  const Written written = write_records(rig, io);
  EXPECT_GT(points_with_loss(rig, written, points(20, 200)), 0u);
}

}  // namespace
}  // namespace sluice::power_loss
