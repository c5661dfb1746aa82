// sanitizers: none (forks programs with threads, and kills them)
//
// sluice top: every record, drop, filtered call and add of a program is in just one of its looks,
// whoever drains the program.
#include "collector/support/regions_fixture.h"
#include "sluice/histogram.h"
#include "sluice/metric.h"

namespace sluice::test {
namespace {

using nlohmann::json;

constinit Counter g_served("served", "1");
constinit Histogram g_sizes("sizes", "By");
constinit Gauge g_heat("heat", "Cel");

class Top : public Regions {
 protected:
  void SetUp() override {
    Regions::SetUp();
    collector_ = Collector::off;
    own_file_ = true;
  }

  // A program that says so many rounds once it may, and lives until it is told to stop.
  pid_t run(u32 number, u64 rounds) {
    const pid_t pid = ::fork();
    if (pid != 0) {
      programs_.push_back(pid);
      EXPECT_TRUE(eventually([&] { return ledger_->flushes[number] == 1; }));
      return pid;
    }
    ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), 1);
    if (!sluice::start(options(number))) ::_exit(97);
    const std::string too_big(ring_bytes_ / 2, 'x');
    ledger_->flushes[number] = 1;
    while (!ledger_->may_fill) ::usleep(1000);
    for (u64 i = 0; i < rounds; ++i) {
      SLUICE_INFO("once {}", i);
      for (int twice = 0; twice < 2; ++twice) SLUICE_WARNING("twice");
      SLUICE_DEBUG("never");
      SLUICE_ERROR("{}", too_big);
      g_served.add(3);
      g_sizes.observe(100);
      if (i % 64 == 0) ::usleep(100);
    }
    g_heat.set(21.5);
    ledger_->kept[number] = rounds;
    while (ledger_->may_fill) ::usleep(1000);
    sluice::stop();
    ::_exit(0);
  }

  // What all looks at programs come to, by format of the site.
  struct Sums {
    std::map<std::string, u64> records, dropped;
    u64 all = 0, all_dropped = 0, filtered = 0;
    double served = 0, heat = 0, sizes = 0, size = 0;
    bool estimated = false;
  };
  static Sums sums_of(const std::string& text) {
    Sums sums;
    for (const std::string& line : lines_of(text)) {
      const json look = json::parse(line);
      sums.all += look["records"].get<u64>();
      sums.all_dropped += look["dropped"].get<u64>();
      sums.filtered += look["filtered"].get<u64>();
      sums.estimated = sums.estimated || look["estimated"].get<bool>();
      for (const json& site : look["sites"]) {
        sums.records[site["format"]] += site["records"].get<u64>();
        sums.dropped[site["format"]] += site["dropped"].get<u64>();
      }
      for (const json& metric : look["metrics"]) {
        if (metric["name"] == "served") sums.served += metric["change"].get<double>();
        if (metric["name"] == "heat") sums.heat = metric["value"];
        if (metric["name"] != "sizes") continue;
        sums.sizes += metric["change"].get<double>();
        if (metric.contains("mean")) sums.size = metric["mean"];
        EXPECT_EQ(metric.contains("mean"), metric["change"] != 0);
      }
    }
    return sums;
  }

  // Follows the program from before its first record until after its last.
  Sums follow(u32 number, u64 rounds) {
    const pid_t pid = run(number, rounds);
    const pid_t top = start("exec $SLUICE top --json --interval 0.05 " + std::to_string(pid),
                            path("looks"), path("e"));
    EXPECT_TRUE(eventually([&] { return !text("looks").empty(); })) << text("e");
    ledger_->may_fill = true;
    EXPECT_TRUE(eventually([&] { return kept(number) == rounds; }));
    ledger_->may_fill = false;
    EXPECT_EQ(wait_for_program(pid), 0);
    EXPECT_EQ(wait_for(top), 0) << "ends with the process";
    return sums_of(text("looks"));
  }
  static void expect_all(const Sums& sums, u64 rounds) {
    EXPECT_FALSE(sums.estimated);
    EXPECT_EQ(sums.records.at("once {}"), rounds);
    EXPECT_EQ(sums.records.at("twice"), 2 * rounds);
    EXPECT_EQ(sums.dropped.at("{}"), rounds);
    EXPECT_EQ(sums.records.count("never"), 0u);
    EXPECT_EQ(sums.all_dropped, rounds);
    EXPECT_EQ(sums.filtered, rounds);
    EXPECT_EQ(sums.served, double(3 * rounds));
    EXPECT_EQ(sums.sizes, double(rounds));
    EXPECT_EQ(sums.size, 100);
    EXPECT_EQ(sums.heat, 21.5);
  }
};

TEST_F(Top, CountsWhatAProgramSaysOnce) { expect_all(follow(1, 5000), 5000); }

TEST_F(Top, CountsWhatACollectorDrains) {
  serve();
  own_file_ = false;
  collector_ = Collector::automatic;
  expect_all(follow(2, 5000), 5000);
}

TEST_F(Top, OneLookInWords) {
  const pid_t pid = run(3, 1u << 30);
  ledger_->may_fill = true;
  const Finished run = sh("$SLUICE top --once --interval 0.3");
  EXPECT_EQ(run.code, 0) << run.error;
  const std::vector<std::string> lines = lines_of(run.out);
  ASSERT_GE(lines.size(), 5u) << run.out;
  EXPECT_TRUE(lines[0].starts_with("program3 (" + std::to_string(pid) + "): ")) << lines[0];
  EXPECT_NE(lines[2].find("warning  top_test.cc:"), std::string::npos) << run.out;
  EXPECT_NE(lines[2].find("'twice'"), std::string::npos) << "the busiest first: " << run.out;
  EXPECT_NE(run.out.find("served, 1"), std::string::npos) << run.out;
  EXPECT_EQ(lines_of(sh("$SLUICE top --once --interval 0.1 --limit 1 program3").out)[3],
            "  and 2 more call sites");
}

TEST_F(Top, ThoseThatComeAndGo) {
  const pid_t first = run(4, 0);
  const pid_t top = start("exec $SLUICE top --json --interval 0.05", path("looks"), path("e"));
  const auto shows = [&](u32 number) {
    const std::vector<std::string> lines = lines_of(text("looks"));
    return !lines.empty() &&
           lines.back().find("\"program" + std::to_string(number) + "\"") != std::string::npos;
  };
  ASSERT_TRUE(eventually([&] { return shows(4); }));
  ::kill(first, SIGKILL);
  (void)wait_for_program(first);
  (void)run(5, 0);
  ASSERT_TRUE(eventually([&] { return shows(5); }));
  ::kill(top, SIGINT);
  EXPECT_EQ(wait_for(top), 0);
}

TEST_F(Top, Mistakes) {
  const Finished none = sh("$SLUICE top --once");
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.error.find("no program of this user has a region"), std::string::npos);
  EXPECT_EQ(sh("$SLUICE top nobody").code, 2);
  EXPECT_EQ(sh("$SLUICE top --once --interval 0").code, 2);
}

}  // namespace
}  // namespace sluice::test
