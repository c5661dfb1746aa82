// Question: what does an append to a stream cost its caller over the bare memcpy, while the disk
// keeps up?
//
// One writer, records of 300 bytes. In turn, the memcpy of the same record with its newline into
// memory of the same kind (private, prefaulted, far larger than the caches) and the append. Two
// measures: the mean of 1,000 calls back to back, with pauses that keep the rate at about 60 MB/s;
// and single calls between fences, in bursts of 20 about half a millisecond apart. Who goes first
// changes. A record that is dropped fails the benchmark.
//
//   stream_append_bench [directory] [rounds] [bursts] [survive_kill]      default: /tmp 2000 20000
//   0
#include <sluice/stream.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>

#include "cli/call_timing.h"
#include "must.h"
#include "os/memory.h"
#include "os/trial.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kRecordBytes = 300;
constexpr u64 kMemoryBytes = u64{16} << 20;  // two of a stream's large chunks
constexpr u32 kCalls = 1000;
constexpr std::chrono::milliseconds kPause{5};

// The floor: where a stream's chunks would be, one behind the other.
class BareMemory {
 public:
  BareMemory() : at_(static_cast<char*>(os::reserve(kMemoryBytes))) {
    if (at_ == nullptr || os::map_zero(at_, kMemoryBytes) < 0 ||
        os::populate(at_, kMemoryBytes) < 0) {
      std::fprintf(stderr, "no memory\n");
      std::_Exit(1);
    }
  }
  ~BareMemory() { os::release(at_, kMemoryBytes); }
  BareMemory(const BareMemory&) = delete;
  BareMemory& operator=(const BareMemory&) = delete;

  [[gnu::noinline]] void append(std::string_view record) {
    if (used_ + record.size() + 1 > kMemoryBytes) used_ = 0;
    std::memcpy(at_ + used_, record.data(), record.size());
    at_[used_ + record.size()] = '\n';
    used_ += record.size() + 1;
  }

 private:
  char* at_;
  u64 used_ = 0;
};

struct Back2Back {
  std::vector<double> bare, append, over;
};

template <class Call>
double mean_ns(const Scale& scale, Call&& call) {
  const u64 from = fenced_ticks();
  for (u32 i = 0; i < kCalls; ++i) call();
  return scale.ns(fenced_ticks() - from) / kCalls;
}

void print(const char* name, std::vector<double> values) {
  std::printf("%-28s %8.1f %8.1f %8.1f\n", name, quantile(values, 0.25), quantile(values, 0.5),
              quantile(values, 0.75));
}
void print_single(const char* name, CallSamples samples) {
  std::printf("%-28s %8.1f %8.1f %8.0f %8.0f  (%zu calls)\n", name, quantile(samples.burst, 0.5),
              quantile(samples.single, 0.5), quantile(samples.single, 0.999),
              quantile(samples.single, 1), samples.single.size());
}

void run(const std::string& directory, u32 rounds, u32 bursts, bool survive_kill) {
  std::filesystem::remove_all(directory);
  Stream stream = must(Stream::open(
      directory, "bench", {.rotate_bytes = u64{256} << 20, .survive_kill = survive_kill}));
  BareMemory memory;
  const std::string record(kRecordBytes, 'x');
  u64 refused = 0;
  const auto bare = [&] { memory.append(record); };
  const auto append = [&] { refused += stream.write(record) != Admission::kOk; };
  const Scale scale = Scale::measure();

  Back2Back back;
  for (u32 round = 0; round < rounds; ++round) {
    double ns[2];
    for (u32 i = 0; i < 2; ++i) {
      const bool is_bare = (round + i) % 2 == 0;
      ns[is_bare ? 0 : 1] = is_bare ? mean_ns(scale, bare) : mean_ns(scale, append);
    }
    back.bare.push_back(ns[0]);
    back.append.push_back(ns[1]);
    back.over.push_back(ns[1] - ns[0]);
    std::this_thread::sleep_for(kPause);
  }
  std::printf("%-28s %8s %8s %8s\n", "1,000 calls back to back, ns", "quarter", "median", "3/4");
  print("memcpy", back.bare);
  print("append", back.append);
  print("append - memcpy", back.over);

  CallSamples bare_samples, append_samples;
  const os::ThreadUsage before = os::thread_usage();
  for (u32 round = 0; round < bursts + kWarmBursts; ++round) {
    time_burst(scale, round, bare_samples, [&](u32) { bare(); });
    time_burst(scale, round, append_samples, [&](u32) { append(); });
  }
  const os::ThreadUsage after = os::thread_usage();
  std::printf("%-28s %8s %8s %8s %8s\n", "bursts of 20, ns a call", "burst", "p50", "p99.9", "max");
  print_single("memcpy", bare_samples);
  print_single("append", append_samples);
  std::printf(
      "preempted %llu times, %llu page faults, in all of them\n",
      static_cast<unsigned long long>(after.involuntary_switches - before.involuntary_switches),
      static_cast<unsigned long long>(after.page_faults - before.page_faults));
  must(stream.close());
  std::filesystem::remove_all(directory);
  if (refused > 0) {
    std::fprintf(stderr, "%llu records dropped\n", static_cast<unsigned long long>(refused));
    std::_Exit(1);
  }
}

}  // namespace
}  // namespace sluice::cli

int main(int argc, char** argv) {
  const std::string directory = std::string(argc > 1 ? argv[1] : "/tmp") + "/stream_append_bench.d";
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 2000;
  const int bursts = argc > 3 ? std::atoi(argv[3]) : 20'000;
  if (rounds < 1 || bursts < 1) {
    std::fprintf(stderr, "usage: stream_append_bench [directory [rounds [bursts [1]]]]\n");
    return 2;
  }
  const bool survive_kill = argc > 4 && std::atoi(argv[4]) != 0;
  sluice::cli::run(directory, sluice::u32(rounds), sluice::u32(bursts), survive_kill);
  return 0;
}
