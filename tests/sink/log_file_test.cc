// Which numbers rotation gives, and which of the numbered files it removes: those that it made.
#include "sink/log_file.h"

#include <gtest/gtest.h>

#include "sink/file_fixture.h"
#include "support/fault_io.h"

namespace sluice::testing {
namespace {

using Files = std::vector<std::string>;

class LogFileTest : public ::testing::Test {
 protected:
  // Makes a file with `content` and rotates it, as another process would each time.
  int rotate(const std::string& content, u32 keep_files, os::Io& io = os::real_io()) const {
    const sink::FileName name(log_);
    sink::LockFile lock(io, name.lock_path());
    EXPECT_TRUE(lock.acquire().ok());
    write_text(log_, content);
    sink::LogFile file(io, name);
    EXPECT_TRUE(file.open_current().ok());
    return file.rotate(keep_files, lock);
  }
  // "NUMBER:CONTENT" of each numbered file.
  [[nodiscard]] Files rotated() const {
    Files all;
    for (const std::string& path : files_of(log_)) {
      const auto number = sink::FileName(log_).rotated_number(path.substr(path.rfind('/') + 1));
      if (number) all.push_back(std::to_string(*number) + ":" + read_file(path));
    }
    return all;
  }

  Directory directory_;
  const std::string log_ = directory_ / "srv.log";
};

TEST_F(LogFileTest, KeepsTheNewestOnes) {
  for (const char* content : {"a", "b", "c", "d"}) EXPECT_EQ(rotate(content, 2), 0);
  EXPECT_EQ(rotated(), (Files{"3:c", "4:d"}));
}

TEST_F(LogFileTest, WhatItKeptBeforeItRemovesWhenFewerAreWanted) {
  for (const char* content : {"a", "b", "c", "d"}) EXPECT_EQ(rotate(content, 0), 0);
  EXPECT_EQ(rotate("e", 2), 0);
  EXPECT_EQ(rotated(), (Files{"4:d", "5:e"}));
}

TEST_F(LogFileTest, LeavesNumbersThatItDidNotMake) {
  write_text(directory_ / "srv.20240101.log", "x");
  for (const char* content : {"a", "b", "c"}) EXPECT_EQ(rotate(content, 1), 0);
  EXPECT_EQ(rotated(), (Files{"20240101:x", "20240104:c"}));
}

// A log of that name, or another program's, where our next number would be.
TEST_F(LogFileTest, LeavesAForeignFileBetweenItsOwn) {
  EXPECT_EQ(rotate("a", 1), 0);
  write_text(directory_ / "srv.2.log", "x");
  for (const char* content : {"b", "c", "d"}) EXPECT_EQ(rotate(content, 1), 0);
  EXPECT_EQ(rotated(), (Files{"1:a", "2:x", "5:d"})) << "1 is before x: not known any more";
}

TEST_F(LogFileTest, ANumberIsNotGivenTwice) {
  EXPECT_EQ(rotate("a", 2), 0);
  std::filesystem::rename(directory_ / "srv.1.log", directory_ / "srv.1.log.gz");
  EXPECT_EQ(rotate("b", 2), 0);
  EXPECT_EQ(rotated(), (Files{"2:b"}));
}

TEST_F(LogFileTest, WithoutItsLockFileItRemovesNothingOlder) {
  EXPECT_EQ(rotate("a", 1), 0);
  std::filesystem::remove(directory_ / ".srv.log.lock");
  for (const char* content : {"b", "c"}) EXPECT_EQ(rotate(content, 1), 0);
  EXPECT_EQ(rotated(), (Files{"1:a", "3:c"}));
}

TEST_F(LogFileTest, ANumberOfARenameThatFailedIsNotItsOwn) {
  FaultIo io(os::real_io());
  io.fail({.op = Op::kRename, .call = 1, .error = EACCES});
  sink::LockFile lock(io, sink::FileName(log_).lock_path());
  ASSERT_TRUE(lock.acquire().ok());
  write_text(log_, "a");
  sink::LogFile file(io, sink::FileName(log_));
  ASSERT_TRUE(file.open_current().ok());
  EXPECT_EQ(file.rotate(1, lock), -EACCES);
  write_text(directory_ / "srv.1.log", "x");
  EXPECT_EQ(file.rotate(1, lock), 0);
  write_text(log_, "b");
  ASSERT_TRUE(file.open_current().ok());
  EXPECT_EQ(file.rotate(1, lock), 0);
  EXPECT_EQ(rotated(), (Files{"1:x", "3:b"}));
}

}  // namespace
}  // namespace sluice::testing
