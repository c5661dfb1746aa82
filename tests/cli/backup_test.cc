// sanitizers: address (commands of one thread, in which ThreadSanitizer has nothing to find)
//
// sluice backup: sound copies of a store that is written, and nothing half done.
#include "cli/cli_fixture.h"
#include "store/store_fixture.h"

namespace sluice::test {
namespace {

class Backup : public Cli {
 protected:
  void SetUp() override {
    Cli::SetUp();
    ASSERT_EQ(sh("$SLUICE run --quiet --store a.db -- seq 1 2000").code, 0);
  }
  // But for what a reader leaves beside the store itself.
  std::vector<std::string> files() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(work_)) {
      const std::string name = entry.path().filename();
      if (!name.starts_with("a.db-")) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }
};

TEST_F(Backup, IsTheSameStoreAndOnlyItsUsers) {
  const Finished done = sh("$SLUICE backup --store a.db b.db");
  ASSERT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(done.out + done.error, "");
  EXPECT_EQ(files(), (std::vector<std::string>{"a.db", "b.db"}));
  for (const char* const table : {"records", "runs", "cursors", "sites"}) {
    const std::string sql = std::string("SELECT * FROM ") + table;
    EXPECT_EQ(rows_in(path("b.db"), sql), rows_in(path("a.db"), sql));
  }
  EXPECT_EQ(row_in(path("b.db"), "PRAGMA integrity_check"), "ok");
  EXPECT_EQ(std::filesystem::status(path("b.db")).permissions(), std::filesystem::perms(0600));
  EXPECT_EQ(sh("$SLUICE run --quiet --store b.db -- echo more").code, 0)
      << "it can be gone on with";
  EXPECT_EQ(row_in(path("b.db"), "SELECT count(*) FROM records WHERE body = 'more'"), "1");
}

TEST_F(Backup, MistakesAndNothingIsTouched) {
  write("there", "precious");
  const Finished there = sh("$SLUICE backup --store a.db there");
  EXPECT_EQ(there.code, 2);
  EXPECT_NE(there.error.find("is there already"), std::string::npos) << there.error;
  EXPECT_EQ(text("there"), "precious");
  EXPECT_EQ(sh("$SLUICE backup --store a.db a.db --force").code, 2);
  EXPECT_EQ(sh("ln -s a.db link; $SLUICE backup --store a.db link --force").code, 2);
  EXPECT_EQ(sh("$SLUICE backup --store a.db . --force").code, 2);
  EXPECT_EQ(sh("$SLUICE backup --store a.db no/such/place").code, 2);
  EXPECT_EQ(sh("touch used-wal; $SLUICE backup --store a.db used").code, 2);
  EXPECT_EQ(sh("$SLUICE backup new").code, 2);
  const Finished two = sh("$SLUICE backup --store none.db there");
  EXPECT_EQ(two.code, 2);
  EXPECT_EQ(lines_of(two.error).size(), 2u) << two.error;
  EXPECT_EQ(sh("$SLUICE backup --store there new").code, 2) << "no database";
  EXPECT_FALSE(std::filesystem::exists(path("new")));
  EXPECT_EQ(sh("$SLUICE backup --store a.db there --force").code, 0);
  EXPECT_EQ(row_in(path("there"), "SELECT count(*) > 2000 FROM records"), "1");
  EXPECT_EQ(sh("$SLUICE backup --store a.db \"x'; DROP TABLE records; --\"").code, 0);
  EXPECT_EQ(row_in(path("x'; DROP TABLE records; --"), "SELECT count(*) > 2000 FROM records"), "1");
}

TEST_F(Backup, ADamagedStoreGivesNoCopy) {
  ASSERT_EQ(sh("$SLUICE query --store a.db 'SELECT 1'").code, 0);
  std::string bytes = text("a.db");
  for (std::size_t at = bytes.size() / 2; at < bytes.size() / 2 + 20'000; ++at) bytes[at] = 'x';
  write("a.db", bytes);
  const Finished done = sh("$SLUICE backup --store a.db b.db");
  EXPECT_EQ(done.code, 1) << done.error;
  EXPECT_EQ(files(), std::vector<std::string>{"a.db"});
}

// While a program writes as fast as it can: each copy is sound and of one moment.
TEST_F(Backup, BesideAProgramThatWrites) {
  const pid_t pid = start("exec $SLUICE run --quiet --store a.db --logger w -- seq 1 100000",
                          path("o"), path("e"));
  long last = 0;
  int copies = 0;
  bool ended = false;
  for (; !ended && copies < 50; ++copies) {
    int status = 0;
    ended = ::waitpid(pid, &status, WNOHANG) == pid;
    const std::string to = "copy" + std::to_string(copies) + ".db";
    ASSERT_EQ(sh("$SLUICE backup --store a.db " + to).code, 0);
    EXPECT_EQ(row_in(path(to), "PRAGMA integrity_check"), "ok");
    // A prefix of what the program said, without a gap.
    const std::string rows =
        row_in(path(to), "SELECT count(*) FROM records WHERE logger = 'w' AND event IS NULL");
    EXPECT_EQ(row_in(path(to),
                     "SELECT coalesce(max(CAST(body AS INTEGER)), 0) FROM records WHERE"
                     " logger = 'w' AND event IS NULL"),
              rows);
    EXPECT_GE(std::stol(rows), last);
    last = std::stol(rows);
  }
  if (!ended) wait_for(pid);
  EXPECT_EQ(row_in(path("a.db"),
                   "SELECT count(*) FROM records WHERE logger = 'w' AND event IS"
                   " NULL"),
            "100000");
  std::printf("%d copies\n", copies);
}

TEST_F(Backup, KilledItLeavesATemporaryNameAtMost) {
  ASSERT_EQ(sh("$SLUICE run --quiet --store a.db -- seq 1 100000").code, 0);
  int cut = 0;
  for (int i = 0; i < 6; ++i) {
    const pid_t pid = start("exec $SLUICE backup --store a.db b.db", path("o"), path("e"));
    std::this_thread::sleep_for(std::chrono::milliseconds(15 * i));
    ::kill(pid, SIGKILL);
    wait_for(pid);
    if (!std::filesystem::exists(path("b.db"))) {
      ++cut;
      continue;
    }
    EXPECT_EQ(row_in(path("b.db"), "PRAGMA integrity_check"), "ok");
    for (const char* const left : {"b.db", "b.db-wal", "b.db-shm"}) {
      std::filesystem::remove(path(left));  // a reader leaves the last two
    }
  }
  EXPECT_GT(cut, 0);
  const Finished whole = sh("$SLUICE backup --store a.db b.db");
  EXPECT_EQ(whole.code, 0) << whole.error;
}

}  // namespace
}  // namespace sluice::test
