// Which numbers rotation gives, and which of the numbered files it removes: those that it made.
#include "sink/log_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "os/process.h"

#include "sink/file_fixture.h"
#include "support/fault_io.h"

namespace sluice::testing {
namespace {

using Files = std::vector<std::string>;

constexpr i64 kSecond = 1'000'000'000;
constexpr i64 kNow = 1'800'000'000 * kSecond;

class LogFileTest : public ::testing::Test {
 protected:
  // Makes a file with `content`, rotates it and removes what is too much, as another process would
  // each time.
  Status rotate(const std::string& content, const sink::Keep& keep) {
    write_text(log_, content);
    sink::LockFile lock(os::real_io(), name_.lock_path());
    EXPECT_TRUE(lock.acquire().ok());
    sink::LogFile file(os::real_io(), name_);
    EXPECT_TRUE(file.open_current().ok());
    EXPECT_EQ(file.rotate(lock), 0);
    return file.prune(keep, kNow, lock, expires_ns_);
  }
  void rotate(const std::string& contents, u32 keep_files) {
    for (const char content : contents) {
      EXPECT_TRUE(rotate(std::string(1, content), {.files = keep_files}).ok());
    }
  }
  // As at a start: nothing is rotated.
  Status prune(const sink::Keep& keep, os::Io& io = os::real_io()) {
    sink::LockFile lock(io, name_.lock_path());
    EXPECT_TRUE(lock.acquire().ok());
    sink::LogFile file(io, name_);
    EXPECT_TRUE(file.open_current().ok());
    return file.prune(keep, kNow, lock, expires_ns_);
  }
  // What a process notes that made these, and has gone.
  void note(u64 lowest, u64 highest, const os::FileId& last = {}) const {
    sink::LockFile lock(os::real_io(), name_.lock_path());
    ASSERT_TRUE(lock.acquire().ok());
    ASSERT_TRUE(
        lock.put_rotated({.magic = 0, .crc = 0, .lowest = lowest, .highest = highest, .last = last})
            .ok());
  }
  void write_old(const std::string& name, i64 seconds_ago, const std::string& content = "x") const {
    write_text(directory_ / name, content);
    const timespec then{kNow / kSecond - seconds_ago, 0};
    const timespec both[2] = {then, then};
    ASSERT_EQ(::utimensat(AT_FDCWD, (directory_ / name).c_str(), both, 0), 0);
  }
  // "NUMBER:CONTENT" of each numbered file.
  [[nodiscard]] Files rotated() const {
    Files all;
    for (const std::string& path : files_of(log_)) {
      const auto number = name_.rotated_number(path.substr(path.rfind('/') + 1));
      if (number) all.push_back(std::to_string(*number) + ":" + read_file(path));
    }
    return all;
  }

