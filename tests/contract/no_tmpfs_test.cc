// sanitizers: none (mounts of its own; what is tested is the same in every build)
//
// No shared memory anywhere: /dev/shm is there but read-only, or lies on a disk, or no such place
// is there at all. The region is then private memory: everything gets into every sink, counts add
// up, it is said once that records do not survive their process, and just that is what is lost.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sluice/sluice.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <thread>

#include "contract/captured_stderr.h"
#include "contract/conservation.h"
#include "contract/isolated.h"
#include "contract/outputs.h"
#include "store/store_fixture.h"

namespace sluice::test {
namespace {

constexpr int kThreads = 4;
constexpr int kEach = 2000;

// Mounts of this process and its children only. False, said: they cannot be had here.
bool own_mounts() {
  ::unsetenv("XDG_RUNTIME_DIR");
  if (::unshare(CLONE_NEWNS) == 0 &&
      ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0) {
    return true;
  }
  std::printf("skipped: no mounts here (%s)\n", std::strerror(errno));
  return false;
}

// What is at `from` is at /dev/shm too.
void put_at_dev_shm(const std::string& from) {
  ASSERT_EQ(::mount(from.c_str(), "/dev/shm", nullptr, MS_BIND, nullptr), 0);
}

void make_dev_shm_read_only() {
  put_at_dev_shm("/dev/shm");
  const unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
  ASSERT_EQ(::mount(nullptr, "/dev/shm", nullptr, flags, nullptr), 0);
}

std::size_t times_said(const std::string& text, const std::string& what) {
  std::size_t times = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    ++times;
  }
  return times;
}

Attempts log_from_threads() {
  std::vector<Attempts> each(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&mine = each[std::size_t(t)], t] {
      for (int i = 0; i < kEach; ++i) mine.add(info("number {number}", t * kEach + i));
    });
  }
  Attempts all;
  for (int t = 0; t < kThreads; ++t) {
    threads[std::size_t(t)].join();
    all.add(each[std::size_t(t)]);
  }
  return all;
}

// Each number once, in each sink.
void expect_all_delivered(const Dirs& dirs) {
  std::set<int> text, json;
  const std::vector<std::string> lines = read_lines(dirs.file("a.log"));
  for (const std::string& line : lines) {
    text.insert(std::stoi(line.substr(line.find("number ") + 7)));
  }
  const std::vector<nlohmann::json> objects = read_json(dirs.file("a.jsonl"));
  for (const nlohmann::json& object : objects) json.insert(object["fields"]["number"].get<int>());
  const std::vector<std::string> rows =
      rows_in(dirs.file("a.db"), "SELECT DISTINCT attributes ->> 'number' FROM records");
  constexpr std::size_t kAll = kThreads * kEach;
  EXPECT_EQ(lines.size(), kAll);
  EXPECT_EQ(text.size(), kAll);
  EXPECT_EQ(objects.size(), kAll);
  EXPECT_EQ(json.size(), kAll);
  EXPECT_EQ(rows.size(), kAll);
}

Options options_for(const Dirs& dirs, bool quiet = false) {
  return {.product = "no-tmpfs",
          .sinks = {text_file(dirs.file("a.log")), json_file(dirs.file("a.jsonl")),
                    store_file(dirs.file("a.db"))},
          .quiet = quiet};
}

// A whole run, where nothing is to be had.
void run_without_shared_memory(const Dirs& dirs) {
  const CapturedStderr captured(dirs.file("stderr"));
  ASSERT_TRUE(start(options_for(dirs))) << last_error();
  EXPECT_FALSE(stats().shared);
  const Attempts mine = log_from_threads();
  EXPECT_EQ(mine.accepted(), std::uint64_t{kThreads * kEach});
  EXPECT_TRUE(flush(Reach::written, 60'000).complete);
  EXPECT_TRUE(flush(Reach::queued, 0).complete);
  EXPECT_FALSE(flush(Reach::shared, 0).complete) << "nothing is shared";
  EXPECT_EQ(imbalance(mine, stats()), "");
  ASSERT_TRUE(stop(60'000));
  expect_all_delivered(dirs);
  EXPECT_EQ(times_said(captured.text(), "records do not survive the death of this process"), 1u)
      << captured.text();
}

ISOLATED_TEST(NoTmpfs, DevShmIsReadOnly) {
  if (!own_mounts()) return;
  make_dev_shm_read_only();
  run_without_shared_memory(dirs);
}

ISOLATED_TEST(NoTmpfs, DevShmIsADirectoryOnADisk) {
  if (!own_mounts()) return;
  const std::string disk = dirs.file("disk");
  std::filesystem::create_directory(disk);
  put_at_dev_shm(disk);
  run_without_shared_memory(dirs);
  // The directory of regions is made before it is known that none can be; no region or draft is.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(disk)) {
    EXPECT_TRUE(entry.is_directory()) << entry.path();
  }
}

ISOLATED_TEST(NoTmpfs, ThereIsNoDevShm) {
  if (!own_mounts()) return;
  // An empty /dev but for what programs need of it.
  const std::string dev = dirs.file("dev");
  std::filesystem::create_directory(dev);
  for (const char* name : {"null", "urandom"}) {
    const std::string there = std::string("/dev/") + name, here = dev + "/" + name;
    const int file = ::open(here.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ASSERT_GE(file, 0);
    ::close(file);
    ASSERT_EQ(::mount(there.c_str(), here.c_str(), nullptr, MS_BIND, nullptr), 0);
  }
  ASSERT_EQ(::mount(dev.c_str(), "/dev", nullptr, MS_BIND | MS_REC, nullptr), 0);
  ASSERT_FALSE(std::filesystem::exists("/dev/shm"));
  run_without_shared_memory(dirs);
}

// A forked child has a region of its own, private too.
ISOLATED_TEST(NoTmpfs, AForkedChildLogsToo) {
  if (!own_mounts()) return;
  make_dev_shm_read_only();
  ASSERT_TRUE(start(options_for(dirs, true))) << last_error();
  ASSERT_EQ(info("number {number}", kThreads * kEach), Admission::kOk);
  ASSERT_EQ(exit_code_of([] {
              EXPECT_EQ(log_from_threads().accepted(), std::uint64_t{kThreads * kEach});
              EXPECT_TRUE(flush(Reach::written, 60'000).complete);
              EXPECT_FALSE(stats().shared);
            }),
            0);
  ASSERT_TRUE(stop(60'000));
  EXPECT_EQ(read_lines(dirs.file("a.log")).size(), std::size_t{kThreads * kEach + 1});
}

// What was written before SIGKILL is there, the rest is not, and nothing is left to recover.
ISOLATED_TEST(NoTmpfs, AKillLosesWhatWasNotWritten) {
  if (!own_mounts()) return;
  make_dev_shm_read_only();
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ready[0]);
    const bool told = start(options_for(dirs, true)) &&
                      log_from_threads().accepted() == kThreads * kEach &&
                      flush(Reach::written, 60'000).complete && ::write(ready[1], "", 1) == 1;
    while (told) ::pause();
    ::_exit(1);
  }
  ::close(ready[1]);
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1) << "the child could not start, log or flush";
  ::close(ready[0]);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  expect_all_delivered(dirs);
  // The next start finds no region, and adds nothing.
  ASSERT_TRUE(start(options_for(dirs, true))) << last_error();
  ASSERT_TRUE(stop(60'000));
  expect_all_delivered(dirs);
}

}  // namespace
}  // namespace sluice::test
