// What a file sink writes, and how its files rotate, are shared and change below it.
#include "sink/file_sink.h"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <thread>

#include "sink/file_fixture.h"
#include "support/forwarding_io.h"

namespace sluice::testing {
namespace {

class FileSinkTest : public ::testing::Test {
 protected:
  static void run(Writer& writer) {
    const Status status = writer.start(os::real_io());
    ASSERT_TRUE(status.ok()) << status.message();
    const Status written = writer.write();
    ASSERT_TRUE(written.ok()) << written.message();
  }
  // As run(), but a report (nothing failed, something was to be said) is no failure.
  static std::string run_with_report(Writer& writer) {
    EXPECT_TRUE(writer.start(os::real_io()).ok());
    const Status first = writer.write();
    EXPECT_TRUE(writer.write().ok());
    return first.message();
  }

  Directory directory_;
  const std::string log_ = directory_ / "app.log";
};

TEST_F(FileSinkTest, WritesEachRecordAsALine) {
  Writer writer({.log = log_});
  run(writer);
  EXPECT_EQ(find_fault(read_file(log_), {&writer}), "");
  writer.expect_exact_counters();
#ifndef _WIN32  // where lists of access decide, which a file has from its directory
  for (const std::string& file : {log_, directory_ / ".app.log.lock"}) {
    struct stat info;
    ASSERT_EQ(::stat(file.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << file;
  }
#endif
}

TEST_F(FileSinkTest, WritesJsonLines) {
  Writer writer({.log = log_});
  writer.config().kind = SinkKind::json_lines;
  run(writer);
  const std::vector<std::string> lines = lines_of(read_file(log_));
  ASSERT_EQ(lines.size(), 9u);
  EXPECT_NE(lines[4].find("\"msg\":\"text of 35\""), std::string::npos) << lines[4];
  EXPECT_NE(lines[4].find("\"seq\":5"), std::string::npos);
}

TEST_F(FileSinkTest, AppendsToWhatIsThereAndEndsItsLastLine) {
  write_text(log_, "old line\nhalf a li");
  Writer writer({.log = log_, .batches = 1, .records = 1});
  run(writer);
  EXPECT_EQ(read_file(log_), "old line\nhalf a li\na 1 text of 7\n");
}

TEST_F(FileSinkTest, WithoutAnIntentAreaItWritesTheSame) {
  Writer writer({.log = log_, .intent_area = false});
  run(writer);
  EXPECT_EQ(find_fault(read_file(log_), {&writer}), "");
}

TEST_F(FileSinkTest, BatchesBeyondTheIntentAreaGoInSeveralWrites) {
  Writer writer({.log = log_, .batches = 2, .records = 8000, .long_record = 9000});
  run(writer);
  EXPECT_EQ(find_fault(read_file(log_), {&writer}), "");
  writer.expect_exact_counters();
}

TEST_F(FileSinkTest, FiltersAreCounted) {
  Writer writer({.log = log_});
  writer.config().level = Level::warning;
  run(writer);
  EXPECT_EQ(read_file(log_), "");
  EXPECT_EQ(writer.entry().filtered.load(), 9u);
  EXPECT_EQ(writer.entry().delivered.load(), 0u);
}

TEST_F(FileSinkTest, AGapStandsBeforeTheNextRecord) {
  Writer writer({.log = log_, .batches = 1, .records = 1});
  ASSERT_TRUE(writer.start(os::real_io()).ok());
  ASSERT_TRUE(writer.sink().write_gap(5, 12).ok());
  ASSERT_TRUE(writer.write().ok());
  const std::vector<std::string> lines = lines_of(read_file(log_));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_NE(lines[0].find("5"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("12"), std::string::npos) << lines[0];
  EXPECT_EQ(lines[1], "a 1 text of 7");
}

TEST_F(FileSinkTest, DamagedRecordsAreVisibleLines) {
  Writer writer({.log = log_, .batches = 0});
  JournalMaker& journal = writer.journal();
  const u32 site = kSiteFirstCaller;
  journal.add(site, {text("before")});
  std::vector<std::byte> wrong(24);
  store(wrong.data(), RecordHeader{3, 1, site, JournalMaker::kTicks});
  store(wrong.data() + 16, u64{1} << 40);  // a string that long is not there
  journal.add_raw(wrong);
  store(wrong.data(), RecordHeader{3, 1, 63, JournalMaker::kTicks});  // nobody defined this site
  journal.add_raw(wrong);
  journal.add(site, {text("after")});
  journal.commit();
  // The size of the second record is nonsense: what follows cannot be found.
  journal.add(site, {text("before")});
  store(wrong.data(), RecordHeader{0, 1, site, 0});
  journal.add_raw(wrong);
  journal.add_raw(wrong);
  journal.commit();
  run(writer);
  const std::vector<std::string> lines = lines_of(read_file(log_));
  ASSERT_EQ(lines.size(), 6u) << read_file(log_);
  EXPECT_EQ(lines[0], "a 1 before");
  EXPECT_EQ(lines[1], "a 2 1 damaged record(s) from sequence 2 on, call site 16");
  EXPECT_EQ(lines[2], "a 3 1 damaged record(s) from sequence 3 on, call site 63");
  EXPECT_EQ(lines[3], "a 4 after");
  EXPECT_EQ(lines[4], "a 5 before");
  EXPECT_EQ(lines[5], "a 6 2 damaged record(s) from sequence 6 on, call site 1");
  EXPECT_EQ(writer.entry().delivered.load(), 3u);
  EXPECT_EQ(writer.entry().dropped_error.load(), 4u);
}

// ---- rotation ----

TEST_F(FileSinkTest, RotatesBySizeWithIncreasingNumbers) {
  Writer writer({.log = log_, .batches = 10, .records = 1, .rotate_bytes = 32});
  run(writer);
  const std::vector<std::string> files = files_of(log_);
  ASSERT_EQ(files.size(), 5u);
  EXPECT_EQ(files[0], directory_ / "app.1.log");
  EXPECT_EQ(files[3], directory_ / "app.4.log");
  for (const std::string& file : files) EXPECT_LE(read_file(file).size(), 32u);
  EXPECT_EQ(find_fault(content_of(log_), {&writer}), "");
}

TEST_F(FileSinkTest, KeepsSoManyFilesAndNoForeignOnes) {
  const std::vector<std::string> foreign = {
      "app.log.1",    "app.01.log", "app.x.log",    "app.-1.log",
      "app.1.log.gz", "app..log",   "my.app.1.log", "app.99999999999999999999.log",
      "app.1 .log"};
  for (const std::string& name : foreign) write_text(directory_ / name, "keep");
  write_text(directory_ / "app.7.log", "another program's");
  Writer writer({.log = log_, .batches = 10, .records = 1, .rotate_bytes = 32, .keep_files = 2});
  run(writer);
  for (const std::string& name : foreign) {
    EXPECT_EQ(read_file(directory_ / name), "keep") << name;
  }
  EXPECT_EQ(read_file(directory_ / "app.7.log"), "another program's");
  EXPECT_EQ(files_of(log_),
            (std::vector<std::string>{directory_ / "app.7.log", directory_ / "app.10.log",
                                      directory_ / "app.11.log", log_}));
}

TEST_F(FileSinkTest, ADirectoryInTheWayOfTheNextNumberIsNotOverwritten) {
  std::filesystem::create_directory(directory_ / "app.3.log");
  Writer writer({.log = log_, .batches = 4, .records = 1, .rotate_bytes = 20});
  run(writer);
  EXPECT_TRUE(std::filesystem::is_directory(directory_ / "app.3.log"));
  EXPECT_TRUE(std::filesystem::exists(directory_ / "app.4.log"));
}

TEST_F(FileSinkTest, WhatCannotBeRotatedGrowsAndIsSaid) {
  write_text(directory_ / "app.999999999999999.log", "the last number there is");
  Writer writer({.log = log_, .rotate_bytes = 20});
  const std::string report = run_with_report(writer);
  EXPECT_NE(report.find("cannot be rotated and grows"), std::string::npos) << report;
  EXPECT_EQ(find_fault(read_file(log_), {&writer}), "");
}

TEST_F(FileSinkTest, ALineLongerThanAWholeFileIsOneFile) {
  Writer writer({.log = log_, .rotate_bytes = 5});
  run(writer);
  EXPECT_EQ(files_of(log_).size(), 9u);
  EXPECT_EQ(find_fault(content_of(log_), {&writer}), "");
}

// ---- others change the file ----

TEST_F(FileSinkTest, FollowsARotationDeletionAndTruncationFromOutside) {
  Writer writer({.log = log_, .batches = 4});
  ASSERT_TRUE(writer.start(os::real_io()).ok());
  ASSERT_TRUE(writer.write(1).ok());
  std::filesystem::rename(log_, directory_ / "moved");
  ASSERT_TRUE(writer.write(2).ok());
  EXPECT_EQ(lines_of(read_file(log_)).size(), 3u);
  std::filesystem::resize_file(log_, 0);
  ASSERT_TRUE(writer.write(3).ok());
  EXPECT_EQ(lines_of(read_file(log_)).size(), 3u);
#ifndef _WIN32  // where the name of an open file may stay until it is closed
  std::filesystem::remove(log_);
  ASSERT_TRUE(writer.write(4).ok());
  EXPECT_EQ(lines_of(read_file(log_)).size(), 3u);
#endif
  EXPECT_EQ(lines_of(read_file(directory_ / "moved")).size(), 3u);
}

// What others do to the file between our look at it and our write.
class MeddlingIo final : public ForwardingIo {
 public:
  explicit MeddlingIo(std::function<void()> before_lines)
      : ForwardingIo(os::real_io()), before_lines_(std::move(before_lines)) {}

  i64 pwrite(int fd, const void* from, std::size_t size, u64 offset) override {
    const std::string_view text(static_cast<const char*>(from), size);
    if (text.starts_with("a ")) before_lines_();
    return ForwardingIo::pwrite(fd, from, size, offset);
  }

 private:
  const std::function<void()> before_lines_;
};

TEST_F(FileSinkTest, ATruncationJustBeforeAWriteLeavesNoHole) {
  MeddlingIo io([this] { std::filesystem::resize_file(log_, 0); });
  Writer writer({.log = log_, .batches = 3});
  ASSERT_TRUE(writer.start(io).ok());
  ASSERT_TRUE(writer.write(1).ok());
  ASSERT_TRUE(writer.write(2).ok());
  EXPECT_EQ(read_file(log_), "a 4 text of 28\na 5 text of 35\na 6 text of 42\n");
  ASSERT_TRUE(writer.start(os::real_io()).ok());
  ASSERT_TRUE(writer.write(3).ok());
  EXPECT_EQ(lines_of(read_file(log_)).size(), 6u);
}

TEST_F(FileSinkTest, ALineOfOneWhoTakesNoLockIsNotOverwritten) {
  MeddlingIo io([this] { std::ofstream(log_, std::ios::app | std::ios::binary) << "foreign\n"; });
  Writer writer({.log = log_, .batches = 2, .records = 1});
  ASSERT_TRUE(writer.start(io).ok());
  ASSERT_TRUE(writer.write(1).ok());
  ASSERT_TRUE(writer.write(2).ok());
  EXPECT_EQ(read_file(log_), "foreign\na 1 text of 7\nforeign\na 2 text of 14\n");
}

TEST_F(FileSinkTest, ALockFileThatIsRemovedIsMadeAgain) {
  Writer first({.name = "a", .log = log_});
  Writer second({.name = "b", .log = log_});
  ASSERT_TRUE(first.start(os::real_io()).ok());
  ASSERT_TRUE(first.write(1).ok());
  std::filesystem::remove(directory_ / ".app.log.lock");
  run(second);
  ASSERT_TRUE(first.write().ok());
  EXPECT_EQ(find_fault(read_file(log_), {&first, &second}), "");
}

TEST_F(FileSinkTest, GarbageInTheLockFileIsNoNote) {
  write_text(directory_ / ".app.log.lock", std::string(7000, '\xa5'));
  Writer writer({.log = log_});
  run(writer);
  EXPECT_EQ(find_fault(read_file(log_), {&writer}), "");
}

TEST_F(FileSinkTest, TwoSinksOfOneProcessTakeTurns) {
  Writer first({.name = "a", .log = log_, .batches = 50, .rotate_bytes = 1000});
  Writer second({.name = "b", .log = log_, .batches = 50, .rotate_bytes = 1000});
  ASSERT_TRUE(first.start(os::real_io()).ok());
  std::thread other([&] {
    ASSERT_TRUE(second.start(os::real_io()).ok());
    EXPECT_TRUE(second.write().ok());
  });
  EXPECT_TRUE(first.write().ok());
  other.join();
  EXPECT_EQ(find_fault(content_of(log_), {&first, &second}), "");
}

TEST_F(FileSinkTest, AWriterThatHoldsTheLockForGoodIsToldOf) {
  Writer writer({.log = log_});
  ASSERT_TRUE(writer.start(os::real_io()).ok());
  sink::LockFile held(os::real_io(), directory_ / ".app.log.lock");
  ASSERT_TRUE(held.acquire().ok());
  const Status status = writer.write();
  EXPECT_EQ(status.error_class(), ErrorClass::kRetryable);
  EXPECT_NE(status.message().find("another writer"), std::string::npos) << status.message();
  held.release();
  EXPECT_TRUE(writer.write().ok());
}

// ---- a region that somebody has written over ----

TEST_F(FileSinkTest, HostileIntentsHurtNobody) {
  const u64 wild[] = {0, 1, 4096, ~u64{0}, u64{1} << 40, 0x8000000000000000};
  for (const u64 a : wild) {
    for (const u64 b : wild) {
      directory_.clear();
      write_text(log_, "kept\n");
      Writer writer({.log = log_, .batches = 1});
      region::SinkEntry& entry = writer.entry();
      auto* head = reinterpret_cast<sink::IntentHead*>(
          writer.region().chunk(entry.intent_offset, entry.intent_bytes));
      head->text_bytes = a;
      head->place.store(u32(b));
      head->places[0] = {b, {a, b, i64(a)}, b, a, b};
      head->places[1] = {a, {b, a, i64(b)}, a, b, a};
      entry.intent.next_sequence.store(b);
      if (a == 4096) entry.intent_offset = b;
      if (b == 4096) entry.intent_bytes = a;
      if (writer.start(os::real_io()).ok()) (void)writer.write();
      EXPECT_TRUE(read_file(log_).starts_with("kept\n")) << a << " " << b;
    }
  }
}

}  // namespace
}  // namespace sluice::testing
