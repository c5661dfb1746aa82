// sanitizers: none (kills the processes under test at any instruction)
//
// T1: what sluice::flush(Reach::written) has acknowledged is in the file when the process dies,
// with nobody recovering anything; after recovery the file has whole lines only, each record once.
// Several processes and their forked children share one file, and die together or one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "contract/support/oracle.h"
#include "contract/support/victim.h"

namespace sluice::testing {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

struct Place {
  explicit Place(const std::string& parent) : files(parent) {}
  TempDirectory region;
  TempDirectory files;
  SharedLedger ledger;
  const std::string text = files / "shared.log";

  [[nodiscard]] Options options() const {
    Options options;
    options.product = "sharer";
    options.sinks = {text_file(text, {.pattern = "%(message)", .rotate_bytes = rotate_bytes})};
    options.region_directory = region.path();
    options.ring_bytes = 64 * 1024;
    options.quiet = true;
    return options;
  }
  std::uint64_t rotate_bytes = 0;

  // The file and what was rotated away, oldest first.
  [[nodiscard]] Found read() const {
    Found found;
    std::vector<std::pair<int, std::string>> rotated;
    for (const std::string& name : files.names()) {
      if (name == "shared.log" || name.find("shared") != 0 || name.ends_with(".lock")) continue;
      int number = 0;
      for (const char c : name) {
        if (c >= '0' && c <= '9') number = number * 10 + (c - '0');
      }
      rotated.emplace_back(number, files / name);
    }
    std::sort(rotated.begin(), rotated.end());
    for (const auto& [number, path] : rotated) found.add(read_text(path));
    found.add(read_text(text));
    return found;
  }
};

// Logs in groups and has each acknowledged.
void log_and_flush(LedgerRow& row, std::uint32_t writer) {
  for (;;) {
    for (int i = 0; i < 20; ++i) write_record(row, writer);
    const std::uint64_t sure = row.kept.load(kRelaxed);
    if (flush(Reach::written).complete) row.flushed.store(sure, kRelaxed);
  }
}

// A torn last line is what a kill leaves, until somebody recovers; it is the one thing forgiven.
std::vector<std::string> judge_before_recovery(const Place& place) {
  Found found = place.read();
  std::erase_if(found.broken,
                [](const std::string& line) { return line.starts_with("no newline"); });
  return judge(*place.ledger, found, {.only_flushed = true});
}

// As many as fit into a run where everything takes longer, too.
std::uint64_t points_here(std::uint64_t quick, std::uint64_t full) {
  return std::max<std::uint64_t>(points(quick, full) / times_slower(), 30);
}

struct Tally {
  std::uint64_t points = 0, violations = 0, acknowledged = 0, torn = 0;