  Directory directory_;
  const std::string log_ = directory_ / "srv.log";
  const sink::FileName name_{log_};
  i64 expires_ns_ = 0;
};

TEST_F(LogFileTest, KeepsTheNewestOnes) {
  rotate("abcd", 2);
  EXPECT_EQ(rotated(), (Files{"3:c", "4:d"}));
}

TEST_F(LogFileTest, WhatItKeptBeforeItRemovesWhenFewerAreWanted) {
  rotate("abcd", 0);
  rotate("e", 2);
  EXPECT_EQ(rotated(), (Files{"4:d", "5:e"}));
}

TEST_F(LogFileTest, LeavesNumbersThatItDidNotMake) {
  write_text(directory_ / "srv.20240101.log", "x");
  rotate("abc", 1);
  EXPECT_EQ(rotated(), (Files{"20240101:x", "20240104:c"}));
}

// A log of that name, or another program's, where our next number would be.
TEST_F(LogFileTest, LeavesAForeignFileBetweenItsOwn) {
  rotate("a", 1);
  write_text(directory_ / "srv.2.log", "x");
  rotate("bcd", 1);
  EXPECT_EQ(rotated(), (Files{"1:a", "2:x", "5:d"})) << "1 is before x: not known any more";
}

TEST_F(LogFileTest, ANumberIsNotGivenTwice) {
  rotate("a", 2);
  std::filesystem::rename(directory_ / "srv.1.log", directory_ / "srv.1.log.gz");
  rotate("b", 2);
  EXPECT_EQ(rotated(), (Files{"2:b"}));
}

TEST_F(LogFileTest, WithoutItsLockFileItRemovesNothingOlder) {
  rotate("a", 1);
  std::filesystem::remove(directory_ / ".srv.log.lock");
  rotate("bc", 1);
  EXPECT_EQ(rotated(), (Files{"1:a", "3:c"}));
}

TEST_F(LogFileTest, KeepsSoManyBytes) {
  for (const char* content : {"aaa", "bbb", "ccc"}) EXPECT_TRUE(rotate(content, {.bytes = 6}).ok());
  EXPECT_EQ(rotated(), (Files{"2:bbb", "3:ccc"}));
  EXPECT_TRUE(rotate("ddddddd", {.bytes = 6}).ok());
  EXPECT_EQ(rotated(), (Files{})) << "one alone is too much";
  EXPECT_TRUE(rotate("e", {.bytes = 6}).ok());
  EXPECT_EQ(rotated(), (Files{"5:e"}));
}

TEST_F(LogFileTest, KeepsWhatIsNotTooOld) {
  note(1, 4);
  write_old("srv.1.log", 300);
  write_old("srv.2.log", 100);
  write_old("srv.3.log", 99);
  write_old("srv.4.log", -5);  // its clock was ahead
  EXPECT_TRUE(prune({.seconds = 100}).ok());
  EXPECT_EQ(rotated(), (Files{"3:x", "4:x"}));
  EXPECT_EQ(expires_ns_, kNow + kSecond);
  EXPECT_TRUE(prune({.seconds = ~u64{0}}).ok());
  EXPECT_EQ(rotated().size(), 2u) << "no age overflows";
  EXPECT_TRUE(prune({.files = 9}).ok());
  EXPECT_EQ(expires_ns_, std::numeric_limits<i64>::max());
}

TEST_F(LogFileTest, EachBoundHoldsForItself) {
  note(1, 5);
  for (int i = 1; i <= 5; ++i) write_old("srv." + std::to_string(i) + ".log", 100 - i, "xx");
  EXPECT_TRUE(prune({.files = 4, .seconds = 1000, .bytes = 1000}).ok());
  EXPECT_EQ(rotated().size(), 4u);
  EXPECT_TRUE(prune({.files = 10, .seconds = 1000, .bytes = 7}).ok());
  EXPECT_EQ(rotated().size(), 3u);
  EXPECT_TRUE(prune({.files = 10, .seconds = 97, .bytes = 1000}).ok());
  EXPECT_EQ(rotated(), (Files{"4:xx", "5:xx"}));
}

// Of a thousand old files its own go, and what only looks like them stays.
TEST_F(LogFileTest, OfAThousandFilesOnlyThoseThatItMade) {
  note(11, 1000);
  for (int i = 1; i <= 1010; ++i) write_old("srv." + std::to_string(i) + ".log", 50);
  const Files others{"srv.0.log",   "srv.012.log",  "srv.log.12", "srv.12.log.bak",
                     ".srv.12.log", "srv.12x.log",  "srv..log",   "srv.-12.log",
                     "xsrv.12.log", "srv.12.log.1", "srv-12.log", "srv.99999999999999999999.log",
                     "srv.1e2.log", "srv. 12.log",  "srv.12.logx"};
  for (const std::string& name : others) write_old(name, 5000);
  std::filesystem::remove(directory_ / "srv.20.log");
  std::filesystem::create_directory(directory_ / "srv.20.log");
  std::filesystem::remove(directory_ / "srv.21.log");
  std::filesystem::create_symlink(log_, directory_ / "srv.21.log");
  FaultIo io(os::real_io());
  io.give(directory_ / "srv.22.log", os::user_id() + 1);
  EXPECT_TRUE(prune({.files = 3, .seconds = 40, .bytes = 10}, io).ok());
  for (const std::string& name : others) EXPECT_EQ(read_file(directory_ / name), "x") << name;
  std::vector<u64> left;
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    if (const auto number = name_.rotated_number(entry.path().filename().string())) {
      left.push_back(*number);
    }
  }
  std::sort(left.begin(), left.end());
  EXPECT_EQ(left,
            (std::vector<u64>{1,  2,    3,    4,    5,    6,    7,    8,    9,    10,   20,  21,
                              22, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010}));
}

TEST_F(LogFileTest, WhatCannotBeRemovedStaysAndIsTriedAgain) {
  rotate("abcd", 0);
  FaultIo io(os::real_io());
  io.fail({.op = Op::kUnlink, .call = 1, .error = EACCES});
  const Status status = prune({.files = 1}, io);
  EXPECT_NE(status.message().find("srv.1.log: cannot be removed and stays: EACCES"),
            std::string::npos)
      << status.message();
  EXPECT_EQ(rotated(), (Files{"1:a", "4:d"}));
  EXPECT_TRUE(prune({.files = 1}, io).ok());
  EXPECT_EQ(rotated(), (Files{"4:d"}));
}

// The number is noted, its file not yet renamed; another file took the name.
TEST_F(LogFileTest, ANumberThatWasNotGivenIsNotItsOwn) {
  rotate("a", 0);
  write_text(log_, "b");
  os::FileInfo current;
  ASSERT_EQ(os::real_io().stat(log_.c_str(), current), 0);
  note(1, 2, current.id());
  write_text(directory_ / "srv.2.log", "x");
  EXPECT_TRUE(prune({.seconds = 1, .bytes = 1}).ok());
  EXPECT_EQ(rotated(), (Files{"2:x"}));
  rotate("c", 1);
  EXPECT_EQ(rotated(), (Files{"2:x", "3:c"}));
}

TEST_F(LogFileTest, ANumberOfARenameThatFailedIsNotItsOwn) {
  FaultIo io(os::real_io());
  io.fail({.op = Op::kRename, .call = 1, .error = EACCES});
  sink::LockFile lock(io, sink::FileName(log_).lock_path());
  ASSERT_TRUE(lock.acquire().ok());
  write_text(log_, "a");
  sink::LogFile file(io, sink::FileName(log_));
  ASSERT_TRUE(file.open_current().ok());
  EXPECT_EQ(file.rotate(lock), -EACCES);
  write_text(directory_ / "srv.1.log", "x");
  EXPECT_EQ(file.rotate(lock), 0);
  write_text(log_, "b");
  ASSERT_TRUE(file.open_current().ok());
  EXPECT_EQ(file.rotate(lock), 0);
  EXPECT_TRUE(file.prune({.files = 1}, kNow, lock, expires_ns_).ok());
  EXPECT_EQ(rotated(), (Files{"1:x", "3:b"}));
}

}  // namespace
}  // namespace sluice::testing
