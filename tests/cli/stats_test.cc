// sanitizers: address (commands of one thread, in which ThreadSanitizer has nothing to find)
//
// sluice stats: the numbers of a store.
#include "cli/store_cli.h"

namespace sluice::test {
namespace {

using nlohmann::json;

class Stats : public StoreCli {};

TEST_F(Stats, OfARealRun) {
  ASSERT_EQ(
      sh("$SLUICE run --quiet --store a.db --product demo -- sh -c 'echo ERROR bad; exit 3'").code,
      3);
  ASSERT_EQ(sh("$SLUICE run --quiet --store a.db --product demo -- sh -c 'kill -9 $$'").code, 137);
  sql("INSERT INTO logs(timestamp, level, message) VALUES('2026-01-02 03:04:05', 'DEBUG', 'old');"
      "INSERT INTO metrics(timestamp, metric_name, value) VALUES('2026-01-03', 'a', 1),"
      " ('2026-01-02', 'b', 2); ALTER TABLE records ADD COLUMN host TEXT;"
      "CREATE INDEX records_by_field_user ON records(host)");
  const Finished shown = command("stats --json");
  ASSERT_EQ(shown.code, 0) << shown.error;
  const json all = json::parse(shown.out);
  EXPECT_EQ(all["store"], "a.db");
  EXPECT_EQ(all["schema_version"], 3);
  EXPECT_GT(all["database_bytes"], 4096);
  EXPECT_EQ(all["tables"]["records"]["rows"], 6);
  EXPECT_EQ(all["tables"]["records"]["oldest"], "2026-01-02 03:04:05.000");
  EXPECT_EQ(all["tables"]["points"], (json{{"rows", 2},
                                           {"oldest", "2026-01-02 00:00:00.000"},
                                           {"newest", "2026-01-03 00:00:00.000"}}));
  EXPECT_EQ(all["tables"]["states"], (json{{"rows", 0}, {"oldest", nullptr}, {"newest", nullptr}}));
  EXPECT_EQ(all["levels"], (json{{"DEBUG", 1}, {"INFO", 4}, {"ERROR", 1}}));
  EXPECT_EQ(all["columns"], (json{{"host", "TEXT"}}));
  EXPECT_NE(std::find(all["indexes"].begin(), all["indexes"].end(), "records_by_field_user"),
            all["indexes"].end());
  ASSERT_EQ(all["runs"].size(), 2u);
  EXPECT_EQ(all["runs"][0]["signal"], 9);
  EXPECT_EQ(all["runs"][1]["exit_code"], 3);
  EXPECT_EQ(all["runs"][1]["product"], "demo");
  EXPECT_EQ(json::parse(command("stats --json --limit 1").out)["runs"].size(), 1u);
  const Finished text = command("stats");
  for (const char* said : {"schema version 3", "records  6", "ERROR  1", "exit code 3", "signal 9",
                           "nothing was said to be dropped", "columns of one's own: host TEXT"}) {
    EXPECT_NE(text.out.find(said), std::string::npos) << said << "\n" << text.out;
  }
}

// What a program dropped stands in its store by reason, just as it was counted.
TEST_F(Stats, Drops) {
  const std::string region = regions_;
  const pid_t program = ::fork();
  if (program == 0) {
    Options options;
    options.product = "dropper";
    options.sinks = {store_file(path("a.db"))};
    options.region_directory = region;
    options.quiet = true;
    options.ring_bytes = 64 * 1024;
    sluice::start(options);
    const std::string long_text(1000, 'x');
    unsigned dropped = 0;
    for (int i = 0; i < 50'000; ++i) {
      if (sluice::info("{} {}", i, long_text) != Admission::kOk) ++dropped;
    }
    sluice::stop();
    std::ofstream(path("dropped")) << dropped;
    ::_exit(0);
  }
  ASSERT_EQ(wait_for(program), 0);
  const int dropped = std::stoi(text("dropped"));
  ASSERT_GT(dropped, 0);
  EXPECT_EQ(json::parse(command("stats --json").out)["drops"], (json{{"ring_full", dropped}}));
  EXPECT_NE(command("stats").out.find("ring_full  " + std::to_string(dropped)), std::string::npos);
}

TEST_F(Stats, Mistakes) {
  const Finished wrong = sh("$SLUICE stats --store missing.db --limit none");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.error.find("cannot look at 'missing.db'"), std::string::npos) << wrong.error;
  EXPECT_NE(wrong.error.find("--limit: "), std::string::npos) << wrong.error;
}

}  // namespace
}  // namespace sluice::test
