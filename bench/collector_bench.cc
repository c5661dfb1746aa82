// The collector: records a second from 8 programs into its store, call to query, kill to verdict,
// how long a change-over takes, memory. One JSON object.
//
//     collector_bench SLUICE [RECORDS]      SLUICE: the command; RECORDS of each program
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "os/child.h"
#include "os/process.h"
#include "os/process_watch.h"
#include "os/unix_socket.h"
#include "region/region.h"
#include "sluice/log.h"
#include "sluice/sluice.h"
#include "store/sqlite.h"

namespace {

using namespace sluice;

constexpr u32 kPrograms = 8;
constexpr i64 kDeadlineNs = 120'000'000'000;
constexpr i64 kNapNs = 1'000'000;

struct Places {
  std::string files, regions;
  [[nodiscard]] std::string store() const { return files + "/all.db"; }
  [[nodiscard]] std::string socket() const { return files + "/run/ingest.sock"; }
};

void begin(const Places& places, const std::string& product,
           Collector collector = Collector::only) {
  const bool started = start({.product = product,
                              .ring_bytes = 4 << 20,
                              .region_directory = places.regions,
                              .recover = false,
                              .collector = collector,
                              .collector_socket = places.socket(),
                              .quiet = true});
  if (!started) std::_Exit(1);
}

// Logs `count` records, `rate` a second, and ends.
pid_t run_program(const Places& places, u64 count, u64 rate) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  begin(places, "program");
  const i64 from = os::monotonic_ns();
  for (u64 i = 0; i < count; ++i) {
    while (i * 1'000'000'000 / rate > u64(os::monotonic_ns() - from)) os::sleep_ns(kNapNs);
    SLUICE_INFO("request {} took {} ms", i, 2.5);
  }
  stop();
  std::_Exit(0);
}

i64 number(const Places& places, const std::string& sql) {
  const storage::DatabaseUse use;
  auto store = storage::Connection::open(places.store(), storage::Access::kRead);
  if (!store.ok()) return 0;
  const auto value = store.value()->integer_of(sql);
  return value.ok() ? value.value() : 0;
}

double wait_ms(const std::function<bool()>& ready) {
  const i64 from = os::monotonic_ns();
  while (!ready()) {
    if (os::monotonic_ns() - from > kDeadlineNs) std::_Exit(2);
    os::sleep_ns(kNapNs);
  }
  return double(os::monotonic_ns() - from) / 1e6;
}

double resident_mb(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) return double(std::stoull(line.substr(6))) / 1024;
  }
  return 0;
}

pid_t serve(const Places& places, const char* command) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::execl(command, "sluice", "serve", "--quiet", "--store", places.store().c_str(),
          "--ingest-socket", places.socket().c_str(), "--admin-socket",
          (places.files + "/run/admin.sock").c_str(), "--region-directory", places.regions.c_str(),
          nullptr);
  std::_Exit(127);
}

// Who consumes a program's region: the process that has the consumer's lock.
i64 consumer_of(const Places& places, const std::string& product) {
  for (const auto& file : std::filesystem::directory_iterator(places.regions)) {
    if (!file.path().filename().string().starts_with(product + "-")) continue;
    const int fd = ::open(file.path().c_str(), O_RDWR | O_CLOEXEC);
    const i64 holder = os::lock_holder(fd, region::kConsumerLock);
    ::close(fd);
    return holder;
  }
  return -1;
}

struct ChangeOver {
  double alone_ms = 0;  // from the death of the collector to the store of what was said since
  double back_ms = 0;   // from a collector that is ready to its having the region
};

