// Segments from a sink: all that readers need, exactly once through kills, filters accounted for.
#include "sink/segment_sink.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "segment/directory.h"
#include "segment/reader.h"
#include "segment/verify.h"
#include "sink/file_fixture.h"
#include "support/fault_io.h"
#include "support/kill_io.h"

namespace sluice::testing {
namespace {

struct Read {
  std::vector<u64> sequences;
  std::vector<std::string> threads;
  std::vector<std::string> formats;
};

Read read_all(const std::string& directory) {
  Read read;
  const auto segments = list_segments(os::real_io(), directory);
  EXPECT_TRUE(segments.ok());
  for (const SegmentName& segment : segments.value()) {
    auto reader = SegmentReader::open(
        os::real_io(), directory + "/" + segment_file_name(segment.name, segment.number));
    EXPECT_TRUE(reader.ok());
    SegmentRecord record;
    while (reader.value()->next(record)) {
      read.sequences.push_back(record.sequence);
      read.threads.push_back(record.thread ? record.thread->name : "?");
      read.formats.push_back(record.site ? record.site->format : "?");
    }
  }
  return read;
}

// Every file is whole, or so short that nobody can know whose it was.
void expect_whole(const std::string& directory) {
  const auto segments = list_segments(os::real_io(), directory);
  ASSERT_TRUE(segments.ok());
  for (const SegmentName& segment : segments.value()) {
    const auto report = verify_segment(
        os::real_io(), directory + "/" + segment_file_name(segment.name, segment.number));
    ASSERT_TRUE(report.ok());
    EXPECT_TRUE(report.value().whole() || report.value().file_bytes < kFrameHeaderBytes)
        << segment.number << ": " << report.value().file_bytes << " bytes, torn at "
        << report.value().torn_tail.offset;
  }
}

std::vector<u64> up_to(u64 last) {
  std::vector<u64> all;
  for (u64 i = 1; i <= last; ++i) all.push_back(i);
  return all;
}

class SegmentSinkTest : public ::testing::Test {
 protected:
  static void prepare(Writer& writer) {
    writer.config().kind = SinkKind::segments;
    writer.config().name = "demo app";
  }
  Directory directory_;
};

TEST_F(SegmentSinkTest, StoresRecordsWithWhatReadersNeed) {
  Writer writer({.log = directory_ / "deep/er/segments"});
  prepare(writer);
  ASSERT_TRUE(writer.start(os::real_io()).ok());
  ASSERT_TRUE(writer.write().ok());
  const Read before = read_all(directory_ / "deep/er/segments");
  EXPECT_EQ(before.sequences, up_to(9)) << "in the file before anything is flushed or sealed";
  EXPECT_TRUE(writer.sink().flush(true).ok());
  EXPECT_TRUE(writer.sink().close().ok());
  const Read read = read_all(directory_ / "deep/er/segments");
  EXPECT_EQ(read.sequences, up_to(9));
  EXPECT_EQ(read.threads, std::vector<std::string>(9, "main"));
  EXPECT_EQ(read.formats, std::vector<std::string>(9, "{}"));
  EXPECT_TRUE(std::filesystem::exists(directory_ / "deep/er/segments/demo_app-000001.seg"));
  writer.expect_exact_counters();
}

TEST_F(SegmentSinkTest, ExactlyOnceThroughAKillAtEveryCall) {
  for (u64 kill_at = 1;; ++kill_at) {
    bool killed = false;
    u64 bytes = 0;
    for (u64 partial = 0; partial <= bytes; partial += 97) {
      directory_.clear();
      Writer writer({.log = directory_ / "segments"});
      prepare(writer);
      KillIo io(os::real_io(), kill_at, partial);
      try {
        ASSERT_TRUE(writer.start(io).ok());
        ASSERT_TRUE(writer.write().ok());
        ASSERT_TRUE(writer.sink().close().ok());
        killed = false;
      } catch (const Killed&) {
        killed = true;
      }
      bytes = io.fatal_bytes();
      writer.stop();
      const Status status = writer.start(os::real_io());
      ASSERT_TRUE(status.ok()) << status.message();
      ASSERT_TRUE(writer.write().ok());
      ASSERT_TRUE(writer.sink().close().ok());
      EXPECT_EQ(read_all(directory_ / "segments").sequences, up_to(9))
          << kill_at << " + " << partial;
      expect_whole(directory_ / "segments");
      writer.expect_exact_counters();
      if (HasFailure()) return;
    }
    if (!killed) break;
  }
}

TEST_F(SegmentSinkTest, EveryCallFailsOnce) {
  for (const int error : {EIO, ENOSPC, EINTR}) {
    for (u64 call = 1; call < 40; ++call) {
      directory_.clear();
      FaultIo io(os::real_io());  // before what uses it until its end
      io.fail({.call = call, .error = error});
      Writer writer({.log = directory_ / "segments"});
      prepare(writer);
      Status status;
      bool open = false;
      for (int i = 0; i < 4; ++i) {
        if (!open) status = writer.start(io);
        open = open || status.ok();
        if (open) status = writer.write();
        if (status.ok()) break;
      }
      // A directory that cannot be looked at is refused at once; that loses nothing.
      if (!open) status = writer.start(io);
      if (!status.ok()) continue;
      EXPECT_TRUE(writer.write().ok());
      EXPECT_EQ(read_all(directory_ / "segments").sequences, up_to(9)) << error << ", " << call;
      writer.expect_exact_counters();
    }
  }
}

TEST_F(SegmentSinkTest, WhatItFiltersIsAccountedFor) {
  Writer writer({.log = directory_ / "segments", .batches = 1});
  prepare(writer);
  writer.config().level = Level::warning;
  JournalMaker& journal = writer.journal();
  const u32 warning = journal.add_site(text_site("careful", {}, Level::warning));
  journal.add(warning, {});
  journal.commit();
  ASSERT_TRUE(writer.start(os::real_io()).ok());
  ASSERT_TRUE(writer.write().ok());
  ASSERT_TRUE(writer.sink().close().ok());
  EXPECT_EQ(read_all(directory_ / "segments").sequences, std::vector<u64>{4});
  EXPECT_EQ(writer.entry().filtered.load(), 3u);
  EXPECT_EQ(writer.entry().delivered.load(), 1u);
}

TEST_F(SegmentSinkTest, DamagedRecordsAreStoredAsTheyAre) {
  Writer writer({.log = directory_ / "segments", .batches = 1});
  prepare(writer);
  std::vector<std::byte> wrong(24);
  store(wrong.data(), RecordHeader{3, 1, 60, JournalMaker::kTicks});
  writer.journal().add_raw(wrong);
  store(wrong.data(), RecordHeader{0, 1, 60, JournalMaker::kTicks});
  writer.journal().add_raw(wrong);
  writer.journal().commit();
  ASSERT_TRUE(writer.start(os::real_io()).ok());
  ASSERT_TRUE(writer.write().ok());
  ASSERT_TRUE(writer.sink().close().ok());
  EXPECT_EQ(read_all(directory_ / "segments").sequences, up_to(4));
  EXPECT_EQ(writer.entry().delivered.load(), 4u);
  EXPECT_EQ(writer.entry().dropped_error.load(), 1u);
}

TEST_F(SegmentSinkTest, NamesAreMadeFit) {
  EXPECT_EQ(sink::segment_name_of("demo"), "demo");
  EXPECT_EQ(sink::segment_name_of("../a b"), "_._a_b");
  EXPECT_EQ(sink::segment_name_of(""), "sluice");
  EXPECT_TRUE(is_segment_name(sink::segment_name_of(std::string(500, '\xff'))));
}

}  // namespace
}  // namespace sluice::testing
