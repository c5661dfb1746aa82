// Programs that leave their regions to `sluice serve`, and what they have told their callers.
#ifndef SLUICE_TESTS_COLLECTOR_SUPPORT_REGIONS_FIXTURE_H_
#define SLUICE_TESTS_COLLECTOR_SUPPORT_REGIONS_FIXTURE_H_

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "cli/serve_fixture.h"
#include "sluice/log.h"
#include "sluice/sluice.h"
#include "store/sqlite.h"

namespace sluice::test {

constexpr u32 kNumbers = 1024;  // of programs

// What programs have told their callers, in memory that outlives them.
struct Ledger {
  std::atomic<u64> kept[kNumbers] = {};  // of a program: records 0 .. kept-1 were admitted
  std::atomic<u64> calls[kNumbers] = {};
  std::atomic<u64> flushes[kNumbers] = {};
  std::atomic<u64> not_in_time[kNumbers] = {};  // of these
  std::atomic<bool> may_fill{false};            // what is awaited with until_full_
};

// What a program says: of different lengths, and nothing else can be a part of it.
inline std::string text_of(u32 number, u64 index) {
  std::string text = std::to_string(number) + " " + std::to_string(index) + " ";
  return text.append(index % 31, char('a' + index % 23)) + ".";
}

// What a store has of programs, beside what they have told their callers.
struct Found {
  u64 records = 0;
  u64 missing = 0;
  u64 twice = 0;
  u64 torn = 0;          // not what any program has said
  u64 out_of_order = 0;  // within a program
  u64 never_said = 0;    // the last may have been published and not told
  [[nodiscard]] bool is_conserved() const {
    return missing + twice + torn + out_of_order + never_said == 0;
  }
  friend std::ostream& operator<<(std::ostream& out, const Found& found) {
    return out << found.records << " records; missing " << found.missing << ", twice "
               << found.twice << ", torn " << found.torn << ", out of order " << found.out_of_order
               << ", never said " << found.never_said;
  }
};

// Who has what, whoever dies, is asked here, within deadlines: so a disk that others write to must
// not decide it. Its files lie in memory.
class Regions : public ServeCli {
 protected:
  Regions() {
    std::error_code none;
    if (std::filesystem::space("/dev/shm", none).available > kRoomBytes) place_ = "/dev/shm/";
  }
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
    options.collector = collector_;
    options.collector_socket = path("run/ingest.sock");
    options.ring_bytes = ring_bytes_;
    options.journal_bytes = journal_bytes_;
    options.recover = false;
    if (until_full_) options.stop_deadline_ms = kNeverMs;
    options.quiet = true;
    if (own_file_) options.sinks = {text_file(path("program" + std::to_string(number) + ".log"))};
    return options;
  }

