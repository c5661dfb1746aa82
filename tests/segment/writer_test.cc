// Round trips: what a writer took is what a reader serves, in files that follow each other.
#include "segment/writer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "ring/journal.h"
#include "segment/recover.h"
#include "segment/verify.h"
#include "segment_fixture.h"

namespace sluice::testing {
namespace {

class WriterTest : public ::testing::Test {
 protected:
  WriterTest() { io_.make_directory("/d"); }

  SegmentReport verify(const std::string& path) {
    auto report = verify_segment(io_, path);
    EXPECT_TRUE(report.ok());
    return report.value();
  }

  MemoryIo io_;
  Sites sites_{5};
};

TEST_F(WriterTest, NothingAppendedMakesNoFile) {
  Recorder recorder(io_);
  EXPECT_TRUE(recorder.writer->flush().ok());
  EXPECT_TRUE(recorder.writer->sync().ok());
  EXPECT_TRUE(recorder.writer->seal().ok());
  EXPECT_TRUE(io_.paths().empty());
}

TEST_F(WriterTest, OneRecordComesBackWithEverythingAboutIt) {
  Recorder recorder(io_);
  recorder.name_thread(3, 2, "worker");
  ASSERT_TRUE(recorder.append(sites_[0], 3).ok());
  ASSERT_TRUE(recorder.writer->flush().ok());
  auto reader = SegmentReader::open(io_, "/d/app-000001.seg");
  ASSERT_TRUE(reader.ok());
  SegmentRecord record;
  ASSERT_TRUE(reader.value()->next(record));
  EXPECT_EQ(record.sequence, 1u);
  EXPECT_EQ(record.header.site, 16u);
  ASSERT_NE(record.site, nullptr);
  EXPECT_EQ(record.site->format, sites_[0].format);
  ASSERT_NE(record.thread, nullptr);
  EXPECT_EQ(record.thread->name, "worker");
  EXPECT_EQ(record.thread->generation, 2u);
  EXPECT_EQ(record.thread->tid, 103u);
  EXPECT_EQ(record.wall_ns, test_clock().wall_ns + 5);
  ASSERT_NE(record.run, nullptr);
  EXPECT_EQ(record.run->host, "host-a");
  EXPECT_EQ(record.run->pid, 4711u);
  EXPECT_FALSE(reader.value()->next(record));
  EXPECT_FALSE(reader.value()->sealed());
}

TEST_F(WriterTest, SealedFileIsWholeAndDurable) {
  Recorder recorder(io_);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(recorder.append(sites_[u64(i)]).ok());
  ASSERT_TRUE(recorder.writer->seal().ok());
  io_.power_loss();
  const SegmentReport report = verify("/d/app-000001.seg");
  EXPECT_TRUE(report.whole());
  EXPECT_TRUE(report.sealed);
  EXPECT_EQ(report.counts.records, 3u);
  EXPECT_EQ(report.counts.caller_records, 3u);
  EXPECT_EQ(report.counts.frames, 3u);  // header, data, seal
  EXPECT_EQ(report.first_sequence, 1u);
  EXPECT_EQ(report.last_sequence, 3u);
  EXPECT_EQ(report.sites, 3u);
  EXPECT_EQ(report.run.product, "demo");
  EXPECT_EQ(recorder.writer->durable_end(), 4u);
}

TEST_F(WriterTest, WrittenIsNotDurableUntilSync) {
  Recorder recorder(io_);
  ASSERT_TRUE(recorder.append(sites_[0]).ok());
  ASSERT_TRUE(recorder.writer->sync().ok());
  ASSERT_TRUE(recorder.append(sites_[0]).ok());
  ASSERT_TRUE(recorder.writer->flush().ok());
  EXPECT_EQ(recorder.writer->written_end(), 3u);
  EXPECT_EQ(recorder.writer->durable_end(), 2u);
  io_.power_loss();
  EXPECT_EQ(read_directory(io_, "/d", recorder.oracle), sequences(1, 2));
}

TEST_F(WriterTest, LongestRecordHasAFrameOfItsOwn) {
  Recorder recorder(io_);
  recorder.name_thread(1, 1, "main");
  ASSERT_TRUE(recorder.append(sites_[0], 1).ok());
  // As long as a call may make it, and what the merge may add.
  ASSERT_TRUE(recorder.append(sites_[1], 1, kRecordBytesMax + kBatchGrowthMax).ok());
  ASSERT_TRUE(recorder.append(sites_[0], 1).ok());
  ASSERT_TRUE(recorder.writer->seal().ok());
  const SegmentReport report = verify("/d/app-000001.seg");
  EXPECT_TRUE(report.whole());
  EXPECT_EQ(report.counts.frames, 5u);
  EXPECT_EQ(read_directory(io_, "/d", recorder.oracle), sequences(1, 4));
  EXPECT_FALSE(recorder.append(sites_[0], 1, kRecordBytesMax + kBatchGrowthMax + 8).ok());
}

TEST_F(WriterTest, ThousandsOfRecordsOverSeveralFiles) {
  Recorder recorder(io_, {.segment_bytes = 256 * 1024});
  Sites many(300);
  for (u16 slot = 0; slot < 20; ++slot) {
    recorder.name_thread(slot, 1, "t" + std::to_string(slot));
  }
  for (u64 i = 0; i < 20'000; ++i) {
    if (i == 9'000) recorder.name_thread(4, 2, "t4 again");
    ASSERT_TRUE(recorder.append(many[i * 7], u16(i % 20), 40 + 8 * (i % 11)).ok());
    if (i % 4'999 == 0) {
      ASSERT_TRUE(recorder.writer->flush().ok());
    }
  }
  ASSERT_TRUE(recorder.writer->seal().ok());
  EXPECT_GE(io_.paths().size(), 5u);
  u64 records = 0;
  for (const std::string& path : io_.paths()) {
    const SegmentReport report = verify(path);
    EXPECT_TRUE(report.whole()) << path;
    EXPECT_TRUE(report.sealed) << path;
    EXPECT_LE(report.file_bytes, 256u * 1024 + 2 * kFrameBytes + 64 * 1024);
    records += report.counts.records;
  }
  EXPECT_EQ(records, 20'000u);
  EXPECT_EQ(read_directory(io_, "/d", recorder.oracle), sequences(1, 20'001));
  EXPECT_EQ(recorder.writer->counts().files, io_.paths().size());
  EXPECT_EQ(recorder.writer->counts().records, 20'000u);
}

TEST_F(WriterTest, EveryRecordOfEveryFileHasItsSite) {
  Recorder recorder(io_, {.segment_bytes = 64 * 1024});
  for (u64 i = 0; i < 10'000; ++i) ASSERT_TRUE(recorder.append(sites_[i]).ok());
  ASSERT_TRUE(recorder.writer->flush().ok());
  for (const std::string& path : io_.paths()) {
    auto reader = SegmentReader::open(io_, path);
    SegmentRecord record;
    while (reader.value()->next(record)) ASSERT_NE(record.site, nullptr) << path;
  }
}

TEST_F(WriterTest, SitesAreDefinedAgainInEveryWindow) {
  Recorder recorder(io_);
  const u64 count = 3 * SegmentWriter::kWindowBytes / 1000;
  for (u64 i = 0; i < count; ++i) ASSERT_TRUE(recorder.append(sites_[0], 0, 1000).ok());
  ASSERT_TRUE(recorder.writer->flush().ok());
  const Bytes& image = io_.bytes("/d/app-000001.seg");
  const auto source = memory_source(image);
  FrameScanner scanner(*source);
  std::vector<u64> places;
  u32 runs = 0;
  Frame frame;
  while (scanner.next(frame)) {
    for_each_record(frame.payload, [&](const RecordHeader& header, ByteView) {
      if (header.site == kSiteDefinition) places.push_back(frame.offset);
      if (header.site == kSiteRun) ++runs;
    });
  }
  ASSERT_EQ(places.size(), 3u);
  EXPECT_EQ(runs, 3u);
  for (std::size_t i = 1; i < places.size(); ++i) {
    EXPECT_LE(places[i] - places[i - 1], SegmentWriter::kWindowBytes + 2 * kFrameBytes);
  }
}

TEST_F(WriterTest, ChangedDefinitionBeginsANewFile) {
  Recorder recorder(io_);
  ASSERT_TRUE(recorder.append(sites_[0]).ok());
  Site changed = sites_[0];
  changed.line = 9999;
  Site same = sites_[1];
  ASSERT_TRUE(recorder.append(changed).ok());
  ASSERT_TRUE(recorder.append(sites_[1]).ok());
  ASSERT_TRUE(recorder.append(same).ok());
  ASSERT_TRUE(recorder.writer->seal().ok());
  EXPECT_EQ(io_.paths().size(), 2u);
  auto second = SegmentReader::open(io_, "/d/app-000002.seg");
  EXPECT_EQ(second.value()->index().sites().find(16)->line, 9999u);
}

TEST_F(WriterTest, BuiltInRecordsAndTheSitesTheySpeakOf) {
  Recorder recorder(io_);
  const Bytes report = make_record(kSiteDropReport, 0, 5, 64, 1);
  recorder.writer->define_site(sites_[3]);
  ASSERT_TRUE(recorder.writer->append(10, report, nullptr).ok());
  ASSERT_TRUE(recorder.writer->flush().ok());
  auto reader = SegmentReader::open(io_, "/d/app-000001.seg");
  SegmentRecord record;
  ASSERT_TRUE(reader.value()->next(record));
  EXPECT_EQ(record.sequence, 10u);
  EXPECT_EQ(record.site, nullptr);
  EXPECT_NE(reader.value()->index().sites().find(sites_[3].id), nullptr);
  EXPECT_EQ(reader.value()->index().counts().missing_sequences, 0u);
  EXPECT_EQ(reader.value()->index().counts().caller_records, 0u);
}

TEST_F(WriterTest, SkippedSequencesAreNotMissingAndPassedOverOnesAre) {
  Recorder recorder(io_);
  ASSERT_TRUE(recorder.append(sites_[0]).ok());
  ASSERT_TRUE(recorder.writer->skip(2, 3).ok());
  ASSERT_TRUE(recorder.writer->skip(5, 5).ok());
  recorder.next = 10;
  ASSERT_TRUE(recorder.append(sites_[0]).ok());
  recorder.next = 20;
  ASSERT_TRUE(recorder.append(sites_[0]).ok());
  ASSERT_TRUE(recorder.writer->skip(21, u64{5} << 30).ok());
  ASSERT_TRUE(recorder.writer->seal().ok());
  EXPECT_EQ(read_directory(io_, "/d", recorder.oracle), (std::vector<u64>{1, 10, 20}));
  const SegmentReport report = verify("/d/app-000001.seg");
  EXPECT_EQ(report.counts.skipped_sequences, 8 + (u64{5} << 30));
  EXPECT_EQ(report.counts.missing_sequences, 9u);
  EXPECT_EQ(report.last_sequence, 20 + (u64{5} << 30));
  EXPECT_EQ(recorder.writer->skip(3, 1).error_class(), ErrorClass::kFatal);
}

TEST_F(WriterTest, WrongArgumentsAreRefusedAndNothingIsTaken) {
  Recorder recorder(io_);
  ASSERT_TRUE(recorder.append(sites_[0]).ok());
  SegmentWriter& writer = *recorder.writer;
  const Bytes good = make_record(16, 0, 0, 40, 0);
  Bytes wrong_size = good;
  store(wrong_size.data(), u16{6});
  EXPECT_EQ(writer.append(2, wrong_size, &sites_[0]).error_class(), ErrorClass::kFatal);
  EXPECT_EQ(writer.append(2, ByteView(good).first(8), &sites_[0]).error_class(),
            ErrorClass::kFatal);
  EXPECT_EQ(writer.append(1, good, &sites_[0]).error_class(), ErrorClass::kFatal);
  EXPECT_EQ(writer.append(2, good, &sites_[1]).error_class(), ErrorClass::kFatal);
  for (const u32 site : {0u, 4u, 5u, 6u, 7u, 10u}) {
    EXPECT_FALSE(writer.append(2, make_record(site, 0, 0, 40, 0), nullptr).ok()) << site;
  }
  EXPECT_EQ(writer.counts().records, 1u);
}

TEST_F(WriterTest, NumbersGoOnAndNothingIsOverwritten) {
  io_.put("/d/app-000041.seg", Bytes(10));
  {
    Recorder recorder(io_);
    ASSERT_TRUE(recorder.append(sites_[0]).ok());
    ASSERT_TRUE(recorder.writer->flush().ok());
    EXPECT_EQ(recorder.writer->path(), "/d/app-000042.seg");
    io_.put("/d/app-000043.seg", Bytes(10));  // somebody else was faster
    ASSERT_TRUE(recorder.writer->seal().ok());
    ASSERT_TRUE(recorder.append(sites_[0]).ok());
    ASSERT_TRUE(recorder.writer->flush().ok());
    EXPECT_EQ(recorder.writer->path(), "/d/app-000044.seg");
  }
  Recorder after_crash(io_);
  ASSERT_TRUE(after_crash.append(sites_[0]).ok());
  ASSERT_TRUE(after_crash.writer->flush().ok());
  EXPECT_EQ(after_crash.writer->path(), "/d/app-000045.seg");
  EXPECT_EQ(io_.bytes("/d/app-000041.seg"), Bytes(10));
  EXPECT_EQ(io_.bytes("/d/app-000043.seg"), Bytes(10));
}

TEST_F(WriterTest, OptionsAreAllCheckedAtOnce) {
  const auto opened = SegmentWriter::open(
      {.directory = "", .name = "../x", .segment_bytes = 1, .keep_bytes = ~u64{0}}, test_run());
  ASSERT_FALSE(opened.ok());
  const std::string message = opened.status().message();
  for (const char* part : {"directory", "../x", "segment_bytes", "keep_bytes"}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  const auto missing = SegmentWriter::open({.directory = "/none", .name = "a", .io = &io_}, {});
  EXPECT_EQ(missing.status().error_class(), ErrorClass::kDisableSink);
}

TEST(WriterOnRealFiles, SealedFilesReadBackAndAreTheOwnersAlone) {
  const std::filesystem::path directory =
      std::filesystem::temp_directory_path() /
      ("sluice-segment-" + std::to_string(std::random_device{}()));
  ASSERT_TRUE(std::filesystem::create_directory(directory));
  const Sites sites(3);
  Oracle oracle;
  {
    auto writer = SegmentWriter::open(
        {.directory = directory.string(), .name = "app", .segment_bytes = 256 * 1024}, test_run());
    ASSERT_TRUE(writer.ok()) << writer.status().message();
    for (u64 i = 0; i < 10'000; ++i) {
      const Bytes record = make_record(sites[i].id, 0, i, 64, i);
      ASSERT_TRUE(writer.value()->append(i, record, &sites[i]).ok());
      oracle[i] = {record, sites[i].id, "", std::nullopt};
    }
    ASSERT_TRUE(writer.value()->seal().ok());
    EXPECT_GE(writer.value()->counts().files_sealed, 2u);
  }
  EXPECT_EQ(read_directory(os::real_io(), directory.string(), oracle), sequences(0, 10'000));
  EXPECT_EQ(last_sequence(os::real_io(), directory.string(), test_run().region_id).value(), 9'999u);
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    EXPECT_EQ(entry.status().permissions(), std::filesystem::perms(0600));
    EXPECT_TRUE(verify_segment(os::real_io(), entry.path().string()).value().whole());
    const auto recovered = recover_segment(os::real_io(), entry.path().string());
    EXPECT_TRUE(recovered.ok() && recovered.value().was_sealed && !recovered.value().seal_added);
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace sluice::testing
