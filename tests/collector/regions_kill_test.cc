// sanitizers: none (forks programs that log from threads, and kills them and the daemon)
//
// Programs that leave their regions to `sluice serve`: every record whose call has returned kOk is
// in the store once, whoever is killed, and how they ended is there too.
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <random>

#include "cli/serve_fixture.h"
#include "sluice/log.h"
#include "sluice/sluice.h"
#include "store/sqlite.h"

namespace sluice::test {
namespace {

constexpr u32 kPrograms = 3;

// What programs have told their callers, in memory that outlives them.
struct Ledger {
  std::atomic<u64> kept[64] = {};  // of a program: records 0 .. kept-1 were admitted
};

class Regions : public ServeCli {
 protected:
  void SetUp() override {
    ServeCli::SetUp();
    ledger_ = new (::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Ledger;
  }
  void TearDown() override {
    for (const pid_t program : programs_) {
      ::kill(program, SIGKILL);
      ::waitpid(program, nullptr, 0);
    }
    ServeCli::TearDown();
    ::munmap(ledger_, sizeof(Ledger));
  }

  [[nodiscard]] Options options(u32 number) const {
    Options options;
    options.product = "program" + std::to_string(number);
    options.region_directory = regions_;
    options.collector = Collector::automatic;
    options.collector_socket = path("run/ingest.sock");
    options.recover = false;
    options.quiet = true;
    return options;
  }

  // A program of its own that logs `count` records (0: until it is killed) and ends with `code`.
  pid_t run_program(u32 number, u64 count, int code) {
    const pid_t pid = ::fork();
    if (pid != 0) {
      programs_.push_back(pid);
      return pid;
    }
    if (!sluice::start(options(number))) ::_exit(97);
    std::atomic<u64>& kept = ledger_->kept[number];
    for (u64 i = 0; count == 0 || i < count;) {
      const std::string text = std::to_string(number) + " " + std::to_string(i);
      if (log_text(Level::info, "test", text) != Admission::kOk) continue;
      kept.store(++i, std::memory_order_release);
      if (count == 0) ::usleep(20);
    }
    sluice::stop();
    ::_exit(code);
  }
  int wait_for_program(pid_t pid) {
    std::erase(programs_, pid);
    return wait_for(pid);
  }

  // The rows of a question to the store, as texts; none while it cannot be asked.
  std::vector<std::vector<std::string>> ask(const std::string& sql) const {
    std::vector<std::vector<std::string>> rows;
    const storage::DatabaseUse use;
    auto store = storage::Connection::open(path("all.db"), storage::Access::kRead);
    if (!store.ok()) return rows;
    auto statement = store.value()->prepare(sql);
    if (!statement.ok()) return rows;
    (void)storage::each_row(statement.value(), [&rows](const storage::Statement& row) {
      auto& cells = rows.emplace_back();
      for (int i = 0; i < row.columns(); ++i) cells.emplace_back(row.text(i));
    });
    return rows;
  }
  [[nodiscard]] bool has_ended(u32 number) const {
    const auto rows = ask("SELECT ended_ns FROM runs WHERE product = 'program" +
                          std::to_string(number) + "' AND ended_ns IS NOT NULL");
    return !rows.empty();
  }
  // Every record of the program that was kept is there once.
  void expect_conserved(u32 number) const {
    const auto rows = ask("SELECT body FROM records WHERE logger = 'test' AND body LIKE '" +
                          std::to_string(number) + " %' ORDER BY id");
    const u64 kept = ledger_->kept[number].load(std::memory_order_acquire);
    std::map<u64, u32> seen;
    u64 last = 0;
    for (const auto& row : rows) {
      const u64 at = std::stoull(row[0].substr(row[0].find(' ') + 1));
      ++seen[at];
      EXPECT_GE(at, last) << "out of order, program " << number;
      last = at;
    }
    u64 missing = 0, twice = 0;
    for (u64 i = 0; i < kept; ++i) {
      missing += seen[i] == 0;
      twice += seen[i] > 1;
    }
    EXPECT_EQ(missing, 0U) << "of " << kept << " of program " << number;
    EXPECT_EQ(twice, 0U) << "of " << kept << " of program " << number;
    // The last may have been published and not told.
    EXPECT_LE(seen.size(), kept + 1);
  }

  Ledger* ledger_ = nullptr;
  std::vector<pid_t> programs_;
};

TEST_F(Regions, DrainsAndTellsHowAProgramEnded) {
  serve();
  // As many as its ring has room for: nothing is dropped, and nobody says so in a record.
  EXPECT_EQ(wait_for_program(run_program(1, 5000, 3)), 3);
  ASSERT_TRUE(eventually([&] { return has_ended(1); })) << own_records();
  expect_conserved(1);
  const auto runs = ask("SELECT exit_code, reason FROM runs WHERE product = 'program1'");
  ASSERT_EQ(runs.size(), 1U);
  // Where the kernel tells it to others than the parent.
  if (runs[0][0] != "") {
    EXPECT_EQ(runs[0][0], "3");
    EXPECT_EQ(runs[0][1], "exited with 3");
  } else {
    EXPECT_EQ(runs[0][1], "ended: it said goodbye; its exit status cannot be known");
  }
  const Finished listed = sh("$SLUICE runs --store all.db --json");
  EXPECT_EQ(listed.code, 0) << listed.error;
  EXPECT_NE(listed.out.find("\"product\":\"program1\""), std::string::npos) << listed.out;
  EXPECT_NE(listed.out.find("\"records\":5000,"), std::string::npos) << listed.out;
  const std::string id = ask("SELECT id FROM runs WHERE product = 'program1'")[0][0];
  const Finished shown = sh("$SLUICE runs --store all.db " + id);
  EXPECT_EQ(shown.code, 0) << shown.error;
  EXPECT_NE(shown.out.find("1 4950"), std::string::npos) << shown.out;
  EXPECT_EQ(shown.out.find("1 4949"), std::string::npos) << shown.out;
  EXPECT_EQ(sh("$SLUICE runs --store all.db 12345").code, 1);
  // Nothing of it is left.
  EXPECT_TRUE(eventually([&] {
    for (const auto& entry : std::filesystem::directory_iterator(regions_)) {
      if (entry.path().filename().string().starts_with("program1-")) return false;
    }
    return true;
  }));
  EXPECT_EQ(stop(), 0) << text("error");
}

TEST_F(Regions, TellsOfAKill) {
  serve();
  const pid_t pid = run_program(2, 0, 0);
  ASSERT_TRUE(eventually([&] { return ledger_->kept[2].load() > 500; }));
  ::kill(pid, SIGKILL);
  (void)wait_for_program(pid);
  ASSERT_TRUE(eventually([&] { return has_ended(2); })) << own_records();
  expect_conserved(2);
  const auto runs = ask("SELECT signal, reason FROM runs WHERE product = 'program2'");
  ASSERT_EQ(runs.size(), 1U);
  if (runs[0][0] != "") {
    EXPECT_EQ(runs[0][0], "9");
    EXPECT_TRUE(runs[0][1].starts_with("killed by SIGKILL")) << runs[0][1];
  } else {
    EXPECT_EQ(runs[0][1], "vanished: gone without goodbye");
  }
  EXPECT_EQ(stop(), 0) << text("error");
}

// The daemon and the programs die at any time; another daemon goes on.
TEST_F(Regions, LosesNothingWhoeverIsKilled) {
  const char* const full = std::getenv("SLUICE_TEST_FULL");
  const u32 rounds = full && full[0] == '1' ? 500 : 20;
  std::mt19937 random(rounds);
  const auto within = [&random](u32 us) { return u32(random()) % us; };
  for (u32 round = 0; round < rounds; ++round) {
    serve();
    u32 numbers[kPrograms];
    pid_t pids[kPrograms];
    for (u32 i = 0; i < kPrograms; ++i) {
      numbers[i] = 10 + i + kPrograms * (round % 8);
      ledger_->kept[numbers[i]].store(0);
      pids[i] = run_program(numbers[i], 0, 0);
    }
    ::usleep(within(60'000));
    const bool daemon_first = within(2) == 0;
    if (daemon_first) (void)stop(SIGKILL);
    ::usleep(within(10'000));
    for (const pid_t pid : pids) {
      ::kill(pid, SIGKILL);
      (void)wait_for_program(pid);
    }
    if (!daemon_first) {
      ::usleep(within(10'000));
      (void)stop(SIGKILL);
    }
    serve();
    for (u32 i = 0; i < kPrograms; ++i) {
      if (ledger_->kept[numbers[i]].load() == 0) continue;
      ASSERT_TRUE(eventually([&] { return has_ended(numbers[i]); })) << "round " << round << "\n"
                                                                     << own_records();
      expect_conserved(numbers[i]);
    }
    EXPECT_EQ(stop(), 0) << text("error");
    if (HasFailure()) break;
    for (const char* const suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(path("all.db") + suffix);
    }
  }
}

}  // namespace
}  // namespace sluice::test
