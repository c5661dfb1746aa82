// sanitizers: address (makes regions by programs that it forks)
//
// A region that a collector drains is hostile: any byte of it may be anything, and change while it
// is read.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "collector/support/mirror_drain.h"
#include "region/image.h"
#include "support/forwarding_io.h"

namespace sluice::test {
namespace {

class Mirror : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string directory = "/dev/shm/sluice-mirror-XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    directory_ = directory;
    path_ = directory_ + "/image-1-1.region";
    image_ = make_image();
    ASSERT_GT(image_.size(), 4096U);
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  void put(const std::string& bytes) const {
    std::filesystem::remove(path_);
    std::ofstream(path_, std::ios::binary).write(bytes.data(), std::streamsize(bytes.size()));
  }
  template <class Between>
  Drained drain(Between&& between, const char* store = "/store.db") const {
    return drain_by_mirror(path_, store, between);
  }

  std::string directory_, path_, image_;
};

TEST_F(Mirror, GetsWhatARecoveryGets) {
  put(image_);
  const Drained found = drain([](int) {});
  EXPECT_EQ(found.damaged, 0U);
  EXPECT_NE(found.json.find("number 259 text"), std::string::npos);
  EXPECT_NE(found.json.find("by logger 129"), std::string::npos);
  EXPECT_EQ(found.json.find("hunter2"), std::string::npos);
  // It is all in the file's journal now: whoever comes next goes on behind it.
  const Drained again = drain([](int) {});
  EXPECT_EQ(again.adopted, 0);
  EXPECT_EQ(again.callers, 0U) << again.json;
  // A collector with another store has it all from there.
  const Drained other = drain([](int) {}, "/other.db");
  EXPECT_EQ(other.callers, found.callers);
}

TEST_F(Mirror, TakesAnyHeader) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 400; ++round) {
    std::string bytes = image_;
    for (int i = 0; i < 3; ++i) {
      const std::size_t at = std::size_t(random() % 1200) / 8 * 8;
      const u64 value = round % 2 ? random() : u64{1} << (random() % 64);
      bytes.replace(at, 8, reinterpret_cast<const char*>(&value), 8);
    }
    put(bytes);
    (void)drain([](int) {});
  }
}

TEST_F(Mirror, TakesAnyBytesThatChangeMeanwhile) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 60; ++round) {
    put(image_);
    const int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(fd, 0);
    (void)drain([&](int turn) {
      for (int i = 0; i < 40 * turn; ++i) {
        const u64 value = round % 2 ? random() : u64{1} << (random() % 64);
        const off_t at = off_t(random() % image_.size()) / 8 * 8;
        EXPECT_EQ(::pwrite(fd, &value, 8, at), 8);
      }
      if (round % 10 == 9 && turn == 5) {
        EXPECT_EQ(::ftruncate(fd, off_t(random() % image_.size())), 0);
      }
    });
    ::close(fd);
  }
}

constexpr u32 kPlace = region::kSinksMax - 1;  // one that nobody has had

TEST_F(Mirror, ReadsTheJournalOfOneThatDrainsItself) {
  put(image_);
  const Drained all = drain([](int) {});
  const Drained read = read_by_mirror(os::real_io(), path_, kPlace, [](int) {});
  EXPECT_EQ(read.callers, all.callers);
  EXPECT_EQ(read.json, all.json);
  // Its cursor is in the file.
  EXPECT_EQ(read_by_mirror(os::real_io(), path_, kPlace, [](int) {}).callers, 0U);
  EXPECT_EQ(read_by_mirror(os::real_io(), path_, region::kSinksMax, [](int) {}).adopted, -1);
}

// The owner writes over the oldest batch while it is copied.
class OvertakingIo final : public ::sluice::testing::ForwardingIo {
 public:
  OvertakingIo(const std::string& path, u64 journal)
      : ForwardingIo(os::real_io()), path_(path), journal_(journal) {}
  // Callers' records in the batch that is gone.
  [[nodiscard]] u64 gone() const { return first_.callers; }

