// sanitizers: none (forks programs that log, and kills them and the daemon)
//
// Programs with sinks of their own, which a collector reads: what they say is in its store once and
// in their own files once, whoever comes, goes and dies.
#include <filesystem>

#include "collector/support/regions_fixture.h"

namespace sluice::test {
namespace {

class Reader : public Regions {
 protected:
  void SetUp() override {
    Regions::SetUp();
    own_file_ = true;
    flushes_ = true;
  }
  [[nodiscard]] std::string file(u32 number) const {
    return "program" + std::to_string(number) + ".log";
  }
  [[nodiscard]] bool has_region() const {
    for (const auto& entry : std::filesystem::directory_iterator(regions_)) {
      if (entry.path().filename().string().starts_with("program")) return true;
    }
    return false;
  }
  // Records that were missed, as the store says; without them: none.
  [[nodiscard]] u64 missed() const {
    return std::stoull(
        ask("SELECT coalesce(sum(json_extract(attributes, '$.missed')), 0)"
            " FROM records WHERE body LIKE 'sink % missed %'")[0][0]);
  }
  // Every record that was kept is in the program's own file, once and in order.
  void expect_file_whole(u32 number) const {
    u64 next = 0;
    const std::string start = " test " + std::to_string(number) + " ";
    for (const std::string& line : lines_of(text(file(number)))) {
      const std::size_t at = line.find(start);
      if (at == std::string::npos) continue;
      ASSERT_EQ(std::stoull(line.substr(at + start.size())), next) << "of program " << number;
      ++next;
    }
    EXPECT_GE(next, kept(number)) << "of program " << number;
  }
  // What a kill has left to the program's own file is there after its next start.
  void recover(u32 number) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      Options again = options(number);
      again.recover = true;
      if (!sluice::start(again)) ::_exit(97);
      sluice::stop();
      ::_exit(0);
    }
    EXPECT_EQ(wait_for(pid), 0);
  }
  void end(u32 number, pid_t pid) {
    ::kill(pid, SIGKILL);
    (void)wait_for_program(pid);
    ASSERT_TRUE(eventually([&] { return has_ended(number); })) << own_records();
    expect_conserved(number);
    EXPECT_EQ(missed(), 0U);
    EXPECT_EQ(ledger_->not_in_time[number].load(), 0U) << "of its flushes";
    ASSERT_TRUE(eventually([&] { return taken() == programs_.size(); }));
    recover(number);
    expect_file_whole(number);
  }
};

