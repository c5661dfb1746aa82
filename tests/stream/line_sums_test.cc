// The checksums beside a file of lines: what they hold for after a loss of power, and that they are
// nobody's business else.
#include "stream/line_sums.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/crc32c.h"
#include "stream/names.h"
#include "support/fault_io.h"
#include "support/memory_io.h"
#include "support/read_file.h"

namespace sluice::stream {
namespace {

using testing::FaultIo;
using testing::MemoryIo;
using testing::Op;

constexpr char kLines[] = "/d/s.log";
constexpr char kSums[] = "/d/.s.sums";

class LineSumsTest : public ::testing::Test {
 protected:
  LineSumsTest() {
    disk_.make_directory("/d");
    sums_.begin();
    lines_ = disk_.open(kLines, os::kRead | os::kWrite | os::kCreate);
    sums_.identify(info().id());
  }

  os::FileInfo info() {
    os::FileInfo info;
    EXPECT_EQ(disk_.stat_fd(lines_, info), 0);
    return info;
  }
  void write(const std::string& text) {
    const ByteView piece = as_bytes(text);
    ASSERT_EQ(os::pwrite_all(disk_, lines_, text.data(), text.size(), size_), i64(text.size()));
    sums_.add({&piece, 1}, text.size());
    size_ += text.size();
    ends_.push_back(size_);
  }
  void start_kernel_again() {
    SumsHead head;
    auto& bytes = disk_.bytes(kSums);
    std::memcpy(&head, bytes.data(), sizeof head);
    head.boot[0] = 'x';
    head.check = crc32c(&head, offsetof(SumsHead, check));
    std::memcpy(bytes.data(), &head, sizeof head);
  }
  std::optional<u64> good() {
    int error = 0;
    const auto bytes = LineSums(disk_, kSums).good_bytes(info(), lines_, error);
    EXPECT_EQ(error, 0);
    return bytes;
  }

  MemoryIo disk_;
  FaultIo io_{disk_};
  LineSums sums_{io_, kSums};
  int lines_ = -1;
  u64 size_ = 0;
  std::vector<u64> ends_;
};

TEST_F(LineSumsTest, EveryByteThatIsNotWhatWasWrittenEndsIt) {
  for (int i = 0; i < 5; ++i) write(std::string(std::size_t(i + 1) * 7, char('a' + i)) + "\n");
  start_kernel_again();
  EXPECT_EQ(good(), size_);
  u64 entry = 0;
  for (u64 at = 0; at < size_; ++at) {
    if (at == ends_[entry]) ++entry;
    std::byte& byte = disk_.bytes(kLines)[at];
    byte ^= std::byte{1};
    EXPECT_EQ(good(), entry == 0 ? 0 : ends_[entry - 1]) << at;
    byte ^= std::byte{1};
  }
}

TEST_F(LineSumsTest, EveryByteOfTheSumsThatIsWrongEndsThem) {
  for (int i = 0; i < 5; ++i) write("line " + std::to_string(i) + "\n");
  start_kernel_again();
  const auto whole = disk_.bytes(kSums);
  ASSERT_EQ(whole.size(), sizeof(SumsHead) + 5 * sizeof(SumsEntry));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    disk_.bytes(kSums)[at] ^= std::byte{4};
    const std::size_t entry = at < sizeof(SumsHead) ? 0 : (at - sizeof(SumsHead)) / 16;
    EXPECT_EQ(good(), entry == 0 ? 0 : ends_[entry - 1]) << at;
    disk_.bytes(kSums)[at] ^= std::byte{4};
  }
  for (std::size_t size = 0; size < whole.size(); ++size) {
    disk_.bytes(kSums).resize(size);
    const std::size_t entries = size < sizeof(SumsHead) ? 0 : (size - sizeof(SumsHead)) / 16;
    EXPECT_EQ(good(), entries == 0 ? 0 : ends_[entries - 1]) << size;
    disk_.bytes(kSums) = whole;
  }
}

TEST_F(LineSumsTest, AFileThatIsShorterHoldsAsFarAsWholeEntriesGo) {
  for (int i = 0; i < 3; ++i) write("line " + std::to_string(i) + "\n");
  start_kernel_again();
  ASSERT_EQ(disk_.truncate(lines_, size_ - 1), 0);
  EXPECT_EQ(good(), ends_[1]);
}

TEST_F(LineSumsTest, TheExampleOfTheFormatIsTrue) {
  write("one\n");
  std::string hex;
  for (const std::byte byte : std::span(disk_.bytes(kSums)).subspan(sizeof(SumsHead))) {
    char digits[4];
    std::snprintf(digits, sizeof digits, " %02x", unsigned(byte));
    hex += digits;
  }
  const std::string document = test::read_file(SLUICE_SOURCE_DIR "/docs/formats/line_sums.md");
  EXPECT_NE(document.find("\n" + hex.substr(1) + "\n"), std::string::npos) << hex;
}

TEST_F(LineSumsTest, TheirNameIsThatOfNoFileOfAStream) {
  EXPECT_EQ(sums_name("s"), ".s.sums");
  EXPECT_EQ(parse_finished(sums_name("s_2026-01-02_18-55-02_1")).number, 0u);
  for (const char* name : {".s.sums", "s.sums"}) EXPECT_FALSE(stem_of(name).starts_with('.'));
}

// The kernel still has everything: nothing is read, nothing is in doubt.
TEST_F(LineSumsTest, AKillTakesNothing) {
  write("line\n");
  disk_.bytes(kLines)[0] = std::byte{0};
  EXPECT_EQ(good(), std::nullopt);
}

TEST_F(LineSumsTest, TheSumsOfAnotherFileSayNothing) {
  write("line\n");
  start_kernel_again();
  ASSERT_EQ(disk_.unlink(kLines), 0);
  lines_ = disk_.open(kLines, os::kRead | os::kWrite | os::kCreate);
  EXPECT_EQ(good(), std::nullopt);
  ASSERT_EQ(disk_.unlink(kSums), 0);
  EXPECT_EQ(good(), std::nullopt);
}

TEST_F(LineSumsTest, AnEntryThatCannotBeWrittenIsCoveredByTheNext) {
  write("one\n");
  io_.fail({.op = Op::kPwrite, .call = io_.count(Op::kPwrite) + 1, .error = ENOSPC});
  write("two\n");
  write("three\n");
  start_kernel_again();
  EXPECT_EQ(disk_.bytes(kSums).size(), sizeof(SumsHead) + 2 * sizeof(SumsEntry));
  EXPECT_EQ(good(), size_);
}

// What is durable is never cut for want of an entry.
TEST_F(LineSumsTest, SumsThatCannotBeSyncedAreRemoved) {
  for (const Op op : {Op::kPwrite, Op::kSyncData}) {
    sums_.begin();
    sums_.identify(info().id());
    io_.fail({.op = op, .call = io_.count(op) + 1, .error = EIO, .for_good = true});
    write("line\n");
    EXPECT_EQ(sums_.sync(), 0);
    EXPECT_EQ(good(), std::nullopt);
    EXPECT_EQ(sums_.sync(), 0);
    io_.heal();
  }
  sums_.begin();
  sums_.identify(info().id());
  io_.fail({.op = Op::kSyncData, .call = io_.count(Op::kSyncData) + 1, .error = EIO});
  io_.fail({.op = Op::kUnlink, .call = io_.count(Op::kUnlink) + 1, .error = EROFS});
  EXPECT_EQ(sums_.sync(), -EROFS) << "and the sync fails";
}

}  // namespace
}  // namespace sluice::stream
