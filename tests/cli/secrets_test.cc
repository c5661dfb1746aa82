// sanitizers: none (forks a program that logs and kills itself)
//
// A program's own names of secrets outlive it: who drains what a killed one has left, a collector
// or a recovery, takes their values out too.
#include "cli/serve_fixture.h"
#include "sluice/sluice.h"

namespace sluice::test {
namespace {

constexpr std::string_view kValue = "b-4711-x";

class Secrets : public ServeCli {
 protected:
  // Says a badge, and dies before anybody has merged it.
  void say_and_die(Options options) {
    options.product = "killed";
    options.region_directory = regions_;
    options.merge_window_us = 3'600'000'000;
    options.quiet = true;
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (!sluice::start(options)) ::_exit(97);
      SLUICE_INFO("somebody entered", kv("badge", kValue), kv("door", 12));
      ::kill(::getpid(), SIGKILL);
    }
    EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
  }
  static void expect_redacted(const std::string& text, bool redacted) {
    EXPECT_NE(text.find("somebody entered"), std::string::npos) << text;
    EXPECT_EQ(text.find(kValue) == std::string::npos, redacted) << text;
    EXPECT_EQ(text.find("[redacted]") != std::string::npos, redacted) << text;
  }
};

TEST_F(Secrets, ARecoveryTakesThemOut) {
  for (const bool named : {true, false}) {
    const std::string file = path(named ? "named" : "control");
    Options options{.sinks = {json_file(file)}};
    if (named) options.redact = "badge";
    say_and_die(options);
    EXPECT_EQ(sh("$SLUICE recover --directory " + regions_).code, 0);
    expect_redacted(read_file(file), named);
  }
}

TEST_F(Secrets, ACollectorTakesThemOut) {
  serve();
  for (const bool named : {true, false}) {
    Options options{.collector = Collector::automatic, .collector_socket = path("run/ingest.sock")};
    if (named) options.redact = "badge";
    say_and_die(options);
    std::string said;
    EXPECT_TRUE(eventually([&] {
      said = sh("$SLUICE logs --store all.db --json --limit 100 --grep entered").out;
      return lines_of(said).size() == (named ? 1U : 2U);
    })) << said;
    const std::vector<std::string> lines = lines_of(said);
    if (!lines.empty()) expect_redacted(lines.back(), named);
  }
  EXPECT_EQ(stop(), 0);
}

}  // namespace
}  // namespace sluice::test
