// Files as they are stored when they are compressed.
//
// sanitizers: address (one thread)
#include "upload/packed_file.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/crc32c.h"
#include "support/memory_io.h"
#include "upload/unpacked.h"

namespace sluice::upload {
namespace {

using testing::MemoryIo;

constexpr std::size_t kMiB = 1 << 20;

std::string log_of(std::size_t size) {
  std::string text;
  std::mt19937 random(1);
  while (text.size() < size) text += "request " + std::to_string(random()) + " took 3 ms\n";
  text.resize(size);
  return text;
}

class PackedFileTest : public ::testing::TestWithParam<UploadCompression> {
 protected:
  void put(const std::string& text) {
    const ByteView bytes = as_bytes(text);
    io_.put("/f", {bytes.begin(), bytes.end()});
    fd_ = io_.open("/f", os::kRead);
  }
  int make(u64 size) { return PackedFile::make(io_, fd_, size, GetParam(), {}, file_); }
  [[nodiscard]] std::string all() {
    std::string bytes(file_->size(), '\0');
    EXPECT_EQ(file_->reader(io_, fd_)(bytes.data(), bytes.size(), 0), i64(bytes.size()));
    return bytes;
  }

  MemoryIo io_;
  int fd_ = -1;
  std::shared_ptr<const PackedFile> file_;
};

INSTANTIATE_TEST_SUITE_P(Both, PackedFileTest,
                         ::testing::Values(UploadCompression::gzip, UploadCompression::zstd));

TEST_P(PackedFileTest, IsTheFileInMembersOfItsOwn) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kMiB, kMiB + 1, 5 * kMiB + 7}) {
    const std::string text = log_of(size);
    put(text);
    ASSERT_EQ(make(size), 0);
    const std::string bytes = all();
    int members = 0;
    EXPECT_TRUE(unpacked(GetParam(), bytes, &members) == text) << size;
    EXPECT_EQ(members, int(std::max<std::size_t>(1, (size + kMiB - 1) / kMiB)));
    EXPECT_EQ(file_->crc32c(), crc32c(bytes.data(), bytes.size()));
    EXPECT_EQ(file_->unpacked_crc32c(), crc32c(text.data(), text.size()));
    EXPECT_TRUE(size < kMiB || bytes.size() < size / 2);
  }
}

// Any range, in any order, by any reader: the same bytes.
TEST_P(PackedFileTest, AnyRangeIsMadeAgain) {
  put(log_of(4 * kMiB));
  ASSERT_EQ(make(4 * kMiB), 0);
  const std::string bytes = all();
  const std::shared_ptr<const PackedFile> first = file_;
  ASSERT_EQ(make(4 * kMiB), 0);
  EXPECT_TRUE(all() == bytes);
  EXPECT_EQ(file_->crc32c(), first->crc32c());
  const os::ReadAt read = file_->reader(io_, fd_);
  std::mt19937 random(7);
  for (int i = 0; i < 20; ++i) {
    const u64 at = random() % bytes.size();
    std::string part(random() % (bytes.size() - at + 1), '\0');
    ASSERT_EQ(read(part.data(), part.size(), at), i64(part.size()));
    EXPECT_TRUE(part == bytes.substr(at, part.size())) << at;
  }
  char more[10];
  EXPECT_EQ(read(more, sizeof more, bytes.size() - 3), 3);
  EXPECT_EQ(read(more, sizeof more, bytes.size()), 0);
}

TEST_P(PackedFileTest, AFileThatChangesIsNotReadOn) {
  const std::string text = log_of(2 * kMiB);
  put(text);
  EXPECT_EQ(make(2 * kMiB + 1), -ENODATA);
  ASSERT_EQ(make(2 * kMiB), 0);
  const os::ReadAt read = file_->reader(io_, fd_);
  char byte = 0;
  EXPECT_EQ(read(&byte, 1, file_->size() - 1), 1);
  std::fill(io_.bytes("/f").begin(), io_.bytes("/f").begin() + 1000, std::byte{'x'});
  EXPECT_EQ(read(&byte, 1, 0), -ESTALE);
  EXPECT_EQ(read(&byte, 1, file_->size() - 1), 1) << "the other member has not changed";
  io_.bytes("/f").resize(kMiB);
  EXPECT_EQ(file_->reader(io_, fd_)(&byte, 1, file_->size() - 1), -ENODATA);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(PackedFile::make(io_, fd_, 1, GetParam(), stop.get_token(), file_), -ECANCELED);
}

// What another version of the compressor made of the same bytes is known as the same, and nothing
// else is.
TEST_P(PackedFileTest, MetadataSaysWhatIsInAnObject) {
  put(log_of(100));
  ASSERT_EQ(make(100), 0);
  std::map<std::string, std::string> said;
  for (const auto& [name, value] : file_->metadata()) said[name] = value;
  EXPECT_EQ(said["sluice-unpacked-bytes"], "100");
  said["sluice-crc32c"] = "AAAAAA==";
  const auto ask = [&said](const std::string& name) { return said[name]; };
  EXPECT_TRUE(file_->is_in(ask, "AAAAAA=="));
  EXPECT_FALSE(file_->is_in(ask, "AAAAAQ==")) << "what is stored is not what was meant";
  EXPECT_FALSE(file_->is_in(ask, "")) << "the store keeps no CRC32C";
  const auto good = said;
  for (const char* name : {"sluice-unpacked-bytes", "sluice-unpacked-crc32c", "sluice-crc32c"}) {
    said = good;
    said[name] = "1";
    EXPECT_FALSE(file_->is_in(ask, "AAAAAA==")) << name;
    said.erase(name);
    EXPECT_FALSE(file_->is_in(ask, "AAAAAA==")) << name;
  }
}

TEST_P(PackedFileTest, WhatDoesNotUnpackIsFoundOut) {
  Packer packer(GetParam());
  const std::string text = log_of(10'000);
  std::string packed;
  ASSERT_TRUE(packer.pack(text, packed));
  EXPECT_TRUE(Packer::unpacks_to(GetParam(), packed, text));
  EXPECT_FALSE(Packer::unpacks_to(GetParam(), packed, text + "x"));
  EXPECT_FALSE(Packer::unpacks_to(GetParam(), packed, text.substr(1)));
  EXPECT_FALSE(Packer::unpacks_to(GetParam(), packed.substr(0, packed.size() - 1), text));
  for (std::size_t at = 12; at < packed.size(); at += 97) {
    std::string damaged = packed;
    damaged[at] = char(damaged[at] ^ 4);
    EXPECT_FALSE(Packer::unpacks_to(GetParam(), damaged, text)) << at;
  }
}

}  // namespace
}  // namespace sluice::upload
