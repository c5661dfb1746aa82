// Programs that say, drop and count so much, and what the looks of `sluice top` at them come to.
#ifndef SLUICE_TESTS_CLI_TOP_FIXTURE_H_
#define SLUICE_TESTS_CLI_TOP_FIXTURE_H_

#include <map>
#include <string>

#include "collector/support/regions_fixture.h"
#include "sluice/histogram.h"
#include "sluice/metric.h"

namespace sluice::test {

inline constinit Counter g_served("served", "1");
inline constinit Histogram g_sizes("sizes", "By");
inline constinit Gauge g_heat("heat", "Cel");

class TopPrograms : public Regions {
 protected:
  // A program that says as many rounds as it may, and lives until it is told to stop.
  pid_t run(u32 number) {
    const pid_t pid = ::fork();
    if (pid != 0) {
      programs_.push_back(pid);
      EXPECT_TRUE(eventually([&] { return ledger_->flushes[number] == 1; }, 60));
      return pid;
    }
    ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), 1);
    if (!sluice::start(options(number))) ::_exit(97);
    const std::string too_big(ring_bytes_ / 2, 'x');
    ledger_->flushes[number] = 1;
    for (u64 i = 0; i < may_say(number) || !may_end(number);) {
      if (i >= may_say(number)) {
        ::usleep(1000);
        continue;
      }
      SLUICE_INFO("once {}", i);
      for (int twice = 0; twice < 2; ++twice) SLUICE_WARNING("twice");
      SLUICE_DEBUG("never");
      SLUICE_ERROR("{}", too_big);
      g_served.add(3);
      g_sizes.observe(100);
      if (i % 64 == 0) ::usleep(100);
      if (++i < may_say(number)) continue;
      g_heat.set(21.5);
      ledger_->kept[number] = i;
    }
    sluice::stop();
    ::_exit(0);
  }
  // Rounds in all.
  std::atomic<u64>& may_say(u32 number) { return ledger_->calls[number]; }
  std::atomic<u64>& may_end(u32 number) { return ledger_->not_in_time[number]; }
  void say(u32 number, u64 rounds) {
    may_say(number) = rounds;
    EXPECT_TRUE(eventually([&] { return kept(number) == rounds; }, 60));
  }
  void end(u32 number, pid_t pid) {
    may_end(number) = 1;
    EXPECT_EQ(wait_for_program(pid), 0);
  }

  // What all looks at programs come to, by format of the site.
  struct Sums {
    std::map<std::string, u64> records, dropped;
    u64 said = 0;  // without the samples of metrics
    u64 all = 0, of_sites = 0, all_dropped = 0, filtered = 0;
    double served = 0, served_value = 0, heat = 0, sizes = 0, size = 0;
    bool estimated = false;
  };
  // Of the program with this number; 0: of all.
  static Sums sums_of(const std::string& text, u32 number = 0) {
    Sums sums;
    for (const std::string& line : lines_of(text)) {
      const nlohmann::json look = nlohmann::json::parse(line, nullptr, false);
      if (look.is_discarded()) break;  // it is being written
      if (number != 0 && look["product"] != "program" + std::to_string(number)) continue;
      sums.all += look["records"].get<u64>();
      sums.all_dropped += look["dropped"].get<u64>();
      sums.filtered += look["filtered"].get<u64>();
      sums.estimated = sums.estimated || look["estimated"].get<bool>();
      for (const nlohmann::json& site : look["sites"]) {
        const std::string format = site.value("format", "(unknown)");
        sums.records[format] += site["records"].get<u64>();
        sums.dropped[format] += site["dropped"].get<u64>();
        sums.of_sites += site["records"].get<u64>();
        if (format == "once {}" || format == "twice") sums.said += site["records"].get<u64>();
      }
      for (const nlohmann::json& metric : look["metrics"]) {
        if (metric["name"] == "served") {
          sums.served += metric["change"].get<double>();
          sums.served_value = metric["value"];
        }
        if (metric["name"] == "heat") sums.heat = metric["value"];
        if (metric["name"] != "sizes") continue;
        sums.sizes += metric["change"].get<double>();
        if (metric.contains("mean")) sums.size = metric["mean"];
        EXPECT_EQ(metric.contains("mean"), metric["change"] != 0);
      }
    }
    return sums;
  }
  static void expect_all(const Sums& sums, u64 rounds) {
    EXPECT_FALSE(sums.estimated);
    const auto at = [](const std::map<std::string, u64>& counts, const char* format) {
      return counts.contains(format) ? counts.at(format) : 0;
    };
    EXPECT_EQ(at(sums.records, "once {}"), rounds);
    EXPECT_EQ(at(sums.records, "twice"), 2 * rounds);
    EXPECT_EQ(at(sums.dropped, "{}"), rounds);
    EXPECT_EQ(sums.records.count("never"), 0u);
    EXPECT_EQ(sums.said, 3 * rounds);
    EXPECT_EQ(sums.all, sums.of_sites);
    EXPECT_EQ(sums.all_dropped, rounds);
    EXPECT_EQ(sums.filtered, rounds);
    EXPECT_EQ(sums.served, double(3 * rounds));
    EXPECT_EQ(sums.served_value, double(3 * rounds));
    EXPECT_EQ(sums.sizes, double(rounds));
    EXPECT_EQ(sums.size, 100);
    EXPECT_EQ(sums.heat, 21.5);
  }

  // A look at one program.
  static void expect_words(const std::string& said, u32 number, pid_t pid) {
    const std::vector<std::string> lines = lines_of(said);
    ASSERT_GE(lines.size(), 5u) << said;
    const std::string head =
        "program" + std::to_string(number) + " (" + std::to_string(pid) + "): ";
    EXPECT_TRUE(lines[0].starts_with(head)) << lines[0];
    EXPECT_NE(lines[2].find("warning  top_fixture.h:"), std::string::npos) << said;
    EXPECT_NE(lines[2].find("'twice'"), std::string::npos) << "the busiest first: " << said;
    EXPECT_NE(said.find("served, 1"), std::string::npos) << said;
  }

  // Starts it, and waits until it has looked.
  pid_t start_top(const std::string& options, const std::string& looks = "looks",
                  const std::string& interval = "0.05") {
    const pid_t top = start("exec $SLUICE top --json --interval " + interval + " " + options,
                            path(looks), path(looks + ".e"));
    EXPECT_TRUE(eventually([&] { return !text(looks).empty(); }, 60)) << text(looks + ".e");
    return top;
  }
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_CLI_TOP_FIXTURE_H_