  void add(const Place& place, const std::vector<std::string>& wrong, const std::string& what) {
    ++points;
    for (const LedgerRow& row : place.ledger->row) acknowledged += row.flushed.load();
    if (wrong.empty()) return;
    ++violations;
    ADD_FAILURE() << what << ":\n" << join(wrong);
  }
  void print(const char* name) const {
    std::printf(
        "%s: %llu points, %llu violations, %llu records acknowledged, %llu torn files\n", name,
        static_cast<unsigned long long>(points), static_cast<unsigned long long>(violations),
        static_cast<unsigned long long>(acknowledged), static_cast<unsigned long long>(torn));
    EXPECT_GT(points, 20u);
    EXPECT_GT(acknowledged, 0u);
  }
};

std::vector<std::string> recover_and_judge(const Place& place) {
  const Recovery recovery = recover(place.region.path());
  std::vector<std::string> wrong = judge(*place.ledger, place.read());
  if (!recovery.complete) wrong.push_back(recovery.said);
  return wrong;
}

TEST(KilledFilePath, KeepsWhatWasAcknowledged) {
  const auto seed = std::uint64_t(now_ns());
  Random random(seed);
  Tally tally;
  while (tally.points < points_here(350, 10'000) && tally.violations < 5) {
    Place place(tally.points % 2 ? "/tmp" : "/dev/shm");
    if (tally.points % 3 == 0) place.rotate_bytes = 64 * 1024;
    const std::uint64_t delay_us = (1000 + random.next(30'000)) * times_slower();
    const pid_t child = spawn([&] {
      start(place.options());
      std::thread other([&] { log_and_flush(place.ledger->row[1], 1); });
      log_and_flush(place.ledger->row[0], 0);
    });
    spin_us(delay_us);
    ::kill(child, SIGKILL);
    wait_for(child);
    std::vector<std::string> wrong = judge_before_recovery(place);
    for (const std::string& line : place.read().broken)
      tally.torn += line.starts_with("no newline");
    if (wrong.empty()) wrong = recover_and_judge(place);
    tally.add(place, wrong,
              "killed after " + std::to_string(delay_us) + " us, seed " + std::to_string(seed));
  }
  tally.print("one process");
}

// Three processes and a forked child of each; every one is killed, at its own moment, and a new
// process starts meanwhile and recovers what it finds, beside those that still write.
TEST(KilledFilePath, SharedByProcessesThatDie) {
  const auto seed = std::uint64_t(now_ns());
  Random random(seed);
  Tally tally;
  while (tally.points < points_here(150, 2'000) && tally.violations < 5) {
    Place place(tally.points % 2 ? "/tmp" : "/dev/shm");
    if (tally.points % 3 == 0) place.rotate_bytes = 128 * 1024;
    std::vector<pid_t> children;
    for (std::uint32_t i = 0; i < 3; ++i) {
      children.push_back(spawn([&] {
        ::setpgid(0, 0);  // to find its child by, whatever it came to
        place.ledger->word[i].store(1);
        start(place.options());
        write_record(place.ledger->row[i], i);
        spawn([&] { log_and_flush(place.ledger->row[10 + i], 10 + i); });
        log_and_flush(place.ledger->row[i], i);
      }));
    }
    for (std::uint32_t i = 0; i < 3; ++i) {
      spin_us(random.next(12'000) * times_slower());
      ::kill(children[i], SIGKILL);
      wait_for(children[i]);
      children.push_back(spawn([&] {
        start(place.options());
        log_and_flush(place.ledger->row[20 + i], 20 + i);
      }));
    }
    spin_us(random.next(12'000) * times_slower());
    for (std::uint32_t i = 0; i < 3; ++i) {
      if (place.ledger->word[i].load() == 1) ::kill(-children[i], SIGKILL);
    }
    for (std::size_t i = 3; i < children.size(); ++i) {
      ::kill(children[i], SIGKILL);
      wait_for(children[i]);
    }
    // Grandchildren are not ours to wait for: they are dead when their locks are.
    for (int tries = 0; tries < 2000 && !place.region.names().empty(); ++tries) {
      recover(place.region.path());
      if (!place.region.names().empty()) ::usleep(1000);
    }
    tally.add(place, recover_and_judge(place), "seed " + std::to_string(seed));
  }
  tally.print("shared file");
}

// The negative control: a flush that did not wait, a line that was cut and one that is twice.
TEST(KilledFilePath, TheOracleSeesWhatIsWrong) {
  Place place("/dev/shm");
  wait_for(spawn([&] {
    start(place.options());
    for (int i = 0; i < 100; ++i) write_record(place.ledger->row[0], 0);
    stop();
  }));
  recover(place.region.path());
  ASSERT_EQ(join(judge(*place.ledger, place.read())), "");
  std::ifstream file(place.text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line + "\n");
  ASSERT_EQ(lines.size(), 100u);
  const auto judged = [&](auto&& change) {
    std::vector<std::string> changed = lines;
    change(changed);
    std::ofstream(place.text) << [&] {
      std::string all;
      for (const std::string& line : changed) all += line;
      return all;
    }();
    return join(judge(*place.ledger, place.read()));
  };
  EXPECT_NE(judged([](auto& l) { l.pop_back(); }), "");
  EXPECT_NE(judged([](auto& l) { l.erase(l.begin() + 50); }), "");
  EXPECT_NE(judged([](auto& l) { l.insert(l.begin() + 50, l[50]); }), "");
  EXPECT_NE(judged([](auto& l) { std::swap(l[3], l[4]); }), "");
  EXPECT_NE(judged([](auto& l) { l.back().resize(l.back().size() - 1); }), "");
  EXPECT_NE(judged([](auto& l) { l[7] = l[7].substr(0, 3) + l[8]; }), "");
  EXPECT_NE(judged([](auto& l) { l[7][l[7].size() / 2] = '?'; }), "");
  EXPECT_EQ(judged([](auto&) {}), "");
  LedgerRow& row = place.ledger->row[0];
  row.kept.store(99);
  row.begun.store(99);
  EXPECT_NE(join(judge(*place.ledger, place.read())), "") << "one more than was ever called";
  EXPECT_NE(join(judge_accounts(*place.ledger, 98, 0)), "");
  EXPECT_NE(join(judge_accounts(*place.ledger, 99, 1)), "");
  EXPECT_EQ(join(judge_accounts(*place.ledger, 99, 0)), "");
}

}  // namespace
}  // namespace sluice::testing
