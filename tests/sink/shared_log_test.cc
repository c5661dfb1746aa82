// What a holder of the log's lock does with what others left: it cuts the file that a note names,
// and no other, and believes nothing of other users.
#include "sink/shared_log.h"

#include <gtest/gtest.h>

#include "os/process.h"
#include "sink/file_fixture.h"
#include "support/fault_io.h"

namespace sluice::testing {
namespace {

constexpr char kTorn[] = "whole\nhalf a li";

class SharedLogTest : public ::testing::Test {
 protected:
  // What a writer leaves that was killed inside its first write to the file at `path`.
  void leave_note(const std::string& path, i64 born_later_ns = 0) const {
    write_text(path, kTorn);
    os::FileInfo info;
    ASSERT_EQ(os::real_io().stat(path.c_str(), info), 0);
    sink::WriteNote note{};
    note.attempt = 1;
    note.file = info.id();
    note.file.born_ns += born_later_ns;
    note.bytes = 60'000;
    sink::LockFile lock(os::real_io(), lock_);
    ASSERT_TRUE(lock.acquire().ok());
    ASSERT_TRUE(lock.put_note(note).ok());
  }
  Status hold(os::Io& io = os::real_io()) const {
    sink::SharedLog log(io, {.path = log_});
    const sink::SharedLog::Hold hold(log);
    return hold.status();
  }

  Directory directory_;
  const std::string log_ = directory_ / "app.log";
  const std::string lock_ = directory_ / ".app.log.lock";
};

TEST_F(SharedLogTest, CutsTheFileOfANoteWhereItIsOrWasRotatedTo) {
  for (const char* name : {"app.log", "app.3.log"}) {
    directory_.clear();
    leave_note(directory_ / name);
    EXPECT_TRUE(hold().ok());
    EXPECT_EQ(read_file(directory_ / name), "whole\n");
  }
}

// The log is gone, and another program's file has got its inode: whatever the note says of it.
TEST_F(SharedLogTest, NeverCutsAFileOfAnotherName) {
  for (const char* name :
       {"customers.db", "app.log-2025", "app.03.log", ".app.log", "app.3.log.gz"}) {
    directory_.clear();
    leave_note(directory_ / name);
    EXPECT_TRUE(hold().ok());
    EXPECT_EQ(read_file(directory_ / name), kTorn) << name;
    EXPECT_EQ(read_file(log_), "");
  }
}

// As before, but the file is a new one under the log's own name.
TEST_F(SharedLogTest, NeverCutsAFileThatWasBornAtAnotherTime) {
  for (const char* name : {"app.log", "app.3.log"}) {
    directory_.clear();
    leave_note(directory_ / name, -1'000'000);
    EXPECT_TRUE(hold().ok());
    EXPECT_EQ(read_file(directory_ / name), kTorn) << name;
  }
}

TEST_F(SharedLogTest, RefusesALockFileAndALogOfAnotherUser) {
  const u32 somebody = os::user_id() + 1;
  for (const std::string& path : {lock_, log_}) {
    directory_.clear();
    leave_note(log_);
    FaultIo io(os::real_io());
    io.give(path, somebody);
    const Status status = hold(io);
    EXPECT_EQ(status.error_class(), ErrorClass::kDisableSink);
    EXPECT_NE(status.message().find(path + ": belongs to user"), std::string::npos)
        << status.message();
    if (path == lock_) {
      EXPECT_EQ(read_file(log_), kTorn) << "cut as another user's note says";
    }
    io.give(path, os::user_id());
    EXPECT_TRUE(hold(io).ok());
    io.give(path, 0);
    EXPECT_TRUE(hold(io).ok());
  }
}

}  // namespace
}  // namespace sluice::testing
