// sanitizers: address (it forks; no thread of it shares anything)
//
// Rotated files become .zst: one whole file of each number at any moment, whoever is killed.
#include "sink/file_packer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sink/file_fixture.h"
#include "sink/unpacked.h"
#include "support/fault_io.h"
#include "support/forwarding_io.h"
#include "support/kill_io.h"

namespace sluice::testing {
namespace {

class FilePackerTest : public ::testing::Test {
 protected:
  // Lets a sink do what it does while there is nothing to write, until it wants no more.
  static void pack_all(Writer& writer) {
    for (int i = 0; i < 1000; ++i) {
      if (writer.sink().upkeep() != 0) return;
    }
    ADD_FAILURE() << "it never ends";
  }
  [[nodiscard]] WriterOptions options(u32 batches = 4) const {
    return {.log = log_, .batches = batches, .records = 1, .rotate_bytes = 1, .compress = true};
  }
  // A rotated file's text, from the one file that there is of this number.
  [[nodiscard]] std::string text_of(u64 number) const {
    const std::string plain = name_.rotated_path(number), packed = name_.packed_path(number);
    const bool has_plain = std::filesystem::exists(plain);
    const bool has_packed = std::filesystem::exists(packed);
    EXPECT_TRUE(has_plain != has_packed) << number << (has_plain ? ": both" : ": none");
    const std::string content = read_file(has_plain ? plain : packed);
    return sink::ZstdStream::is_frame(content) ? unpacked(content) : content;
  }
  [[nodiscard]] bool is_packed(u64 number) const {
    return !std::filesystem::exists(name_.rotated_path(number)) &&
           std::filesystem::exists(name_.packed_path(number));
  }
  [[nodiscard]] bool has_part() const { return std::filesystem::exists(name_.part_path()); }

