// sanitizers: address (one thread, in which ThreadSanitizer has nothing to find)
//
// A stream's file has the kernel write what is behind, in large pieces, each page once.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "stream/file.h"
#include "support/memory_io.h"

namespace sluice::test {
namespace {

using namespace stream;

struct Range {
  u64 offset;
  u64 size;
};

class Writebacks final : public testing::MemoryIo {
 public:
  int begin_writeback(int, u64 offset, u64 size) override {
    ranges.push_back({offset, size});
    return 0;
  }
  int drop_cached(int, u64 offset, u64 size) override {
    dropped.push_back({offset, size});
    return 0;
  }
  std::vector<Range> ranges;
  std::vector<Range> dropped;
};

class Writeback : public ::testing::Test {
 protected:
  void write(std::size_t bytes) {
    std::string line = std::string(bytes - 1, 'x') + "\n";
    const Piece piece{{reinterpret_cast<std::byte*>(line.data()), line.size()}, 1};
    u64 done = 0;
    ASSERT_TRUE(file_.write({&piece, 1}, done).ok());
    written_ += bytes;
  }
  // What was begun is one whole from the start, in pages, and less than a piece is left.
  void check() {
    u64 end = 0;
    for (const Range& range : io_.ranges) {
      EXPECT_EQ(range.offset, end);
      EXPECT_EQ(range.size % 4096, 0u);
      EXPECT_GE(range.size, u64{1} << 20);
      end += range.size;
    }
    EXPECT_LE(end, written_);
    EXPECT_LT(written_ - end, (u64{1} << 20) + 4096);
  }

  Writebacks io_;
  std::shared_ptr<Directory> directory_ = Directory::open(io_, "/d").value();
  Claim claim_ = directory_->claim("s").value();
  const std::unique_ptr<FileFraming> lines_ = make_lines_framing();
  StreamFile file_{io_, "/d", claim_, *lines_, {}};
  u64 written_ = 0;
};

TEST_F(Writeback, BeginsBehindWhatIsWritten) {
  for (int i = 0; i < 50; ++i) write(100'003);
  write(3 << 20);
  EXPECT_GT(io_.ranges.size(), 3u);
  check();
  ASSERT_TRUE(file_.finish().ok());
  io_.ranges.clear();
  written_ = 0;
  for (int i = 0; i < 30; ++i) write(100'003);
  EXPECT_EQ(io_.ranges.size(), 2u) << "the next file from its start";
  check();
}

TEST_F(Writeback, ALittleWaitsForTheSync) {
  for (int i = 0; i < 100; ++i) write(10'000);
  EXPECT_TRUE(io_.ranges.empty());
}

TEST_F(Writeback, ThePageCacheKeepsTheLast128MiB) {
  constexpr u64 kKept = 128 << 20;
  constexpr u64 kPiece = 8 << 20;
  while (written_ < 3 * kKept / 2) write(3'000'003);
  u64 end = 0;
  for (const Range& range : io_.dropped) {
    EXPECT_EQ(range.offset, end);
    EXPECT_EQ(range.size % 4096, 0u);
    EXPECT_GE(range.size, kPiece);
    end += range.size;
  }
  EXPECT_LE(end + kKept, written_);
  EXPECT_LT(written_ - end, kKept + kPiece + (4 << 20));
  ASSERT_TRUE(file_.finish().ok());
  io_.dropped.clear();
  for (int i = 0; i < 10; ++i) write(3'000'003);
  EXPECT_TRUE(io_.dropped.empty()) << "the next file from its start";
}

}  // namespace
}  // namespace sluice::test
