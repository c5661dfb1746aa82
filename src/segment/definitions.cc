#include "segment/definitions.h"

#include <algorithm>
#include <limits>

namespace sluice {
namespace {

__extension__ using i128 = __int128;

// Builds one record: words first, then tails; finish() pads and sets the size.
class RecordBuilder {
 public:
  explicit RecordBuilder(u32 site) {
    bytes_.resize(kRecordHeaderBytes);
    store(bytes_.data(), RecordHeader{0, 0, site, 0});
  }

  void word(u64 value) {
    const auto at = bytes_.size();
    bytes_.resize(at + sizeof value);
    store(bytes_.data() + at, value);
  }

  void text(ByteView value, std::size_t limit) {
    const ByteView kept = value.first(std::min(value.size(), limit));
    word(kept.size());
    tail_.insert(tail_.end(), kept.begin(), kept.end());
  }

  std::vector<std::byte> finish() {
    bytes_.insert(bytes_.end(), tail_.begin(), tail_.end());
    bytes_.resize(round_up(bytes_.size(), 8));
    store(bytes_.data(), u16(bytes_.size() / 8));
    return std::move(bytes_);
  }

 private:
  std::vector<std::byte> bytes_;
  std::vector<std::byte> tail_;
};

ByteReader arguments_of(ByteView record) {
  return ByteReader(record.subspan(std::min<std::size_t>(record.size(), kRecordHeaderBytes)));
}

}  // namespace

i64 ClockDefinition::wall_ns_at(u64 at) const {
  // |difference| <= 2^63 and the rate < 2^64: the product stays inside 128 bits.
  const i128 passed = (i128{i64(at - ticks)} * i128{ns_per_tick_2_32}) >> 32;
  const i128 wall = i128{wall_ns} + passed;
  return i64(std::clamp(wall, i128{std::numeric_limits<i64>::min()},
                        i128{std::numeric_limits<i64>::max()}));
}

std::vector<std::byte> encode_definition(const RunDefinition& run) {
  RecordBuilder record(kSiteRun);
  record.text(std::as_bytes(std::span(run.region_id)), run.region_id.size());
  for (const std::string* text : {&run.product, &run.version, &run.run_id, &run.host}) {
    record.text(as_bytes(*text), kRunTextBytesMax);
  }
  record.word(run.pid);
  record.word(u64(run.start_wall_ns));
  return record.finish();
}

std::vector<std::byte> encode_definition(const ThreadDefinition& thread) {
  RecordBuilder record(kSiteThread);
  record.word(thread.slot);
  record.word(thread.generation);
  record.word(thread.tid);
  record.text(as_bytes(thread.name), kThreadNameBytesMax);
  return record.finish();
}

std::vector<std::byte> encode_definition(const ClockDefinition& clock) {
  RecordBuilder record(kSiteClock);
  record.word(clock.ticks);
  record.word(u64(clock.wall_ns));
  record.word(clock.ns_per_tick_2_32);
  record.word(clock.epoch);
  return record.finish();
}

std::vector<std::byte> encode_definition(const Site& site) {
  RecordBuilder record(kSiteDefinition);
  const std::vector<std::byte> encoded = encode_site(site);
  record.text(encoded, encoded.size());
  return record.finish();
}

std::optional<RunDefinition> decode_run(ByteView record) {
  ByteReader in = arguments_of(record);
  RunDefinition run;
  const u64 region_bytes = in.read<u64>();
  u64 text_bytes[4] = {};
  for (u64& bytes : text_bytes) bytes = in.read<u64>();
  run.pid = in.read<u64>();
  run.start_wall_ns = in.read<i64>();
  if (region_bytes != run.region_id.size()) return std::nullopt;
  const ByteView region = in.read_bytes(run.region_id.size());
  if (in.ok()) std::memcpy(run.region_id.data(), region.data(), region.size());
  std::string* const texts[] = {&run.product, &run.version, &run.run_id, &run.host};
  for (u32 i = 0; i < 4; ++i) {
    if (text_bytes[i] > kRunTextBytesMax) return std::nullopt;
    *texts[i] = in.read_text(text_bytes[i]);
  }
  if (!in.ok()) return std::nullopt;
  return run;
}

std::optional<ThreadDefinition> decode_thread(ByteView record) {
  ByteReader in = arguments_of(record);
  ThreadDefinition thread;
  const u64 slot = in.read<u64>();
  const u64 generation = in.read<u64>();
  thread.tid = in.read<u64>();
  const u64 name_bytes = in.read<u64>();
  if (slot >= kThreadSlotsMax || generation > std::numeric_limits<u32>::max() ||
      name_bytes > kThreadNameBytesMax) {
    return std::nullopt;
  }
  thread.slot = u16(slot);
  thread.generation = u32(generation);
  thread.name = in.read_text(name_bytes);
  if (!in.ok()) return std::nullopt;
  return thread;
}

std::optional<ClockDefinition> decode_clock(ByteView record) {
  ByteReader in = arguments_of(record);
  ClockDefinition clock;
  clock.ticks = in.read<u64>();
  clock.wall_ns = in.read<i64>();
  clock.ns_per_tick_2_32 = in.read<u64>();
  clock.epoch = in.read<u64>();
  if (!in.ok()) return std::nullopt;
  return clock;
}

std::optional<Site> decode_site_record(ByteView record) {
  ByteReader in = arguments_of(record);
  const u64 bytes = in.read<u64>();
  const ByteView encoded = in.read_bytes(bytes);
  if (!in.ok()) return std::nullopt;
  Result<Site> site = decode_site(encoded);
  if (!site.ok()) return std::nullopt;
  return std::move(site.value());
}

}  // namespace sluice
