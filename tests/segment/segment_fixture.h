// Records, sites and the oracle that the segment tests share.
//
// The oracle is what the test itself appended: {sequence, bytes, site, thread, wall time}. A
// reader's answer is right only when every record it serves equals the oracle's in every one of
// these.
#ifndef SLUICE_TESTS_SEGMENT_SEGMENT_FIXTURE_H_
#define SLUICE_TESTS_SEGMENT_SEGMENT_FIXTURE_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "segment/directory.h"
#include "segment/reader.h"
#include "segment/writer.h"
#include "support/memory_io.h"

namespace sluice::testing {

using Bytes = std::vector<std::byte>;

inline RunDefinition test_run() {
  RunDefinition run;
  for (u8 i = 0; i < run.region_id.size(); ++i) run.region_id[i] = u8(0xa0 + i);
  run.product = "demo";
  run.version = "1.2.3";
  run.run_id = "run-7";
  run.host = "host-a";
  run.pid = 4711;
  run.start_wall_ns = 1'700'000'000'000'000'000;
  return run;
}

inline Site test_site(u32 id) {
  Site site;
  site.id = id;
  site.line = id * 3;
  site.level = Level::info;
  site.logger = "net.http";
  site.file = "src/server.cc";
  site.function = "serve";
  site.format = "request {} took {} (site " + std::to_string(id) + ")";
  site.arguments = {{ArgType::kU64, ""}, {ArgType::kU64, ""}};
  return site;
}

inline ClockDefinition test_clock() {
  return {.ticks = 1000,
          .wall_ns = 1'700'000'000'000'000'000,
          .ns_per_tick_2_32 = u64{1} << 31,  // half a nanosecond a tick
          .epoch = 1};
}

inline Bytes make_record(u32 site, u16 slot, u64 ticks, std::size_t size, u64 seed) {
  Bytes bytes(size);
  for (std::size_t i = kRecordHeaderBytes; i < size; ++i) {
    bytes[i] = std::byte(u8(seed * 31 + i * 7 + (i >> 8)));
  }
  store(bytes.data(), RecordHeader{u16(size / 8), slot, site, ticks});
  return bytes;
}

struct Expected {
  Bytes bytes;
  u32 site = 0;
  std::string thread;  // name; empty = not known
  std::optional<i64> wall_ns;
};
using Oracle = std::map<u64, Expected>;

// Sites with stable addresses, 16 to 16 + count - 1.
class Sites {
 public:
  explicit Sites(u32 count) {
    for (u32 i = 0; i < count; ++i) sites_.push_back(test_site(kSiteFirstCaller + i));
  }
  const Site& operator[](u64 i) const { return sites_[i % sites_.size()]; }

 private:
  std::vector<Site> sites_;
};

// Compares everything the reader serves; returns the sequences served.
inline std::vector<u64> check_against(SegmentReader& reader, const Oracle& oracle) {
  std::vector<u64> served;
  SegmentRecord record;
  while (reader.next(record)) {
    served.push_back(record.sequence);
    const auto found = oracle.find(record.sequence);
    if (found == oracle.end()) {
      ADD_FAILURE() << "served sequence " << record.sequence << " that nobody wrote";
      continue;
    }
    const Expected& expected = found->second;
    const bool same = record.bytes.size() == expected.bytes.size() &&
                      std::equal(record.bytes.begin(), record.bytes.end(), expected.bytes.begin());
    EXPECT_TRUE(same) << "sequence " << record.sequence;
    if (record.site != nullptr) {
      EXPECT_EQ(record.site->id, expected.site);
      EXPECT_EQ(record.site->format, test_site(expected.site).format);
    } else {
      ADD_FAILURE() << "sequence " << record.sequence << " has lost its site";
    }
    EXPECT_EQ(record.thread ? record.thread->name : "", expected.thread)
        << "sequence " << record.sequence;
    EXPECT_EQ(record.wall_ns, expected.wall_ns) << "sequence " << record.sequence;
  }
  return served;
}

// Everything in a directory, each sequence once; sites must be known.
inline std::vector<u64> read_directory(os::Io& io, const std::string& directory,
                                       const Oracle& oracle) {
  std::vector<u64> served;
  u64 next = 0;
  const auto segments = list_segments(io, directory);
  EXPECT_TRUE(segments.ok());
  for (const SegmentName& segment : segments.value()) {
    auto reader =
        SegmentReader::open(io, directory + "/" + segment_file_name(segment.name, segment.number));
    EXPECT_TRUE(reader.ok()) << reader.status().message();
    reader.value()->start_at(next);
    const std::vector<u64> some = check_against(*reader.value(), oracle);
    served.insert(served.end(), some.begin(), some.end());
    if (!some.empty()) next = some.back() + 1;
  }
  return served;
}

// A writer over `io` in directory /d with an oracle of what it took.
class Recorder {
 public:
  // Without a writer: the caller opens one.
  Recorder() = default;
  explicit Recorder(os::Io& io, SegmentOptions options = {}) {
    options.directory = "/d";
    options.name = "app";
    options.io = &io;
    auto opened = SegmentWriter::open(options, test_run());
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    if (opened.ok()) writer = std::move(opened.value());
    if (writer) writer->define_clock(clock);
  }

  void name_thread(u16 slot, u32 generation, const std::string& name) {
    threads[slot] = name;
    writer->define_thread({slot, generation, 100u + slot, name});
  }

  // Appends the next record; on success the oracle has it.
  Status append(const Site& site, u16 slot = 0, std::size_t size = 40) {
    const u64 sequence = next;
    Bytes bytes = make_record(site.id, slot, 1000 + sequence * 10, size, sequence);
    Status status = writer->append(sequence, bytes, &site);
    if (!status.ok()) return status;
    ++next;
    const auto thread = threads.find(slot);
    oracle[sequence] = {std::move(bytes), site.id, thread == threads.end() ? "" : thread->second,
                        clock.wall_ns_at(1000 + sequence * 10)};
    return {};
  }

  std::unique_ptr<SegmentWriter> writer;
  Oracle oracle;
  ClockDefinition clock = test_clock();
  std::map<u16, std::string> threads;
  u64 next = 1;
};

[[nodiscard]] inline std::vector<u64> sequences(u64 first, u64 end) {
  std::vector<u64> all;
  for (u64 i = first; i < end; ++i) all.push_back(i);
  return all;
}

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_SEGMENT_SEGMENT_FIXTURE_H_
