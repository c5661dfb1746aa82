// How long does a segment writer take for one 40-byte record before the kernel's write?
//
// Appends records of 8 sites and 4 threads to a writer whose Io takes the bytes and drops them, so
// that framing, definitions, the copy and the CRC are what is measured; then once more with the
// kernel's write into a file of the directory given as the first argument (default: none, skipped).
// Prints the best, median and worst of the repeats in ns a record. No threads.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "segment/writer.h"

namespace {

using namespace sluice;

constexpr u64 kRecords = 2'000'000;
constexpr int kRepeats = 11;
constexpr std::size_t kRecordBytes = 40;

// Files that take everything and keep nothing.
class NullIo final : public os::Io {
 public:
  int open(const char*, u32) override { return 3; }
  int close(int) override { return 0; }
  i64 pread(int, void*, std::size_t, u64) override { return 0; }
  i64 pwrite(int, const void*, std::size_t size, u64) override { return i64(size); }
  i64 read(int, void*, std::size_t) override { return 0; }
  i64 write(int, const void*, std::size_t size) override { return i64(size); }
  int truncate(int, u64) override { return 0; }
  int allocate(int, u64, u64) override { return 0; }
  int sync_data(int) override { return 0; }
  int sync_directory(const char*) override { return 0; }
  int stat(const char*, os::FileInfo&) override { return 0; }
  int stat_followed(const char*, os::FileInfo&) override { return 0; }
  int stat_fd(int, os::FileInfo&) override { return 0; }
  int rename(const char*, const char*) override { return 0; }
  int unlink(const char*) override { return 0; }
  int make_directory(const char*) override { return 0; }
  int lock(int, u64, bool) override { return 0; }
  int unlock(int, u64) override { return 0; }
  int list(const char*, const std::function<void(const char*)>&) override { return 0; }
};

std::vector<Site> make_sites() {
  std::vector<Site> sites(8);
  for (u32 i = 0; i < sites.size(); ++i) {
    sites[i].id = kSiteFirstCaller + i;
    sites[i].format = "Logging int: {}, int: {}, double: {}";
    sites[i].arguments.resize(3);
  }
  return sites;
}

// ns a record, or a negative number when the writer refused.
double measure(os::Io& io, const std::string& directory) {
  auto opened = SegmentWriter::open(
      {.directory = directory, .name = "bench", .segment_bytes = u64{1} << 30, .io = &io}, {});
  if (!opened.ok()) return -1;
  SegmentWriter& writer = *opened.value();
  const std::vector<Site> sites = make_sites();
  writer.define_clock({.ticks = 0, .wall_ns = 0, .ns_per_tick_2_32 = 1, .epoch = 1});
  for (u16 slot = 0; slot < 4; ++slot) writer.define_thread({slot, 1, slot, "worker"});
  std::byte record[kRecordBytes] = {};
  const auto start = std::chrono::steady_clock::now();
  for (u64 i = 0; i < kRecords; ++i) {
    const Site& site = sites[i % sites.size()];
    store(record, RecordHeader{kRecordBytes / 8, u16(i % 4), site.id, i});
    if (!writer.append(i, record, &site).ok()) return -1;
  }
  if (!writer.flush().ok()) return -1;
  const std::chrono::duration<double, std::nano> passed = std::chrono::steady_clock::now() - start;
  const std::string path = writer.path();
  opened.value().reset();
  io.unlink(path.c_str());
  return passed.count() / double(kRecords);
}

bool report(const char* what, os::Io& io, const std::string& directory) {
  std::vector<double> figures;
  for (int i = 0; i < kRepeats; ++i) figures.push_back(measure(io, directory));
  std::sort(figures.begin(), figures.end());
  std::printf("%-24s n=%d x %llu  best %.1f  median %.1f  worst %.1f ns/record\n", what, kRepeats,
              static_cast<unsigned long long>(kRecords), figures.front(), figures[kRepeats / 2],
              figures.back());
  return figures.front() >= 0;
}

}  // namespace

int main(int argc, char** argv) {
  NullIo nowhere;
  bool ok = report("before the write", nowhere, "/none");
  if (argc > 1) ok = report("with the write", os::real_io(), argv[1]) && ok;
  return ok ? 0 : 1;
}
