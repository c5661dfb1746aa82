// sanitizers: none (forks programs with threads, and kills them)
//
// Metric cells of programs that leave their regions to the collector, and of running ones as
// Prometheus reads them.
#include "collector/support/regions_fixture.h"
#include "sluice/histogram.h"
#include "sluice/metric.h"

namespace sluice::test {
namespace {

constinit Counter g_requests("http.requests", "1");
constinit Gauge g_heat("heat", "Cel");
constinit Histogram g_sizes("http.size", "By");
constinit ExplicitHistogram g_waits("waits", "s", {0.5, 1, 2});

class MetricCells : public Regions {
 protected:
  // Adds `count` from threads that end, says so in the ledger, and waits to be killed.
  pid_t run_adder(u32 number, u64 count) {
    const pid_t pid = ::fork();
    if (pid != 0) {
      programs_.push_back(pid);
      return pid;
    }
    if (!sluice::start(options(number))) ::_exit(97);
    Counter open("http.open-now", "", {{"code", "200"}, {"path.x", "/\"\n"}});
    std::vector<std::thread> threads;
    for (u64 t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (u64 i = 0; i < count / 4; ++i) {
          g_requests.add();
          g_sizes.observe(i % 2 == 0 ? 100 : 3000);
        }
        open.add(2);
      });
    }
    for (std::thread& thread : threads) thread.join();
    g_heat.set(21.5);
    for (const double value : {0.5, 0.75, 8.0}) g_waits.observe(value);
    ledger_->kept[number].store(count);
    for (;;) ::pause();
  }
  [[nodiscard]] bool has_added(u32 number, u64 count) {
    return eventually([&] { return kept(number) == count; });
  }
  [[nodiscard]] std::string counted(const std::string& name) const {
    const auto rows =
        ask("SELECT CAST(total(weight) AS INTEGER), CAST(total(weight * value) AS INTEGER) FROM"
            " points JOIN series ON series.id = points.series WHERE name = '" +
            name + "' AND kind = 'histogram' AND tags = '{}'");
    return rows.empty() ? "" : rows[0][0] + ", " + rows[0][1];
  }
  [[nodiscard]] std::string sum_of(const std::string& name, const std::string& kind) const {
    const auto rows =
        ask("SELECT CAST(total(value) AS INTEGER) FROM points JOIN series ON "
            "series.id = points.series WHERE name = '" +
            name + "' AND kind = '" + kind + "'");
    return rows.empty() ? "" : rows[0][0];
  }
};

// Who is drained by the collector; who dies before there is one; and a collector that is killed.
TEST_F(MetricCells, AreStoredOnceWhoeverDies) {
  collector_ = Collector::only;
  serve();
  const pid_t first = run_adder(1, 40'000);
  ASSERT_TRUE(has_added(1, 40'000));
  ::kill(first, SIGKILL);
  (void)wait_for_program(first);
  ASSERT_TRUE(eventually([&] { return has_ended(1); })) << own_records();
  EXPECT_EQ(sum_of("http.requests", "counter"), "40000");
  EXPECT_EQ(sum_of("http.open-now", "counter"), "8");
  EXPECT_EQ(sum_of("heat", "gauge"), "21");
  EXPECT_EQ(counted("http.size"), "40000, 62000000");
  ASSERT_EQ(stop(SIGKILL), 137);
  const pid_t second = run_adder(2, 4000);
  ASSERT_TRUE(has_added(2, 4000));
  ::kill(second, SIGKILL);
  (void)wait_for_program(second);
  serve();
  ASSERT_TRUE(eventually([&] { return has_ended(2); })) << own_records();
  EXPECT_EQ(sum_of("http.requests", "counter"), "44000");
  EXPECT_EQ(counted("http.size"), "44000, 68200000");
  EXPECT_EQ(counted("waits"), "6, 18");
}

TEST_F(MetricCells, AreShownAsPrometheusReadsThem) {
  collector_ = Collector::off;
  own_file_ = true;
  const pid_t pid = run_adder(3, 4000);
  ASSERT_TRUE(has_added(3, 4000));
  const Finished shown = sh("$SLUICE metrics --prometheus " + std::to_string(pid));
  EXPECT_EQ(shown.code, 0) << shown.error;
  EXPECT_EQ(shown.out,
            "# HELP heat heat, in Cel\n"
            "# TYPE heat gauge\n"
            "heat 21.5\n"
            "# HELP http_open_now_total http.open-now\n"
            "# TYPE http_open_now_total counter\n"
            "http_open_now_total{code=\"200\",path_x=\"/\\\"\\n\"} 8\n"
            "# HELP http_requests_total http.requests, in 1\n"
            "# TYPE http_requests_total counter\n"
            "http_requests_total 4000\n"
            "# HELP http_size http.size, in By\n"
            "# TYPE http_size histogram\n"
            "http_size_bucket{le=\"107.63474115247546\"} 2000\n"
            "http_size_bucket{le=\"3158.4477704354626\"} 4000\n"
            "http_size_bucket{le=\"+Inf\"} 4000\n"
            "http_size_sum 6200000\n"
            "http_size_count 4000\n"
            "# HELP waits waits, in s\n"
            "# TYPE waits histogram\n"
            "waits_bucket{le=\"0.5\"} 1\n"
            "waits_bucket{le=\"1\"} 2\n"
            "waits_bucket{le=\"2\"} 2\n"
            "waits_bucket{le=\"+Inf\"} 3\n"
            "waits_sum 9.25\n"
            "waits_count 3\n");
  ::kill(pid, SIGKILL);
  (void)wait_for_program(pid);
  const Finished nobody = sh("$SLUICE metrics --prometheus 4000000");
  EXPECT_EQ(nobody.code, 2);
  EXPECT_NE(nobody.error.find("is the program running"), std::string::npos) << nobody.error;
  EXPECT_EQ(sh("$SLUICE metrics --prometheus x").code, 2);
  EXPECT_EQ(sh("$SLUICE metrics load --prometheus " + std::to_string(pid)).code, 2);
}

}  // namespace
}  // namespace sluice::test
