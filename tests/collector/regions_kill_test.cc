// sanitizers: none (forks programs that log from threads, and kills them and the daemon)
//
// Programs that leave their regions to `sluice serve`: every record whose call has returned kOk is
// in the store once, whoever is killed, and how they ended is there too.
#include <random>

#include "collector/region_mirror.h"
#include "collector/support/regions_fixture.h"

namespace sluice::test {
namespace {

constexpr u32 kPrograms = 8;

class RegionsKilled : public Regions {
 protected:
  void SetUp() override {
    Regions::SetUp();
    pace_us_ = 500;
    ring_bytes_ = 64 << 10;  // a start is cheap, and both go round often
    journal_bytes_ = 1 << 20;
    each_prints_ = true;
  }
  void start_program(pid_t& pid) {
    ASSERT_LT(next_, kNumbers);
    collector_ = next_ % 2 == 0 ? Collector::automatic : Collector::only;
    pid = run_program(next_++, 0, 0);
  }
  // Not waited for: it may die before it is ready.
  void start_daemon() {
    manager_.emplace("@" + path("notify") + std::to_string(daemons_++));
    pid_ = start("exec $SLUICE serve --config serve.toml", path("out"), path("error"));
  }
  // SIGKILLs programs, the daemon, and both at once, at random microseconds, and starts others in
  // their place; at the end everybody dies.
  void kill_at_random(u32 points, std::mt19937& random) {
    pid_t pids[kPrograms];
    for (pid_t& pid : pids) start_program(pid);
    start_daemon();
    for (u32 point = 0; point < points; ++point) {
      pid_t& program = pids[random() % kPrograms];
      const u32 who = u32(random()) % 8;  // 0: the daemon, 1: both
      const bool at_work = who <= 1 && random() % 8 != 0;
      if (at_work) {
        ASSERT_NE(manager_->wait_for("READY=1"), "") << text("error");
      }
      constexpr u32 kWithinUs[] = {500, 4000, 30'000};
      ::usleep(u32(random()) % kWithinUs[random() % 3]);
      if (who != 0) ::kill(program, SIGKILL);
      if (who <= 1) {
        (void)stop(SIGKILL);
        start_daemon();
      }
      if (who != 0) {
        (void)wait_for_program(program);
        start_program(program);
      }
    }
    for (const pid_t pid : pids) ::kill(pid, SIGKILL);
    (void)stop(SIGKILL);
    for (const pid_t pid : pids) (void)wait_for_program(pid);
  }
  [[nodiscard]] bool all_have_ended() const {
    u64 runs = 0;
    for (u32 number = 0; number < next_; ++number) runs += kept(number) > 0;
    const auto rows =
        ask("SELECT count(*), count(ended_ns) FROM runs WHERE product LIKE 'program%'");
    return !rows.empty() && std::stoull(rows[0][0]) >= runs && rows[0][0] == rows[0][1];
  }
  [[nodiscard]] std::string regions_left() const {
    std::string names;
    for (const auto& entry : std::filesystem::directory_iterator(regions_)) {
      const std::string name = entry.path().filename();
      if (name.find("program") != std::string::npos) names += name + " ";
    }
    return names;
  }
  void clear() {
    for (const char* const suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(path("all.db") + suffix);
    }
    for (u32 number = 0; number < next_; ++number) std::filesystem::remove(console_of(number));
    new (ledger_) Ledger;
    next_ = 0;
  }
  void change_store(const std::string& sql) const {
    const storage::DatabaseUse use;
    auto store = storage::Connection::open(path("all.db"), storage::Access::kWrite);
    ASSERT_TRUE(store.ok() && store.value()->run(sql).ok()) << sql;
  }

  u32 next_ = 0;  // number of a program
  u32 daemons_ = 0;
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

TEST_F(Regions, NobodyWaitsForAStoppedCollector) {
  serve();
  const pid_t program = run_program(3, 0, 0);
  ASSERT_TRUE(eventually([&] { return kept(3) > 500; }));
  ::kill(pid_, SIGSTOP);
  // Its ring is full, and it goes on: what it says is dropped and counted.
  const std::atomic<u64>& calls = ledger_->calls[3];
  ASSERT_TRUE(eventually([&] { return calls.load() > kept(3) + 100'000; }));
  const u64 before = kept(3);
  ::kill(pid_, SIGCONT);
  ASSERT_TRUE(eventually([&] { return kept(3) > before + 500; }));
  ::kill(program, SIGKILL);
  (void)wait_for_program(program);
  ASSERT_TRUE(eventually([&] { return has_ended(3); })) << own_records();
  expect_conserved(3);
  EXPECT_GE(dropped(3), 100'000U);
  EXPECT_EQ(stop(), 0) << text("error");
}

// Eight programs and a daemon, of whom one or two are killed at each point; another daemon goes on.
TEST_F(RegionsKilled, LoseNothingWhoeverDies) {
  constexpr u32 kPoints = 500;
  const char* const full = std::getenv("SLUICE_TEST_FULL");
  const u32 rounds = full && full[0] == '1' ? 20 : 1;
  std::mt19937 random(rounds);
  for (u32 round = 0; round < rounds && !HasFailure(); ++round) {
    clear();
    kill_at_random(kPoints, random);
    serve();
    // Some hundred programs have died, and the machine may have other work.
    constexpr int kSeconds = 120;
    ASSERT_TRUE(eventually([&] { return all_have_ended() && regions_left().empty(); }, kSeconds))
        << regions_left() << own_records();
    const Found found = find(0, next_);
    EXPECT_TRUE(found.is_conserved()) << found;
    EXPECT_GT(found.records, kPoints * 10) << "there was something to lose";
    // Each drop is told once.
    EXPECT_EQ(ask("SELECT body FROM records WHERE body LIKE 'dropped % in all' GROUP BY run,"
                  " json_extract(attributes, '$.site'), json_extract(attributes, '$.reason')"
                  " HAVING sum(json_extract(attributes, '$.dropped')) <>"
                  " max(json_extract(attributes, '$.dropped_total'))"),
              std::vector<std::vector<std::string>>());
    EXPECT_EQ(ask("SELECT reason FROM runs WHERE product LIKE 'program%' AND NOT (reason LIKE"
                  " 'killed by SIGKILL%' OR reason = 'vanished: gone without goodbye')"),
              std::vector<std::vector<std::string>>());
    EXPECT_EQ(stop(), 0) << text("error");
  }
}

// The checker's controls: a collector that tells the region before the store, and a store in which
// something is twice, torn, or has changed places.
TEST_F(RegionsKilled, AWrongCollectorIsSeen) {
  collector_ = Collector::only;
  ring_bytes_ = 512 << 10;  // has room for all of it
  EXPECT_EQ(wait_for_program(run_program(0, 2000, 0)), 0);
  EXPECT_EQ(wait_for_program(run_program(1, 2000, 0)), 0);
  const pid_t wrong = ::fork();
  if (wrong == 0) {
    const std::string region = regions_ + "/" + regions_left().substr(0, regions_left().find(' '));
    auto mirror = collector::RegionMirror::open(os::real_io(), region, path("all.db"));
    if (!mirror.ok()) ::_exit(1);
    while (mirror.value()->merge(true) == back::Merged::kBatch) {
    }
    if (!mirror.value()->write_back().ok()) ::_exit(2);
    region::SinkEntry& stored = mirror.value()->entry();
    stored.cursor_position.store(mirror.value()->journal().committed->load());
    stored.cursor.store(mirror.value()->next_sequence());
    ::_exit(mirror.value()->write_back().ok() ? 0 : 3);
  }
  EXPECT_EQ(wait_for(wrong), 0);
  serve();
  ASSERT_TRUE(eventually([&] { return regions_left().empty(); })) << own_records();
  EXPECT_EQ(stop(), 0) << text("error");
  const Found lost = find(0, 2);
  EXPECT_EQ(lost.missing, 2000U) << lost;
  const u32 other = find(0, 1).records == 0 ? 1 : 0;
  EXPECT_TRUE(find(other, other + 1).is_conserved());
  change_store("UPDATE records SET body = '" + text_of(other, 11) + "' WHERE body = '" +
               text_of(other, 10) + "'");
  Found found = find(other, other + 1);
  EXPECT_EQ(found.twice, 1U) << found;
  EXPECT_EQ(found.missing, 1U) << found;
  change_store("UPDATE records SET body = substr(body, 1, 6) WHERE body = '" + text_of(other, 12) +
               "'");
  EXPECT_EQ(find(other, other + 1).torn, 1U);
  change_store("UPDATE records SET body = '" + text_of(other, 10) + "' WHERE body = '" +
               text_of(other, 30) + "'");
  found = find(other, other + 1);
  EXPECT_EQ(found.out_of_order, 1U) << found;
  change_store("UPDATE records SET body = '" + text_of(other, 2001) + "' WHERE body = '" +
               text_of(other, 1999) + "'");
  EXPECT_EQ(find(other, other + 1).never_said, 1U);
}

}  // namespace
}  // namespace sluice::test
