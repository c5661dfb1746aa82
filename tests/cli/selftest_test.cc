// sluice selftest and bench: they pass here, and the selftest fails when a call may wait.
#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

using nlohmann::json;

class Selftest : public Cli {};

TEST_F(Selftest, EveryConditionConservesAndNothingWaits) {
  const Finished run = sh("$SLUICE selftest --json --calls 60000");
  EXPECT_EQ(run.code, 0) << run.out << run.error;
  const auto lines = lines_of(run.out);
  ASSERT_EQ(lines.size(), 5u);
  for (const std::string& line : lines) {
    const json report = json::parse(line);
    if (!report["skipped"].get<std::string>().empty()) continue;
    EXPECT_EQ(report["attempted"], 60000) << line;
    EXPECT_EQ(report["admitted"].get<int>() + report["dropped"].get<int>(), 60000) << line;
    EXPECT_EQ(report["delivered"], report["admitted"]) << line;
    EXPECT_EQ(report["waits"], 0) << line;
    // All conditions but the first are too much for any queue.
    if (report["condition"] != "running") {
      EXPECT_GT(report["dropped"], 0) << line;
    }
  }
}

TEST_F(Selftest, FailsWhenCallsMayWait) {
  const Finished run =
      sh("SLUICE_OVERFLOW=block SLUICE_BLOCK_DEADLINE_MS=1 $SLUICE selftest "
         "--only 'ring full' --calls 3000");
  EXPECT_EQ(run.code, 1) << run.out;
  EXPECT_NE(run.out.find("FAILED: a call waited"), std::string::npos) << run.out;
}

TEST_F(Selftest, LeavesNothingBehind) {
  const auto here = [] {
    std::size_t count = 0;
    for (const char* place : {"/tmp", "/dev/shm"}) {
      for (const auto& file : std::filesystem::directory_iterator(place)) {
        const std::string name = file.path().filename();
        count += name.starts_with("sluice-") && name.size() == 13;
      }
    }
    return count;
  };
  const std::size_t before = here();
  EXPECT_EQ(sh("$SLUICE selftest --only 'disk full' --calls 30000").code, 0);
  EXPECT_EQ(here(), before);
  EXPECT_EQ(sh("$SLUICE selftest --only nonsense").code, 2);
}

TEST_F(Selftest, BenchSaysEachFigureNextToItsFloor) {
  const Finished run = sh("$SLUICE bench --json --bursts 30 --messages 20000");
  EXPECT_EQ(run.code, 0) << run.error;
  const json rows = json::parse(run.out);
  ASSERT_TRUE(rows.is_array());
  std::vector<std::string> names;
  for (const json& row : rows) {
    names.push_back(row["name"]);
    EXPECT_GT(row["value"], 0) << row;
    EXPECT_GT(row["baseline_value"], 0) << row;
    EXPECT_NEAR(row["ratio"].get<double>(),
                row["value"].get<double>() / row["baseline_value"].get<double>(), 1e-9);
    EXPECT_TRUE(row["unit"].is_string() && row["baseline"].is_string());
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"call burst p50", "call single p99.9",
                                      "call with string burst p50", "call 4 threads burst p50",
                                      "throughput to a text file", "backend CPU per message"}));
  EXPECT_EQ(lines_of(sh("$SLUICE bench --bursts 30 --messages 20000").out).size(), 7u);
}

}  // namespace
}  // namespace sluice::test
