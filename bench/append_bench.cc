// Question: how much of what a Unix socket and the page cache can do is left to unchanged clients
// of the append service?
//
// Clients send one message a call, as offlog's do, and wait for the end. Beside `sluice offlog`, in
// the same round and in turn: a bare server (a thread a client: receive 256 KiB, write), and the
// original where a Python with offlog is named. After each run the files must have every byte.
//
//   append_bench SLUICE [--python PYTHON] [--rounds N] [--dir DIR]
//   append_bench SLUICE --idle N     so many idle clients: resident memory of the server
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "os/child.h"
#include "os/process.h"
#include "os/process_watch.h"
#include "os/unix_socket.h"

namespace sluice {
namespace {

struct Settings {
  std::string sluice;
  std::string python;
  std::string directory = "/tmp";
  int rounds = 5;
  int idle = 0;
};

struct Load {
  int clients;
  std::size_t bytes;
  int messages;  // of all clients
};
constexpr Load kLoads[] = {
    {1, 100, 400'000}, {4, 100, 400'000}, {1, 4096, 80'000}, {4, 4096, 80'000}};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "append_bench: %s\n", what.c_str());
  std::_Exit(1);
}

void must(bool holds, const char* what) {
  if (!holds) fail(what);
}

std::string g_directory;

// A client in a thread: blocking sends, one a message, then the end.
void send_all(const std::string& socket, const std::string& path, const Load& load) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
  must(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect");
  must(::send(fd, path.c_str(), path.size() + 1, MSG_NOSIGNAL) == ssize_t(path.size() + 1), "path");
  std::string message(load.bytes, 'x');
  message.back() = '\n';
  for (int i = 0; i < load.messages / load.clients; ++i) {
    std::size_t done = 0;
    while (done < message.size()) {
      const ssize_t sent = ::send(fd, message.data() + done, message.size() - done, MSG_NOSIGNAL);
      must(sent > 0, "send");
      done += std::size_t(sent);
    }
  }
  ::shutdown(fd, SHUT_WR);
  char heard[4096];
  while (::recv(fd, heard, sizeof heard, 0) > 0) {
  }
  ::close(fd);
}

