// A segment with any bit flipped, or cut anywhere: detected or harmless, at most one frame's
// records lost, and never a record served that nobody wrote.
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "segment/reader.h"
#include "segment/recover.h"
#include "segment/verify.h"
#include "segment_fixture.h"

namespace sluice::testing {
namespace {

// Where each frame of an undamaged image lies and which sequences it holds.
struct FramePlan {
  u64 offset;
  u64 end;  // with padding
  u64 used_end;
  u64 first;
  u64 last_end;
};

std::vector<FramePlan> plan_of(const Bytes& image) {
  const auto source = memory_source(image);
  FrameScanner scanner(*source);
  std::vector<FramePlan> plan;
  Frame frame;
  while (scanner.next(frame)) {
    plan.push_back({frame.offset, frame.offset + frame_extent(frame.header),
                    frame.offset + kFrameHeaderBytes + frame.header.payload_bytes,
                    frame.header.first_sequence, frame.header.end_sequence()});
  }
  return plan;
}

// A sealed segment of five frames: header, three of data with different threads, seal.
class DamageTest : public ::testing::Test {
 protected:
  DamageTest() {
    io_.make_directory("/d");
    Recorder recorder(io_);
    recorder.name_thread(0, 1, "main");
    for (u32 frame = 0; frame < 3; ++frame) {
      recorder.name_thread(1, frame + 1, "worker " + std::to_string(frame));
      for (u64 i = 0; i < 3; ++i) {
        EXPECT_TRUE(recorder.append(sites_[frame + i], u16(i % 2), 32 + 8 * i).ok());
      }
      EXPECT_TRUE(recorder.writer->flush().ok());
    }
    EXPECT_TRUE(recorder.writer->seal().ok());
    oracle_ = recorder.oracle;
    image_ = io_.bytes("/d/app-000001.seg");
    plan_ = plan_of(image_);
    EXPECT_EQ(plan_.size(), 5u);
    EXPECT_EQ(oracle_.size(), 9u);
  }

  // The sequences left when the frame that holds `offset` is lost.
  std::vector<u64> without_frame_at(u64 offset) const {
    std::vector<u64> left;
    for (const FramePlan& frame : plan_) {
      if (offset >= frame.offset && offset < frame.end) continue;
      for (u64 i = frame.first; i < frame.last_end; ++i) left.push_back(i);
    }
    return left;
  }

