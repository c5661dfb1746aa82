// Question: what does a record cost in a file sink, from a journal batch to bytes in the file?
//
// CPU time of the one thread that does it all: filter, decode, render into the intent area, lock,
// notes, pwrite. The standard line ("... hello 4711 8 0.5", about 80 bytes) in batches as a busy
// backend makes them (64 KiB) and as a quiet one does (10 records). Warm, best and median of 15
// rounds. The file is started anew when it has 64 MiB.
//
//   sink_bench [directory]      default: /dev/shm
#include <algorithm>
#include <bit>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "base/fixed_text.h"
#include "os/memory.h"
#include "sink/make.h"

namespace sluice {
namespace {

constexpr u32 kSite = kSiteFirstCaller;
constexpr u64 kIntentBytes = 256 * 1024;
constexpr int kRounds = 15;
constexpr u64 kRecordsOfARound = 200'000;

// The library's threads measure nothing here: this is their work, done by hand.
i64 cpu_ns() {
  timespec now;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return i64{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void define_site(region::Region& region) {
  Site site;
  site.id = kSite;
  site.line = 42;
  site.file = "/src/game/engine.cc";
  site.function = "update";
  site.format = "hello {} {} {}";
  site.arguments = {{ArgType::kU64, ""}, {ArgType::kI32, ""}, {ArgType::kF64, ""}};
  const std::vector<std::byte> text = encode_site(site);
  std::memcpy(region.dictionary(), text.data(), text.size());
  region.sites()[kSite].text.store(text.size(), std::memory_order_release);
}

std::vector<char> make_batch(u32 records) {
  std::vector<char> bytes;
  const auto put = [&bytes](auto value) {
    bytes.resize(bytes.size() + sizeof value);
    store(bytes.data() + bytes.size() - sizeof value, value);
  };
  BatchHeader header{};
  BatchThread thread{};
  thread.slot = 1;
  thread.tid = 4711;
  header.magic = kBatchMagic;
  header.wall_ns = 1'700'000'000'000'000'000;
  header.ns_per_tick_2_32 = u64{1} << 32;
  header.records = header.callers = u16(records);
  header.threads = 1;
  header.record_bytes = records * 40;
  header.bytes = u32(sizeof header + sizeof thread) + header.record_bytes;
  put(header);
  put(thread);
  for (u32 i = 0; i < records; ++i) {
    put(RecordHeader{5, 1, kSite, u64{i} * 731});
    put(u64{i} * 37);
    put(u64{i % 10});
    put(std::bit_cast<u64>(i * 0.25));
  }
  return bytes;
}

struct Figures {
  double best;
  double median;
};

Figures measure(const back::SinkConfig& config, u32 batch_records, bool intent_area) {
  region::RegionOptions options;
  options.private_memory = true;
  options.reserved_bytes = 64 << 20;
  region::Region region;
  void* at = os::reserve(options.reserved_bytes);
  if (region.create(options, at) != 0) return {};
  define_site(region);
  region::SinkEntry& entry = region.sink(0);
  if (intent_area) entry.intent_offset = region.allocate(kIntentBytes);
  entry.intent_bytes = kIntentBytes;

  std::vector<double> rounds;
  {
    back::Catalog catalog(region);
    back::Cursor cursor(entry);
    auto made = sink::make_sink(config, os::real_io(), region);
    if (!made.ok() || !made.value()->open(catalog, cursor).ok()) return {};
    std::vector<char> batch = make_batch(batch_records);
    u64 sequence = 0;
    for (int round = 0; round <= kRounds; ++round) {
      const i64 start = cpu_ns();
      for (u64 done = 0; done < kRecordsOfARound; done += batch_records) {
        store(batch.data() + offsetof(BatchHeader, first_sequence), sequence);
        sequence += batch_records;
        const BatchView view(batch.data());
        if (!made.value()->write({&view, 1}, catalog, cursor).ok()) return {};
      }
      if (round > 0) rounds.push_back(double(cpu_ns() - start) / double(kRecordsOfARound));
    }
  }
  os::release(at, options.reserved_bytes);
  std::sort(rounds.begin(), rounds.end());
  return {rounds.front(), rounds[rounds.size() / 2]};
}

void show(const char* name, const back::SinkConfig& config, u32 batch_records, bool intent_area) {
  const Figures figures = measure(config, batch_records, intent_area);
  std::printf("%-40s %8.1f %8.1f\n", name, figures.best, figures.median);
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  using namespace sluice;
  const std::string directory = std::string(argc > 1 ? argv[1] : "/dev/shm") + "/sluice-sink-bench";
  back::SinkConfig config;
  config.kind = SinkKind::text;
  config.path = directory + "/bench.log";
  config.pattern = "%(time) [%(thread_id)] %(source) %(level) %(message)";
  config.rotate_bytes = 64 << 20;
  config.keep_files = 1;
  std::printf("%-40s %8s %8s   ns of CPU a record\n", "", "best", "median");
  show("text, batches of 64 KiB", config, 1600, true);
  show("text, batches of 10 records", config, 10, true);
  show("text, intent in private memory", config, 1600, false);
  config.kind = SinkKind::json_lines;
  config.path = directory + "/bench.jsonl";
  show("JSON Lines, batches of 64 KiB", config, 1600, true);
  config.kind = SinkKind::segments;
  config.path = directory;
  config.name = "bench";
  show("segments, batches of 64 KiB", config, 1600, true);
  os::Io& io = os::real_io();
  std::vector<std::string> names;
  io.list(directory.c_str(), [&](const char* name) { names.push_back(directory + "/" + name); });
  for (const std::string& name : names) io.unlink(name.c_str());
  return 0;
}
