// docs/formats/region.md says what layout.h is, and its worked example is what the merge writes.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstddef>
#include <fstream>
#include <sstream>

#include "back/merger.h"
#include "contract/isolated.h"
#include "os/memory.h"
#include "region/region.h"

namespace sluice::region {
namespace {

TEST(RegionDocument, OffsetsAreThoseOfTheCode) {
  EXPECT_EQ(offsetof(RegionHeader, area_count), 12u);
  EXPECT_EQ(offsetof(RegionHeader, region_id), 16u);
  EXPECT_EQ(offsetof(RegionHeader, grown), 40u);
  EXPECT_EQ(offsetof(RegionHeader, record_bytes_max), 60u);
  EXPECT_EQ(offsetof(RegionHeader, journal_bytes), 72u);
  EXPECT_EQ(offsetof(RegionHeader, pid_namespace), 88u);
  EXPECT_EQ(offsetof(RegionHeader, start_wall_ns), 104u);
  EXPECT_EQ(offsetof(RegionHeader, product), 112u);
  EXPECT_EQ(offsetof(RegionHeader, program), 368u);
  EXPECT_EQ(offsetof(RegionHeader, finished), 624u);
  EXPECT_EQ(offsetof(RegionHeader, goodbye), 628u);
  EXPECT_EQ(offsetof(RegionHeader, areas), 632u);
  EXPECT_EQ(offsetof(RegionHeader, secrets), 1208u);
  EXPECT_EQ(offsetof(RegionHeader, handed_over), 2232u);
  EXPECT_EQ(offsetof(Request, records), 4u);
  EXPECT_EQ(offsetof(Request, name), 8u);
  EXPECT_EQ(offsetof(LoggerEntry, held_group), 8u);
  EXPECT_EQ(offsetof(LoggerEntry, name), 12u);
  EXPECT_EQ(offsetof(SiteEntry, ruled), 12u);
  EXPECT_EQ(offsetof(BacktraceArea, floor), 64u);
  EXPECT_EQ(offsetof(BacktraceArea, bytes), 4096u);
  EXPECT_EQ(offsetof(RequestArea, asked), 1024u);
  EXPECT_EQ(offsetof(RequestArea, answered), 1088u);
  EXPECT_EQ(offsetof(RequestArea, reader), 1089u);
  EXPECT_EQ(offsetof(RequestArea, answer), 1152u);
  EXPECT_EQ(offsetof(Answer, sites), 4u);
  EXPECT_EQ(offsetof(Answer, text), 8u);
  EXPECT_EQ(offsetof(ThreadSlot, of_sink), 12u);
  EXPECT_EQ(offsetof(ThreadSlot, chunk), 16u);
  EXPECT_EQ(offsetof(ThreadSlot, ring_bytes), 24u);
  EXPECT_EQ(offsetof(ThreadSlot, name), 40u);
  EXPECT_EQ(offsetof(RingLines, tail), 128u);
  EXPECT_EQ(offsetof(RingLines, filtered), 256u);
  EXPECT_EQ(offsetof(RingLines, context), 1024u);
  EXPECT_EQ(offsetof(JournalLines, reclaimed), 128u);
  EXPECT_EQ(offsetof(JournalLines, reclaimed_sequence), 136u);
  EXPECT_EQ(offsetof(BatchHeader, callers_before), 16u);
  EXPECT_EQ(offsetof(BatchHeader, records), 48u);
  EXPECT_EQ(offsetof(BatchHeader, crc), 60u);
  EXPECT_EQ(offsetof(SinkEntry, cursor), 16u);
  EXPECT_EQ(offsetof(SinkEntry, delivered), 40u);
  EXPECT_EQ(offsetof(SinkEntry, intent_offset), 72u);
  EXPECT_EQ(offsetof(SinkEntry, intent), 88u);
  EXPECT_EQ(offsetof(SinkEntry, path), 136u);
  EXPECT_EQ(offsetof(SinkEntry, options), 1160u);
}

std::string hex_dump(const char* bytes, std::size_t size, std::size_t address) {
  std::string out;
  char text[32];
  for (std::size_t line = 0; line < size; line += 16) {
    std::snprintf(text, sizeof text, "%04zx ", address + line);
    out += text;
    for (std::size_t i = line; i < line + 16; ++i) {
      std::snprintf(text, sizeof text, " %02x", unsigned(static_cast<unsigned char>(bytes[i])));
      out += text;
    }
    out += "  ";
    for (std::size_t i = line; i < line + 16; ++i) {
      out += bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '.';
    }
    out += '\n';
  }
  return out;
}

std::string documented() {
  std::ifstream file(SLUICE_SOURCE_DIR "/docs/formats/region.md");
  std::stringstream text;
  text << file.rdbuf();
  const std::string document = text.str();
  const std::string opening = "```hex\n";
  const auto begin = document.find(opening);
  if (begin == std::string::npos) return "(no hex block)";
  return document.substr(begin + opening.size(),
                         document.find("```", begin + opening.size()) - begin - opening.size());
}

// A region with one site and one record in one ring, merged as recovery merges it.
TEST(RegionDocument, ShowsWhatTheMergeWrites) {
  RegionOptions options;
  options.private_memory = true;
  options.reserved_bytes = u64{64} << 20;
  options.journal_bytes = 1 << 20;
  void* at = os::reserve(options.reserved_bytes);
  Region region;
  ASSERT_EQ(region.create(options, at), 0);
  ThreadSlot& slot = region.slots()[0];
  ASSERT_TRUE(region.make_ring(slot, 32 * 1024));
  slot.tid.store(4711);
  slot.generation.store(1);
  std::memcpy(slot.name, "main", 5);
  slot.state.store(SlotState::kActive);
  region.wake().slots_used.store(1);
  region.clock().ticks.store(1000);
  region.clock().wall_ns.store(1'700'000'000'000'000'000);
  region.clock().ns_per_tick_2_32.store(u64{1} << 32);

  detail::RingProducer<RealSync> producer{};
  const auto ring = region.ring_of(slot);
  attach_producer(producer, ring);
  u64 position = 0;
  ASSERT_TRUE(make_room(producer, ring, position, 24, ring.capacity, ring.capacity));
  store(producer.at(position), RecordHeader{3, 0, 16, 1200});
  store(producer.at(position) + 16, u64{7});
  producer.leave(position + 24);

  back::Merger merger(region, {});
  merger.resume(true, false);
  ASSERT_EQ(merger.merge(true, ~u64{0}), back::Merged::kBatch);
  const char* journal = reinterpret_cast<const char*>(&region.journal_lines());
  const std::string positions = hex_dump(journal, 16, 0);
  const std::string batch = hex_dump(journal + 4096, 64 + 40 + 24, 4096);
  EXPECT_EQ(positions + batch, documented());
  os::release(at, options.reserved_bytes);
}

}  // namespace
}  // namespace sluice::region