  MemoryIo io_;
  Sites sites_{5};
  Oracle oracle_;
  Bytes image_;
  std::vector<FramePlan> plan_;
};

TEST_F(DamageTest, EveryFlippedBitCostsAtMostItsOwnFrame) {
  const std::vector<u64> all = sequences(1, 10);
  for (u64 bit = 0; bit < image_.size() * 8; ++bit) {
    Bytes damaged = image_;
    damaged[bit / 8] ^= std::byte(u8(1u << (bit % 8)));
    const auto reader = SegmentReader::from_memory(damaged);
    const std::vector<u64> served = check_against(*reader, oracle_);
    bool in_padding = false;
    for (const FramePlan& frame : plan_) {
      in_padding |= bit / 8 >= frame.used_end && bit / 8 < frame.end;
    }
    if (in_padding) {
      ASSERT_EQ(served, all) << "bit " << bit;
      continue;
    }
    ASSERT_EQ(served, without_frame_at(bit / 8)) << "bit " << bit;
    const auto source = memory_source(damaged);
    const SegmentReport report = verify_segment(*source);
    ASSERT_FALSE(report.whole()) << "bit " << bit;
    ASSERT_EQ(report.counts.missing_sequences, all.size() - served.size()) << "bit " << bit;
    // Sites are in the seal too: whatever frame is lost, every record left has its site.
    const auto again = SegmentReader::from_memory(damaged);
    SegmentRecord record;
    const bool seal_lost = bit / 8 >= plan_.back().offset;
    while (again->next(record)) {
      ASSERT_NE(record.site, nullptr) << "bit " << bit;
    }
    ASSERT_EQ(again->sealed(), !seal_lost) << "bit " << bit;
    ASSERT_EQ(again->index().run()->host, "host-a") << "bit " << bit;
  }
}

TEST_F(DamageTest, ReportNamesTheDamagedFrameExactly) {
  for (std::size_t lost = 0; lost + 1 < plan_.size(); ++lost) {
    Bytes damaged = image_;
    damaged[plan_[lost].offset + 70] ^= std::byte{1};
    const auto source = memory_source(damaged);
    const SegmentReport report = verify_segment(*source);
    ASSERT_EQ(report.damaged.size(), 1u);
    EXPECT_EQ(report.damaged[0].offset, plan_[lost].offset);
    EXPECT_EQ(report.damaged[0].length, plan_[lost].end - plan_[lost].offset);
    EXPECT_EQ(report.damaged[0].reason, FrameFault::kBadCrc);
    EXPECT_EQ(report.damaged_bytes, report.damaged[0].length);
  }
}

TEST_F(DamageTest, CutAtEveryLengthServesEveryWholeFrame) {
  for (u64 length = 0; length <= image_.size(); ++length) {
    const ByteView cut = ByteView(image_).first(length);
    std::vector<u64> expected;
    u64 good_end = 0;
    for (const FramePlan& frame : plan_) {
      if (frame.used_end > length) break;
      good_end = std::min(frame.end, length);
      for (u64 i = frame.first; i < frame.last_end; ++i) expected.push_back(i);
    }
    const auto reader = SegmentReader::from_memory(cut);
    ASSERT_EQ(check_against(*reader, oracle_), expected) << length;
    ASSERT_EQ(reader->damaged_ranges(), 0u) << length;
    ASSERT_EQ(reader->tail_bytes(), length - good_end) << length;
  }
}

TEST_F(DamageTest, CutAtEveryLengthIsRecoveredAndStaysSo) {
  for (u64 length = 0; length <= image_.size(); ++length) {
    io_.put("/d/cut-000001.seg", Bytes(image_.begin(), image_.begin() + i64(length)));
    const auto before = verify_segment(io_, "/d/cut-000001.seg");
    const auto recovered = recover_segment(io_, "/d/cut-000001.seg");
    ASSERT_TRUE(recovered.ok()) << recovered.status().message();
    const Bytes after = io_.bytes("/d/cut-000001.seg");
    if (!recovered.value().is_segment) {
      ASSERT_LT(length, plan_[0].used_end);
      ASSERT_EQ(after.size(), length);
      continue;
    }
    const auto report = verify_segment(io_, "/d/cut-000001.seg");
    ASSERT_TRUE(report.value().whole()) << length;
    ASSERT_TRUE(report.value().sealed) << length;
    ASSERT_EQ(report.value().counts.records, before.value().counts.records) << length;
    ASSERT_TRUE(recover_segment(io_, "/d/cut-000001.seg").ok());
    ASSERT_EQ(io_.bytes("/d/cut-000001.seg"), after) << length;
  }
}

TEST_F(DamageTest, ZeroedAndGarbledBlocksAreSteppedOver) {
  for (std::size_t lost = 1; lost < 4; ++lost) {
    for (const int fill : {0, 0xff, int('S')}) {
      Bytes damaged = image_;
      std::fill(damaged.begin() + i64(plan_[lost].offset), damaged.begin() + i64(plan_[lost].end),
                std::byte(u8(fill)));
      const auto reader = SegmentReader::from_memory(damaged);
      EXPECT_EQ(check_against(*reader, oracle_), without_frame_at(plan_[lost].offset));
      EXPECT_EQ(reader->index().counts().missing_sequences, 3u);
    }
  }
}

// A record may carry the bytes of another segment, or of this one: after damage to the frame around
// them they must not be taken for frames of this file.
TEST_F(DamageTest, FramesInsideARecordAreNeverServed) {
  Recorder recorder(io_, {.segment_id = 77});
  ASSERT_TRUE(recorder.append(sites_[0]).ok());
  ASSERT_TRUE(recorder.writer->flush().ok());
  const Bytes own = io_.bytes(recorder.writer->path());
  for (const Bytes* inner : std::vector<const Bytes*>{&image_, &own}) {
    Bytes bytes = make_record(17, 0, 9, kRecordHeaderBytes + 56 + inner->size(), 1);
    // Every alignment of the inner frames to the outer file's steps that 8-byte records allow.
    for (std::size_t shift = 0; shift <= 56; shift += 8) {
      std::copy(inner->begin(), inner->end(), bytes.begin() + i64(kRecordHeaderBytes + shift));
      const u64 sequence = recorder.next;
      ASSERT_TRUE(recorder.writer->append(sequence, bytes, &sites_[1]).ok());
      recorder.oracle[sequence] = {bytes, 17, "", test_clock().wall_ns_at(9)};
      ++recorder.next;
      ASSERT_TRUE(recorder.writer->flush().ok());
    }
  }
  ASSERT_TRUE(recorder.writer->seal().ok());
  const Bytes image = io_.bytes(recorder.writer->path());
  for (const FramePlan& frame : plan_of(image)) {
    Bytes damaged = image;
    damaged[frame.offset] ^= std::byte{1};
    const auto reader = SegmentReader::from_memory(damaged);
    const u64 expected = recorder.oracle.size() - (frame.last_end - frame.first);
    EXPECT_EQ(check_against(*reader, recorder.oracle).size(), expected);
  }
}

TEST_F(DamageTest, FollowingAGrowingFileServesEachRecordOnce) {
  io_.put("/d/live-000001.seg", {});
  const auto opened = SegmentReader::open(io_, "/d/live-000001.seg");
  ASSERT_TRUE(opened.ok());
  SegmentReader& reader = *opened.value();
  std::vector<u64> served;
  // The file grows by one byte at a time: every state of a write under way.
  for (u64 length = 0; length <= image_.size(); ++length) {
    Bytes& live = io_.bytes("/d/live-000001.seg");
    live.assign(image_.begin(), image_.begin() + i64(length));
    (void)reader.follow();
    for (const u64 sequence : check_against(reader, oracle_)) served.push_back(sequence);
    ASSERT_EQ(reader.damaged_ranges(), 0u);
  }
  EXPECT_EQ(served, sequences(1, 10));
  EXPECT_TRUE(reader.sealed());
  EXPECT_FALSE(reader.follow());
}

// Negative control: the comparison above does see a wrong record, a wrong thread and a wrong time.
TEST_F(DamageTest, TheOracleSeesAWrongRecord) {
  Oracle wrong = oracle_;
  wrong[4].bytes[20] ^= std::byte{1};
  EXPECT_NONFATAL_FAILURE(
      {
        const auto reader = SegmentReader::from_memory(image_);
        (void)check_against(*reader, wrong);
      },
      "sequence 4");
  wrong = oracle_;
  wrong[5].thread = "somebody else";
  EXPECT_NONFATAL_FAILURE(
      {
        const auto reader = SegmentReader::from_memory(image_);
        (void)check_against(*reader, wrong);
      },
      "sequence 5");
  wrong = oracle_;
  wrong[6].wall_ns = *wrong[6].wall_ns + 1;
  EXPECT_NONFATAL_FAILURE(
      {
        const auto reader = SegmentReader::from_memory(image_);
        (void)check_against(*reader, wrong);
      },
      "sequence 6");
}

}  // namespace
}  // namespace sluice::testing