TEST_F(Reader, ReadsBesideTheProgramsOwnSinks) {
  paced_ = true;
  serve();
  const pid_t pid = run_program(1, 20'000, 5);
  EXPECT_EQ(wait_for_program(pid), 5);
  ASSERT_TRUE(eventually([&] { return has_ended(1); })) << own_records();
  EXPECT_EQ(stored(1), 20'000U);
  expect_conserved(1);
  expect_file_whole(1);
  EXPECT_GT(ledger_->flushes[1].load(), 0U);
  EXPECT_EQ(ledger_->not_in_time[1].load(), 0U);
  EXPECT_NE(ask("SELECT reason FROM runs WHERE product = 'program1'")[0][0].find("exited with 5"),
            std::string::npos);
  EXPECT_TRUE(eventually([&] { return !has_region(); })) << own_records();
  EXPECT_EQ(stop(), 0) << text("error");
}

// What flush() has returned for can be asked for.
TEST_F(Reader, AFlushWaitsForIt) {
  serve();
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (!sluice::start(options(1))) ::_exit(97);
    int missing = 0;
    for (u64 i = 0; i < 50; ++i) {
      if (log_text(Level::info, "test", "1 " + std::to_string(i)) != Admission::kOk) ::_exit(96);
      if (!sluice::flush(Reach::written, kFlushMs).complete) ::_exit(95);
      missing += stored(1) != i + 1;
    }
    sluice::stop();
    ::_exit(missing);
  }
  EXPECT_EQ(wait_for(pid), 0) << "records that were not there";
  EXPECT_EQ(stop(), 0) << text("error");
}

TEST_F(Reader, DrainsWhatAKilledProgramLeaves) {
  serve();
  const pid_t pid = run_program(1, 0, 0);
  ASSERT_TRUE(gets_on(1));
  end(1, pid);
  EXPECT_NE(ask("SELECT reason FROM runs WHERE product = 'program1'")[0][0].find("SIGKILL"),
            std::string::npos);
  EXPECT_TRUE(eventually([&] { return !has_region(); })) << own_records();
  EXPECT_EQ(stop(), 0) << text("error");
}

TEST_F(Reader, TheProgramStoresInItsStead) {
  go_on_without_and_back([this](u32 number, pid_t pid) { end(number, pid); });
}

// What the journal has of the program's start on is read too.
TEST_F(Reader, ComesLate) {
  const pid_t pid = run_program(1, 0, 0);
  ASSERT_TRUE(eventually([&] { return kept(1) > 2000; }));
  serve();
  ASSERT_TRUE(gets_on(1));
  end(1, pid);
  EXPECT_EQ(stop(), 0) << text("error");
}

// Its program does not wait for it: what it had no time for it says, exactly, or who comes behind
// it.
TEST_F(Reader, OneThatIsStoppedHoldsNothingUp) {
  constexpr u64 kCount = 30'000;
  journal_bytes_ = 1 << 20;
  flushes_ = false;
  for (const int signal : {SIGCONT, SIGKILL}) {
    const u32 number = u32(signal);
    serve();
    const pid_t pid = run_program(number, 0, 0);
    ASSERT_TRUE(gets_on(number));
    const u64 missed_before = missed();
    ::kill(pid_, SIGSTOP);
    const u64 before = kept(number);
    ASSERT_TRUE(eventually([&] { return kept(number) > before + kCount; }));
    // It is counted as called before it is kept.
    const u64 calls = ledger_->calls[number].load();
    EXPECT_LE(calls, kept(number) + 1) << "some were refused";
    if (signal == SIGKILL) {
      (void)stop(SIGKILL);
      ASSERT_TRUE(gets_on(number)) << "without a collector";
      serve();
    }
    ::kill(pid_, SIGCONT);
    ASSERT_TRUE(gets_on(number));
    ::kill(pid, SIGKILL);
    (void)wait_for_program(pid);
    ASSERT_TRUE(eventually([&] { return has_ended(number); })) << own_records();
    const u64 more = missed() - missed_before;
    EXPECT_GT(more, 0U);
    EXPECT_GE(stored(number) + more, kept(number));
    EXPECT_LE(stored(number) + more, kept(number) + 1) << "the last may not have been told";
    recover(number);
    expect_file_whole(number);
    EXPECT_EQ(stop(), 0) << text("error");
  }
}

// Both die, and the store cannot be opened at the program's next start: its own file gets its rest.
TEST_F(Reader, AStoreThatTakesNothingKeepsNothingFromTheProgramsFile) {
  journal_bytes_ = 1 << 20;
  flushes_ = false;
  serve();
  const pid_t pid = run_program(1, 0, 0);
  ASSERT_TRUE(gets_on(1));
  ::kill(pid_, SIGSTOP);
  const u64 before = kept(1);
  ASSERT_TRUE(eventually([&] { return kept(1) > before + 30'000; }));
  ::kill(pid, SIGKILL);
  (void)wait_for_program(pid);
  (void)stop(SIGKILL);
  const std::string version = ask("PRAGMA user_version")[0][0];
  set_schema_version("1000000");
  recover(1);
  expect_file_whole(1);
  set_schema_version(version);
  serve();
  ASSERT_TRUE(eventually([&] { return has_ended(1); })) << own_records();
  EXPECT_GT(missed(), 0U);
  EXPECT_GE(stored(1) + missed(), kept(1));
  EXPECT_LE(stored(1) + missed(), kept(1) + 1) << "the last may not have been told";
  EXPECT_EQ(stop(), 0) << text("error");
}

// One process, started three times.
TEST_F(Reader, AProgramIsStartedAnewWithOtherOptions) {
  serve();
  const pid_t pid = ::fork();
  if (pid == 0) {
    const auto say = [](const Options& options, const char* text) {
      if (!sluice::start(options)) ::_exit(97);
      for (int i = 0; i < 100; ++i) {
        if (log_text(Level::info, "test", text) != Admission::kOk) ::_exit(96);
      }
      if (!sluice::flush(Reach::written, kFlushMs).complete || !sluice::stop()) ::_exit(95);
    };
    Options alone = options(1);
    alone.collector = Collector::off;
    say(options(1), "1 read");
    say(alone, "1 alone");
    say(options(1), "1 read again");
    ::_exit(7);
  }
  EXPECT_EQ(wait_for(pid), 7) << "97: not started, 96: not admitted, 95: not stored";
  ASSERT_TRUE(eventually([&] { return has_ended(1); })) << own_records();
  EXPECT_EQ(ask("SELECT body, count(*) FROM records WHERE logger = 'test' GROUP BY body"),
            (std::vector<std::vector<std::string>>{{"1 read", "100"}, {"1 read again", "100"}}));
  EXPECT_EQ(missed(), 0U);
  EXPECT_EQ(lines_of(text(file(1))).size(), 300U);
  EXPECT_TRUE(eventually([&] { return !has_region(); })) << own_records();
  EXPECT_EQ(stop(), 0) << text("error");
}

// A store that it is a sink of already: each record once, as that sink has it.
TEST_F(Reader, AStoreOfItsOwnIsNotReadIntoTwice) {
  serve();
  const pid_t pid = ::fork();
  if (pid == 0) {
    Options own = options(1);
    own.sinks = {store_file(path("all.db"), {.level = Level::warning})};
    if (!sluice::start(own)) ::_exit(97);
    for (int i = 0; i < 100; ++i) (void)log_text(Level::warning, "test", "1 said");
    ::_exit(sluice::stop() ? 7 : 95);
  }
  EXPECT_EQ(wait_for(pid), 7);
  EXPECT_EQ(stored(1), 100U);
  EXPECT_EQ(stop(), 0) << text("error");
}

TEST_F(Reader, LosesNothingWhoeverComesAndGoes) {
  come_and_go(rounds(8), [this](u32 number, pid_t pid) { end(number, pid); });
}

}  // namespace
}  // namespace sluice::test
