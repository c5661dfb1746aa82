// sanitizers: address (commands of one thread, in which ThreadSanitizer has nothing to find)
//
// sluice prune: beside a program that writes, killed in the middle, with mistakes.
#include "cli/store_cli.h"
#include "store/store_fixture.h"

namespace sluice::test {
namespace {

using nlohmann::json;

class Prune : public StoreCli {
 protected:
  void SetUp() override {
    StoreCli::SetUp();
    ASSERT_EQ(sh("$SLUICE run --quiet --store a.db -- true").code, 0);
  }
  // Records of one second each, back from now.
  void fill(int rows) {
    const auto store = storage::Connection::open(path("a.db"), storage::Access::kWrite);
    const Status status = store.value()->run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
        std::to_string(rows) +
        ") INSERT INTO logs(timestamp, level, module, message) SELECT"
        " strftime('%Y-%m-%d %H:%M:%f', 'now', (i - " +
        std::to_string(rows) +
        ") || ' seconds'), 'INFO', 'm', 'row ' || i || ' of a text that takes its room' FROM n");
    ASSERT_EQ(status.message(), "");
  }
  Finished prune(const std::string& words) { return sh("$SLUICE prune --store a.db " + words); }
};

TEST_F(Prune, SaysWhatItWouldDoAndDoesIt) {
  fill(5000);
  const Finished look = prune("--older-than 1000s --dry-run");
  EXPECT_EQ(look.code, 0) << look.error;
  EXPECT_TRUE(look.out.starts_with("would delete 4")) << look.out;
  EXPECT_EQ(row("SELECT count(*) > 5000 FROM records"), "1");
  const Finished done = prune("--older-than 1000s --max-rows 500 --json");
  ASSERT_EQ(done.code, 0) << done.error;
  const json counts = json::parse(done.out);
  EXPECT_EQ(row("SELECT count(*) FROM records"), "500");
  EXPECT_EQ(row("SELECT max(body) FROM records WHERE body LIKE 'row 5000%'"),
            "row 5000 of a text that takes its room");
  EXPECT_GT(counts["records"], 4400);
  EXPECT_LT(counts["bytes_after"], counts["bytes_before"]);
  EXPECT_EQ(std::filesystem::file_size(path("a.db")), counts["bytes_after"].get<std::size_t>());
  EXPECT_EQ(prune("--max-rows 500").out.substr(0, 16), "deleted nothing;");
  EXPECT_EQ(sh("SLUICE_STORE=a.db $SLUICE prune --max-rows 10").code, 0);
  EXPECT_EQ(row("SELECT count(*) FROM records"), "10");
}

TEST_F(Prune, ToASizeWhichAStoreCannotAlwaysHave) {
  fill(30'000);
  ASSERT_EQ(prune("--max-bytes 1MiB").code, 0);
  EXPECT_LE(std::filesystem::file_size(path("a.db")), std::size_t{1} << 20);
  EXPECT_GT(std::filesystem::file_size(path("a.db")), std::size_t{900} << 10);
}

TEST_F(Prune, MistakesAllAtOnceAndNothingIsDone) {
  fill(100);
  const std::string before = text("a.db");
  const Finished many = prune("--older-than 7 --max-rows none --max-bytes 1");
  EXPECT_EQ(many.code, 2);
  EXPECT_EQ(lines_of(many.error).size(), 3u) << many.error;
  EXPECT_NE(many.error.find("such as 90s, 12h, 7d or 4w"), std::string::npos);
  EXPECT_NE(many.error.find("1MiB or more"), std::string::npos);
  EXPECT_EQ(prune("").code, 2);
  EXPECT_EQ(prune("--older-than 0d").code, 2);
  EXPECT_EQ(prune("--max-rows 0").code, 2);
  EXPECT_EQ(prune("--max-rows \"1; DROP TABLE records\"").code, 2);
  EXPECT_EQ(prune("--older-than \"1d') OR 1=1 --\"").code, 2);
  EXPECT_EQ(prune("--max-rows 99999999999999999999").code, 2);
  EXPECT_EQ(sh("$SLUICE prune --max-rows 5").code, 2);
  EXPECT_EQ(sh("$SLUICE prune --store none.db --max-rows 5").code, 2);
  EXPECT_FALSE(std::filesystem::exists(path("none.db")));
  write("text.db", "this is no database, but it is long enough to be taken for one\n");
  EXPECT_EQ(sh("$SLUICE prune --store text.db --max-rows 5").code, 2);
  sh("sqlite3 other.db 'CREATE TABLE records(id INTEGER PRIMARY KEY, time_ns)' ||"
     " cp a.db other.db");
  EXPECT_EQ(row("SELECT count(*) >= 100 FROM records"), "1");
  EXPECT_EQ(text("a.db"), before);
}

// Killed at moments all over a prune: the file is sound, and the next one does the rest.
TEST_F(Prune, KilledItGoesOn) {
  fill(60'000);
  const std::string whole = text("a.db");
  int cut = 0;
  for (int i = 0; i < 8; ++i) {
    std::filesystem::remove(path("a.db-wal"));
    std::filesystem::remove(path("a.db-shm"));
    write("a.db", whole);
    const pid_t pid =
        start("exec $SLUICE prune --store a.db --max-rows 1000", path("o"), path("e"));
    if (i % 2 == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(60 * i));
    } else {
      // However fast the machine is: in the middle.
      ASSERT_TRUE(eventually([&] { return row("SELECT count(*) < 60000 FROM records") == "1"; }));
    }
    ::kill(pid, SIGKILL);
    wait_for(pid);
    EXPECT_EQ(row("PRAGMA integrity_check"), "ok");
    const long rows = std::stol(row("SELECT count(*) FROM records"));
    cut += rows > 1000 && rows < 60'000;
    EXPECT_EQ(row("SELECT max(CAST(substr(body, 5) AS INTEGER)) FROM records"), "60000");
    ASSERT_EQ(prune("--max-rows 1000").code, 0);
    EXPECT_EQ(row("SELECT count(*) FROM records"), "1000");
    EXPECT_EQ(row("PRAGMA freelist_count"), "0");
  }
  EXPECT_GT(cut, 0) << "a control: some were cut in the middle";
}

// While a program logs as fast as it can: all it says is there, and the old rows go.
TEST_F(Prune, BesideAProgramThatWrites) {
  fill(40'000);
  (void)beside_a_writer("prune --older-than 2000s --json");
  EXPECT_EQ(row("SELECT count(*) BETWEEN 1900 AND 2001 FROM records WHERE logger = 'm'"), "1");
}

}  // namespace
}  // namespace sluice::test