  // A program of its own that logs `count` records (0: until it is killed, or until one is refused
  // with until_full_) and ends with `code`.
  pid_t run_program(u32 number, u64 count, int code) {
    const pid_t pid = ::fork();
    if (pid != 0) {
      programs_.push_back(pid);
      return pid;
    }
    const std::string output = each_prints_ ? console_of(number) : output_;
    if (!output.empty()) {
      const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
      ::dup2(out, 1);
      ::dup2(out, 2);
    }
    if (!sluice::start(options(number))) ::_exit(97);
    std::atomic<u64>& kept = ledger_->kept[number];
    for (u64 i = 0; count == 0 || i < count;) {
      const std::string text = text_of(number, i);
      ledger_->calls[number].fetch_add(1, std::memory_order_relaxed);
      if (log_text(Level::info, "test", text) != Admission::kOk) {
        if (until_full_) break;
        continue;
      }
      kept.store(++i, std::memory_order_release);
      if (count != 0 && !paced_) continue;
      while (until_full_ && !ledger_->may_fill.load()) ::usleep(1000);
      if (pace_us_ > 0 && !until_full_) ::usleep(pace_us_);
      if (!flushes_ || i % 512 != 0) continue;
      const FlushResult flushed = sluice::flush(Reach::written, kFlushMs);
      ledger_->flushes[number].fetch_add(1);
      ledger_->not_in_time[number].fetch_add(!flushed.complete);
      if (!flushed.complete) std::cerr << number << ": " << sluice::last_error() << std::endl;
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
  // Records that the daemon, or whoever stores for it, has stored of the program.
  [[nodiscard]] u64 stored(u32 number) const {
    const auto rows = ask("SELECT count(*) FROM records WHERE logger = 'test' AND body LIKE '" +
                          std::to_string(number) + " %'");
    return rows.empty() ? 0 : std::stoull(rows[0][0]);
  }
  [[nodiscard]] bool gets_on(u32 number) {
    const u64 from = std::max(stored(number), kept(number));
    return eventually([&] { return stored(number) > from + 500; });
  }
  // Regions that the daemon drains or reads.
  [[nodiscard]] u64 taken() {
    const nlohmann::json status = status_object();
    const nlohmann::json::json_pointer regions("/services/regions/regions");
    return status.contains(regions) ? status[regions].get<u64>() : 0;
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
  [[nodiscard]] std::string console_of(u32 number) const {
    return path("console" + std::to_string(number));
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
  // Of the programs with the numbers from `first` to before `end`.
  [[nodiscard]] Found find(u32 first, u32 end) const {
    Found found;
    std::vector<std::vector<bool>> seen(end);
    std::vector<u64> last(end);
    for (const auto& row : ask("SELECT body FROM records WHERE logger = 'test' ORDER BY id")) {
      u32 number = 0;
      unsigned long long index = 0;
      const bool is_one = std::sscanf(row[0].c_str(), "%u %llu", &number, &index) == 2;
      if (!is_one || number >= kNumbers || row[0] != text_of(number, index)) {
        ++found.torn;
        continue;
      }
      if (number < first || number >= end) continue;
      ++found.records;
      found.never_said += index > kept(number);
      found.out_of_order += index < last[number];
      last[number] = std::max<u64>(last[number], index);
      if (seen[number].size() <= index) seen[number].resize(index + 1);
      found.twice += seen[number][index];
      seen[number][index] = true;
    }
    for (u32 number = first; number < end; ++number) {
      seen[number].resize(std::max<u64>(seen[number].size(), kept(number)));
      if (each_prints_) take_in_console(number, seen[number]);
      found.missing +=
          u64(std::count(seen[number].begin(), seen[number].begin() + i64(kept(number)), false));
    }
    return found;
  }
  // What a program has said while there was no collector.
  void take_in_console(u32 number, std::vector<bool>& seen) const {
    const std::string begins = " test " + std::to_string(number) + " ";
    for (const std::string& line : lines_of(read_file(console_of(number)))) {
      const std::size_t at = line.find(begins);
      if (at == std::string::npos) continue;
      const u64 index = std::strtoull(line.c_str() + at + begins.size(), nullptr, 10);
      if (index < seen.size() && line.ends_with(text_of(number, index))) seen[index] = true;
    }
  }
  // Of a newer Sluice, for those that open the store from now on.
  void set_schema_version(const std::string& version) const {
    const storage::DatabaseUse use;
    auto store = storage::Connection::open(path("all.db"), storage::Access::kWrite);
    ASSERT_TRUE(store.ok());
    EXPECT_TRUE(store.value()->run("PRAGMA user_version = " + version).ok());
  }
  // A program whose collector is killed, then one that is stopped; each comes back.
  template <class End>
  void go_on_without_and_back(End&& end) {
    for (const int signal : {SIGKILL, SIGTERM}) {
      serve();
      const u32 number = u32(signal);
      const pid_t pid = run_program(number, 0, 0);
      ASSERT_TRUE(gets_on(number));
      (void)stop(signal);
      ASSERT_TRUE(gets_on(number)) << "without a collector";
      serve();
      ASSERT_TRUE(eventually([&] { return taken() == 1; })) << status("--json").out;
      ASSERT_TRUE(gets_on(number)) << "with the next one";
      end(number, pid);
      EXPECT_EQ(stop(), 0) << text("error");
    }
  }
  // Programs, while their collector comes and goes; now and then one of them dies, whoever drains
  // it, and another takes its place. `end`(number, pid) kills one and looks at what is left.
  template <class End>
  void come_and_go(u32 rounds, End&& end) {
    constexpr u32 kPrograms = 3;
    struct Program {
      u32 number;
      pid_t pid;
    };
    std::mt19937 random(rounds);
    const auto pause = [&random](u32 us) { ::usleep(u32(random()) % us); };
    const auto run = [this](u32 number) { return Program{number, run_program(number, 0, 0)}; };
    u32 next = 0;
    serve();
    Program programs[kPrograms];
    for (Program& program : programs) program = run(next++);
    for (u32 round = 0; round < rounds; ++round) {
      pause(1'200'000);
      (void)stop(round % 3 == 2 ? SIGTERM : SIGKILL);
      pause(round % 2 == 0 ? 1'500'000 : 100'000);
      serve();
      if (round % 4 != 3) continue;
      Program& program = programs[u32(random()) % kPrograms];
      end(program.number, program.pid);
      program = run(next++);
    }
    for (const Program& program : programs) ASSERT_TRUE(gets_on(program.number));
    for (const Program& program : programs) end(program.number, program.pid);
    EXPECT_EQ(stop(), 0) << text("error");
  }
  [[nodiscard]] static u32 rounds(u32 usual) {
    const char* const full = std::getenv("SLUICE_TEST_FULL");
    return full && full[0] == '1' ? 200 : usual;
  }
  // Every record of the program that was kept is there once.
  void expect_conserved(u32 number) const {
    const Found found = find(number, number + 1);
    EXPECT_TRUE(found.is_conserved()) << found << "; of program " << number;
    (void)dropped(number);
  }

  static constexpr std::uintmax_t kRoomBytes = u64{2} << 30;
  static constexpr u32 kFlushMs = 20'000;
  static constexpr u32 kNeverMs = 3'600'000;

  Ledger* ledger_ = nullptr;
  std::vector<pid_t> programs_;
  Collector collector_ = Collector::automatic;
  std::string output_;        // where programs started from now on write; empty: as the test
  bool each_prints_ = false;  // into a file of its own, which counts when it is looked for records
  bool flushes_ = false;      // these flush now and then
  bool own_file_ = false;     // they have a text file of their own
  bool paced_ = false;  // they say something every `pace_us_` at most, which those without end do
  u32 pace_us_ = 20;    // 0: none
  bool until_full_ = false;  // those without end say what they can until there is no room
  u64 ring_bytes_ = 512 << 10;
  u64 journal_bytes_ = 8 << 20;
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_COLLECTOR_SUPPORT_REGIONS_FIXTURE_H_
