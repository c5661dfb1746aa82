// A region file is anybody's bytes to whoever recovers it: any single field of it may be wrong.
// (tests/fuzz/region_fuzz.cc goes on where this ends.)
//
// sanitizers: address
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <random>

#include "region/drain.h"
#include "region/image.h"
#include "region/layout.h"

namespace sluice {
namespace {

using region::AreaKind;
using region::RegionHeader;

class HostileRegion : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { image() = test::make_image(); }
  static std::string& image() {
    static std::string bytes;
    return bytes;
  }
  ~HostileRegion() override { ::unlink(path_.c_str()); }

  test::Drained drain(const std::string& bytes) {
    ::unlink(path_.c_str());
    std::ofstream(path_, std::ios::binary) << bytes;
    ::chmod(path_.c_str(), 0600);
    return test::drain_file(path_.c_str());
  }
  static region::Area area(AreaKind kind) {
    for (u32 i = 0; i < region::kAreasMax; ++i) {
      const auto* at = image().data() + offsetof(RegionHeader, areas) + i * sizeof(region::Area);
      const auto found = load<region::Area>(at);
      if (AreaKind(found.kind) == kind) return found;
    }
    return {};
  }

  const std::string path_ = "/dev/shm/sluice-hostile-" + std::to_string(::getpid()) + ".region";
};

TEST_F(HostileRegion, TheImageIsWhole) {
  ASSERT_FALSE(image().empty());
  const test::Drained drained = drain(image());
  EXPECT_EQ(drained.adopted, 0);
  EXPECT_TRUE(drained.merged);
  EXPECT_EQ(drained.damaged, 0u);
  // 50 + 30 + 60 rounds of five records, all but the twenty that were delivered before, and the
  // samples of its counter and its two histograms, and what was held.
  EXPECT_EQ(drained.callers, 140u * 5 - 20 + 3 + 4);
  EXPECT_NE(drained.json.find("by logger 259"), std::string::npos);
  EXPECT_NE(drained.json.find("\"request\":259"), std::string::npos);
  EXPECT_EQ(drained.json.find("hunter2"), std::string::npos);
}

// Drained twice, the second time finds nothing.
TEST_F(HostileRegion, ADrainIsRepeatable) {
  (void)drain(image());
  const test::Drained again = test::drain_file(path_.c_str());
  EXPECT_EQ(again.adopted, 0);
  EXPECT_EQ(again.callers, 0u);
}

TEST_F(HostileRegion, HeadersThatLieAreRefused) {
  const struct {
    const char* what;
    std::size_t offset;
    u64 value;
    std::size_t width;
  } lies[] = {
      {"magic", offsetof(RegionHeader, magic), 1, 8},
      {"areas", offsetof(RegionHeader, area_count), 0, 4},
      {"too many areas", offsetof(RegionHeader, area_count), 10'000, 4},
      {"sites", offsetof(RegionHeader, sites_max), 0xffffffff, 4},
      {"no sites", offsetof(RegionHeader, sites_max), 3, 4},
      {"loggers", offsetof(RegionHeader, loggers_max), 0xffffffff, 4},
      {"slots", offsetof(RegionHeader, slots_max), 0xffffffff, 4},
      {"record", offsetof(RegionHeader, record_bytes_max), 0xffffffff, 4},
      {"journal", offsetof(RegionHeader, journal_bytes), u64{1} << 62, 8},
      {"journal of no power", offsetof(RegionHeader, journal_bytes), 1'000'000, 8},
      {"small journal", offsetof(RegionHeader, journal_bytes), 4096, 8},
      {"area offset", offsetof(RegionHeader, areas) + 8, u64{1} << 40, 8},
      {"area inside the header", offsetof(RegionHeader, areas) + 8, 0, 8},
      {"area length", offsetof(RegionHeader, areas) + 16, ~u64{0}, 8},
      {"area over another", offsetof(RegionHeader, areas) + 8, 4096, 8},
  };
  for (const auto& lie : lies) {
    std::string bytes = image();
    std::memcpy(bytes.data() + lie.offset, &lie.value, lie.width);
    EXPECT_EQ(drain(bytes).adopted, -EBADMSG) << lie.what;
  }
  for (const u32 version : {0u, 1u, region::kVersion + 1}) {
    std::string bytes = image();
    std::memcpy(bytes.data() + offsetof(RegionHeader, version), &version, sizeof version);
    EXPECT_EQ(drain(bytes).adopted, -EPROTONOSUPPORT) << version;
  }
  EXPECT_EQ(drain("").adopted, -EBADMSG);
  EXPECT_EQ(drain(image().substr(0, 100)).adopted, -EBADMSG);
  EXPECT_EQ(drain(image().substr(0, 200'000)).adopted, -EBADMSG);
}

TEST_F(HostileRegion, PositionsThatLieCostNoMoreThanTheirRing) {
  const region::Area slots = area(AreaKind::kThreadSlots);
  const u64 chunk = load<u64>(image().data() + slots.offset + 16);
  ASSERT_NE(chunk, 0u);
  const u64 whole = drain(image()).callers;
  for (const u64 offset : {u64{0}, u64{128}}) {  // head, tail
    for (const u64 value :
         {u64{1}, u64{7}, u64{0xfff}, u64{1} << 20, ~u64{0}, ~u64{7}, (u64{1} << 63) + 5}) {
      std::string bytes = image();
      store(bytes.data() + chunk + offset, value);
      const test::Drained drained = drain(bytes);
      EXPECT_EQ(drained.adopted, 0);
      EXPECT_LE(drained.callers, whole);
    }
  }
}

TEST_F(HostileRegion, JournalsThatLieEnd) {
  const region::Area journal = area(AreaKind::kJournal);
  for (const u64 offset : {u64{0}, u64{128}}) {  // committed, reclaimed
    for (const u64 value :
         {u64{1}, u64{8}, u64{4096 + 4}, u64{1} << 20, u64{1} << 40, ~u64{0}, ~u64{7}}) {
      std::string bytes = image();
      store(bytes.data() + journal.offset + offset, value);
      EXPECT_EQ(drain(bytes).adopted, 0);
    }
  }
  // Batches of no length, of too many threads, of another length than they say.
  for (u64 word = 0; word < 8; ++word) {
    for (const u64 value : {u64{0}, ~u64{0}, u64{0x31424c53}}) {
      std::string bytes = image();
      store(bytes.data() + journal.offset + 4096 + word * 8, value);
      EXPECT_EQ(drain(bytes).adopted, 0);
    }
  }
}

// Edits at random, where something is believed.
TEST_F(HostileRegion, RandomEditsNeverCrash) {
  std::mt19937_64 random(20240607);
  for (int round = 0; round < 300; ++round) {
    std::string bytes = image();
    for (int edit = 0; edit < 8; ++edit) {
      const region::Area place =
          area(static_cast<AreaKind>(1 + random() % u32(AreaKind::kJournal)));
      if (place.length == 0) continue;
      const u64 within = random() % std::min<u64>(place.length, 8192);
      const u64 values[] = {0, ~u64{0}, random(), random() % 4096, u64{1} << (random() % 64)};
      const u64 value = values[random() % 5];
      std::memcpy(bytes.data() + place.offset + within, &value,
                  std::min<u64>(8, bytes.size() - place.offset - within));
    }
    (void)drain(bytes);
  }
}

}  // namespace
}  // namespace sluice
