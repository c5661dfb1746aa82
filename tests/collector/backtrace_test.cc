// sanitizers: none (forks programs that log, and kills them and the daemon)
//
// Backtraces of programs whose regions a collector drains: what is held lies in the region, so that
// whoever drains it next, another collector or the program itself, delivers it, once.
#include "collector/support/regions_fixture.h"

namespace sluice::test {
namespace {

class HeldByCollector : public Regions {
 protected:
  // Says ten things that are held and waits until whoever drains it has them; then, each time that
  // it is asked to (calls), an error behind two more.
  pid_t run(u32 number) {
    const pid_t pid = ::fork();
    if (pid != 0) {
      programs_.push_back(pid);
      return pid;
    }
    ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), 1);
    Options wanted = options(number);
    wanted.backtrace_records = 4;
    if (!sluice::start(wanted)) ::_exit(97);
    for (u32 i = 0; i < 10; ++i) (void)log_text(Level::debug, "test", text_of(number, i));
    u64 done = 0, next = 10;
    for (;;) {
      if (sluice::flush(Reach::stored, kFlushMs).complete) ledger_->flushes[number] = done + 1;
      while (ledger_->calls[number] == done) ::usleep(1000);
      ++done;
      (void)log_text(Level::debug, "test", text_of(number, next++));
      (void)log_text(Level::debug, "test", text_of(number, next++));
      (void)log_text(Level::error, "test", text_of(number, next++));
    }
  }
  bool has_flushed(u32 number, u64 times) {
    return eventually([&] { return ledger_->flushes[number] >= times; });
  }
  [[nodiscard]] std::vector<u64> stored_of(u32 number) const {
    std::vector<u64> all;
    for (const auto& row : ask("SELECT body FROM records WHERE logger = 'test' AND body LIKE '" +
                               std::to_string(number) + " %' ORDER BY id")) {
      u32 from = 0;
      unsigned long long index = 0;
      EXPECT_EQ(std::sscanf(row[0].c_str(), "%u %llu", &from, &index), 2);
      EXPECT_EQ(row[0], text_of(number, index));
      all.push_back(index);
    }
    return all;
  }
  void expect_stored(u32 number, const std::vector<u64>& wanted) {
    EXPECT_TRUE(eventually([&] { return stored_of(number).size() >= wanted.size(); }));
    EXPECT_EQ(stored_of(number), wanted);
  }
};

using Numbers = std::vector<u64>;

TEST_F(HeldByCollector, ComesWithTheErrorAndWithADeath) {
  collector_ = Collector::only;
  serve();
  const pid_t pid = run(1);
  ASSERT_TRUE(has_flushed(1, 1));
  EXPECT_EQ(stored_of(1), Numbers{});
  ledger_->calls[1] = 1;
  ASSERT_TRUE(has_flushed(1, 2));
  expect_stored(1, {8, 9, 10, 11, 12});
  const pid_t other = run(2);
  ASSERT_TRUE(has_flushed(2, 1));
  for (const pid_t program : {pid, other}) {
    ::kill(program, SIGKILL);
    (void)wait_for_program(program);
  }
  ASSERT_TRUE(eventually([&] { return has_ended(1) && has_ended(2); }));
  expect_stored(1, {8, 9, 10, 11, 12});
  expect_stored(2, {6, 7, 8, 9});
  EXPECT_EQ(stop(), 0) << text("error");
}

TEST_F(HeldByCollector, IsStillThereForTheNextCollector) {
  collector_ = Collector::only;
  for (const int signal : {SIGKILL, SIGTERM}) {
    serve();
    const u32 number = u32(signal);
    (void)run(number);
    ASSERT_TRUE(has_flushed(number, 1));
    (void)stop(signal);
    serve();
    ledger_->calls[number] = 1;
    ASSERT_TRUE(has_flushed(number, 2));
    expect_stored(number, {8, 9, 10, 11, 12});
    (void)stop(SIGTERM);
  }
}

TEST_F(HeldByCollector, IsStillThereForTheProgramItselfAndBack) {
  collector_ = Collector::automatic;
  serve();
  (void)run(3);
  ASSERT_TRUE(has_flushed(3, 1));
  (void)stop(SIGKILL);
  ledger_->calls[3] = 1;
  ASSERT_TRUE(has_flushed(3, 2)) << "without a collector";
  expect_stored(3, {8, 9, 10, 11, 12});
  serve();
  ASSERT_TRUE(eventually([&] { return taken() == 1; })) << status("--json").out;
  ledger_->calls[3] = 2;
  ASSERT_TRUE(has_flushed(3, 3));
  expect_stored(3, {8, 9, 10, 11, 12, 13, 14, 15});
  EXPECT_EQ(stop(), 0) << text("error");
}

}  // namespace
}  // namespace sluice::test
