// A `sluice serve` for the benchmarks, in directories of its own, and programs that leave their
// regions to it. The store is in TMPDIR.
#ifndef SLUICE_BENCH_SERVED_H_
#define SLUICE_BENCH_SERVED_H_

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "os/process.h"
#include "sluice/sluice.h"
#include "store/sqlite.h"

namespace sluice::bench {

constexpr i64 kDeadlineNs = 120'000'000'000;
constexpr i64 kNapNs = 1'000'000;

struct Places {
  std::string files, regions = "/dev/shm/sluice-bench-XXXXXX";
  Places() {
    const char* const directory = std::getenv("TMPDIR");
    files = std::string(directory ? directory : "/tmp") + "/sluice-bench-XXXXXX";
    if (!::mkdtemp(files.data()) || !::mkdtemp(regions.data())) std::_Exit(1);
  }
  void remove() const {
    std::filesystem::remove_all(files);
    std::filesystem::remove_all(regions);
  }
  [[nodiscard]] std::string store() const { return files + "/all.db"; }
  [[nodiscard]] std::string socket() const { return files + "/run/ingest.sock"; }
};

inline void begin(const Places& places, const std::string& product, u64 ring_bytes = 4 << 20,
                  Collector collector = Collector::only) {
  const bool started = start({.product = product,
                              .ring_bytes = ring_bytes,
                              .region_directory = places.regions,
                              .recover = false,
                              .collector = collector,
                              .collector_socket = places.socket(),
                              .quiet = true});
  if (!started) std::_Exit(1);
}

inline i64 number(const Places& places, const std::string& sql) {
  const storage::DatabaseUse use;
  auto store = storage::Connection::open(places.store(), storage::Access::kRead);
  if (!store.ok()) return 0;
  const auto value = store.value()->integer_of(sql);
  return value.ok() ? value.value() : 0;
}

inline double wait_ms(const std::function<bool()>& ready) {
  const i64 from = os::monotonic_ns();
  while (!ready()) {
    if (os::monotonic_ns() - from > kDeadlineNs) std::_Exit(2);
    os::sleep_ns(kNapNs);
  }
  return double(os::monotonic_ns() - from) / 1e6;
}

inline double resident_mb(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) return double(std::stoull(line.substr(6))) / 1024;
  }
  return 0;
}

inline pid_t serve(const Places& places, const char* command) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::execl(command, "sluice", "serve", "--quiet", "--store", places.store().c_str(),
          "--ingest-socket", places.socket().c_str(), "--admin-socket",
          (places.files + "/run/admin.sock").c_str(), "--region-directory", places.regions.c_str(),
          nullptr);
  std::_Exit(127);
}

inline void kill_and_wait(pid_t pid, int signal) {
  ::kill(pid, signal);
  ::waitpid(pid, nullptr, 0);
}

}  // namespace sluice::bench

#endif  // SLUICE_BENCH_SERVED_H_