  Directory directory_;
  const std::string log_ = directory_ / "app.log";
  const sink::FileName name_{log_};
};

TEST_F(FilePackerTest, WhatIsRotatedIsPackedWhileNothingIsWritten) {
  Writer writer(options());
  ASSERT_TRUE(writer.start(os::real_io()).ok());
  EXPECT_TRUE(writer.write().ok());
  os::FileInfo before, after;
  ASSERT_EQ(os::real_io().stat(name_.rotated_path(2).c_str(), before), 0);
  pack_all(writer);
  const std::vector<std::string> lines = writer.expected();
  for (u64 number = 1; number <= 3; ++number) {
    EXPECT_TRUE(is_packed(number)) << number;
    EXPECT_EQ(text_of(number), lines[number - 1] + "\n");
  }
  ASSERT_EQ(os::real_io().stat(name_.packed_path(2).c_str(), after), 0);
  EXPECT_EQ(after.modified_ns, before.modified_ns) << "what its age goes by";
  EXPECT_FALSE(has_part());
  EXPECT_EQ(read_file(log_), lines[3] + "\n");
  writer.expect_exact_counters();
}

TEST_F(FilePackerTest, AFileOfManyPieces) {
  std::string text;
  while (text.size() < 3 * sink::FilePacker::kPieceBytes)
    text += std::to_string(text.size()) + "\n";
  for (const std::size_t size : {text.size(), 2 * sink::FilePacker::kPieceBytes, std::size_t{0}}) {
    directory_.clear();
    text.resize(size);
    write_text(name_.rotated_path(7), text);
    sink::FilePacker packer(os::real_io(), name_);
    ASSERT_EQ(packer.begin(7), 0);
    int more = 1;
    while (more == 1) more = packer.step();
    EXPECT_EQ(more, 0);
    EXPECT_EQ(packer.finish(), 0);
    EXPECT_FALSE(packer.is_busy());
    EXPECT_TRUE(text_of(7) == text) << size;
    EXPECT_TRUE(is_packed(7));
  }
}

TEST_F(FilePackerTest, PackedFilesCountAsOneAndAreRemovedToo) {
  Writer writer(options());
  ASSERT_TRUE(writer.start(os::real_io()).ok());
  EXPECT_TRUE(writer.write().ok());
  pack_all(writer);
  WriterOptions next = options(2);
  next.keep_files = 2;
  next.name = "b";
  Writer other(next);
  ASSERT_TRUE(other.start(os::real_io()).ok());
  EXPECT_FALSE(std::filesystem::exists(name_.packed_path(1))) << "at the start";
  EXPECT_TRUE(is_packed(2) && is_packed(3));
  EXPECT_TRUE(other.write(1).ok());
  EXPECT_FALSE(std::filesystem::exists(name_.packed_path(2)));
  EXPECT_TRUE(is_packed(3));
  EXPECT_TRUE(std::filesystem::exists(name_.rotated_path(4))) << "numbers go on";
}

TEST_F(FilePackerTest, WithoutTheOptionNothingIsPacked) {
  WriterOptions plain = options();
  plain.compress = false;
  Writer writer(plain);
  ASSERT_TRUE(writer.start(os::real_io()).ok());
  EXPECT_TRUE(writer.write().ok());
  EXPECT_EQ(writer.sink().upkeep(), -1);
  EXPECT_EQ(files_of(log_).size(), 4u);
}

TEST_F(FilePackerTest, KilledAtEveryCallThereIsOneWholeFileOfEachNumber) {
  bool killed = true;
  u64 kill_at = 1;
  for (; killed && !HasFailure(); ++kill_at) {
    directory_.clear();
    Writer writer(options());
    ASSERT_TRUE(writer.start(os::real_io()).ok());
    EXPECT_TRUE(writer.write().ok());
    KillIo io(os::real_io(), kill_at, 5);
    try {
      EXPECT_TRUE(writer.start(io).ok());
      pack_all(writer);
      killed = false;
    } catch (const Killed&) {
      writer.stop();
    }
    const std::vector<std::string> lines = writer.expected();
    for (u64 number = 1; number <= 3; ++number) {
      EXPECT_EQ(text_of(number), lines[number - 1] + "\n") << kill_at;
    }
    ASSERT_TRUE(writer.start(os::real_io()).ok());
    pack_all(writer);
    for (u64 number = 1; number <= 3; ++number) {
      EXPECT_TRUE(is_packed(number)) << number << " of " << kill_at;
      EXPECT_EQ(text_of(number), lines[number - 1] + "\n") << kill_at;
    }
    EXPECT_FALSE(has_part());
  }
  EXPECT_GT(kill_at, 60u);
}

TEST_F(FilePackerTest, OnAFullDiskThePlainFileStaysAndThatIsSaidOnce) {
  FaultIo io(os::real_io());
  Writer writer(options(7));
  ASSERT_TRUE(writer.start(io).ok());
  EXPECT_TRUE(writer.write(4).ok());
  io.fail({.op = Op::kTruncate, .call = 1, .error = ENOSPC, .for_good = true});
  pack_all(writer);
  EXPECT_GT(writer.sink().upkeep(), 0) << "a pause";
  EXPECT_FALSE(has_part()) << "it would take room";
  EXPECT_EQ(files_of(log_).size(), 4u);
  const Status said = writer.write(5);
  EXPECT_NE(said.message().find("app.1.log: stays as it is, not packed: ENOSPC"), std::string::npos)
      << said.message();
  pack_all(writer);
  EXPECT_TRUE(writer.write(6).ok()) << "said once";
  io.heal();
  EXPECT_TRUE(writer.write(7).ok());
  pack_all(writer);
  EXPECT_TRUE(is_packed(1)) << "the next rotation has it tried again";
}

TEST_F(FilePackerTest, AWriteOrASyncThatFailsLeavesThePlainFile) {
  for (const Op op : {Op::kPwrite, Op::kSyncData, Op::kPread}) {
    write_text(name_.rotated_path(1), "one\n");
    FaultIo io(os::real_io());
    sink::FilePacker packer(io, name_);
    EXPECT_EQ(packer.begin(1), 0);
    io.fail({.op = op, .call = io.count(op) + 1, .error = ENOSPC});
    EXPECT_EQ(packer.step(), -ENOSPC);
    packer.give_up();
    EXPECT_FALSE(has_part());
    EXPECT_EQ(read_file(name_.rotated_path(1)), "one\n");
  }
}

TEST_F(FilePackerTest, NothingOfOthersIsReplacedAndWhatIsRemovedStaysSo) {
  Writer writer(options());
  ASSERT_TRUE(writer.start(os::real_io()).ok());
  EXPECT_TRUE(writer.write().ok());
  write_text(name_.packed_path(1), "x");
  pack_all(writer);
  EXPECT_EQ(read_file(name_.packed_path(1)), "x");
  EXPECT_EQ(read_file(name_.rotated_path(1)), writer.expected()[0] + "\n");
  EXPECT_TRUE(is_packed(2) && is_packed(3));

  const auto pack = [&](auto&& meanwhile) {
    write_text(name_.rotated_path(9), "nine\n");
    sink::FilePacker packer(os::real_io(), name_);
    EXPECT_EQ(packer.begin(9), 0);
    EXPECT_EQ(packer.step(), 0);
    meanwhile();
    return packer.finish();
  };
  EXPECT_EQ(pack([&] { std::filesystem::remove(name_.rotated_path(9)); }), -ENOENT);
  EXPECT_FALSE(std::filesystem::exists(name_.rotated_path(9)));
  EXPECT_EQ(pack([&] { write_text(name_.rotated_path(9), "nine and\nten\n"); }), -EAGAIN);
  EXPECT_EQ(text_of(9), "nine and\nten\n");
  EXPECT_FALSE(has_part());
  EXPECT_EQ(pack([&] {
              const auto time = std::filesystem::last_write_time(name_.rotated_path(9));
              write_text(name_.rotated_path(9), "nine and more\n");
              std::filesystem::last_write_time(name_.rotated_path(9), time);
            }),
            -EAGAIN);
  EXPECT_EQ(text_of(9), "nine and more\n") << "within one tick of the file system's clock";
}

// What another process does between two calls.
class MeddlingIo final : public ForwardingIo {
 public:
  MeddlingIo() : ForwardingIo(os::real_io()) {}
  std::function<void()> before_lock = [] {}, after_rename = [] {};

