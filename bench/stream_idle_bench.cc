// Question: what do streams cost that have little to say, and how soon is what they say in a file?
//
// First, 100 streams of default options with a record in each: resident memory and threads, with
// and without. Then one stream of default options and 10 records a second: how long the oldest
// record of what came into the file had waited, and what the process gave the disk for all of them
// (/proc/self/io; pages, not bytes). At last a million records as fast as the disk takes them, then
// silence: resident memory then, and 25 s later. A record that is dropped or missing fails the
// benchmark.
//
//   stream_idle_bench [directory] [streams] [records]      default: /tmp 100 250
#include <sluice/stream.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "must.h"
#include "os/process.h"

namespace sluice {
namespace {

constexpr i64 kBetweenNs = 100'000'000;
constexpr i64 kLookNs = 5'000'000;
constexpr std::size_t kRecordBytes = 300;

// The number behind `name` in a file of lines "NAME: NUMBER ...".
u64 number_in(const char* path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":"))
      return std::strtoull(line.c_str() + name.size() + 1, nullptr, 10);
  }
  std::fprintf(stderr, "%s has no %s\n", path, name.c_str());
  std::_Exit(1);
}
u64 resident_kib() { return number_in("/proc/self/status", "VmRSS"); }
u64 threads() { return number_in("/proc/self/status", "Threads"); }

void must_accept(Admission admission) {
  if (admission != Admission::kOk) must(Status(ErrorClass::kFatal, "a record was dropped"));
}

void open_many(const std::string& directory, u32 streams) {
  const u64 kib_before = resident_kib(), threads_before = threads();
  StreamSet set = must(StreamSet::open(directory));
  for (u32 i = 0; i < streams; ++i) {
    must_accept(set.write("stream" + std::to_string(i), std::string(kRecordBytes, 'x')));
  }
  if (!set.flush(60'000)) must(set.status());
  std::printf(
      "%u streams: %.1f MiB resident (%.1f before), %llu threads (%llu before); "
      "the pool has %.1f MiB\n",
      streams, double(resident_kib()) / 1024, double(kib_before) / 1024,
      static_cast<unsigned long long>(threads()), static_cast<unsigned long long>(threads_before),
      double(set.statistics().pool_memory_bytes) / double(1 << 20));
  must(set.close(60'000));
}

void write_slowly(const std::string& directory, u32 records) {
  const u64 written_before = number_in("/proc/self/io", "write_bytes");
  Stream stream = must(Stream::open(directory, "slow"));
  const std::string record(kRecordBytes, 'x');
  std::deque<i64> waiting;  // when they were written
  i64 longest_ns = 0;
  u64 in_file = 0;
  for (u32 written = 0; in_file < records; os::sleep_ns(kLookNs)) {
    const i64 now = os::monotonic_ns();
    if (written < records && (waiting.empty() || now - waiting.back() >= kBetweenNs)) {
      must_accept(stream.write(record));
      waiting.push_back(now);
      ++written;
    }
    for (const u64 there = stream.statistics().bytes_written / (kRecordBytes + 1); in_file < there;
         ++in_file, waiting.pop_front()) {
      longest_ns = std::max(longest_ns, now - waiting.front());
    }
  }
  must(stream.close());
  std::printf("%u records, 10 a second: the longest wait for the file %.2f s, %.0f KiB written\n",
              records, double(longest_ns) / 1e9,
              double(number_in("/proc/self/io", "write_bytes") - written_before) / 1024);
}

void fall_silent(const std::string& directory) {
  constexpr u32 kRecords = 1'000'000;
  constexpr i64 kSilenceNs = 25'000'000'000;
  Stream stream = must(Stream::open(directory, "burst", {.wait_ms = 60'000}));
  const std::string record(kRecordBytes, 'x');
  for (u32 i = 0; i < kRecords; ++i) must_accept(stream.write(record));
  if (!stream.flush(60'000)) must(stream.status());
  const u64 kib_then = resident_kib();
  os::sleep_ns(kSilenceNs);
  std::printf("after %u records at once: %.1f MiB resident, 25 s later %.1f\n", kRecords,
              double(kib_then) / 1024, double(resident_kib()) / 1024);
  must(stream.close(60'000));
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  const std::string directory = std::string(argc > 1 ? argv[1] : "/tmp") + "/stream_idle_bench.d";
  const int streams = argc > 2 ? std::atoi(argv[2]) : 100;
  const int records = argc > 3 ? std::atoi(argv[3]) : 250;
  if (streams < 1 || records < 1) {
    std::fprintf(stderr, "usage: stream_idle_bench [directory [streams [records]]]\n");
    return 2;
  }
  std::filesystem::remove_all(directory);
  sluice::open_many(directory, sluice::u32(streams));
  sluice::write_slowly(directory, sluice::u32(records));
  sluice::fall_silent(directory);
  std::filesystem::remove_all(directory);
  return 0;
}
