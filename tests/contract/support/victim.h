// Processes to be killed, private places for them, and recovery in the process that judges.
//
// The judging process never logs itself: to each child it is as if freshly started.
// Threading: one thread. Failure: a child that outlives its alarm dies of SIGALRM, which every test
// reports as a deadlock.
#ifndef SLUICE_TESTS_CONTRACT_SUPPORT_VICTIM_H_
#define SLUICE_TESTS_CONTRACT_SUPPORT_VICTIM_H_

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "runtime/recover.h"
#include "sluice/sluice.h"

namespace sluice::testing {

inline bool full_size() {
  const char* text = std::getenv("SLUICE_TEST_FULL");
  return text && text[0] == '1';
}
// Points to try: all of them, or what fits into a quick run.
inline std::uint64_t points(std::uint64_t quick, std::uint64_t full) {
  return full_size() ? full : quick;
}

inline std::int64_t now_ns() {
  timespec time;
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// A directory of its own below `parent`, mode 0700, removed with all that is in it.
class TempDirectory {
 public:
  explicit TempDirectory(const std::string& parent = "/dev/shm") {
    std::string path = parent + "/sluice-test-XXXXXX";
    if (!::mkdtemp(path.data())) std::abort();
    path_ = path;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  // Names of what is in it.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      all.push_back(entry.path().filename().string());
    }
    return all;
  }

 private:
  std::string path_;
};

// Small numbers for delays and choices; the seed is printed by the tests that use it.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2 + 1) {}
  std::uint64_t next(std::uint64_t bound) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return (state_ >> 11) % bound;
  }

 private:
  std::uint64_t state_;
};

// Runs `body` in a child, which then ends without any handler. `alarm_s` bounds its life.
template <class Body>
pid_t spawn(Body&& body, unsigned alarm_s = 60) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(alarm_s);
    body();
    ::_exit(0);
  }
  return child;
}

// How a child ended: "exit 0", "signal 9".
inline std::string wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "exit " + std::to_string(WEXITSTATUS(status));
}

// Waits without giving the processor away: a sleep is too coarse for a random microsecond.
inline void spin_us(std::uint64_t us) {
  const std::int64_t until = now_ns() + std::int64_t(us) * 1000;
  while (now_ns() < until) {
    if (until - now_ns() > 200'000) ::usleep(100);
  }
}

// How many times longer than on the machine that delays were chosen on a program takes to start,
// say something and stop. In an emulator that is many.
inline std::uint64_t times_slower() {
  static const std::uint64_t times = [] {
    constexpr std::int64_t kUsualNs = 4'000'000;
    std::int64_t least_ns = std::int64_t{60} * 1'000'000'000;
    for (int i = 0; i < 3; ++i) {
      const TempDirectory region, files;
      const std::int64_t begun_ns = now_ns();
      const pid_t child = spawn([&] {
        Options options;
        options.sinks = {text_file(files / "a.log")};
        options.region_directory = region.path();
        options.quiet = true;
        (void)start(options);
        (void)log_text(Level::info, "", "once");
        (void)stop();
      });
      EXPECT_EQ(wait_for(child), "exit 0");
      least_ns = std::min(least_ns, now_ns() - begun_ns);
    }
    return std::uint64_t(std::max(least_ns / kUsualNs, std::int64_t{1}));
  }();
  return times;
}

// Collects what the library has to say.
class Listener final : public Reporter {
 public:
  void report(std::string_view sentence) override {
    const std::lock_guard lock(mutex_);
    text_ += std::string(sentence) + "\n";
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::mutex mutex_;
  std::string text_;
};

struct Recovery {
  std::vector<runtime::RegionSummary> regions;
  std::string said;
  std::uint64_t merged = 0;
  std::uint64_t dropped = 0;
  bool complete = true;
};

// Recovers everything in `directory`, in this process.
inline Recovery recover(const std::string& directory,
                        std::vector<back::SinkConfig> extra_sinks = {}) {
  Listener listener;
  runtime::RecoverOptions options;
  options.directory = directory;
  options.console = false;
  options.extra_sinks = std::move(extra_sinks);
  Recovery result;
  result.regions = runtime::recover_all(options, listener);
  result.said = listener.text();
  for (const runtime::RegionSummary& region : result.regions) {
    result.merged += region.merged;
    result.dropped += region.dropped;
    result.complete = result.complete && region.complete;
    if (!region.complete) result.said += region.path + ": " + region.problem + "\n";
  }
  return result;
}

inline std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_CONTRACT_SUPPORT_VICTIM_H_
