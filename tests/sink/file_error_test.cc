// A file sink whose disk fails: every call once, for a while, and short.
//
// Nothing that was accepted is lost or repeated while there is room to hold it; only a failed sync
// may repeat lines, since nobody can know whether the first ones will be there.
#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "sink/file_fixture.h"
#include "support/fault_io.h"

namespace sluice::testing {
namespace {

class FileErrorTest : public ::testing::Test {
 protected:
  // Starts and writes as a runner does: again and again while it is told to. Fails for good only
  // after `tries`.
  static Status run(Writer& writer, os::Io& io, int tries = 6) {
    Status status;
    bool open = false;
    for (int i = 0; i < tries; ++i) {
      status = open ? Status() : writer.start(io);
      open = open || status.ok();
      if (open) status = writer.write();
      if (status.ok()) return status;
      if (status.error_class() != ErrorClass::kRetryable &&
          status.error_class() != ErrorClass::kRotate) {
        return status;
      }
    }
    return status;
  }

  Directory directory_;
  const std::string log_ = directory_ / "app.log";
};

// The log's content; where a sync failed, without the lines that were written again.
std::string once_each(const std::string& log, const FaultIo& io) {
  const bool sync_failed =
      std::any_of(io.calls().begin(), io.calls().end(), [](const FaultIo::Call& call) {
        return call.op == Op::kSyncData && call.result < 0 && call.result != -EINTR;
      });
  const std::string content = content_of(log);
  if (!sync_failed) return content;
  std::string once;
  std::set<std::string> seen;
  for (const std::string& line : lines_of(content)) {
    if (seen.insert(line).second) once += line + "\n";
  }
  return once;
}

// How many calls of an operation a run without a fault makes.
u64 calls_of(const std::string& log, const Directory& directory, u64 rotate_bytes) {
  directory.clear();
  FaultIo io(os::real_io());
  Writer writer({.log = log, .rotate_bytes = rotate_bytes});
  EXPECT_TRUE(writer.start(io).ok());
  EXPECT_TRUE(writer.write().ok());
  return io.total();
}

class FileEveryCallTest : public FileErrorTest,
                          public ::testing::WithParamInterface<std::tuple<int, u64>> {};

TEST_P(FileEveryCallTest, FailsOnce) {
  const auto [error, rotate_bytes] = GetParam();
  const u64 calls = calls_of(log_, directory_, rotate_bytes);
  ASSERT_GT(calls, 20u);
  for (u64 call = 1; call <= calls + 2; ++call) {
    directory_.clear();
    FaultIo io(os::real_io());
    io.fail({.call = call, .error = error});
    Writer writer({.log = log_, .rotate_bytes = rotate_bytes});
    const Status status = run(writer, io);
    EXPECT_TRUE(status.ok()) << "call " << call << ": " << status.message();
    EXPECT_EQ(find_fault(once_each(log_, io), {&writer}), "") << "call " << call;
    writer.expect_exact_counters();
    if (HasFailure()) return;
  }
}

TEST_P(FileEveryCallTest, FailsForAWhile) {
  const auto [error, rotate_bytes] = GetParam();
  const u64 calls = calls_of(log_, directory_, rotate_bytes);
  for (u64 call = 1; call <= calls; ++call) {
    directory_.clear();
    FaultIo io(os::real_io());
    Writer writer({.log = log_, .rotate_bytes = rotate_bytes});
    Writer other({.name = "b", .log = log_, .rotate_bytes = rotate_bytes});
    ASSERT_TRUE(writer.start(io).ok());
    io.fail({.call = io.total() + call, .error = error, .for_good = true});
    if (error == EINTR) continue;  // for good, it never ends: pwrite_all() rightly goes on
    (void)writer.write();
    (void)writer.write();
    EXPECT_TRUE(run(other, os::real_io()).ok());
    io.heal();
    Status status = writer.write();
    if (!status.ok()) status = writer.write();
    EXPECT_TRUE(status.ok()) << "call " << call << ": " << status.message();
    EXPECT_EQ(find_fault(once_each(log_, io), {&writer, &other}), "") << "call " << call;
    writer.expect_exact_counters();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Errors, FileEveryCallTest,
                         ::testing::Combine(::testing::Values(EIO, ENOSPC, EINTR, EDQUOT),
                                            ::testing::Values(u64{0}, u64{30})));

TEST_F(FileErrorTest, EveryWriteIsShortByEveryLength) {
  for (u64 call = 1; call <= 12; ++call) {
    for (i64 bytes = 1; bytes < 60; bytes += 7) {
      directory_.clear();
      FaultIo io(os::real_io());
      io.fail({.op = Op::kPwrite, .call = call, .short_bytes = bytes});
      Writer writer({.log = log_});
      EXPECT_TRUE(run(writer, io).ok());
      EXPECT_EQ(find_fault(read_file(log_), {&writer}), "") << call << ", " << bytes;
      writer.expect_exact_counters();
    }
  }
}

// A disk that fills in the middle of a line: short once, then nothing more.
TEST_F(FileErrorTest, ADiskThatFillsInALineKeepsWholeLinesAndGoesOn) {
  for (i64 bytes = 1; bytes < 45; ++bytes) {
    directory_.clear();
    FaultIo io(os::real_io());
    Writer writer({.log = log_});
    ASSERT_TRUE(writer.start(io).ok());
    ASSERT_TRUE(writer.write(1).ok());
    const u64 writes = io.count(Op::kPwrite);  // a note, the lines, the cleared note
    io.fail({.op = Op::kPwrite, .call = writes + 2, .short_bytes = bytes});
    io.fail({.op = Op::kPwrite, .call = writes + 3, .error = ENOSPC});
    const Status status = writer.write();
    EXPECT_EQ(status.error_class(), ErrorClass::kRetryable);
    EXPECT_EQ(status.os_error(), ENOSPC);
    EXPECT_NE(status.message().find(log_), std::string::npos);
    const std::string full = read_file(log_);
    EXPECT_EQ(full.back(), '\n') << bytes;
    EXPECT_TRUE(writer.write().ok());
    EXPECT_EQ(find_fault(read_file(log_), {&writer}), "") << bytes;
    writer.expect_exact_counters();
  }
}

// The control: a disk that says all was written must be seen by the oracle.
TEST_F(FileErrorTest, ControlOfADiskThatLies) {
  FaultIo io(os::real_io());
  Writer writer({.log = log_});
  ASSERT_TRUE(writer.start(io).ok());
  io.fail({.op = Op::kPwrite,
           .call = io.count(Op::kPwrite) + 2,
           .short_bytes = 10,
           .lie_about_short = true});
  EXPECT_TRUE(writer.write().ok());
  EXPECT_NE(find_fault(read_file(log_), {&writer}), "");
}

TEST_F(FileErrorTest, AFileThatCannotBeWrittenIsFinishedAndANewOneGoesOn) {
  FaultIo io(os::real_io());
  Writer writer({.log = log_});
  ASSERT_TRUE(writer.start(io).ok());
  ASSERT_TRUE(writer.write(1).ok());
  io.fail({.op = Op::kPwrite, .call = io.count(Op::kPwrite) + 2, .error = EIO});
  const Status status = writer.write();
  EXPECT_EQ(status.error_class(), ErrorClass::kRotate);
  EXPECT_TRUE(writer.write().ok());
  EXPECT_EQ(files_of(log_), (std::vector<std::string>{directory_ / "app.1.log", log_}));
  EXPECT_EQ(find_fault(content_of(log_), {&writer}), "");
}

TEST_F(FileErrorTest, AfterAFailedSyncTheLinesAreWrittenAgainToANewFile) {
  FaultIo io(os::real_io());
  Writer writer({.log = log_});
  ASSERT_TRUE(writer.start(io).ok());
  ASSERT_TRUE(writer.write(1).ok());
  ASSERT_TRUE(writer.sink().flush(true).ok());
  ASSERT_TRUE(writer.write(2).ok());
  io.fail({.op = Op::kSyncData, .call = io.count(Op::kSyncData) + 1, .error = EIO});
  const Status status = writer.sink().flush(true);
  EXPECT_EQ(status.error_class(), ErrorClass::kRotate);
  EXPECT_NE(status.message().find("3 lines are written again"), std::string::npos)
      << status.message();
  EXPECT_TRUE(writer.sink().flush(true).ok());
  ASSERT_TRUE(writer.write().ok());
  const std::vector<std::string> expected = writer.expected();
  EXPECT_EQ(lines_of(read_file(directory_ / "app.1.log")),
            (std::vector<std::string>(expected.begin(), expected.begin() + 6)));
  EXPECT_EQ(lines_of(read_file(log_)),
            (std::vector<std::string>(expected.begin() + 3, expected.end())));
  writer.expect_exact_counters();
}

// A disk that stays broken must not be filled up with new files.
TEST_F(FileErrorTest, ABrokenDiskGetsFewNewFiles) {
  FaultIo io(os::real_io());
  Writer writer({.log = log_, .batches = 40});
  ASSERT_TRUE(writer.start(io).ok());
  io.fail({.op = Op::kSyncData, .call = 1, .error = EIO, .for_good = true});
  for (u32 batch = 1; batch <= 40; ++batch) {
    (void)writer.write(batch);
    EXPECT_FALSE(writer.sink().flush(true).ok());
  }
  EXPECT_LE(files_of(log_).size(), 4u);
  std::vector<std::string> lines = lines_of(content_of(log_));
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  EXPECT_EQ(lines.size(), 120u);  // nothing is lost meanwhile
}

#ifndef _WIN32  // where a directory stays while a file in it is open
TEST_F(FileErrorTest, ADirectoryThatVanishesIsMadeAgain) {
  const std::string log = directory_ / "deep/er/app.log";
  Writer writer({.log = log});
  ASSERT_TRUE(writer.start(os::real_io()).ok());
  ASSERT_TRUE(writer.write(1).ok());
  std::filesystem::remove_all(directory_ / "deep");
  ASSERT_TRUE(writer.write().ok());
  const std::vector<std::string> expected = writer.expected();
  EXPECT_EQ(lines_of(read_file(log)),
            (std::vector<std::string>(expected.begin() + 3, expected.end())));
}
#endif

TEST_F(FileErrorTest, WhatCannotBeOpenedIsSaidWithTheMend) {
  std::filesystem::create_directory(directory_ / "plain");
  const auto start = [&](const std::string& path) {
    Writer writer({.log = path});
    return writer.start(os::real_io());
  };
  EXPECT_NE(start(directory_ / "plain").message().find("not a regular file"), std::string::npos);
#ifndef _WIN32  // where it takes a right of its own to make a link
  std::filesystem::create_symlink("/etc/hostname", directory_ / "link.log");
  EXPECT_NE(start(directory_ / "link.log").message().find("links are not followed"),
            std::string::npos);
#endif
  write_text(directory_ / "file", "x");
  const Status below = start(directory_ / "file/app.log");
  EXPECT_NE(below.message().find("ENOTDIR"), std::string::npos) << below.message();
}

}  // namespace
}  // namespace sluice::testing
