// A region whose owner writes anything into it, read for `top`: nothing is read beyond it, and what
// is kept of it has a bound.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sluice/metric.h>
#include <sluice/sluice.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "collector/process_totals.h"
#include "region/metric_area.h"

namespace sluice::collector {
namespace {

using region::AreaKind;

class HostileImage : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string made = "/dev/shm/sluice-image-XXXXXX";
    ASSERT_NE(::mkdtemp(made.data()), nullptr);
    directory_ = made;
    const pid_t pid = ::fork();
    if (pid == 0) {
      (void)start({.product = "image",
                   .sinks = {console({.need = Sink::Need::required})},
                   .region_directory = directory_,
                   .recover = false,
                   .quiet = true});
      Counter counter("counted", "1", {{"first", "one"}, {"second", "two"}});
      counter.add(3);
      log_text(Level::info, "image", "said");
      SLUICE_INFO("said {}", 1);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    for (const auto& file : std::filesystem::directory_iterator(directory_)) {
      if (file.path().extension() == ".region") path_ = file.path();
    }
    fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(fd_, 0);
    alignas(64) char bytes[4096];
    ASSERT_EQ(::pread(fd_, bytes, sizeof bytes, 0), ssize_t(sizeof bytes));
    const auto& header = *reinterpret_cast<const region::RegionHeader*>(bytes);
    sites_max_ = header.sites_max;
    for (u32 i = 0; i < header.area_count; ++i) areas_[header.areas[i].kind] = header.areas[i];
  }
  void TearDown() override {
    ::close(fd_);
    std::filesystem::remove_all(directory_);
  }

  u64 word_at(AreaKind kind, u64 at) const {
    u64 word = 0;
    EXPECT_EQ(::pread(fd_, &word, sizeof word, off_t(areas_[u32(kind)].offset + at)), 8);
    return word;
  }
  template <class Word>
  void put(AreaKind kind, u64 at, Word word) const {
    EXPECT_EQ(::pwrite(fd_, &word, sizeof word, off_t(areas_[u32(kind)].offset + at)),
              ssize_t(sizeof word));
  }
  [[nodiscard]] std::unique_ptr<RegionImage> image() const {
    auto opened = RegionImage::open(os::real_io(), path_);
    EXPECT_TRUE(opened.ok());
    return std::move(opened.value());
  }

  std::string directory_, path_;
  int fd_ = -1;
  u32 sites_max_ = 0;
  region::Area areas_[region::kAreasMax] = {};
};

TEST_F(HostileImage, LabelsThatAreLongerThanTheirPlace) {
  const auto labels = [this] {
    for (const auto& one : image()->series()) {
      if (one.labels.size() == 2) return one.labels;
    }
    return std::vector<std::string>{};
  };
  EXPECT_EQ(labels(), (std::vector<std::string>{"one", "two"})) << "control";
  const u64 entry = offsetof(region::MetricArea, series) + sizeof(region::SeriesEntry);
  u32 offset = 0;
  ASSERT_EQ(::pread(fd_, &offset, sizeof offset,
                    off_t(areas_[u32(AreaKind::kMetricCells)].offset + entry +
                          offsetof(region::SeriesEntry, label_offset))),
            ssize_t(sizeof offset));
  const u64 first = offsetof(region::MetricArea, labels) + offset;
  // Fewer bytes than the words of two labels take, then lengths of any size.
  for (const u32 bytes : {0u, 8u, 15u, 16u, 1024u, 1025u, 1u << 20}) {
    put(AreaKind::kMetricCells, entry + offsetof(region::SeriesEntry, label_bytes), bytes);
    for (const u64 size : {u64{1} << 20, u64{1} << 63, ~u64{0}, ~u64{0} - 15}) {
      put(AreaKind::kMetricCells, first, size);
      EXPECT_EQ(labels(), std::vector<std::string>{}) << bytes << " " << size;
    }
  }
}

TEST_F(HostileImage, SitesThatShareOneLongDefinition) {
  const u64 dictionary = areas_[u32(AreaKind::kDictionary)].length;
  const u64 bytes = std::min<u64>(dictionary, 60'000);
  // The definition of a real one, with as much behind it as there is.
  u64 place = 0;
  for (u32 id = kSiteFirstCaller; id < sites_max_ && (place & 0xffffffff) == 0; ++id) {
    place = word_at(AreaKind::kSites, u64{id} * sizeof(region::SiteEntry));
  }
  ASSERT_NE(place, 0u);
  place = (place >> 32 << 32) | bytes;
  if ((place >> 32) + bytes > dictionary) GTEST_SKIP() << "the dictionary is too small";
  TotalsReader reader(image());
  for (u32 id = 0; id < sites_max_; ++id) {
    put(AreaKind::kSites, u64{id} * sizeof(region::SiteEntry), place);
    put(AreaKind::kDropCells, u64{id} * kDropReasons * sizeof(u64), u64{1000});
  }
  put(AreaKind::kWake, offsetof(region::WakeLines, sites_used), sites_max_);
  const ProcessTotals totals = reader.read({});
  EXPECT_GT(totals.sites.size(), 1000u) << "all are counted";
  u64 known = 0;
  for (const SiteTotal& site : totals.sites) known += site.site ? 1 : 0;
  EXPECT_LE(known, dictionary / bytes);
}

}  // namespace
}  // namespace sluice::collector
