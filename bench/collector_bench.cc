// The collector: records a second from 8 programs into its store, call to query, kill to verdict,
// how long a change-over takes, memory. One JSON object.
//
//     collector_bench SLUICE [RECORDS]      SLUICE: the command; RECORDS of each program
#include <fcntl.h>

#include <cstdio>
#include <vector>

#include "os/child.h"
#include "os/process_watch.h"
#include "os/unix_socket.h"
#include "region/region.h"
#include "served.h"
#include "sluice/log.h"

namespace {

using namespace sluice;
using namespace sluice::bench;

constexpr u32 kPrograms = 8;

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
    begin(places, "follower", 4 << 20, Collector::automatic);
    for (;;) {
      log_text(Level::info, "follower", std::to_string(os::monotonic_ns()));
      os::sleep_ns(1'000'000);
    }
  }
  wait_ms(
      [&] { return number(places, "SELECT count(*) FROM records WHERE logger = 'follower'") > 0; });
  kill_and_wait(daemon, SIGKILL);
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
  kill_and_wait(program, SIGKILL);
  return took;
}

}  // namespace

int main(int count, char** values) {
  if (count < 2) return 2;
  const Places places;
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
  kill_and_wait(daemon, SIGTERM);
  places.remove();
  return 0;
}