// A program that says something each millisecond, whose collector is killed and comes again.
ChangeOver change_over(const Places& places, const char* command, pid_t& daemon) {
  const pid_t program = ::fork();
  if (program == 0) {
    begin(places, "follower", Collector::automatic);
    for (;;) {
      log_text(Level::info, "follower", std::to_string(os::monotonic_ns()));
      os::sleep_ns(1'000'000);
    }
  }
  wait_ms(
      [&] { return number(places, "SELECT count(*) FROM records WHERE logger = 'follower'") > 0; });
  ::kill(daemon, SIGKILL);
  ::waitpid(daemon, nullptr, 0);
  ChangeOver took;
  const std::string since = std::to_string(os::monotonic_ns());
  took.alone_ms = wait_ms([&] {
    return number(places, "SELECT count(*) FROM records WHERE logger = 'follower' AND body > '" +
                              since + "'") > 0;
  });
  daemon = serve(places, command);
  wait_ms([&] {
    int probe = os::connect_unix(places.socket());
    const bool listens = probe >= 0;
    if (listens) os::close_descriptor(probe);
    return listens;
  });
  took.back_ms = wait_ms([&] { return consumer_of(places, "follower") == daemon; });
  ::kill(program, SIGKILL);
  ::waitpid(program, nullptr, 0);
  return took;
}

}  // namespace

int main(int count, char** values) {
  if (count < 2) return 2;
  std::string files = "/tmp/sluice-bench-XXXXXX", regions = "/dev/shm/sluice-bench-XXXXXX";
  if (!::mkdtemp(files.data()) || !::mkdtemp(regions.data())) return 1;
  const Places places{files, regions};
  const u64 each = count > 2 ? std::strtoull(values[2], nullptr, 10) : 100'000;
  pid_t daemon = serve(places, values[1]);
  wait_ms([&] { return std::filesystem::exists(places.socket()); });
  os::sleep_ns(1'000'000'000);
  const double idle = resident_mb(daemon);

  // One record at a time: from the call to when a question finds it; then the program is killed.
  int told[2];
  if (::pipe(told) != 0) return 1;
  const pid_t one = ::fork();
  if (one == 0) {
    begin(places, "one");
    os::sleep_ns(1'000'000'000);
    log_text(Level::info, "one", "the call");
    (void)!::write(told[1], "x", 1);
    for (;;) ::pause();
  }
  char byte = 0;
  (void)!::read(told[0], &byte, 1);
  const double query = wait_ms(
      [&] { return number(places, "SELECT count(*) FROM records WHERE logger = 'one'") == 1; });
  ::kill(one, SIGKILL);
  const double verdict = wait_ms([&] {
    return number(places, "SELECT count(*) FROM runs WHERE product = 'one' AND reason <> ''") == 1;
  });
  ::waitpid(one, nullptr, 0);

  const ChangeOver change = change_over(places, values[1], daemon);

  const i64 from = os::monotonic_ns();
  std::vector<pid_t> programs;
  for (u32 i = 0; i < kPrograms; ++i) programs.push_back(run_program(places, each, 15'000));
  double loaded = 0;
  for (const pid_t program : programs) {
    loaded = std::max(loaded, resident_mb(daemon));
    ::waitpid(program, nullptr, 0);
  }
  wait_ms([&] {
    return number(places, "SELECT count(*) FROM runs WHERE product = 'program' AND ended_ns > 0") ==
           kPrograms;
  });
  const double seconds = double(os::monotonic_ns() - from) / 1e9;
  const std::string mine =
      " FROM records JOIN runs ON runs.id = run WHERE product = 'program' AND"
      " body LIKE 'request%'";
  const i64 stored = number(places, "SELECT count(*)" + mine);
  const i64 distinct =
      number(places, "SELECT count(*) FROM (SELECT DISTINCT run, sequence" + mine + ")");
  std::printf(
      "{\"records_per_s\": %.0f, \"records\": %lld, \"lost\": %lld, \"twice\": %lld,"
      " \"call_to_query_ms\": %.1f, \"kill_to_verdict_ms\": %.1f, \"killed_to_alone_ms\": %.1f,"
      " \"ready_to_back_ms\": %.1f, \"idle_mb\": %.0f, \"loaded_mb\": %.0f}\n",
      double(stored) / seconds, (long long)stored, (long long)(i64(each * kPrograms) - distinct),
      (long long)(stored - distinct), query, verdict, change.alone_ms, change.back_ms, idle,
      loaded);
  ::kill(daemon, SIGTERM);
  ::waitpid(daemon, nullptr, 0);
  std::filesystem::remove_all(files);
  std::filesystem::remove_all(regions);
  return 0;
}
