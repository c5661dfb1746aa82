// append_client_bench: ProxyFile beside offlog's own client, both with one original offlog server.
//
// usage: append_client_bench --python OFFLOG/bin/python [--rounds N] [--writes N]
//
// In turns, N rounds (5): each client makes so many writes (200,000 of 100 B, a fifth as many of
// 4 KiB) in a tight loop, each timed, and closes, which waits until all is in the file. Medians of
// the rounds. A write of ours that finds no room waits for it; that counts in MB/s, not as a write.
// scripts/install_offlog.sh puts the original in.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "must.h"
#include "os/child.h"
#include "os/io.h"
#include "os/process.h"
#include "os/unix_socket.h"
#include "sluice/append.h"

namespace sluice {
namespace {

constexpr const char* kTheirs = R"(
import sys, time
from offlog import ProxyFile
path, sock, n, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
m = b'x' * (size - 1) + b'\n'
pc, took = time.perf_counter_ns, []
f = ProxyFile(path, sock, timeout=600)
t0 = pc()
for i in range(n):
    t = pc(); f.write(m); took.append(pc() - t)
f.close()
all = pc() - t0
took.sort()
print(*(took[int(n * q)] for q in (.5, .99, .999)), n * size * 1e3 / all)
)";

struct Seen {
  double p50 = 0, p99 = 0, p999 = 0, mb_per_s = 0;
};

Seen ours(const std::string& path, const std::string& socket, std::size_t writes,
          std::size_t size) {
  using Clock = std::chrono::steady_clock;
  ProxyOptions options;
  options.socket = socket;
  options.timeout_ms = 600'000;
  ProxyFile file = must(ProxyFile::open(path, options));
  const std::string message = std::string(size - 1, 'x') + '\n';
  std::vector<double> took;
  took.reserve(writes);
  const auto begin = Clock::now();
  while (took.size() < writes) {
    const auto from = Clock::now();
    const Admission result = file.write(message);
    const auto to = Clock::now();
    if (result == Admission::kOk) {
      took.push_back(std::chrono::duration<double, std::nano>(to - from).count());
    } else if (!file.wait_for_room(options.buffer_bytes / 4, options.timeout_ms)) {
      must(file.status());
    }
  }
  must(file.close());
  const double all = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
  std::sort(took.begin(), took.end());
  const auto at = [&](double q) { return took[std::size_t(double(writes) * q)]; };
  return {at(.5), at(.99), at(.999), double(writes * size) / all};
}

Seen theirs(const std::string& python, const std::string& path, const std::string& socket,
            std::size_t writes, std::size_t size) {
  os::Pipe pipe;
  u32 pid = 0;
  if (os::make_pipe(pipe) < 0 ||
      os::spawn({python, "-c", kTheirs, path, socket, std::to_string(writes), std::to_string(size)},
                pipe.write_end, -1, pid) < 0) {
    must(Status(ErrorClass::kFatal, "cannot start " + python));
  }
  os::close_descriptor(pipe.write_end);
  std::string text;
  char piece[256];
  for (i64 n = 0; (n = os::real_io().read(pipe.read_end, piece, sizeof piece)) > 0;) {
    text.append(piece, std::size_t(n));
  }
  os::close_descriptor(pipe.read_end);
  Seen seen;
  if (os::child_end(pid, true).exit_code != 0 ||
      std::sscanf(text.c_str(), "%lf %lf %lf %lf", &seen.p50, &seen.p99, &seen.p999,
                  &seen.mb_per_s) != 4) {
    must(Status(ErrorClass::kFatal, "offlog's client failed"));
  }
  return seen;
}

double median(const std::vector<Seen>& rounds, double Seen::*what) {
  std::vector<double> values;
  for (const Seen& seen : rounds) values.push_back(seen.*what);
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void compare(const std::string& python, const std::string& directory, std::size_t writes,
             std::size_t size, int rounds) {
  const std::string socket = directory + "/s", path = directory + "/file";
  std::vector<Seen> our, their;
  for (int i = 0; i < rounds; ++i) {
    for (const bool we : {true, false}) {
      (we ? our : their)
          .push_back(we ? ours(path, socket, writes, size)
                        : theirs(python, path, socket, writes, size));
      if (std::filesystem::file_size(path) != writes * size) {
        must(Status(ErrorClass::kFatal, "the file has not all that was written"));
      }
      std::filesystem::remove(path);
    }
  }
  const auto line = [&](const char* name, const std::vector<Seen>& seen) {
    std::printf("%5zu B  %-7s %9.0f %10.0f %10.0f %9.1f\n", size, name, median(seen, &Seen::p50),
                median(seen, &Seen::p99), median(seen, &Seen::p999), median(seen, &Seen::mb_per_s));
  };
  line("sluice", our);
  line("offlog", their);
  std::printf("%5zu B  ratio   %9.1f %10.1f %10.1f %9.1f\n", size,
              median(their, &Seen::p50) / median(our, &Seen::p50),
              median(their, &Seen::p99) / median(our, &Seen::p99),
              median(their, &Seen::p999) / median(our, &Seen::p999),
              median(our, &Seen::mb_per_s) / median(their, &Seen::mb_per_s));
}

int run(int count, char** values) {
  std::string python;
  int rounds = 5;
  std::size_t writes = 200'000;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view option = values[i];
    if (option == "--python") python = values[i + 1];
    if (option == "--rounds") rounds = std::max(1, std::atoi(values[i + 1]));
    if (option == "--writes") writes = std::size_t(std::max(5, std::atoi(values[i + 1])));
  }
  char folder[] = "/tmp/sluice-append-bench-XXXXXX";
  if (python.empty() || ::mkdtemp(folder) == nullptr) {
    std::fprintf(stderr, "usage: append_client_bench --python OFFLOG/bin/python\n");
    return 2;
  }
  const std::string socket = std::string(folder) + "/s";
  u32 server = 0;
  os::Pipe quiet;  // the server's lines: few enough for a pipe that nobody reads
  if (os::make_pipe(quiet) < 0 ||
      os::spawn({"setpriv", "--pdeathsig", "KILL", python, "-m", "offlog", "-s", socket},
                quiet.write_end, quiet.write_end, server) < 0) {
    must(Status(ErrorClass::kFatal, "cannot start " + python));
  }
  int probe = -1;
  while ((probe = os::connect_unix(socket)) < 0) os::sleep_ns(10'000'000);
  os::close_descriptor(probe);
  std::printf("                 p50 ns     p99 ns   p99.9 ns      MB/s\n");
  compare(python, folder, writes, 100, rounds);
  compare(python, folder, writes / 5, 4096, rounds);
  os::send_signal(server, 15);
  (void)os::child_end(server, true);
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int count, char** values) { return sluice::run(count, values); }
