// sanitizers: address (one thread, in which ThreadSanitizer has nothing to find)
//
// Files of framing `blocks`: every record comes back; whatever is damaged costs the records that it
// touches, is seen, and no byte of a file can make a reader fail or serve what was not written.
#include "stream/block.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/crc32c.h"
#include "stream/framing.h"
#include "stream/stored_records.h"
#include "support/memory_io.h"

namespace sluice::stream {
namespace {

constexpr u64 kFileId = 0x1122334455667788;

// A file as a stream writes it: chunks of this size, records of these lengths.
struct Made {
  std::string bytes;
  std::vector<std::string> records;
  u64 blocks = 0;
};

class Maker {
 public:
  explicit Maker(u32 capacity, u64 file_id = kFileId) : capacity_(capacity), file_id_(file_id) {
    begin();
  }

  void add(std::string_view record) {
    if (record.size() + kLengthBytes > capacity_ - used_) close();
    store(&chunk_[used_], u32(record.size()));
    if (!record.empty()) std::memcpy(&chunk_[used_ + kLengthBytes], record.data(), record.size());
    used_ += u32(record.size()) + kLengthBytes;
    ++in_chunk_;
    made_.records.emplace_back(record);
  }
  void close() {
    if (in_chunk_ == 0) return;
    finish_block(chunk_.data(), capacity_, used_, 3, 1000, 2000);
    place_block(chunk_.data(), file_id_, made_.bytes.size(), made_.records.size() - in_chunk_);
    append({chunk_.data(), std::size_t(block_extent(used_))});
    ++made_.blocks;
    begin();
  }
  [[nodiscard]] Made sealed() {
    close();
    std::vector<std::byte> seal(kBlockStep);
    make_seal(seal.data(), file_id_, made_.bytes.size(), made_.records.size(), 3000);
    append(seal);
    return made_;
  }
  [[nodiscard]] const Made& open() {
    close();
    return made_;
  }

 private:
  void begin() {
    chunk_.assign(capacity_, std::byte{0xee});  // of the use before
    used_ = head_bytes_for(capacity_);
    in_chunk_ = 0;
  }
  void append(ByteView bytes) { made_.bytes += as_text(bytes); }

