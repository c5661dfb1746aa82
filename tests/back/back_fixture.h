// A region in private memory with rings that a test fills by hand, and a sink that it scripts.
#ifndef SLUICE_TESTS_BACK_BACK_FIXTURE_H_
#define SLUICE_TESTS_BACK_BACK_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "back/engine.h"
#include "os/memory.h"
#include "record/field_block.h"
#include "region/region.h"

namespace sluice::test {

class RegionTest : public ::testing::Test {
 protected:
  static constexpr u64 kReserved = u64{256} << 20;

  RegionTest() {
    region::RegionOptions options;
    options.private_memory = true;
    options.reserved_bytes = kReserved;
    options.journal_bytes = 1 << 20;
    options.slots_max = 64;
    memory_ = os::reserve(kReserved);
    EXPECT_EQ(region_.create(options, memory_), 0);
    region_.loggers()[0].threshold.store(1);
    region_.wake().loggers_used.store(1);
  }
  ~RegionTest() override { os::release(memory_, kReserved); }

  // A thread's end of a ring.
  struct Ring {
    region::ThreadSlot* slot;
    RingPlace<RealSync> place;
    detail::RingProducer<RealSync> producer{};

    // A record of one number; false: full.
    bool say(u32 site, u64 ticks, u64 number, u32 extra_bytes = 0) {
      const u64 bytes = 24 + round_up(extra_bytes, 8);
      u64 position = producer.load();
      if (!make_room(producer, place, position, bytes, place.capacity, place.capacity)) {
        producer.leave(position);
        return false;
      }
      char* to = producer.at(position);
      std::memset(to, 0, bytes);
      store(to, RecordHeader{u16(bytes / 8), 0, site, ticks});
      store(to + 16, number);
      producer.leave(position + bytes);
      return true;
    }
    void context(u64 ticks, ByteView fields) {
      const u64 bytes = 24 + round_up(fields.size(), 8);
      u64 position = producer.load();
      ASSERT_TRUE(make_room(producer, place, position, bytes, place.capacity, place.capacity));
      char* to = producer.at(position);
      std::memset(to, 0, bytes);
      store(to, RecordHeader{u16(bytes / 8), 0, kSiteContext, ticks});
      store(to + 16, u64{fields.size()});
      if (!fields.empty()) std::memcpy(to + 24, fields.data(), fields.size());
      producer.leave(position + bytes);
    }
  };

  // Takes slot `index` for a thread of id 100 + index.
  Ring ring(u32 index, u64 bytes = 32 * 1024) {
    region::ThreadSlot& slot = region_.slots()[index];
    EXPECT_TRUE(region_.make_ring(slot, bytes));
    slot.tid.store(100 + index);
    slot.generation.fetch_add(1);
    slot.state.store(region::SlotState::kActive);
    const u32 used = region_.wake().slots_used.load();
    region_.wake().slots_used.store(std::max(used, index + 1));
    Ring made{&slot, region_.ring_of(slot)};
    attach_producer(made.producer, made.place);
    return made;
  }

  // A site with one number "n", as a caller would have registered it.
  void define_site(u32 id, RecordKind kind = RecordKind::kLog, std::string_view name = "n",
                   Level level = Level::info) {
    std::string text;
    const auto put = [&text](auto value) {
      text.append(reinterpret_cast<const char*>(&value), sizeof value);
    };
    put(id);
    put(u32{1});
    put(u8(kind));
    put(u8(level));
    put(u8{0});
    put(u8{0});
    put(u8{1});
    put(u8{0});
    for (const u16 bytes : {u16{0}, u16{4}, u16{0}, u16{0}, u16{0}}) put(bytes);
    put(u8(ArgType::kU64));
    put(u8(name.size()));
    text += "a.cc";
    text += name;
    const u32 at = region_.wake().dictionary_used.fetch_add(u32(round_up(text.size(), 8)));
    std::memcpy(region_.dictionary() + at, text.data(), text.size());
    region_.sites()[id].text.store(u64{at} << 32 | text.size());
    region_.wake().sites_used.store(std::max(region_.wake().sites_used.load(), id + 1));
  }

  region::Region region_;
  void* memory_ = nullptr;
};

// What came out of the journal.
struct Got {
  u64 sequence;
  u32 site;
  u16 slot;
  u16 flags;
  u64 ticks;
  u64 number;
};

// Reads every batch from `position` on, which it moves.
inline std::vector<Got> read_journal(const region::Region& region, u64& position) {
  std::vector<Got> all;
  JournalReader<JournalSync> reader(region.journal(), position);
  std::vector<char> bytes(kBatchBytesMax);
  while (reader.read(bytes.data()) == JournalRead::kBatch) {
    const BatchView batch(bytes.data());
    EXPECT_TRUE(batch.for_each(0, [&](const BatchRecord& record) {
      const RecordHeader header = record.header();
      all.push_back({record.sequence, header.site, header.slot(), u16(header.origin & 0xf000),
                     header.ticks, load<u64>(record.bytes.data() + 16)});
      return true;
    }));
    reader.advance(batch.header().bytes);
  }
  position = reader.position();
  return all;
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_BACK_BACK_FIXTURE_H_
