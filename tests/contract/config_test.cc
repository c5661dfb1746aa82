// Configuration: every variable, every mistake at once, each with what, where and how to mend.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sluice/sluice.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

std::string effective(const char* name) {
  std::istringstream in{std::string(configuration())};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(std::string(name) + " = ")) return line.substr(line.find(" = ") + 3);
  }
  return "(no line)";
}

ISOLATED_TEST(Config, EveryVariableOverridesItsOption) {
  const std::string text = dirs.file("env.log"), json = dirs.file("env.jsonl"),
                    segments = dirs.file("env-segments"), store = dirs.file("env.db"),
                    logfmt = dirs.file("env.logfmt");
  const struct {
    const char* name;
    std::string value;
    const char* line;
    std::string shown;
  } variables[] = {
      {"SLUICE_PRODUCT", "from-env", "product", "from-env"},
      {"SLUICE_RUN_ID", "run-7", "run_id", "run-7"},
      {"SLUICE_REGION_DIRECTORY", dirs.region, "region_directory", dirs.region},
      {"SLUICE_REDACT", "shoe_size", "redact", "shoe_size"},
      {"SLUICE_LEVEL", "debug,net=error", "level", "debug"},
      {"SLUICE_RING_BYTES", "64K", "ring_bytes", "65536"},
      {"SLUICE_JOURNAL_BYTES", "2MiB", "journal_bytes", "2097152"},
      {"SLUICE_BLOCK_DEADLINE_MS", "77", "block_deadline_ms", "77"},
      {"SLUICE_MERGE_WINDOW_US", "123", "merge_window_us", "123"},
      {"SLUICE_STOP_DEADLINE_MS", "1234", "stop_deadline_ms", "1234"},
      {"SLUICE_SYNC_INTERVAL_MS", "500", "sync_interval_ms", "500"},
      {"SLUICE_SITES_MAX", "100", "sites_max", "100"},
      {"SLUICE_RECOVER", "no", "recover", "off"},
      {"SLUICE_MEASURE_CALLS", "yes", "measure_calls", "on"},
      {"SLUICE_QUIET", "1", "quiet", "on"},
      {"SLUICE_MODE", "immediate", "mode", "immediate"},
      {"SLUICE_OVERFLOW", "block", "overflow", "block"},
      {"SLUICE_TEXT", text, "sink[0]", "text " + text + ", required, level trace"},
      {"SLUICE_JSON_LINES", json, "sink[1]", "json_lines " + json + ", required, level trace"},
      {"SLUICE_LOGFMT", logfmt, "sink[2]", "logfmt " + logfmt + ", required, level trace"},
      {"SLUICE_SYSLOG", "udp:127.0.0.1:9", "sink[3]",
       "syslog udp:127.0.0.1:9, best effort, level trace, facility 17"},
      {"SLUICE_SYSLOG_FACILITY", "local1", "sink[7]", "(no line)"},
      {"SLUICE_SEGMENTS", segments, "sink[4]", "segments " + segments + ", required, level trace"},
      {"SLUICE_STORE", store, "sink[5]", "store " + store + ", required, level trace"},
      {"SLUICE_CONSOLE", "0", "sink[6]", "(no line)"},
  };
  for (const auto& variable : variables) ::setenv(variable.name, variable.value.c_str(), 1);
  ASSERT_TRUE(start({.product = "from-options"})) << last_error();
  for (const auto& variable : variables) {
    EXPECT_EQ(effective(variable.line), variable.shown) << variable.name;
  }
  EXPECT_EQ(effective("level.net"), "error");
  SLUICE_INFO("feet {shoe_size} {hand_size}", 46, 9);
  ASSERT_TRUE(stop(60'000));
  const auto records = read_json(json);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]["fields"], nlohmann::json::parse(R"({"shoe_size":0,"hand_size":9})"));
  EXPECT_EQ(read_lines(text).size(), 1u);
  EXPECT_EQ(read_lines(logfmt).size(), 1u);
  bool named = false;
  for (const auto& file : std::filesystem::directory_iterator(segments)) {
    named |= file.path().filename().string().starts_with("from-env");
  }
  EXPECT_TRUE(named) << "segments are named by the effective product";
}