  i64 pread(int fd, void* to, std::size_t size, u64 offset) override {
    const u64 data = journal_ + sizeof(region::JournalLines);
    if (offset == data && first_.bytes == 0) {
      EXPECT_EQ(real_.pread(fd, &first_, sizeof first_, offset), i64(sizeof first_));
      const u64 reclaimed = first_.bytes;
      EXPECT_EQ(
          real_.pwrite(fd, &reclaimed, 8, journal_ + offsetof(region::JournalLines, reclaimed)), 8);
      const std::string over(first_.bytes, '\xa5');
      EXPECT_EQ(real_.pwrite(fd, over.data(), over.size(), data), i64(over.size()));
    }
    return real_.pread(fd, to, size, offset);
  }

 private:
  const std::string path_;
  const u64 journal_;
  BatchHeader first_{};
};

TEST_F(Mirror, PassesOverWhatWasWrittenOverWhileItReads) {
  put(image_);
  const Drained all = drain([](int) {});
  region::RegionHeader header;
  std::memcpy(static_cast<void*>(&header), image_.data(), sizeof header);
  const auto* const journal =
      std::find_if(header.areas, header.areas + header.area_count, [](const region::Area& area) {
        return region::AreaKind(area.kind) == region::AreaKind::kJournal;
      });
  OvertakingIo io(path_, journal->offset);
  const Drained read = read_by_mirror(io, path_, kPlace, [](int) {});
  EXPECT_GT(io.gone(), 0U);
  EXPECT_EQ(read.callers, all.callers - io.gone());
}

// The file gets what was written before a collector is killed, and nothing after.
class KilledIo final : public ::sluice::testing::ForwardingIo {
 public:
  explicit KilledIo(u64 writes) : ForwardingIo(os::real_io()), left_(writes) {}
  [[nodiscard]] bool was_killed() const { return killed_; }
  i64 pwrite(int fd, const void* from, std::size_t size, u64 offset) override {
    killed_ = killed_ || left_ == 0;
    if (killed_) return -EIO;
    --left_;
    return real_.pwrite(fd, from, size, offset);
  }

 private:
  u64 left_;
  bool killed_ = false;
};

// What callers said, with its context, by sequence.
std::map<u64, std::string> said(const Drained& drained) {
  std::map<u64, std::string> all;
  std::istringstream lines(drained.json);
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json record = nlohmann::json::parse(line);
    const std::string text = record["msg"];
    if (!text.starts_with("number") && !text.starts_with("by logger") && !text.starts_with("held"))
      continue;
    all[record["seq"]] = text + record.value("context", nlohmann::json()).dump();
  }
  return all;
}

// Contexts, samples and what is held are told in two copies in turn, of which one is in force.
TEST_F(Mirror, ANextCollectorGoesOnWhereverTheFirstWasKilled) {
  put(image_);
  const std::map<u64, std::string> wanted = said(drain([](int) {}));
  ASSERT_GT(wanted.size(), 200U);
  u64 writes = 0;
  for (;; ++writes) {
    put(image_);
    KilledIo io(writes);
    (void)drain_by(collector::RegionMirror::open(io, path_, "/store.db"), [](int) {});
    if (!io.was_killed()) break;
    const std::map<u64, std::string> found = said(drain([](int) {}, "/other.db"));
    ASSERT_EQ(found, wanted) << "killed behind " << writes << " writes";
  }
  EXPECT_GT(writes, 10U);
}

TEST_F(Mirror, ReadsAnyBytesThatChangeMeanwhile) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 60; ++round) {
    put(image_);
    (void)drain([](int) {});
    const int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(fd, 0);
    (void)read_by_mirror(os::real_io(), path_, kPlace, [&](int turn) {
      for (int i = 0; i < 40 * turn; ++i) {
        const u64 value = round % 2 ? random() : u64{1} << (random() % 64);
        const off_t at = off_t(random() % image_.size()) / 8 * 8;
        EXPECT_EQ(::pwrite(fd, &value, 8, at), 8);
      }
    });
    ::close(fd);
  }
}

}  // namespace
}  // namespace sluice::test
