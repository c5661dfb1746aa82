// sanitizers: none (forks programs that log, and stops the daemon)
//
// What a collector is burdened with costs nobody else a record: a greedy program, a thousand
// connections that say nothing or nonsense, no descriptor left. And nobody waits for it at its end.
#include <cerrno>

#include "base/registration_message.h"
#include "collector/support/regions_fixture.h"
#include "os/child.h"
#include "os/process_watch.h"
#include "os/unix_socket.h"

namespace sluice::test {
namespace {

class Load : public Regions {
 protected:
  void TearDown() override {
    for (int& connection : connections_) os::close_descriptor(connection);
    Regions::TearDown();
  }
  // Its backlog may be full for a moment.
  void connect(const std::string& says) {
    int fd = -EAGAIN;
    EXPECT_TRUE(eventually([&] {
      fd = os::connect_unix(path("run/ingest.sock"));
      return fd != -EAGAIN;
    }));
    ASSERT_GE(fd, 0);
    (void)os::send_some(fd, says.data(), says.size());
    connections_.push_back(fd);
  }
  // How many of the connections have ended, and how many of them were told why.
  struct Ended {
    std::size_t all = 0;
    std::size_t told = 0;
  };
  Ended look_at_connections(std::string_view told) {
    for (int& fd : connections_) {
      char bytes[kRegistrationAnswerMax];
      i64 got = -EAGAIN;
      while (fd >= 0 && (got = os::receive_some(fd, bytes, sizeof bytes)) > 0) {
        ended_.told += std::string_view(bytes, std::size_t(got)).find(told) == 0;
      }
      if (fd < 0 || got == -EAGAIN) continue;
      os::close_descriptor(fd);
      ++ended_.all;
    }
    return ended_;
  }
  [[nodiscard]] bool gets_on(u32 number) const {
    const u64 before = ledger_->flushes[number].load();
    return eventually([&] { return ledger_->flushes[number].load() > before + 1; });
  }
  void end(u32 number, pid_t pid) {
    ::kill(pid, SIGKILL);
    (void)wait_for_program(pid);
    ASSERT_TRUE(eventually([&] { return has_ended(number); })) << own_records();
    expect_conserved(number);
    EXPECT_EQ(ledger_->not_in_time[number].load(), 0U) << "of its flushes";
  }

