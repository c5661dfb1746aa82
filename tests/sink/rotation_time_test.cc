// Files that are finished by time: when, and that no clock makes one overwrite another.
#include "sink/rotation_time.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "sink/file_fixture.h"
#include "sink/file_sink.h"
#include "support/fault_io.h"
#include "support/kill_io.h"

namespace sluice::testing {
namespace {

constexpr i64 kSecond = 1'000'000'000;
constexpr i64 kDay = 86'400 * kSecond;
constexpr i64 kMidnight = 20'000 * kDay;  // 2024-10-04, UTC

// What FileSink takes for the wall clock.
i64 clock_ns = kMidnight;
i64 unix_ns() { return clock_ns; }

class Zone {
 public:
  explicit Zone(const char* zone) {
    const char* const before = std::getenv("TZ");
    if (before) before_ = before;
    ::setenv("TZ", zone, 1);
    ::tzset();
  }
  ~Zone() {
    before_ ? ::setenv("TZ", before_->c_str(), 1) : ::unsetenv("TZ");
    ::tzset();
  }
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;

 private:
  std::optional<std::string> before_;
};

TEST(ParseTimeOfDay, LocalAndUtc) {
  const auto local = sink::parse_time_of_day("04:30");
  ASSERT_TRUE(local.ok() && local.value());
  EXPECT_EQ(local.value()->minutes, 270u);
  EXPECT_FALSE(local.value()->utc);
  const auto utc = sink::parse_time_of_day("23:59Z");
  ASSERT_TRUE(utc.ok() && utc.value());
  EXPECT_EQ(utc.value()->minutes, 1439u);
  EXPECT_TRUE(utc.value()->utc);
  EXPECT_FALSE(sink::parse_time_of_day("").value());
  for (const char* bad : {"4:30", "24:00", "12:60", "12:3", "12-30", "12:30z", "12:30Z ", "-1:30",
                          "1a:30", "12:30:00", "noon", "::::::"}) {
    const auto wrong = sink::parse_time_of_day(bad);
    ASSERT_FALSE(wrong.ok()) << bad;
    EXPECT_NE(wrong.status().message().find("write 00:00 to 23:59"), std::string::npos);
  }
}

TEST(RotationTime, TheEarlierOfAgeAndTimeOfDay) {
  sink::RotationTime rotation{.at = os::TimeOfDay{.minutes = 60, .utc = true}};
  EXPECT_EQ(rotation.due_ns(kMidnight), kMidnight + 3600 * kSecond);
  EXPECT_EQ(rotation.due_ns(kMidnight + 3600 * kSecond), kMidnight + kDay + 3600 * kSecond);
  EXPECT_EQ(rotation.due_ns(-kDay + 1800 * kSecond), -kDay + 3600 * kSecond) << "before 1970";
  rotation.seconds = 60;
  EXPECT_EQ(rotation.due_ns(kMidnight), kMidnight + 60 * kSecond);
  for (const u64 longer_than_time : {u64{10'000'000'000}, ~u64{0}}) {
    rotation = {.seconds = longer_than_time};
    EXPECT_EQ(rotation.due_ns(kMidnight), std::numeric_limits<i64>::max());
  }
}

TEST(RotationTime, LocalTimeOfDayAcrossChangesOfTheClocks) {
  const Zone zone("CET-1CEST,M3.5.0,M10.5.0/3");
  const sink::RotationTime rotation{.at = os::TimeOfDay{.minutes = 150}};  // 02:30
  // 2024-03-31: the clocks go from 02:00 to 03:00, at 01:00 UTC. 2024-10-27: from 03:00 to 02:00.
  constexpr i64 kSpring = 19'813 * kDay, kAutumn = 20'023 * kDay;
  const i64 skipped = rotation.due_ns(kSpring);
  EXPECT_GE(skipped, kSpring + 30 * 60 * kSecond);
  EXPECT_LE(skipped, kSpring + 90 * 60 * kSecond);
  EXPECT_EQ(rotation.due_ns(skipped), kSpring + kDay + 30 * 60 * kSecond);
  const i64 repeated = rotation.due_ns(kAutumn - 3600 * kSecond);
  EXPECT_TRUE(repeated == kAutumn + 30 * 60 * kSecond || repeated == kAutumn + 90 * 60 * kSecond);
  EXPECT_EQ(rotation.due_ns(kAutumn + kDay), kAutumn + kDay + 90 * 60 * kSecond);
  const sink::RotationTime four{.at = os::TimeOfDay{.minutes = 240}};
  EXPECT_EQ(four.due_ns(kSpring - 3600 * kSecond), kSpring + 7200 * kSecond) << "of that summer";
}

class TimedFileTest : public ::testing::Test {
 protected:
  TimedFileTest() { clock_ns = kMidnight; }

  static std::unique_ptr<back::Sink> make(const back::SinkConfig& config, os::Io& io) {
    auto format = sink::make_text_format(config.pattern, false);
    return std::make_unique<sink::FileSink>(config, io, std::move(format.value()), unix_ns);
  }
  static void start(Writer& writer, os::Io& io = os::real_io()) {
    writer.use(make);
    const Status status = writer.start(io);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  // A batch a step, the clock moved on by that much before each.
  static void write_each(Writer& writer, std::initializer_list<i64> steps) {
    u32 batch = 0;
    for (const i64 step : steps) {
      clock_ns += step;
      const Status status = writer.write(++batch);
      ASSERT_TRUE(status.ok()) << status.message();
    }
  }
  // Lines of each file, the current one last.
  [[nodiscard]] std::vector<std::size_t> lines_each() const {
    std::vector<std::size_t> counts;
    for (const std::string& file : files_of(log_)) {
      counts.push_back(lines_of(read_file(file)).size());
    }
    return counts;
  }

  using Counts = std::vector<std::size_t>;
  Directory directory_;
  const std::string log_ = directory_ / "app.log";
};

TEST_F(TimedFileTest, AFileIsFinishedAtItsAge) {
  Writer writer({.log = log_, .batches = 6, .records = 1, .rotate_seconds = 3600});
  start(writer);
  write_each(writer, {0, 3599 * kSecond, kSecond, kSecond, 9000 * kSecond, 3599 * kSecond});
  EXPECT_EQ(lines_each(), (Counts{2, 2, 2}));
  EXPECT_EQ(find_fault(content_of(log_), {&writer}), "");
  writer.expect_exact_counters();
}

TEST_F(TimedFileTest, AndAtATimeOfDay) {
  Writer writer({.log = log_, .batches = 5, .records = 1, .rotate_at = "04:30Z"});
  start(writer);
  constexpr i64 kAt = 270 * 60 * kSecond;
  write_each(writer, {0, kAt - 1, 1, kDay - 1, 1});
  EXPECT_EQ(lines_each(), (Counts{2, 2, 1}));
}

TEST_F(TimedFileTest, AndBySizeAsWell) {
  Writer writer(
      {.log = log_, .batches = 5, .records = 1, .rotate_bytes = 32, .rotate_seconds = 10});
  start(writer);
  write_each(writer, {0, 0, 0, 10 * kSecond, 0});
  EXPECT_EQ(lines_each(), (Counts{2, 1, 2}));
}

TEST_F(TimedFileTest, AnEmptyFileIsNotRotated) {
  Writer writer({.log = log_, .batches = 2, .records = 1, .rotate_seconds = 10});
  start(writer);
  clock_ns += 100 * kSecond;
  (void)writer.sink().upkeep();
  write_each(writer, {100 * kSecond, 9 * kSecond});
  EXPECT_EQ(lines_each(), (Counts{2}));
}

// The clock of the test is years from that of the file system: the note tells, not the file.
TEST_F(TimedFileTest, ARestartGoesOnWithTheTimeOfTheFile) {
  for (int process = 0; process < 4; ++process) {
    Writer writer({.name = std::string(1, char('a' + process)),
                   .log = log_,
                   .batches = 1,
                   .records = 1,
                   .rotate_seconds = 100});
    start(writer);
    write_each(writer, {0});
    clock_ns += 50 * kSecond;
  }
  EXPECT_EQ(lines_each(), (Counts{2, 2}));
}

TEST_F(TimedFileTest, WithoutTheLockFileTheFileSystemTellsItsAge) {
  write_text(log_, "old\n");
  clock_ns = os::wall_ns() + 99 * kSecond;
  Writer writer({.log = log_, .batches = 1, .records = 1, .rotate_seconds = 50});
  start(writer);
  write_each(writer, {0});
  EXPECT_EQ(lines_each(), (Counts{1, 1}));
}

// What is noted is another file's begin.
TEST_F(TimedFileTest, AFileThatOthersPutThereIsAsOldAsItIs) {
  {
    Writer writer({.log = log_, .batches = 1, .records = 1, .rotate_seconds = 50});
    start(writer);
    write_each(writer, {0});
  }
  std::filesystem::rename(log_, directory_ / "moved");
  write_text(log_, "old\n");
  clock_ns = os::wall_ns();
  Writer writer({.log = log_, .batches = 1, .records = 1, .rotate_seconds = 50});
  start(writer);
  write_each(writer, {0});
  EXPECT_EQ(lines_each(), (Counts{2}));
}

TEST_F(TimedFileTest, AClockThatGoesBackOverwritesNothing) {
  Writer writer({.log = log_, .batches = 7, .records = 1, .rotate_seconds = 10});
  start(writer);
  // On, back for a year, there and back again: the file begins anew each time it is in the future.
  write_each(writer, {0, 10 * kSecond, -365 * kDay, 9 * kSecond, kSecond, 366 * kDay, -kDay});
  EXPECT_EQ(lines_each(), (Counts{1, 3, 1, 2}));
  EXPECT_EQ(find_fault(content_of(log_), {&writer}), "");
}

TEST_F(TimedFileTest, RotationsWithinOneSecondAndOneByEachProcessKeepAll) {
  Writer writer({.log = log_, .batches = 4, .records = 1, .rotate_bytes = 1, .rotate_seconds = 1});
  Writer other({.name = "b", .log = log_, .batches = 4, .records = 1, .rotate_seconds = 1});
  start(writer);
  start(other);
  for (u32 batch = 1; batch <= 4; ++batch) {
    clock_ns += kSecond;
    ASSERT_TRUE(other.write(batch).ok());
    ASSERT_TRUE(writer.write(batch).ok());
  }
  EXPECT_EQ(find_fault(content_of(log_), {&writer, &other}), "");
  EXPECT_EQ(lines_each(), (Counts{1, 1, 1, 1, 1, 1, 1, 1}));
}

TEST_F(TimedFileTest, AnIdleLogRotatesToo) {
  Writer writer({.log = log_, .batches = 1, .records = 1, .rotate_seconds = 100});
  start(writer);
  write_each(writer, {0});
  clock_ns += 70 * kSecond;
  EXPECT_EQ(writer.sink().upkeep(), 30 * kSecond);
  EXPECT_EQ(lines_each(), (Counts{1}));
  clock_ns += 30 * kSecond;
  EXPECT_GT(writer.sink().upkeep(), 0);
  EXPECT_EQ(lines_each(), (Counts{1, 0}));
}

// By rotations that an earlier process made: what is too much goes at the start, and what gets too
// old while nothing is written.
TEST_F(TimedFileTest, OldFilesGoAtTheStartAndWhenTheirTimeHasCome) {
  {
    Writer writer({.log = log_, .batches = 4, .records = 1, .rotate_bytes = 1});
    start(writer);
    write_each(writer, {0, 0, 0, 0});
  }
  clock_ns = os::wall_ns() + 30 * kSecond;  // that of the file system
  Writer writer({.log = log_, .batches = 1, .records = 1, .keep_files = 2, .keep_seconds = 100});
  start(writer);
  EXPECT_EQ(lines_each(), (Counts{1, 1, 1}));
  EXPECT_GT(writer.sink().upkeep(), 0);
  EXPECT_EQ(lines_each(), (Counts{1, 1, 1}));
  clock_ns += 80 * kSecond;
  EXPECT_GT(writer.sink().upkeep(), 0);
  EXPECT_EQ(lines_each(), (Counts{1}));
}

TEST_F(TimedFileTest, WhatCannotBeRemovedIsSaidOnce) {
  FaultIo io(os::real_io());
  io.fail({.op = Op::kUnlink, .call = 1, .error = EROFS, .for_good = true});
  Writer writer({.log = log_, .batches = 4, .records = 1, .rotate_bytes = 1, .keep_files = 1});
  start(writer, io);
  EXPECT_TRUE(writer.write(2).ok());
  const Status said = writer.write(3);
  EXPECT_NE(said.message().find("app.1.log: cannot be removed and stays"), std::string::npos)
      << said.message();
  EXPECT_TRUE(writer.write(4).ok()) << "said once";
  EXPECT_EQ(lines_each(), (Counts{1, 1, 1, 1})) << "written all the same";
  io.heal();
  start(writer);
  EXPECT_EQ(lines_each(), (Counts{1, 1}));
}

TEST_F(TimedFileTest, WithoutATimeThereIsNoUpkeep) {
  Writer writer({.log = log_, .batches = 1, .records = 1});
  start(writer);
  write_each(writer, {0});
  EXPECT_EQ(writer.sink().upkeep(), -1);
}

TEST_F(TimedFileTest, WhatCannotBeRotatedGrowsAndIsSaidOnce) {
  FaultIo io(os::real_io());
  Writer writer({.log = log_, .batches = 6, .records = 1, .rotate_seconds = 10});
  start(writer, io);
  write_each(writer, {0});
  io.fail({.op = Op::kRename, .call = 1, .error = EROFS, .for_good = true});
  clock_ns += 10 * kSecond;
  const Status said = writer.write(2);
  EXPECT_NE(said.message().find("cannot be rotated and grows"), std::string::npos);
  EXPECT_TRUE(writer.write(3).ok()) << "said once";
  EXPECT_EQ(lines_each(), (Counts{3}));
  io.heal();
  EXPECT_TRUE(writer.write(4).ok());
  EXPECT_EQ(lines_each(), (Counts{3, 1}));
  io.fail({.op = Op::kRename, .call = 1, .error = EROFS, .for_good = true});
  clock_ns += 10 * kSecond;
  EXPECT_FALSE(writer.write(5).ok()) << "said again: it had worked";
  io.heal();
  EXPECT_TRUE(writer.write(6).ok());
  EXPECT_EQ(lines_each(), (Counts{3, 2, 1}));
  EXPECT_EQ(find_fault(content_of(log_), {&writer}), "");
}

// What goes are the oldest, and never one more: at every call it is killed at, and after the next
// start.
TEST_F(TimedFileTest, KilledAtEveryCallOnlyTheOldestAreRemoved) {
  bool killed = true;
  for (u64 kill_at = 1; killed && !HasFailure(); ++kill_at) {
    directory_.clear();
    Writer writer({.log = log_, .batches = 6, .records = 1, .rotate_bytes = 1, .keep_files = 2});
    // A kill tears no write inside a page; a torn entry would let it forget what it made.
    KillIo io(os::real_io(), kill_at);
    writer.use(make);
    try {
      EXPECT_TRUE(writer.start(io).ok());
      EXPECT_TRUE(writer.write().ok());
      killed = false;
    } catch (const Killed&) {
      writer.stop();
    }
    start(writer);
    EXPECT_TRUE(writer.write().ok());
    const std::vector<std::string> all = writer.expected();
    EXPECT_EQ(lines_of(content_of(log_)), std::vector<std::string>(all.end() - 3, all.end()))
        << kill_at;
  }
}

TEST_F(TimedFileTest, KilledAtEveryCallItKeepsEachLineOnce) {
  bool killed = true;
  for (u64 kill_at = 1; killed && !HasFailure(); ++kill_at) {
    directory_.clear();
    clock_ns = kMidnight;
    Writer writer({.log = log_, .batches = 4, .records = 1, .rotate_seconds = 10});
    KillIo io(os::real_io(), kill_at, 5);
    writer.use(make);
    try {
      EXPECT_TRUE(writer.start(io).ok());
      write_each(writer, {0, 10 * kSecond, 10 * kSecond, 10 * kSecond});
      killed = false;
    } catch (const Killed&) {
      writer.stop();
    }
    start(writer);
    EXPECT_TRUE(writer.write().ok());
    EXPECT_EQ(find_fault(content_of(log_), {&writer}), "") << kill_at;
    writer.expect_exact_counters();
  }
}

}  // namespace
}  // namespace sluice::testing
