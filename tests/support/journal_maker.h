// A region with sites and committed batches, for tests that drive sinks without a program.
//
//   TestRegion region;                       // private memory; a sink entry with an intent area
//   JournalMaker journal(region.get());
//   const u32 site = journal.add_site(text_site("hello {}"));
//   journal.add(site, {number(7)});
//   journal.commit();                        // the records added become a batch
//   for (const auto& batch : journal.batches()) BatchView(batch.data())
#ifndef SLUICE_TESTS_SUPPORT_JOURNAL_MAKER_H_
#define SLUICE_TESTS_SUPPORT_JOURNAL_MAKER_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "back/batch.h"
#include "base/fixed_text.h"
#include "os/memory.h"
#include "record/site.h"
#include "record/value.h"
#include "region/region.h"

namespace sluice::testing {

inline region::RegionOptions small_region() {
  region::RegionOptions options;
  copy_text(options.product, "demo");
  options.reserved_bytes = 8 << 20;
  options.journal_bytes = 2 << 20;
  options.dictionary_bytes = 64 << 10;
  options.sites_max = 64;
  options.loggers_max = 8;
  options.slots_max = 8;
  options.private_memory = true;
  return options;
}

class TestRegion {
 public:
  static constexpr u64 kIntentBytes = 256 * 1024;

  explicit TestRegion(const region::RegionOptions& options = small_region())
      : bytes_(options.reserved_bytes), at_(os::reserve(bytes_)) {
    EXPECT_EQ(region_.create(options, at_), 0);
    for (u32 i = 0; i < region::kSinksMax; ++i) {
      region::SinkEntry& entry = region_.sink(i);
      entry.cursor.store(1, std::memory_order_relaxed);
    }
  }
  ~TestRegion() { os::release(at_, bytes_); }
  TestRegion(const TestRegion&) = delete;
  TestRegion& operator=(const TestRegion&) = delete;

  [[nodiscard]] region::Region& get() { return region_; }
  [[nodiscard]] region::SinkEntry& entry(u32 index = 0) { return region_.sink(index); }
  void give_intent_area(u32 index = 0, u64 bytes = kIntentBytes) {
    entry(index).intent_offset = region_.allocate(bytes);
    entry(index).intent_bytes = bytes;
  }

 private:
  u64 bytes_;
  void* at_;
  region::Region region_;
};

inline Value number(u64 value) { return {ArgType::kU64, value, {}}; }
inline Value text(std::string_view value) { return {ArgType::kString, value.size(), value}; }

inline Site text_site(std::string format, std::vector<Argument> arguments = {},
                      Level level = Level::info, std::string logger = "") {
  Site site;
  site.line = 42;
  site.level = level;
  site.logger = std::move(logger);
  site.file = "src/demo.cc";
  site.function = "run";
  site.format = std::move(format);
  site.arguments = std::move(arguments);
  return site;
}

class JournalMaker {
 public:
  static constexpr u64 kTicks = 1'000'000;
  static constexpr i64 kWallNs = 1'700'000'000'000'000'000;

  explicit JournalMaker(region::Region& region)
      : region_(region), writer_(region.journal(), 0, 0) {}

  u32 add_site(Site site) {
    site.id = next_site_++;
    const std::vector<std::byte> bytes = encode_site(site);
    std::memcpy(region_.dictionary() + dictionary_used_, bytes.data(), bytes.size());
    region_.sites()[site.id].text.store(dictionary_used_ << 32 | bytes.size(),
                                        std::memory_order_release);
    dictionary_used_ += round_up(bytes.size(), 8);
    sites_.push_back(site);
    return site.id;
  }
  u32 add_logger(std::string_view name) {
    region::LoggerEntry& entry = region_.loggers()[++loggers_];
    std::memcpy(entry.name, name.data(), name.size());
    entry.bytes.store(u16(name.size()), std::memory_order_release);
    return loggers_;
  }

  // Adds a record to the batch that the next commit() makes.
  void add(u32 site, const std::vector<Value>& values, u16 slot = 1) {
    std::vector<std::byte> bytes(kRecordHeaderBytes + 8 * values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      store(bytes.data() + kRecordHeaderBytes + 8 * i, values[i].word);
    }
    for (const Value& value : values) {
      const ByteView tail = as_bytes(value.text);
      bytes.insert(bytes.end(), tail.begin(), tail.end());
    }
    bytes.resize(round_up(bytes.size(), 8));
    const u64 ticks = kTicks + next_sequence_ + records_;
    store(bytes.data(), RecordHeader{u16(bytes.size() / 8), slot, site, ticks});
    add_raw(bytes);
  }
  // As it is, however wrong.
  void add_raw(const std::vector<std::byte>& bytes) {
    callers_ += from_caller(load<RecordHeader>(bytes.data()).site);
    open_.insert(open_.end(), bytes.begin(), bytes.end());
    ++records_;
  }

  void commit(u16 of_sink = 0) {
    BatchThread thread{};
    thread.slot = 1;
    thread.of_sink = of_sink;
    thread.generation = 1;
    thread.tid = 4711;
    copy_text(thread.name, "main");
    BatchHeader header{};
    header.magic = kBatchMagic;
    header.first_sequence = next_sequence_;
    header.callers_before = callers_before_;
    header.ticks = kTicks;
    header.wall_ns = kWallNs;
    header.ns_per_tick_2_32 = u64{1} << 32;
    header.records = u16(records_);
    header.callers = u16(callers_);
    header.threads = 1;
    header.record_bytes = u32(open_.size());
    header.bytes = u32(sizeof header + sizeof thread + open_.size());
    header.crc = batch_crc(header, &thread);
    std::vector<char> batch(header.bytes);
    store(batch.data(), header);
    store(batch.data() + sizeof header, thread);
    std::memcpy(batch.data() + sizeof header + sizeof thread, open_.data(), open_.size());
    ASSERT_TRUE(writer_.make_space(batch.size(), 0));
    writer_.put_words(writer_.position(), batch.data(), batch.size());
    writer_.commit(batch.size());
    batches_.push_back(std::move(batch));
    next_sequence_ += records_;
    callers_before_ += callers_;
    records_ = callers_ = 0;
    open_.clear();
  }

  [[nodiscard]] const std::vector<std::vector<char>>& batches() const { return batches_; }
  [[nodiscard]] u64 next_sequence() const { return next_sequence_; }
  [[nodiscard]] u64 callers() const { return callers_before_; }
  [[nodiscard]] const std::vector<Site>& sites() const { return sites_; }

 private:
  region::Region& region_;
  JournalWriter<JournalSync> writer_;
  std::vector<Site> sites_;
  std::vector<std::vector<char>> batches_;
  std::vector<std::byte> open_;
  u64 next_sequence_ = 1;
  u64 callers_before_ = 0;
  u32 records_ = 0;
  u32 callers_ = 0;
  u32 next_site_ = kSiteFirstCaller;
  u64 dictionary_used_ = 8;
  u32 loggers_ = 0;
};

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_SUPPORT_JOURNAL_MAKER_H_
