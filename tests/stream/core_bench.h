// A stream's core without the engine's threads, on any os::Io: one round of its flusher at a time.
#ifndef SLUICE_TESTS_STREAM_CORE_BENCH_H_
#define SLUICE_TESTS_STREAM_CORE_BENCH_H_

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "os/process.h"
#include "stream/block.h"
#include "stream/core.h"
#include "stream/names.h"
#include "stream/stored_records.h"
#include "support/memory_io.h"

namespace sluice::stream {

using testing::MemoryIo;

struct Said final : Reporter {
  void report(std::string_view sentence) override { sentences.emplace_back(sentence); }
  std::vector<std::string> sentences;
};

// Files of a few records, in either framing.
inline StreamOptions small_files(Framing framing) {
  return {.shards = 1,
          .flush_interval_ms = 1,
          .framing = framing,
          .rotate_bytes = framing == Framing::lines ? 200u : 5 * kBlockStep};
}
inline StreamOptions one_file(Framing framing) {
  return {.shards = 1, .flush_interval_ms = 1, .framing = framing};
}
constexpr int kRecords = 40;

struct Bench {
  // With an id it counts, and keeps, where the next one finds it.
  Bench(os::Io& io, const StreamOptions& options, const std::optional<StreamId>& id = {},
        u64 pool_bytes = 1 << 20)
      : pool(Pool::make(pool_bytes).value()), directory(Directory::open(io, "/d").value()) {
    const auto claim = directory->claim("s");
    if (!claim.ok()) return;
    core = std::make_unique<Core>(io, *pool, directory, claim.value(), options, 1, wake, said, id);
    started = core->start();
  }
  // So many rounds, each after the interval and every pause.
  void rounds(int count) {
    for (int i = 0; i < count && core; ++i) (void)core->round(now += 200'000'000);
  }
  bool put(int number) {
    return core->write("record " + std::to_string(number) + " end") == Admission::kOk;
  }

  std::unique_ptr<Pool> pool;
  std::shared_ptr<Directory> directory;
  std::atomic<u32> wake{0};
  Said said;
  Status started = fatal("not claimed");
  std::unique_ptr<Core> core;
  i64 now = os::monotonic_ns();
};

// Closes it while a thread does the rounds.
inline Status close_beside_rounds(Bench& bench, u32 timeout_ms) {
  std::atomic<bool> closed{false};
  std::thread flusher([&] {
    while (!closed.load()) bench.rounds(1);
  });
  Status status = bench.core->close(timeout_ms);
  closed = true;
  flusher.join();
  return status;
}

// The numbers in all files; what is no whole record is a failure.
inline std::vector<int> numbers_in(MemoryIo& io, bool open_too) {
  std::map<u64, std::string> files;
  for (const std::string& path : io.paths()) {
    const u64 number = parse_finished(path.substr(path.rfind('/') + 1)).number;
    const auto& bytes = io.bytes(path);
    const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (number != 0) files[number] = text;
    if (open_too && path == "/d/s.log") files[~u64{0}] = text;
  }
  std::vector<int> numbers;
  for (const auto& [file, text] : files) {
    SCOPED_TRACE(file);
    for (const std::string& record : test::stored_records(text, true)) {
      int number = -1;
      EXPECT_EQ(std::sscanf(record.c_str(), "record %d end", &number), 1) << record;
      EXPECT_EQ(record, "record " + std::to_string(number) + " end");
      numbers.push_back(number);
    }
  }
  return numbers;
}

inline std::vector<int> up_to(int count) {
  std::vector<int> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(i);
  return numbers;
}

inline void write_and_close(Bench& bench) {
  for (int number = 0; number < kRecords; ++number) {
    ASSERT_TRUE(bench.put(number));
    if (number % 3 == 0) bench.rounds(2);
  }
  bench.core->begin_close();
  bench.rounds(60);
}

}  // namespace sluice::stream

#endif  // SLUICE_TESTS_STREAM_CORE_BENCH_H_
