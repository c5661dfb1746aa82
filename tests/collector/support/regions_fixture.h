// Programs that leave their regions to `sluice serve`, and what they have told their callers.
#ifndef SLUICE_TESTS_COLLECTOR_SUPPORT_REGIONS_FIXTURE_H_
#define SLUICE_TESTS_COLLECTOR_SUPPORT_REGIONS_FIXTURE_H_

#include <sys/mman.h>

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "cli/serve_fixture.h"
#include "sluice/log.h"
#include "sluice/sluice.h"
#include "store/sqlite.h"

namespace sluice::test {

// What programs have told their callers, in memory that outlives them.
struct Ledger {
  std::atomic<u64> kept[64] = {};  // of a program: records 0 .. kept-1 were admitted
  std::atomic<u64> calls[64] = {};
  std::atomic<u64> flushes[64] = {};
  std::atomic<u64> not_in_time[64] = {};  // of these
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
    if (!output_.empty()) {
      const int out = ::open(output_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
      ::dup2(out, 1);
      ::dup2(out, 2);
    }
    if (!sluice::start(options(number))) ::_exit(97);
    std::atomic<u64>& kept = ledger_->kept[number];
    for (u64 i = 0; count == 0 || i < count;) {
      const std::string text = std::to_string(number) + " " + std::to_string(i);
      ledger_->calls[number].fetch_add(1, std::memory_order_relaxed);
      if (log_text(Level::info, "test", text) != Admission::kOk) continue;
      kept.store(++i, std::memory_order_release);
      if (count != 0 && !paced_) continue;
      ::usleep(20);
      if (!flushes_ || i % 512 != 0) continue;
      const FlushResult flushed = sluice::flush(Reach::written, kFlushMs);
      ledger_->flushes[number].fetch_add(1);
      ledger_->not_in_time[number].fetch_add(!flushed.complete);
    }
    sluice::stop();
    ::_exit(code);
  }
  int wait_for_program(pid_t pid) {
    std::erase(programs_, pid);
    return wait_for(pid);
  }

  [[nodiscard]] u64 kept(u32 number) const {
    return ledger_->kept[number].load(std::memory_order_acquire);
  }
  // What the program's drop reports have told: each drop once, whoever has reported it.
  [[nodiscard]] u64 dropped(u32 number) const {
    u64 sum = 0;
    for (const auto& row :
         ask("SELECT sum(json_extract(attributes, '$.dropped')),"
             " max(json_extract(attributes, '$.dropped_total')) FROM records"
             " WHERE body LIKE 'dropped % in all' AND run IN (SELECT id FROM runs WHERE product ="
             " 'program" +
             std::to_string(number) +
             "') GROUP BY run, json_extract(attributes, '$.site'),"
             " json_extract(attributes, '$.reason')")) {
      EXPECT_EQ(row[0], row[1]) << "of program " << number;
      sum += std::stoull(row[0]);
    }
    return sum;
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
    (void)dropped(number);
  }

  static constexpr u32 kFlushMs = 20'000;

  Ledger* ledger_ = nullptr;
  std::vector<pid_t> programs_;
  std::string output_;    // where programs started from now on write; empty: as the test
  bool flushes_ = false;  // these flush now and then
  bool paced_ = false;    // they say something every 20 us at most, which those without end do
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_COLLECTOR_SUPPORT_REGIONS_FIXTURE_H_
