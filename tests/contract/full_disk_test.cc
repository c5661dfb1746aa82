// A disk that is really full (a small tmpfs): output goes on by itself when there is room again,
// holds whole lines only, and what was lost is what was counted. And shared memory that is full:
// the region goes elsewhere, said once, and no store ever faults.
//
// sanitizers: none (address space and shared memory are measured here)
#include <gtest/gtest.h>
#include <sluice/histogram.h>
#include <sluice/sluice.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include "contract/captured_stderr.h"
#include "contract/conservation.h"
#include "contract/isolated.h"
#include "contract/outputs.h"
#include "record/decode.h"
#include "segment/directory.h"
#include "segment/reader.h"
#include "store/store_fixture.h"

namespace sluice::test {
namespace {

class SmallDisk {
 public:
  SmallDisk(const std::string& path, const char* size) : path_(path) {
    std::filesystem::create_directory(path_);
    mounted_ = ::mount("sluice-test", path_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, size) == 0;
    if (!mounted_) std::printf("skipped: no mount here (%s)\n", std::strerror(errno));
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
  }
  ~SmallDisk() {
    (void)stop();
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
  bool mounted_ = false;
};

// Takes all the room there is.
void fill(const std::string& path) {
  std::ofstream out(path, std::ios::binary);
  const std::string block(4096, '#');
  while (out.write(block.data(), std::streamsize(block.size())).flush()) {
  }
}

std::multiset<int> numbers_in(const std::string& path) {
  std::multiset<int> numbers;
  for (const std::string& line : read_lines(path)) {
    int number = 0;
    const std::size_t at = line.find("number ");
    if (at != std::string::npos && std::sscanf(line.c_str() + at, "number %d end", &number) == 1) {
      EXPECT_TRUE(line.ends_with(" end")) << "a torn line: " << line;
      numbers.insert(number);
    }
  }
  return numbers;
}

// Fill, free, refill, free: three times over, with a ring and a journal small enough to lose.
// Whatever is accepted is there once, the rest is counted, and it goes on by itself. `numbers`
// reads what is there.
void fill_and_free(const Dirs& dirs, const SmallDisk& disk, const Sink& sink,
                   const std::function<std::multiset<int>()>& numbers) {
  ASSERT_TRUE(start({.product = "full",
                     .sinks = {sink},
                     .ring_bytes = 32 * 1024,
                     .journal_bytes = 1 << 20,
                     .region_directory = dirs.region,
                     .quiet = true}));
  Attempts mine;
  std::multiset<int> accepted;
  int number = 0;
  const auto say = [&](int count, const std::string& filler) {
    for (int i = 0; i < count; ++i, ++number) {
      const Admission result = info("{} number {n} end", filler, number);
      mine.add(result);
      if (result == Admission::kOk) accepted.insert(number);
    }
  };
  say(100, "");
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  for (int round = 0; round < 3; ++round) {
    fill(disk.file("filler"));
    // What a sink had written over in its own file, or has cut from it meanwhile, is room yet.
    bool is_full = false;
    for (int times = 0; !is_full && times < 50; ++times) {
      say(20'000, std::string(100, '.'));
      is_full = !flush(Reach::written, 200).complete;
    }
    EXPECT_TRUE(is_full) << "the disk was not full";
    std::filesystem::remove(disk.file("filler"));
    ASSERT_TRUE(flush(Reach::written, 60'000).complete) << "does not go on by itself";
    say(100, "");
    ASSERT_TRUE(flush(Reach::written, 60'000).complete);
    EXPECT_EQ(numbers(), accepted);
    EXPECT_LT(accepted.size(), std::size_t(number));
  }
  const Stats told = stats();
  EXPECT_EQ(imbalance(mine, told), "");
  EXPECT_EQ(imbalance_of_sinks(told), "");
  EXPECT_GT(told.dropped_ring_full, 0u);
  EXPECT_EQ(told.sink[0].dropped_error, 0u);
  EXPECT_EQ(told.sink[0].delivered, accepted.size());
  EXPECT_TRUE(stop(60'000)) << last_error();
  EXPECT_EQ(numbers(), accepted);
}

ISOLATED_TEST(FullDisk, TextResumesWithWholeLinesAndCountsWhatItLost) {
  SmallDisk disk(dirs.file("disk"), "size=16m,mode=0700");
  if (!disk.mounted()) return;
  const std::string log = disk.file("a.log");
  fill_and_free(dirs, disk, text_file(log), [&] { return numbers_in(log); });
}

ISOLATED_TEST(FullDisk, JsonLinesResumeWithWholeLinesAndCountWhatTheyLost) {
  SmallDisk disk(dirs.file("disk"), "size=16m,mode=0700");
  if (!disk.mounted()) return;
  const std::string log = disk.file("a.jsonl");
  fill_and_free(dirs, disk, json_file(log), [&] {
    std::multiset<int> numbers;
    for (const auto& record : read_json(log)) {  // every line is whole
      if (record["logger"] == "") numbers.insert(record["fields"]["n"].get<int>());
    }
    return numbers;
  });
}

ISOLATED_TEST(FullDisk, SegmentsResumeAndCountWhatTheyLost) {
  SmallDisk disk(dirs.file("disk"), "size=16m,mode=0700");
  if (!disk.mounted()) return;
  const std::string directory = disk.file("segments");
  fill_and_free(dirs, disk, segment_files(directory), [&] {
    std::multiset<int> numbers;
    const auto listed = list_segments(os::real_io(), directory);
    EXPECT_TRUE(listed.ok());
    for (const SegmentName& file : listed.value()) {
      const std::string path = directory + "/" + segment_file_name(file.name, file.number);
      const auto reader = SegmentReader::open(os::real_io(), path);
      if (!reader.ok()) {
        ADD_FAILURE() << reader.status().message();
        continue;
      }
      SegmentRecord record;
      RecordView view;
      while (reader.value()->next(record)) {
        if (record.header.site < kSiteFirstCaller) continue;  // a drop report
        if (record.site == nullptr || !RecordView::parse(record.bytes, *record.site, view)) {
          ADD_FAILURE() << "a record that cannot be read in " << path;
          continue;
        }
        numbers.insert(int(view.word(1)));
      }
      EXPECT_EQ(reader.value()->damaged_bytes(), 0u) << path;
    }
    return numbers;
  });
}

ISOLATED_TEST(FullDisk, AStoreResumesAndCountsWhatItLost) {
  SmallDisk disk(dirs.file("disk"), "size=16m,mode=0700");
  if (!disk.mounted()) return;
  const std::string store = disk.file("a.db");
  fill_and_free(dirs, disk, store_file(store), [&] {
    EXPECT_EQ(row_in(store, "PRAGMA integrity_check"), "ok");
    std::multiset<int> numbers;
    for (const std::string& row :
         rows_in(store, "SELECT attributes ->> 'n' FROM records WHERE logger = ''")) {
      numbers.insert(std::stoi(row));
    }
    return numbers;
  });
}

void log_and_check(const Dirs& dirs, bool shared) {
  Attempts mine;
  std::vector<std::thread> threads;
  std::vector<Attempts> each(8);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) each[t].add(info("number {} end", t * 2000 + i));
    });
  }
  for (int t = 0; t < 8; ++t) {
    threads[t].join();
    mine.add(each[t]);
  }
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  EXPECT_EQ(stats().shared, shared);
  EXPECT_EQ(imbalance(mine, stats()), "");
  const std::multiset<int> there = numbers_in(dirs.file("a.log"));
  EXPECT_EQ(there.size(), mine.accepted());
  EXPECT_EQ(std::set<int>(there.begin(), there.end()).size(), there.size()) << "twice";
  EXPECT_GT(mine.accepted(), 0u);
}

// No room for a region at all: private memory, said once.
ISOLATED_TEST(FullDisk, SharedMemoryWithoutRoomForARegion) {
  SmallDisk memory(dirs.file("shm"), "size=256k,mode=0700");
  if (!memory.mounted()) return;
  const std::string log = dirs.file("a.log"), place = dirs.file("shm");
  const CapturedStderr captured(dirs.file("stderr"));
  ASSERT_TRUE(start({.product = "full", .sinks = {text_file(log)}, .region_directory = place}));
  log_and_check(dirs, false);
  EXPECT_FALSE(flush(Reach::shared, 0).complete);
  ASSERT_TRUE(stop(60'000));
  const std::string said = captured.text();
  const std::size_t first = said.find("do not survive");
  EXPECT_NE(first, std::string::npos) << said;
  EXPECT_EQ(said.find("do not survive", first + 1), std::string::npos) << "said twice";
  EXPECT_TRUE(std::filesystem::is_empty(place)) << "a draft of a region was left behind";
}

// Room for a region, not for every thread's ring: smaller rings, then drops, all counted; no store
// ever meets a page that is not there.
ISOLATED_TEST(FullDisk, SharedMemoryThatFillsUpWhileThreadsCome) {
  SmallDisk memory(dirs.file("shm"), "size=6m,mode=0700");
  if (!memory.mounted()) return;
  const std::string log = dirs.file("a.log"), place = dirs.file("shm");
  ASSERT_TRUE(start({.product = "full",
                     .sinks = {text_file(log)},
                     .journal_bytes = 1 << 20,
                     .region_directory = place,
                     .quiet = true}));
  ASSERT_TRUE(stats().shared);
  fill(dirs.file("shm/filler"));
  log_and_check(dirs, true);
  const std::uint64_t grown = stats().region_bytes;
  // Attempts that fail take nothing, so there is still address space when room comes back.
  for (int i = 0; i < 200; ++i) std::thread([] { info("x"); }).join();
  EXPECT_LE(stats().region_bytes, grown + (1 << 20));
  std::filesystem::remove(dirs.file("shm/filler"));
  // Room is not asked for again at once.
  std::thread([] {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (info("after") != Admission::kOk) {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up);
    }
  }).join();
}

// Metrics too: what each add counted is in a sum, or the add is counted as lost.
ISOLATED_TEST(FullDisk, AddsToMetricsWithoutRoomForCells) {
  SmallDisk memory(dirs.file("shm"), "size=6m,mode=0700");
  if (!memory.mounted()) return;
  static constinit Counter counter("counter");
  static constinit UpDownCounter open("open");
  static constinit Histogram sizes("sizes");
  static constinit ExplicitHistogram waits("waits", "s", {1, 2});
  static constinit Gauge gauge("gauge");
  ASSERT_TRUE(start({.product = "full",
                     .sinks = {json_file(dirs.file("a.jsonl"))},
                     .journal_bytes = 1 << 20,
                     .metrics_interval_ms = 0,
                     .region_directory = dirs.file("shm"),
                     .quiet = true}))
      << last_error();
  ASSERT_TRUE(stats().shared);
  fill(dirs.file("shm/filler"));
  gauge.set(1);
  EXPECT_EQ(stats().adds_lost, 1u);
  std::uint64_t added = 0;
  const auto add_all = [&added] {
    counter.add(1);
    open.add(1);
    sizes.observe(1);
    waits.observe(1);
    added += 4;
  };
  std::thread([&] {
    for (int i = 0; i < 100; ++i) add_all();
  }).join();
  const std::uint64_t lost = stats().adds_lost;
  EXPECT_EQ(lost, 1 + added) << "there was room for something";
  std::filesystem::remove(dirs.file("shm/filler"));
  // Room is not asked for again at once.
  std::thread([&] {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    std::uint64_t before = 0;
    do {
      before = stats().adds_lost;
      add_all();
    } while (stats().adds_lost != before && std::chrono::steady_clock::now() < give_up);
    for (int i = 0; i < 100; ++i) add_all();
  }).join();
  gauge.set(2);
  const std::uint64_t lost_in_all = stats().adds_lost;
  ASSERT_TRUE(stop(60'000));
  using nlohmann::operator""_json_pointer;
  std::uint64_t said = 0;
  for (const auto& record : read_json(dirs.file("a.jsonl"))) {
    if (!record.contains("metric")) continue;
    const std::string name = record["name"];
    if (name == "gauge") {
      EXPECT_EQ(record["value"], 2);
    } else {
      said += record[name == "counter" || name == "open" ? "/value"_json_pointer
                                                         : "/fields/count"_json_pointer]
                  .get<std::uint64_t>();
    }
  }
  EXPECT_GE(said, 400u);
  EXPECT_EQ(said + lost_in_all, added + 1);
}

}  // namespace
}  // namespace sluice::test