  std::vector<int> connections_;
  Ended ended_;
};

// Their flushes wait for no more than a turn of the greedy one's, so their rings, which hold more
// than is said between two of them, never fill.
TEST_F(Load, AGreedyProgramCostsTheOthersNothing) {
  constexpr u64 kDropped = 20'000;
  serve();
  collector_ = Collector::only;
  ring_bytes_ = 64 << 10;
  journal_bytes_ = 1 << 20;
  pace_us_ = 100;
  pid_t modest[3];
  flushes_ = true;
  for (u32 i = 0; i < 3; ++i) modest[i] = run_program(1 + i, 0, 0);
  flushes_ = false;
  pace_us_ = 0;
  const pid_t greedy = run_program(0, 0, 0);
  ASSERT_TRUE(eventually([&] { return ledger_->calls[0].load() > kept(0) + kDropped; }));
  u64 before[3];
  for (u32 i = 0; i < 3; ++i) before[i] = ledger_->flushes[1 + i].load();
  for (u32 i = 0; i < 3; ++i) {
    EXPECT_TRUE(eventually([&] { return ledger_->flushes[1 + i].load() > before[i] + 1; }))
        << "beside it";
  }
  for (u32 i = 0; i < 3; ++i) end(1 + i, modest[i]);
  end(0, greedy);
  for (u32 i = 0; i < 3; ++i) EXPECT_EQ(dropped(1 + i), 0U) << "of program " << 1 + i;
  // One that waits is served after a few groups of the greedy one's: 3,000 records or so.
  const auto rows =
      ask("SELECT max(gap) FROM (SELECT id - lag(id) OVER (ORDER BY id) AS gap FROM records"
          " WHERE body LIKE '1 %')");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_LT(std::stoull(rows[0][0]), 50'000U);
  EXPECT_GE(dropped(0), kDropped);
  EXPECT_EQ(stop(), 0) << text("error");
}

TEST_F(Load, AThousandThatSayNothingOrNonsenseCostTheOthersNothing) {
  os::raise_descriptor_limit();
  flushes_ = true;
  serve();
  const pid_t first = run_program(1, 0, 0);
  ASSERT_TRUE(gets_on(1));
  const RegistrationHead head{kRegistrationMagic, kRegistrationVersion, 100, kRegistrationDrain, 0};
  const std::string half(reinterpret_cast<const char*>(&head), sizeof head);
  const std::string says[] = {"", "GET / HTTP/1.1\r\n\r\n", half + "/dev/shm/"};
  for (int i = 0; i < 1000; ++i) connect(says[i % 3]);
  const pid_t second = run_program(2, 0, 0);
  EXPECT_TRUE(gets_on(1));
  EXPECT_TRUE(gets_on(2));
  ASSERT_TRUE(eventually([&] { return look_at_connections("not a registration").all == 1000; }));
  EXPECT_EQ(ended_.told, 333U);
  end(1, first);
  end(2, second);
  EXPECT_EQ(stop(), 0) << text("error");
}

// Who comes when there is no descriptor is told so at once, and comes again.
TEST_F(Load, WithoutADescriptorNobodyIsLost) {
  flushes_ = true;
  each_prints_ = true;
  serve({}, "ulimit -n 64;");
  const pid_t first = run_program(1, 0, 0);
  ASSERT_TRUE(gets_on(1));
  const auto regions = [this] {
    const nlohmann::json object = status_object();
    const nlohmann::json::json_pointer figure("/services/regions/regions");
    return object.contains(figure) ? object[figure].get<u64>() : 0;
  };
  pid_t second = -1;
  for (int round = 0; round < 20 && ended_.told < 100; ++round) {
    for (int i = 0; i < 100 && !HasFatalFailure(); ++i) connect("");
    if (second < 0) second = run_program(2, 0, 0);
    (void)look_at_connections("no descriptor is left");
  }
  EXPECT_GE(ended_.told, 100U);
  EXPECT_TRUE(gets_on(1));
  for (int& connection : connections_) os::close_descriptor(connection);
  ASSERT_TRUE(eventually([&] { return regions() == 2; })) << own_records();
  EXPECT_TRUE(gets_on(2));
  end(1, first);
  end(2, second);
  EXPECT_EQ(stop(), 0) << text("error");
}

// With everything full that there is, and a deadline that this test would not live to see.
TEST_F(Load, AProgramEndsThoughNothingIsDrained) {
  journal_bytes_ = 1 << 20;
  until_full_ = true;
  for (const bool frozen : {true, false}) {
    ledger_->may_fill.store(false);
    serve();
    const u32 number = frozen ? 1 : 2;
    const pid_t pid = run_program(number, 0, 6);
    ASSERT_TRUE(eventually([&] { return find(number, number + 1).records > 0; }));
    const storage::DatabaseUse use;
    auto store = storage::Connection::open(path("all.db"), storage::Access::kWrite);
    ASSERT_TRUE(store.ok());
    if (frozen) {
      ::kill(pid_, SIGSTOP);
    } else {
      ASSERT_TRUE(eventually([&] { return store.value()->run("BEGIN IMMEDIATE").ok(); }));
    }
    ledger_->may_fill.store(true);
    EXPECT_EQ(wait_for_program(pid), 6);
    EXPECT_FALSE(has_ended(number));
    if (frozen) {
      ::kill(pid_, SIGCONT);
    } else {
      ASSERT_TRUE(store.value()->run("COMMIT").ok());
    }
    ASSERT_TRUE(eventually([&] { return has_ended(number); })) << own_records();
    expect_conserved(number);
    EXPECT_EQ(stop(), 0) << text("error");
  }
}

}  // namespace
}  // namespace sluice::test
