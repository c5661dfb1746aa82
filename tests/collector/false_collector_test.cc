// sanitizers: none (forks programs that log, and collectors that are none)
//
// Collectors that do not do what they should: they take a region and die before they have answered,
// refuse it, or never answer. The program goes on alone, and nothing is lost or stored twice.
#include <map>

#include "collector/region_mirror.h"
#include "collector/support/regions_fixture.h"
#include "os/child.h"
#include "os/process_watch.h"
#include "os/unix_socket.h"

namespace sluice::test {
namespace {

class FalseCollector : public Regions {
 protected:
  void SetUp() override {
    Regions::SetUp();
    std::filesystem::create_directory(path("run"));
    listener_ = os::listen_unix(path("run/ingest.sock"), 16);
    ASSERT_GE(listener_, 0);
  }
  void TearDown() override {
    os::close_descriptor(listener_);
    Regions::TearDown();
  }
  // The next registration's connection.
  int accept() const {
    EXPECT_TRUE(os::wait_readable(listener_, -1, 10'000'000'000).first);
    const int fd = os::accept_unix(listener_);
    EXPECT_GE(fd, 0);
    return fd;
  }
  [[nodiscard]] std::string region(u32 number) const {
    const std::string begins = "program" + std::to_string(number) + "-";
    for (const auto& file : std::filesystem::directory_iterator(regions_)) {
      if (file.path().filename().string().starts_with(begins)) return file.path();
    }
    return {};
  }
  // In a process of its own: takes the region as soon as nobody has it, merges what is there, and
  // dies.
  pid_t start_taker(u32 number) const {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    for (;;) {
      auto mirror = collector::RegionMirror::open(os::real_io(), region(number), path("all.db"));
      if (!mirror.ok()) {
        os::sleep_ns(100'000);
        continue;
      }
      bool done = mirror.value()->refresh().ok();
      while (done && mirror.value()->merge(true) == back::Merged::kBatch) {
      }
      done = done && mirror.value()->write_back().ok();
      ::kill(::getpid(), done ? SIGKILL : SIGABRT);
    }
  }
  // Tells the program that its region is wanted, as often as it asks, and never answers when it
  // registers: until the taker has had the region.
  void answer_until_taken(u32 number, pid_t program, pid_t taker) const {
    int status = 0;
    while (::waitpid(taker, &status, WNOHANG) == 0) {
      if (!os::wait_readable(listener_, -1, 20'000'000).first) continue;
      int connection = os::accept_unix(listener_);
      if (consumer(number) == program) (void)os::send_some(connection, "held\n", 5);
      os::close_descriptor(connection);
    }
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
  }
  [[nodiscard]] i64 consumer(u32 number) const {
    const int fd = ::open(region(number).c_str(), O_RDWR | O_CLOEXEC);
    const i64 holder = os::lock_holder(fd, region::kConsumerLock);
    ::close(fd);
    return holder;
  }
  [[nodiscard]] bool stores_itself(u32 number) const {
    const u64 from = kept(number);
    return eventually([&] {
      const auto rows =
          ask("SELECT max(CAST(substr(body, 3) AS INTEGER)) FROM records WHERE body"
              " LIKE '" +
              std::to_string(number) + " %'");
      return !rows.empty() && !rows[0][0].empty() && std::stoull(rows[0][0]) > from;
    });
  }

  int listener_ = -1;
};

// At its start, or when it has been alone for a while.
TEST_F(FalseCollector, DiesBeforeItsAnswer) {
  for (const bool at_start : {true, false}) {
    const u32 number = at_start ? 1 : 2;
    output_ = path("console" + std::to_string(number));
    pid_t taker = at_start ? start_taker(number) : -1;
    const pid_t pid = run_program(number, 0, 0);
    if (!at_start) {
      ASSERT_TRUE(eventually([&] { return read_file(output_).size() > 10'000; }));
      taker = start_taker(number);
    }
    answer_until_taken(number, pid, taker);
    ASSERT_TRUE(stores_itself(number)) << "in the place that the dead one has left";
    ::kill(pid, SIGKILL);
    (void)wait_for_program(pid);
  }
  os::close_descriptor(listener_);
  std::filesystem::remove(path("run/ingest.sock"));
  serve();
  for (const u32 number : {1U, 2U}) {
    ASSERT_TRUE(eventually([&] { return has_ended(number); })) << own_records();
    const std::string mine = std::to_string(number) + " ";
    std::map<u64, u32> seen;
    for (const std::string& line : lines_of(text("console" + std::to_string(number)))) {
      const std::size_t at = line.rfind(" test " + mine);
      if (at != std::string::npos) ++seen[std::stoull(line.substr(at + 6 + mine.size()))];
    }
    for (const auto& row : ask("SELECT body FROM records WHERE body LIKE '" + mine + "%'")) {
      ++seen[std::stoull(row[0].substr(mine.size()))];
    }
    for (u64 i = 0; i < kept(number); ++i) ASSERT_EQ(seen[i], 1U) << i << " of " << number;
  }
  EXPECT_EQ(stop(), 0);
}

// Nothing is stopped for one that has no use for the region, or does not answer.
TEST_F(FalseCollector, RefusesAndNothingIsStopped) {
  output_ = path("console");
  const pid_t pid = run_program(1, 0, 0);
  for (int round = 0; round < 4; ++round) {
    int connection = accept();
    if (round > 0) {
      EXPECT_EQ(consumer(1), pid) << "while it asks";
    }
    const std::string_view line = "no region of that name is where this collector looks\n";
    // Who has waited for 50 ms has hung up.
    if (round % 2 == 0) (void)os::send_some(connection, line.data(), line.size());
    const u64 before = kept(1);
    EXPECT_TRUE(eventually([&] { return kept(1) > before + 1000; }));
    os::close_descriptor(connection);
  }
  EXPECT_EQ(consumer(1), pid);
  ::kill(pid, SIGKILL);
  (void)wait_for_program(pid);
}

}  // namespace
}  // namespace sluice::test