// The least that can be: a thread a client.
void serve_bare(int listener, int clients) {
  std::vector<std::thread> threads;
  for (int c = 0; c < clients; ++c) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    must(fd >= 0, "accept");
    threads.emplace_back([fd] {
      std::vector<char> buffer(256 << 10);
      int file = -1;
      ssize_t got = 0;
      while ((got = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0) {
        const char* from = buffer.data();
        if (file < 0) {
          const std::size_t size = std::strlen(from) + 1;
          file = ::open(from, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
          from += size;
          got -= ssize_t(size);
        }
        must(::write(file, from, std::size_t(got)) == got, "write");
      }
      ::close(file);
      ::close(fd);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Messages a second.
double run(const std::string& socket, const Load& load, int listener) {
  std::vector<std::string> paths;
  for (int c = 0; c < load.clients; ++c) {
    paths.push_back(g_directory + "/f" + std::to_string(c));
    ::unlink(paths.back().c_str());
  }
  std::thread bare;
  if (listener >= 0) bare = std::thread([&] { serve_bare(listener, load.clients); });
  std::vector<std::thread> clients;
  const i64 begin = os::monotonic_ns();
  for (const std::string& path : paths) {
    clients.emplace_back([&, path] { send_all(socket, path, load); });
  }
  for (std::thread& client : clients) client.join();
  if (bare.joinable()) bare.join();
  const double seconds = double(os::monotonic_ns() - begin) / 1e9;
  for (const std::string& path : paths) {
    struct stat info {};
    must(::stat(path.c_str(), &info) == 0, "a file is missing");
    must(std::size_t(info.st_size) == std::size_t(load.messages / load.clients) * load.bytes,
         "bytes are missing");
  }
  return load.messages / seconds;
}

u32 start(std::vector<std::string> command, const std::string& socket) {
  const int quiet = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  u32 pid = 0;
  must(os::spawn(command, quiet, quiet, pid) == 0, "a server does not start");
  ::close(quiet);
  for (int i = 0; i < 3000; ++i) {
    int probe = os::connect_unix(socket);
    if (probe >= 0) {
      os::close_descriptor(probe);
      return pid;
    }
    os::sleep_ns(10'000'000);
  }
  fail("a server does not listen");
}

void end(u32 pid) {
  os::send_signal(pid, SIGTERM);
  (void)os::child_end(pid, true);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

std::string spread(const std::vector<double>& values) {
  char text[96];
  std::snprintf(text, sizeof text, "%.0f (%.0f to %.0f)", median(values),
                *std::ranges::min_element(values), *std::ranges::max_element(values));
  return text;
}

void measure(const Settings& settings) {
  const std::string ours = g_directory + "/ours", original = g_directory + "/original",
                    bare = g_directory + "/bare";
  const u32 own = start({settings.sluice, "offlog", "-s", ours}, ours);
  u32 other = 0;
  if (!settings.python.empty()) {
    other = start({settings.python, "-u", "-m", "offlog", "-s", original}, original);
  }
  const int listener = os::listen_unix(bare, 128);
  ::fcntl(listener, F_SETFL, 0);  // accept waits
  std::printf(
      "messages a second, %d rounds: median (least to most); ratios of the rounds' medians\n"
      "| clients | bytes | sluice offlog | bare | to bare | original | to original |\n",
      settings.rounds);
  for (const Load& load : kLoads) {
    std::vector<double> rates[3], to_bare, to_original;
    for (int round = 0; round < settings.rounds; ++round) {
      double rate[3] = {};
      for (int turn = 0; turn < 3; ++turn) {
        const int which = (turn + round) % 3;
        if (which == 2 && other == 0) continue;
        rate[which] = run(which == 0   ? ours
                          : which == 1 ? bare
                                       : original,
                          load, which == 1 ? listener : -1);
        rates[which].push_back(rate[which]);
      }
      to_bare.push_back(rate[0] / rate[1]);
      if (other != 0) to_original.push_back(rate[0] / rate[2]);
    }
    std::printf("| %d | %zu | %s | %s | %.2f | %s | %.2f |\n", load.clients, load.bytes,
                spread(rates[0]).c_str(), spread(rates[1]).c_str(), median(to_bare),
                other != 0 ? spread(rates[2]).c_str() : "", other != 0 ? median(to_original) : 0.0);
    std::fflush(stdout);
  }
  end(own);
  if (other != 0) end(other);
}

u64 resident_kib(u32 pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::strtoull(line.c_str() + 6, nullptr, 10);
  }
  return 0;
}

void measure_idle(const Settings& settings) {
  os::raise_descriptor_limit();
  const std::string socket = g_directory + "/ours";
  const u32 pid = start({settings.sluice, "offlog", "-s", socket}, socket);
  const u64 before = resident_kib(pid);
  const std::string path = g_directory + "/f" + std::string(1, '\0');
  for (int i = 0; i < settings.idle; ++i) {
    int fd = -1;
    while ((fd = os::connect_unix(socket)) == -EAGAIN) os::yield();
    must(fd >= 0, "a client cannot connect");
    must(os::send_some(fd, path.data(), path.size()) == i64(path.size()), "path");
    must(os::wait_socket(fd, os::kReadable, 60'000'000'000) > 0, "no answer");
    char told[256];
    must(os::receive_some(fd, told, sizeof told) == 3, "not OK");
  }
  std::printf("%d idle clients: %llu KiB resident, %llu without them\n", settings.idle,
              static_cast<unsigned long long>(resident_kib(pid)),
              static_cast<unsigned long long>(before));
  end(pid);
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  using namespace sluice;
  Settings settings;
  if (argc < 2)
    fail("usage: append_bench SLUICE [--python PYTHON] [--rounds N] [--dir DIR] [--idle N]");
  settings.sluice = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--python") {
      settings.python = argv[i + 1];
    } else if (option == "--dir") {
      settings.directory = argv[i + 1];
    } else if (option == "--rounds") {
      settings.rounds = std::max(std::atoi(argv[i + 1]), 1);
    } else if (option == "--idle") {
      settings.idle = std::atoi(argv[i + 1]);
    } else {
      fail("no such option: " + option);
    }
  }
  std::string directory = settings.directory + "/sluice-append-bench-XXXXXX";
  must(::mkdtemp(directory.data()) != nullptr, "no directory");
  g_directory = directory;
  if (settings.idle > 0) {
    measure_idle(settings);
  } else {
    measure(settings);
  }
  std::filesystem::remove_all(directory);
  return 0;
}
