// A program is killed in the middle of its logging: what is lost?
//
// A worker logs numbered records as fast as it can. After each call that returned kOk it writes the
// number into a page it shares with its parent: so far it has *published*. (A call that finds the
// ring full is refused at once, and the number is tried again.) The parent sends SIGKILL at a
// random moment; nothing in the worker gets a chance to tidy up. Then what the worker left in
// shared memory is delivered: in odd rounds by `sluice recover`, in even rounds (and where the
// command is not built) by the next start of the same product. Every published record must be in
// the file once.
//
// usage: crash [--kills N] [--dir DIR] [--seed N]
// Exits 0 when that holds for every kill, 1 when not, 2 for wrong options.
#include <signal.h>
#include <sluice/sluice.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <thread>

#include "tally.h"

namespace {

namespace fs = std::filesystem;

// Shared by the worker, which writes, and the parent, which reads after the worker's death.
struct Page {
  std::atomic<std::uint64_t> published{0};
  std::atomic<std::uint64_t> dropped{0};  // calls that found the ring full and were told so
};

struct Round {
  std::string product;
  std::string file;
  std::chrono::microseconds life;
  bool by_command;
};

bool start(const Round& round) {
  return sluice::start(
      {.product = round.product, .sinks = {sluice::text_file(round.file)}, .quiet = true});
}

[[noreturn]] void work(const Round& round, Page& page) {
  if (!start(round)) _exit(1);
  std::uint64_t n = 1;
  for (;;) {
    if (sluice::info("record {}", "of a worker", sluice::kv("n", n)) == sluice::Admission::kOk) {
      // release: who reads this number may rely on the record being in the ring
      page.published.store(n++, std::memory_order_release);
    } else {
      page.dropped.store(page.dropped.load(std::memory_order_relaxed) + 1,
                         std::memory_order_relaxed);
    }
  }
}

// In a child, so that the parent stays a program without threads that can fork workers.
[[nodiscard]] bool recover_by_start(const Round& round) {
  const pid_t child = fork();
  // Not _exit(): the end of the process removes its empty region.
  if (child == 0) std::exit(start(round) && sluice::stop(30000) ? 0 : 1);
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

[[nodiscard]] fs::path command_path() {
  return fs::read_symlink("/proc/self/exe").parent_path() / "../sluice";
}

[[nodiscard]] bool recover(const Round& round) {
  if (!round.by_command) return recover_by_start(round);
  const std::string line = "'" + command_path().string() + "' recover --product " + round.product +
                           " > '" + round.file + ".recover' 2>&1";
  return std::system(line.c_str()) == 0;
}

[[nodiscard]] bool run_round(int number, const Round& round, Page& page) {
  page.published = 0;
  page.dropped = 0;
  const pid_t worker = fork();
  if (worker == 0) work(round, page);
  if (worker < 0) return false;
  // Its life begins with its first record.
  while (page.published.load(std::memory_order_acquire) == 0) {
    if (waitpid(worker, nullptr, WNOHANG) != 0) {
      std::fprintf(stderr, "crash: the worker could not start\n");
      return false;
    }
    std::this_thread::yield();
  }
  std::this_thread::sleep_for(round.life);
  kill(worker, SIGKILL);
  waitpid(worker, nullptr, 0);

  const std::uint64_t published = page.published.load(std::memory_order_acquire);
  const Tally before = tally_file(round.file, published);
  const bool recovered = recover(round);
  const Tally after = tally_file(round.file, published);
  const std::uint64_t lost = after.lost(published);
  // The one record whose call was in progress may have been published without being counted.
  const bool good = recovered && published > 0 && lost == 0 && after.duplicates == 0 &&
                    after.torn == 0 && after.beyond <= 1;
  std::printf("  %4d %9.1f %10llu %10llu %12llu %11llu %6llu %6llu %6llu  %-7s %s\n", number,
              static_cast<double>(round.life.count()) / 1000,
              static_cast<unsigned long long>(published),
              static_cast<unsigned long long>(page.dropped.load(std::memory_order_relaxed)),
              static_cast<unsigned long long>(before.present),
              static_cast<unsigned long long>(after.present), static_cast<unsigned long long>(lost),
              static_cast<unsigned long long>(after.duplicates),
              static_cast<unsigned long long>(after.torn), round.by_command ? "command" : "start",
              good ? "ok" : "WRONG");
  std::fflush(stdout);
  return good;
}

[[noreturn]] void wrong_options() {
  std::fprintf(stderr,
               "usage: crash [--kills N] [--dir DIR] [--seed N]\n"
               "DIR must not exist yet; default: crash-data\n");
  std::exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  int kills = 5;
  std::string dir = "crash-data";
  unsigned seed = std::random_device()();
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 >= argc) wrong_options();
    const std::string option = argv[i];
    if (option == "--kills") {
      kills = std::atoi(argv[i + 1]);
    } else if (option == "--dir") {
      dir = argv[i + 1];
    } else if (option == "--seed") {
      seed = static_cast<unsigned>(std::strtoul(argv[i + 1], nullptr, 10));
    } else {
      wrong_options();
    }
  }
  if (kills <= 0 || fs::exists(dir)) wrong_options();
  fs::create_directories(dir);

  void* shared =
      mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  Page& page = *new (shared) Page;

  std::error_code error;
  const bool has_command = fs::exists(command_path(), error);
  std::printf("A worker that logs without pause is killed (SIGKILL) %d times; seed %u\n\n", kills,
              seed);
  std::printf("  %4s %9s %10s %10s %12s %11s %6s %6s %6s  %s\n", "kill", "after ms", "published",
              "refused", "in the file", "recovered", "lost", "twice", "torn", "by");
  std::fflush(stdout);  // or children would print it again
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> life_us(200, 60000);
  bool good = true;
  for (int i = 1; i <= kills; ++i) {
    const std::string product =
        "crash-example-" + std::to_string(getpid()) + "-" + std::to_string(i);
    const Round round{product, fs::absolute(dir).string() + "/kill-" + std::to_string(i) + ".log",
                      std::chrono::microseconds(life_us(random)), has_command && i % 2 == 1};
    good &= run_round(i, round, page);
  }
  std::printf("%s\n", good ? "\nEvery published record is in its file once."
                           : "\nRecords are missing, repeated or torn!");
  return good ? 0 : 1;
}