  int lock(int fd, u64 byte, bool wait) override {
    before_lock();
    return ForwardingIo::lock(fd, byte, wait);
  }
  int rename(const char* from, const char* to) override {
    const int result = ForwardingIo::rename(from, to);
    after_rename();
    return result;
  }
};

TEST_F(FilePackerTest, APartThatHasGotItsNameIsNotEmptied) {
  write_text(name_.rotated_path(1), "one\n");
  write_text(name_.part_path(), "of two");
  MeddlingIo io;
  io.before_lock = [&] { std::filesystem::rename(name_.part_path(), name_.rotated_path(2)); };
  sink::FilePacker packer(io, name_);
  EXPECT_EQ(packer.begin(1), -EAGAIN);
  EXPECT_EQ(read_file(name_.rotated_path(2)), "of two");
}

TEST_F(FilePackerTest, APartThatAKilledOneLeftIsEmptied) {
  write_text(name_.rotated_path(1), "one\n");
  write_text(name_.part_path(), std::string(1000, 'x'));
  sink::FilePacker packer(os::real_io(), name_);
  EXPECT_EQ(packer.begin(1), 0);
  EXPECT_EQ(packer.step(), 0);
  EXPECT_EQ(packer.finish(), 0);
  EXPECT_EQ(text_of(1), "one\n");
}

TEST_F(FilePackerTest, AFileThatTakesTheNameInBetweenIsNotReplaced) {
  write_text(name_.rotated_path(1), "one\n");
  MeddlingIo io;
  io.after_rename = [&] { write_text(name_.packed_path(1), "x"); };
  sink::FilePacker packer(io, name_);
  EXPECT_EQ(packer.begin(1), 0);
  EXPECT_EQ(packer.step(), 0);
  EXPECT_EQ(packer.finish(), -EEXIST);
  EXPECT_EQ(read_file(name_.packed_path(1)), "x");
  EXPECT_EQ(unpacked(read_file(name_.rotated_path(1))), "one\n");
}

TEST_F(FilePackerTest, AStopLeavesNoPart) {
  Writer writer(options());
  ASSERT_TRUE(writer.start(os::real_io()).ok());
  EXPECT_TRUE(writer.write().ok());
  EXPECT_EQ(writer.sink().upkeep(), 0);
  EXPECT_TRUE(has_part());
  EXPECT_TRUE(writer.sink().close().ok());
  EXPECT_FALSE(has_part());
  EXPECT_EQ(text_of(1), writer.expected()[0] + "\n");
}

TEST_F(FilePackerTest, OneProcessPacksAtATime) {
  write_text(name_.rotated_path(1), "one\n");
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    sink::FilePacker packer(os::real_io(), name_);
    const char done = packer.begin(1) == 0 ? 'y' : 'n';
    (void)!::write(ready[1], &done, 1);
    ::pause();
    ::_exit(0);
  }
  char done = 0;
  ASSERT_EQ(::read(ready[0], &done, 1), 1);
  EXPECT_EQ(done, 'y');
  sink::FilePacker packer(os::real_io(), name_);
  EXPECT_EQ(packer.begin(1), -EAGAIN);
  EXPECT_FALSE(packer.is_busy());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(packer.begin(1), 0) << "the kernel has taken the dead one's lock back";
  EXPECT_EQ(packer.step(), 0);
  EXPECT_EQ(packer.finish(), 0);
  EXPECT_EQ(text_of(1), "one\n");
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace sluice::testing