ISOLATED_TEST(Config, AVariableReplacesTheSinkOfItsKind) {
  const std::string option = dirs.file("option.log"), variable = dirs.file("variable.log");
  ::setenv("SLUICE_TEXT", variable.c_str(), 1);
  ASSERT_TRUE(
      start({.sinks = {text_file(option)}, .region_directory = dirs.region, .quiet = true}));
  info("x");
  ASSERT_TRUE(stop(60'000));
  EXPECT_FALSE(std::filesystem::exists(option));
  EXPECT_EQ(read_lines(variable).size(), 1u);
}

void expect_said(std::string_view where, std::string_view what, std::string_view mend) {
  const std::string all(last_error());
  std::istringstream in(all);
  for (std::string line; std::getline(in, line);) {
    if (line.find(where) != std::string::npos && line.find(what) != std::string::npos &&
        line.find(mend) != std::string::npos) {
      return;
    }
  }
  ADD_FAILURE() << "no line with '" << where << "', '" << what << "' and '" << mend << "' in\n"
                << all;
}

ISOLATED_TEST(Config, AllMistakesAtOnceEachWithWhatWhereHow) {
  ::setenv("SLUICE_LEVEL", "loud", 1);
  ::setenv("SLUICE_RECOVER", "perhaps", 1);
  ::setenv("SLUICE_MODE", "fast", 1);
  ::setenv("SLUICE_OVERFLOW", "explode", 1);
  ::setenv("SLUICE_JSON_SCHEMA", "xml", 1);
  ::setenv("SLUICE_SYSLOG_FACILITY", "local8", 1);
  ::setenv("SLUICE_BLOCK_DEADLINE_MS", "soon", 1);
  ::setenv("SLUICE_MERGE_WINDOW_US", "99999999999", 1);
  ::setenv("SLUICE_CONSOLE", "blue", 1);
  ::setenv("SLUICE_SITES_MAX", "3", 1);
  const std::string product(100, 'p');
  EXPECT_FALSE(start(
      {.product = product,
       .sinks = {text_file(""), callback(nullptr),
                 text_file(dirs.file("b.log"), {.pattern = "%(nonsense)"}), text_file(dirs.files)},
       .ring_bytes = 1000,
       .journal_bytes = 3 << 20,
       .region_directory = dirs.region,
       .quiet = true}));
  expect_said("SLUICE_LEVEL", "'loud'", "use trace, debug");
  expect_said("SLUICE_RECOVER", "'perhaps'", "write 1 or 0");
  expect_said("SLUICE_MODE", "'fast'", "asynchronous or immediate");
  expect_said("SLUICE_OVERFLOW", "'explode'", "drop_newest or block");
  expect_said("SLUICE_JSON_SCHEMA", "'xml'", "sluice, otel or ecs");
  expect_said("SLUICE_SYSLOG_FACILITY", "'local8'", "0 to 23");
  expect_said("SLUICE_BLOCK_DEADLINE_MS", "'soon'", "write digits");
  expect_said("SLUICE_MERGE_WINDOW_US", "too large", "at most 4294967295");
  expect_said("SLUICE_CONSOLE", "'blue'", "write 1 or 0");
  expect_said("product", "longer than 63 bytes", "shorten");
  expect_said("ring_bytes", "1000 is not a power of two", "try 32768");
  expect_said("journal_bytes", "3145728 is not a power of two", "try 4194304");
  expect_said("SLUICE_SITES_MAX", "3 is out of range", "64 to 65536");
  expect_said("sinks[0]", "no path", "give a file");
  expect_said("sinks[1]", "no function", "set .callback");
  expect_said("sinks[2]", "nonsense", "");
  expect_said("sinks[3]", "not a regular file", "name another");
  EXPECT_TRUE(std::filesystem::is_empty(dirs.region)) << "a refused start takes no memory";
  EXPECT_FALSE(flush(Reach::written, 60'000).complete);
  // Mended, it starts.
  for (const char* name : {"SLUICE_LEVEL", "SLUICE_RECOVER", "SLUICE_MODE", "SLUICE_OVERFLOW",
                           "SLUICE_BLOCK_DEADLINE_MS", "SLUICE_MERGE_WINDOW_US", "SLUICE_CONSOLE",
                           "SLUICE_SITES_MAX", "SLUICE_JSON_SCHEMA", "SLUICE_SYSLOG_FACILITY"}) {
    ::unsetenv(name);
  }
  EXPECT_TRUE(start(
      {.sinks = {text_file(dirs.file("a.log"))}, .region_directory = dirs.region, .quiet = true}))
      << last_error();
}

// Records would not survive their process, which is what the directory was named for.
ISOLATED_TEST(Config, ARegionDirectoryThatCannotBeUsedIsAMistake) {
  const struct {
    std::string directory;
    const char* what;
  } bad[] = {{dirs.region + "/none", "ENOENT"},
             {"/proc/self/comm", "is no directory"},
             {"/proc", "is not on tmpfs"},
             {dirs.region + "/" + std::string(600, 'x'), "longer than 511 bytes"}};
  for (const auto& each : bad) {
    EXPECT_FALSE(
        start({.sinks = {text_file("")}, .region_directory = each.directory, .quiet = true}));
    expect_said("region_directory: " + each.directory.substr(0, 40), each.what, "on tmpfs");
    expect_said("sinks[0]", "no path", "give a file");
  }
  ::setenv("SLUICE_REGION_DIRECTORY", "/proc", 1);
  EXPECT_FALSE(start({.region_directory = dirs.region, .quiet = true}));
  expect_said("SLUICE_REGION_DIRECTORY", "is not on tmpfs", "/dev/shm");
}

ISOLATED_TEST(Config, APathWhereNoProgramMakesFilesIsAMistake) {
  EXPECT_FALSE(start({.sinks = {text_file("/proc/nope/x.log"), json_file("/sys/x.jsonl"),
                                segment_files("/proc/self/segments"), store_file("/proc/x.db"),
                                text_file(dirs.file("none/yet.log"))},
                      .region_directory = dirs.region,
                      .quiet = true}));
  expect_said("sinks[0]: /proc/nope/x.log", "holds no files", "choose another path");
  expect_said("sinks[1]: /sys/x.jsonl", "holds no files", "choose another path");
  expect_said("sinks[2]: /proc/self/segments", "holds no files", "choose another path");
  expect_said("sinks[3]: /proc/x.db", "holds no files", "choose another path");
  EXPECT_EQ(last_error().find("sinks[4]"), std::string_view::npos) << last_error();
}

ISOLATED_TEST(Config, NineSinksAreTooMany) {
  const Sink one = callback([](const CallbackRecord&, void*) {});
  EXPECT_FALSE(start({.sinks = {one, one, one, one, one, one, one, one, one},
                      .region_directory = dirs.region,
                      .quiet = true}));
  expect_said("sinks", "more than 8", "leave some out");
}

ISOLATED_TEST(Config, BadPatternsAndPlacesAreSaidBeforeAnythingStarts) {
  const std::string log = dirs.file("a.log");
  std::filesystem::create_directory(dirs.file("folder"));
  const std::string folder = dirs.file("folder");
  EXPECT_FALSE(start({.sinks = {text_file(log, {.pattern = "%(nonsense)"}), text_file(folder)},
                      .region_directory = dirs.region,
                      .quiet = true}));
  expect_said("sinks[0]", "nonsense", "");
  expect_said("sinks[1]", "not a regular file", "name another");
  EXPECT_EQ(info("kept until something starts"), Admission::kOk);
  Kept kept;
  ASSERT_TRUE(start({.sinks = {kept.sink()}, .region_directory = dirs.region, .quiet = true}));
  EXPECT_EQ(kept.messages(), std::vector<std::string>{"kept until something starts"});
}

// What is written to a descriptor meanwhile goes to a file, and is returned.
std::string written_to(int fd, const std::string& path, const std::function<void()>& act) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int before = ::dup(fd);
  ::dup2(file, fd);
  act();
  ::dup2(before, fd);
  std::string all;
  for (const std::string& line : read_lines(path)) all += line + "\n";
  return all;
}

ISOLATED_TEST(Config, ConsoleOffAloneWritesNowhere) {
  ::setenv("SLUICE_CONSOLE", "0", 1);
  const std::string written = written_to(1, dirs.file("out"), [&] {
    const bool started = start({.region_directory = dirs.region, .quiet = true});
    info("unheard");
    const bool complete = flush(Reach::written, 60'000).complete;
    const bool stopped = stop(60'000);
    EXPECT_TRUE(started && complete && stopped);
  });
  EXPECT_EQ(written, "");
  EXPECT_EQ(stats().sinks, 0u);
  EXPECT_EQ(stats().attempted, 1u);
}

ISOLATED_TEST(Config, AVariableThatNobodyKnowsIsSaidWithTheNearestName) {
  ::setenv("SLUICE_LEVLE", "debug", 1);
  ::setenv("SLUICE_JSONLINES", "x", 1);
  // Those of the other tools, and those that are right.
  for (const char* name : {"SLUICE_NO_INSTALL", "SLUICE_TEST_FULL", "SLUICE_FUZZ_SECONDS",
                           "SLUICE_REGENERATE", "SLUICE_BUILD_TESTS", "SLUICE_SANITIZE"}) {
    ::setenv(name, "1", 1);
  }
  ::setenv("SLUICE_LEVEL", "info", 1);
  Kept kept;
  bool started = false;
  const std::string said = written_to(2, dirs.file("said"), [&] {
    started = start({.sinks = {kept.sink()}, .region_directory = dirs.region});
  });
  ASSERT_TRUE(started) << "others may have put it there: " << last_error();
  EXPECT_NE(said.find("SLUICE_LEVLE is no variable of Sluice; did you mean SLUICE_LEVEL?"),
            std::string::npos)
      << said;
  EXPECT_NE(said.find("SLUICE_JSONLINES is no variable of Sluice; did you mean SLUICE_JSON_LINES?"),
            std::string::npos)
      << said;
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 2) << said;
  ASSERT_TRUE(stop(60'000));
  const std::string again = written_to(2, dirs.file("again"), [&] {
    started = start({.sinks = {kept.sink()}, .region_directory = dirs.region, .quiet = true});
  });
  EXPECT_TRUE(started);
  EXPECT_EQ(again, "");
}

// As another user, since root may write everywhere; a kernel without users is not one we know.
ISOLATED_TEST(Config, APlaceThatIsNotOursToWriteIsSaidAtTheStart) {
  namespace fs = std::filesystem;
  for (const char* name : {"closed", "open"}) fs::create_directory(dirs.file(name));
  std::ofstream(dirs.file("open/others.log")) << "x";
  fs::permissions(dirs.files, fs::perms::all);
  fs::permissions(dirs.region, fs::perms::all);
  fs::permissions(dirs.file("closed"), fs::perms(0555));
  fs::permissions(dirs.file("open"), fs::perms::all);
  fs::permissions(dirs.file("open/others.log"), fs::perms(0444));
  constexpr uid_t kNobody = 65534;
  if (::geteuid() == 0) {
    ASSERT_EQ(::setresuid(kNobody, kNobody, kNobody), 0);
  }
  const std::string regions = dirs.region + "/own";
  fs::create_directory(regions);
  fs::permissions(regions, fs::perms(0700));
  EXPECT_FALSE(start(
      {.sinks = {text_file(dirs.file("closed/a.log")), segment_files(dirs.file("closed/deep/er")),
                 json_file(dirs.file("open/others.log")), text_file(dirs.file("open/mine.log"))},
       .region_directory = regions,
       .quiet = true}));
  expect_said("sinks[0]", "closed: cannot be written", "give this user the right");
  expect_said("sinks[1]", "closed: cannot be written", "give this user the right");
  expect_said("sinks[2]", "others.log: cannot be written", "give this user the right");
  EXPECT_EQ(last_error().find("sinks[3]"), std::string_view::npos) << last_error();
}

// A folder that is not there yet is waited for: said, counted, and nothing is lost.
ISOLATED_TEST(Config, AnUnwritablePathLosesNothing) {
  const std::string log = dirs.file("later/a.log");
  ASSERT_TRUE(start({.sinks = {text_file(log)}, .region_directory = dirs.region, .quiet = true}));
  info("early");
  const FlushResult result = flush(Reach::written, 50);
  if (!result.complete) {
    EXPECT_EQ(result.behind, 1u);
    EXPECT_EQ(stats().sink[0].delivered, 0u);
    std::filesystem::create_directory(dirs.file("later"));
    EXPECT_TRUE(flush(Reach::written, 10'000).complete);
  }
  EXPECT_EQ(read_lines(log).size(), 1u);
}

ISOLATED_TEST(Config, QueueRecordsIsAnotherWayToSayRingBytes) {
  Kept kept;
  ASSERT_TRUE(start({.sinks = {kept.sink()},
                     .queue_records = 10'000,
                     .region_directory = dirs.region,
                     .quiet = true}));
  EXPECT_EQ(effective("ring_bytes"), "1048576");
  std::uint64_t fit = 0;
  // 64 bytes each: as the option counts them.
  while (fit < 10'000 && info("{} {} {} {} {} {}", 1, 2, 3, 4, 5, fit) == Admission::kOk) ++fit;
  EXPECT_EQ(fit, 10'000u);
}

TEST(Config, StartOrExitEndsWithTwo) {
  const OwnDirs dirs;
  EXPECT_EQ(
      exit_code_of([&] {
        start_or_exit({.ring_bytes = 7, .region_directory = dirs.get().region, .quiet = true});
        std::exit(0);
      }),
      2);
  EXPECT_EQ(
      exit_code_of([&] {
        const std::string log = dirs.get().file("a.log");
        start_or_exit(
            {.sinks = {text_file(log)}, .region_directory = dirs.get().region, .quiet = true});
      }),
      0);
}

// Not started, said on the console when the program ends; a SIGTERM handler of its own decides
// when.
TEST(Config, WithoutStartTheConsoleGetsItAtExit) {
  const OwnDirs dirs;
  const std::string out = dirs.get().file("out");
  EXPECT_EQ(exit_code_of([&] {
              ::setenv("SLUICE_REGION_DIRECTORY", dirs.get().region.c_str(), 1);
              (void)!std::freopen(out.c_str(), "w", stdout);
              info("never started {}", 1);
            }),
            0);
  const auto lines = read_lines(out);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("never started 1"), std::string::npos);
}

// A sink table that is full of sites: what has no place is counted, and said as a record.
ISOLATED_TEST(Config, TooManyCallSitesAreCounted) {
  Kept kept;
  ASSERT_TRUE(start(
      {.sinks = {kept.sink()}, .sites_max = 64, .region_directory = dirs.region, .quiet = true}));
  const auto say = []<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
    ((void)[] { SLUICE_INFO("site {}", kIndex); }(), ...);
  };
  say(std::make_index_sequence<100>());
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  const Stats told = stats();
  EXPECT_EQ(told.merged, 100u);
  EXPECT_EQ(told.sink[0].delivered, 100u);
  EXPECT_EQ(told.site_overflow, 100u - (64u - 16u));
  EXPECT_EQ(kept.count(), 100u);
}

}  // namespace
}  // namespace sluice::test
