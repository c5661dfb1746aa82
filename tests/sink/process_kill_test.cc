// sanitizers: address (one thread, in which ThreadSanitizer has nothing to find)
//
// Real processes, really killed: at random moments while they share a log, and after every few
// machine instructions of the steps that make a write exactly-once.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <random>

#include "os/process.h"
#include "sink/file_fixture.h"
#include "sink/sink_table.h"

namespace sluice::testing {
namespace {

// What a child tells its parent.
struct Told {
  std::atomic<u32> ready;
  char region_path[768];
};

class Child {
 public:
  // `alarm_us` > 0: so long after it has begun, the kernel ends it. (SIGALRM, not handled, is as
  // SIGKILL is; a parent that kills is too late when the machine is busy.)
  explicit Child(const WriterOptions& options, bool traced = false, u32 alarm_us = 0) {
    void* shared =
        ::mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    told_ = new (shared) Told{};
    pid_ = ::fork();
    if (pid_ == 0) run(options, traced, alarm_us);
  }
  ~Child() {
    kill();
    ::munmap(told_, sizeof(Told));
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void wait_ready() const {
    while (told_->ready.load(std::memory_order_acquire) == 0) os::yield();
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  // True when it came to its end by itself.
  bool join() {
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  // It stays to be joined.
  [[nodiscard]] bool has_ended() const {
    siginfo_t info{};
    return ::waitid(P_PID, id_t(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const char* region_path() const { return told_->region_path; }

 private:
  [[noreturn]] void run(const WriterOptions& options, bool traced, u32 alarm_us) {
    Writer writer(options);
    sink::write_entry(writer.config(), writer.entry());
    copy_text(told_->region_path, writer.region().path());
    if (traced) ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    told_->ready.store(1, std::memory_order_release);
    if (traced) ::raise(SIGSTOP);
    const itimerval alarm{{0, 0}, {0, suseconds_t(alarm_us)}};
    ::setitimer(ITIMER_REAL, &alarm, nullptr);
    bool ok = writer.start(os::real_io()).ok();
    // As a runner does: a lock that is held for long, or a disk that is full, is tried again.
    for (u32 batch = 1; ok && batch <= options.batches;) {
      const Status status = writer.write(batch);
      ok = status.ok() || status.error_class() == ErrorClass::kRetryable;
      batch += status.ok();
    }
    ::_exit(ok ? 0 : 1);
  }

  Told* told_;
  pid_t pid_ = 0;
};

// What the next start of the program does with the region of a dead one.
// Says whether it found any left to do. `may_report`: a batch may be written again, and said so.
void recover(const char* region_path, u64 records, u32& interrupted, bool may_report = false) {
  region::Region region;
  ASSERT_EQ(region.adopt(region_path), 0) << region_path;
  region::SinkEntry& entry = region.sink(0);
  const auto config = sink::read_entry(entry);
  ASSERT_TRUE(config.ok()) << config.status().message();
  auto made = sink::make_sink(config.value(), os::real_io(), region);
  ASSERT_TRUE(made.ok()) << made.status().message();
  back::Sink& sink = *made.value();
  interrupted += entry.cursor.load() <= records;
  back::Catalog catalog(region);
  back::Cursor cursor(entry);
  Status status = sink.open(catalog, cursor);
  ASSERT_TRUE(status.ok()) << status.message();
  JournalReader<JournalSync> reader(region.journal(), 0);
  std::vector<char> bytes(kBatchBytesMax);
  while (reader.read(bytes.data()) == JournalRead::kBatch) {
    const BatchView batch(bytes.data());
    if (batch.next_sequence() > cursor.sequence()) {
      status = sink.write({&batch, 1}, catalog, cursor);
      if (may_report && !status.ok()) status = sink.write({&batch, 1}, catalog, cursor);
      ASSERT_TRUE(status.ok()) << status.message();
    }
    reader.advance(batch.header().bytes);
  }
  EXPECT_EQ(entry.delivered.load(), records);
  made.value().reset();
  region.close(true);
}

class ProcessKillTest : public ::testing::Test {
 protected:
  [[nodiscard]] WriterOptions options(const std::string& name, u32 batches, u32 records) const {
    return {.name = name,
            .log = log_,
            .batches = batches,
            .records = records,
            .region_directory = directory_.path()};
  }
  Directory directory_;
  const std::string log_ = directory_ / "app.log";
};

TEST_F(ProcessKillTest, SharedAndRotatedAndKilledAtRandom) {
  std::mt19937_64 random(2025);
  u32 interrupted = 0;
  constexpr u32 kBatches = 300;
  for (int round = 0; round < 150; ++round) {
    directory_.clear();
    std::vector<WriterOptions> all;
    for (const char* name : {"a", "b", "c"}) {
      all.push_back(options(name, kBatches, 3));
      all.back().rotate_bytes = round % 2 == 0 ? 2000 : 0;
    }
    {
      const auto alarm = [&] { return u32(100 + random() % 2500); };
      Child a(all[0], false, alarm()), b(all[1], false, alarm()), c(all[2]);
      for (const Child* child : {&a, &b, &c}) child->wait_ready();
      (void)a.join();
      recover(a.region_path(), 3 * kBatches, interrupted);  // while others still write
      (void)b.join();
      EXPECT_TRUE(c.join());
      recover(b.region_path(), 3 * kBatches, interrupted);
    }
    for (WriterOptions& of : all) of.region_directory.clear();
    Writer a(all[0]), b(all[1]), c(all[2]);
    EXPECT_EQ(find_fault(content_of(log_), {&a, &b, &c}), "") << "round " << round;
    if (HasFailure()) return;
  }
  EXPECT_GT(interrupted, 60u) << "the kills came too late to test anything";
}

// As logrotate does it: the file gets another name while four write it, two of whom are killed.
// Exactly once for those who live; at least once for the others, who may leave half a line there.
TEST_F(ProcessKillTest, RenamedByAnotherProgramWhileFourWriteIt) {
  std::mt19937_64 random(2026);
  u32 interrupted = 0, renamed = 0;
  constexpr u32 kBatches = 300;
  for (int round = 0; round < 15 && !HasFailure(); ++round) {
    directory_.clear();
    std::vector<WriterOptions> all;
    for (const char* name : {"a", "b", "c", "d"}) {
      all.push_back(options(name, kBatches, 3));
      all.back().rotate_bytes = round % 2 == 0 ? 5000 : 0;
    }
    std::string content;
    {
      const auto alarm = [&] { return u32(100 + random() % 2500); };
      Child a(all[0], false, alarm()), b(all[1], false, alarm()), c(all[2]), d(all[3]);
      std::vector<std::string> moved;
      while (!d.has_ended()) {
        std::error_code error;
        const std::string to = directory_ / ("moved." + std::to_string(moved.size()));
        if (std::filesystem::file_size(log_, error) > 500 && !error) {
          std::filesystem::rename(log_, to, error);
          if (!error) moved.push_back(to);
        }
        os::yield();
      }
      (void)a.join();
      (void)b.join();
      EXPECT_TRUE(c.join() && d.join());
      recover(a.region_path(), 3 * kBatches, interrupted, true);
      recover(b.region_path(), 3 * kBatches, interrupted, true);
      renamed += u32(moved.size());
      // Each may end in half a line, which is no beginning of another file's first one.
      for (const std::string& file : moved) content += read_file(file) + "\n";
    }
    content += content_of(log_);
    std::map<std::string, u32> found;
    for (const std::string& line : lines_of(content)) ++found[line];
    for (WriterOptions& of : all) {
      of.region_directory.clear();
      for (const std::string& line : Writer(of).expected()) {
        const bool lives = of.name == "c" || of.name == "d";
        EXPECT_TRUE(lives ? found[line] == 1 : found[line] >= 1)
            << line << ": " << found[line] << " times, round " << round;
        if (HasFailure()) return;
      }
    }
  }
  EXPECT_GT(interrupted, 5u);
  EXPECT_GT(renamed, 0u);
}

// Lets a traced child run to its `stop`th entry to or exit from the kernel, then `steps`
// instructions further. False when it was at the next system call, or at its end, before that.
bool run_to(pid_t pid, int stop, int steps) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  for (int i = 0; i < stop; ++i) {
    ::ptrace(PTRACE_SYSCALL, pid, nullptr, nullptr);
    ::waitpid(pid, &status, 0);
    if (!WIFSTOPPED(status)) return false;
  }
  for (int i = 0; i < steps; ++i) {
    ::ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr);
    ::waitpid(pid, &status, 0);
    if (!WIFSTOPPED(status)) return false;
    const auto at = u64(::ptrace(PTRACE_PEEKUSER, pid, 16 * 8, nullptr));  // rip
    const auto code = u64(::ptrace(PTRACE_PEEKTEXT, pid, at, nullptr));
    if ((code & 0xffff) == 0x050f) return false;  // syscall
  }
  return true;
}

TEST_F(ProcessKillTest, AfterEveryFewInstructionsOfAWrite) {
  // The last calls of a child: ... pwrite of the lines, [stores], pwrite of the cleared note,
  // unlock.
  int stops = 0;
  {
    Child child(options("a", 1, 3), true);
    child.wait_ready();
    int status = 0;
    ::waitpid(child.pid(), &status, 0);
    while (::ptrace(PTRACE_SYSCALL, child.pid(), nullptr, nullptr) == 0 &&
           ::waitpid(child.pid(), &status, 0) > 0 && WIFSTOPPED(status)) {
      ++stops;
    }
    child.join();
  }
  ASSERT_GT(stops, 20) << "the child could not be traced";
  u64 points = 0;
  u32 interrupted = 0;
  for (int stop = stops - 24; stop < stops; ++stop) {
    for (int steps = stop % 23;; steps += 23) {
      directory_.clear();
      const WriterOptions of = options("a", 1, 3);
      Child child(of, true);
      child.wait_ready();
      const bool inside = run_to(child.pid(), stop, steps);
      child.kill();
      recover(child.region_path(), 3, interrupted);
      Writer oracle({.log = log_, .batches = 1});
      EXPECT_EQ(find_fault(read_file(log_), {&oracle}), "") << stop << " + " << steps;
      ++points;
      if (HasFailure()) return;
      if (!inside || steps > 1500) break;
    }
  }
  EXPECT_GT(points, 100u);
  EXPECT_GT(interrupted, 50u);
}

}  // namespace
}  // namespace sluice::testing