  const u32 capacity_;
  const u64 file_id_;
  std::vector<std::byte> chunk_;
  u32 used_ = 0;
  u64 in_chunk_ = 0;
  Made made_;
};

BlockReport verify(std::string_view bytes) {
  const auto source = memory_source(as_bytes(bytes));
  return verify_blocks(*source);
}

Made some_file(u32 capacity = 1 << 20, int records = 4000) {
  Maker maker(capacity);
  std::mt19937 random(7);
  for (int i = 0; i < records; ++i) {
    const std::size_t size = i % 50 == 0 ? random() % 90'000 : random() % 600;
    maker.add(std::to_string(i) + std::string(std::min<std::size_t>(size, capacity / 2), 'r'));
  }
  return maker.sealed();
}

TEST(Block, RecordsComeBack) {
  for (const u32 capacity : {64u << 10, 1u << 20, 8u << 20}) {
    const Made made = some_file(capacity);
    const BlockReport report = verify(made.bytes);
    EXPECT_TRUE(report.whole());
    EXPECT_TRUE(report.sealed);
    EXPECT_EQ(report.records, made.records.size());
    EXPECT_EQ(report.blocks, made.blocks);
    EXPECT_EQ(report.file_bytes, made.bytes.size());
    EXPECT_EQ(report.begin_ns, 1000);
    EXPECT_EQ(report.end_ns, 3000);
    EXPECT_EQ(test::records_of_blocks(made.bytes), made.records);
  }
}

TEST(Block, AnyBytesAreARecord) {
  Maker maker(64 << 10);
  maker.add("");
  maker.add(std::string("\0\n\xff", 3));
  maker.add("");
  // The bytes of a block of another file, and of this one in another place.
  Maker other(64 << 10, kFileId + 1);
  other.add("of another file");
  const std::string foreign = other.open().bytes;
  for (int i = 0; i < 3; ++i) maker.add(foreign);
  maker.add(std::string((64 << 10) - head_bytes_for(64 << 10) - kLengthBytes, 'l'));
  const Made made = maker.sealed();
  EXPECT_TRUE(verify(made.bytes).whole());
  EXPECT_EQ(test::records_of_blocks(made.bytes), made.records);
}

TEST(Block, TheSpecificationsExample) {
  Maker maker(64 << 10);
  maker.add("one");
  maker.add("");
  const std::string bytes = maker.open().bytes;
  ASSERT_EQ(bytes.size(), kBlockStep);
  const auto header = load<BlockHeader>(bytes.data());
  EXPECT_EQ(std::string_view(bytes).substr(0, 4), "SLBK");
  EXPECT_EQ(header.head_bytes, 128);
  EXPECT_EQ(header.valid_bytes, 128u + 4 + 3 + 4);
  EXPECT_EQ(header.records, 2u);
  const auto slice = load<BlockSlice>(bytes.data() + 64);
  EXPECT_EQ(slice.first, 128u);
  EXPECT_EQ(slice.crc, crc32c(bytes.data() + 128, 11));
}

// A million bits, one after the other.
TEST(Block, EveryDamagedBitIsSeenAndCostsOnlyWhatItTouches) {
  const Made made = some_file(256 << 10, 900);
  const std::multiset<std::string> written(made.records.begin(), made.records.end());
  std::string bytes = made.bytes;
  std::mt19937_64 random(11);
  const int bits = ::getenv("SLUICE_TEST_FULL") != nullptr ? 1'000'000 : 3000;
  u64 most_lost = 0;
  for (int i = 0; i < bits; ++i) {
    const u64 bit = random() % (u64{bytes.size()} * 8);
    bytes[bit / 8] = char(u8(bytes[bit / 8]) ^ u8(1 << bit % 8));
    const auto source = memory_source(as_bytes(bytes));
    const BlockReport report = verify_blocks(*source);
    const auto at_step = bit / 8 / kBlockStep * kBlockStep;
    if (report.records != made.records.size()) {
      EXPECT_FALSE(report.whole()) << "bit " << bit << " of step " << at_step;
      EXPECT_EQ(report.records + report.missing_records, made.records.size());
      most_lost = std::max(most_lost, report.missing_records);
    }
    if (i % 100 == 0) {
      for (const std::string& record : test::records_of_blocks(bytes)) {
        ASSERT_TRUE(written.contains(record)) << "bit " << bit;
      }
    }
    bytes[bit / 8] = char(u8(bytes[bit / 8]) ^ u8(1 << bit % 8));
  }
  EXPECT_GT(most_lost, 0u);
  EXPECT_LT(most_lost, made.records.size() / 2) << "a block, at most";
}

TEST(Block, ACutFileGivesWhatIsBeforeTheCut) {
  const Made made = some_file(64 << 10, 300);
  for (std::size_t size = 0; size < made.bytes.size(); size += 509) {
    const std::string cut = made.bytes.substr(0, size);
    const BlockReport report = verify(cut);
    u64 whole = 0, torn = 0;
    for (std::size_t at = 0; at < size;) {
      const auto header = load<BlockHeader>(made.bytes.data() + at);
      if (at + header.valid_bytes > size) torn = size - at;
      if (torn == 0) whole += header.records;
      at += std::size_t(block_extent(header.valid_bytes));
    }
    EXPECT_EQ(report.records, whole) << size;
    EXPECT_EQ(report.torn_tail.length, torn) << size;
    EXPECT_EQ(report.damaged_ranges, 0u);
    EXPECT_EQ(report.missing_records, 0u);
  }
}

TEST(Block, ZerosAtTheEndAreNotData) {
  Maker maker(64 << 10);
  maker.add("one");
  const BlockReport report = verify(maker.open().bytes + std::string(300'000, '\0'));
  EXPECT_TRUE(report.whole());
  EXPECT_EQ(report.records, 1u);
  const BlockReport damaged = verify(maker.open().bytes + std::string(300'000, 'x'));
  EXPECT_FALSE(damaged.whole());
  EXPECT_EQ(damaged.torn_tail.length, 300'000u);
}

TEST(Block, ALostBlockInTheMiddleIsCounted) {
  const Made made = some_file(64 << 10, 300);
  std::string bytes = made.bytes;
  const auto first = load<BlockHeader>(bytes.data());
  const auto second = std::size_t(block_extent(first.valid_bytes));
  const auto lost = load<BlockHeader>(bytes.data() + second);
  std::fill_n(bytes.begin() + long(second), block_extent(lost.valid_bytes), '\0');
  const BlockReport report = verify(bytes);
  EXPECT_FALSE(report.whole());
  EXPECT_EQ(report.missing_records, lost.records);
  EXPECT_EQ(report.records, made.records.size() - lost.records);
}

TEST(Block, DamageIsSaidWhereItIs) {
  const Made made = some_file(256 << 10, 900);
  std::string bytes = made.bytes;
  bytes[kSliceBytes + 100] = char(bytes[kSliceBytes + 100] ^ 1);
  const BlockReport report = verify(bytes);
  ASSERT_EQ(report.damaged.size(), 1u);
  EXPECT_EQ(report.damaged[0].offset, kSliceBytes);
  EXPECT_EQ(report.damaged[0].length, kSliceBytes);
  EXPECT_EQ(report.damaged_bytes, kSliceBytes);
}

// Good heads that do not belong there: of another file, and of this one from another place.
TEST(Block, ABlockOfAnotherFileOrPlaceIsDamage) {
  Maker maker(64 << 10), other(64 << 10, kFileId + 1);
  maker.add("one");
  maker.close();
  maker.add("two");
  other.add("a");
  other.close();
  other.add("b");
  other.close();
  other.add("c");
  const std::string mine = maker.open().bytes;
  const std::string theirs = other.open().bytes.substr(2 * kBlockStep);  // its step is right
  for (const std::string& wrong : {theirs, mine.substr(0, kBlockStep)}) {
    const BlockReport report = verify(mine + wrong);
    EXPECT_EQ(report.records, 2u);
    EXPECT_EQ(report.torn_tail.offset, 2 * kBlockStep);
    EXPECT_FALSE(report.whole());
  }
}

// Recovery cuts what does not hold at the end, and leaves damage before it.
TEST(Block, TheGoodPartEndsBehindTheLastBlockThatHolds) {
  Maker maker(64 << 10);
  for (const char* record : {"one", "two", "three"}) {
    maker.add(record);
    maker.close();
  }
  const std::string bytes = maker.open().bytes;
  const auto good_part = [](std::string file, std::size_t damaged) {
    if (damaged < file.size()) file[damaged] = char(file[damaged] ^ 1);
    testing::MemoryIo io;
    const ByteView image = as_bytes(file);
    io.put("/d/f", {image.begin(), image.end()});
    const int fd = io.open("/d/f", os::kRead);
    FilePlace good;
    EXPECT_EQ(make_blocks_framing()->good_part(io, fd, file.size(), std::nullopt, good), 0);
    io.close(fd);
    return good;
  };
  const std::size_t none = bytes.size();
  EXPECT_EQ(good_part(bytes, none).bytes, 3 * kBlockStep);
  EXPECT_EQ(good_part(bytes, none).records, 3u);
  EXPECT_EQ(good_part(bytes, 2 * kBlockStep + 130).bytes, 2 * kBlockStep) << "in a record's bytes";
  EXPECT_EQ(good_part(bytes, kBlockStep + 130).bytes, 3 * kBlockStep);
  EXPECT_EQ(good_part(maker.sealed().bytes, ~std::size_t{0}).bytes, 3 * kBlockStep);
}

// Heads with a good checksum and impossible contents: as an enemy writes them.
TEST(Block, HostileHeadsAreRefusedOrBounded) {
  Maker maker(64 << 10);
  maker.add("one");
  maker.add("two");
  const std::string good = maker.open().bytes;
  std::mt19937_64 random(5);
  int taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    auto* const raw = reinterpret_cast<std::byte*>(bytes.data());
    auto header = load<BlockHeader>(raw);
    switch (random() % 5) {
      case 0:
        header.valid_bytes = u32(random());
        break;
      case 1:
        header.head_bytes = u16(random());
        break;
      case 2:
        header.records = u32(random());
        break;
      case 3:
        store(raw + 64 + 4, u32(random() % 200));
        break;  // where the first record begins
      case 4:
        store(raw + 128, u32(random() % 9000));
        break;  // its length
    }
    if (random() % 2 == 0 && header.valid_bytes <= bytes.size() && header.head_bytes >= 128 &&
        header.head_bytes <= header.valid_bytes) {
      store(raw + 64, crc32c(raw + header.head_bytes, header.valid_bytes - header.head_bytes));
    }
    header.crc = 0;
    if (header.head_bytes <= bytes.size() && header.head_bytes >= 64) {
      u32 crc = crc32c(&header, sizeof header);
      header.crc = crc32c(raw + sizeof header, header.head_bytes - sizeof header, crc);
    }
    store(raw, header);
    taken += check_head(as_bytes(bytes), 0, {}) == BlockFault::kNone ? 1 : 0;
    (void)verify(bytes);
    (void)test::records_of_blocks(bytes);
  }
  EXPECT_GT(taken, 1000) << "most were refused at once: this test has tested nothing";
}

// Cut behind its first page, where a write stopped; or with a head that is damaged, and others
// behind.
TEST(Block, AFileIsOfBlocksWhenItsFirstOneIsTorn) {
  Maker maker(64 << 10);
  for (int i = 0; i < 900; ++i) maker.add("a record,\nof two lines");
  const std::string block = maker.open().bytes;
  maker.add("another block");
  std::string damaged = maker.open().bytes;
  damaged[20] = char(damaged[20] ^ 1);
  for (const std::string& file :
       {block.substr(0, kBlockStep), block.substr(0, 2 * kBlockStep), damaged}) {
    testing::MemoryIo io;
    const int fd = io.open("/f", os::kRead | os::kWrite | os::kCreate);
    ASSERT_EQ(os::pwrite_all(io, fd, file.data(), file.size(), 0), i64(file.size()));
    const auto as_lines = framing_of_file(io, fd, file.size(), *make_lines_framing());
    ASSERT_NE(as_lines, nullptr);
    EXPECT_TRUE(as_lines->is_paged());
    EXPECT_EQ(framing_of_file(io, fd, file.size(), *make_blocks_framing()), nullptr) << "as usual";
  }
}

}  // namespace
}  // namespace sluice::stream
