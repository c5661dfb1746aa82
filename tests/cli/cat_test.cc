// sluice cat: one filter grammar over every source, three forms, and no input that can harm it.
#include <sys/inotify.h>

#include <random>

#include "cli/cli_fixture.h"
#include "sluice/sluice.h"

namespace sluice::test {
namespace {

using nlohmann::json;

constexpr const char* kJsonLines =
    R"({"ts":"2025-11-22T10:00:00.000000001Z","level":"info","logger":"net.http",)"
    R"("msg":"order 17","fields":{"id":17,"px":99.5},"context":{"user":"ann"},)"
    R"("source":"a.cc:42","thread":"main","tid":7,"seq":1})"
    "\n"
    R"({"ts":"2025-11-22T10:00:01.000000000Z","level":"error","logger":"net",)"
    R"("msg":"no route to \u001b[31mhost","thread":"main","tid":7,"seq":2})"
    "\n"
    R"({"ts":"2025-11-22T10:00:02.000000000Z","level":"info","logger":"",)"
    R"("msg":"user.login","kind":"event","event":"user.login",)"
    R"("fields":{"user":"bob","ok":true},"tid":7,"seq":3})"
    "\n"
    R"({"ts":"2025-11-22T10:00:03.000000000Z","level":"info","logger":"","msg":"fps",)"
    R"("kind":"metric","name":"fps","value":59.5,"unit":"Hz","metric":"gauge",)"
    R"("tid":7,"seq":4})"
    "\n"
    R"({"ts":"2025-11-22T10:00:04.000000000Z","level":"info","logger":"","msg":"state",)"
    R"("kind":"state","patch":{"hp":93},"tid":7,"seq":5})"
    "\n";

class Cat : public Cli {
 protected:
  std::string cat(const std::string& arguments) {
    const Finished run = sh("$SLUICE cat " + arguments);
    EXPECT_EQ(run.code, 0) << arguments << ": " << run.error;
    return run.out;
  }
  std::size_t count(const std::string& arguments) { return lines_of(cat(arguments)).size(); }
};

TEST_F(Cat, JsonLinesAsText) {
  write("a.jsonl", kJsonLines);
  EXPECT_EQ(cat("a.jsonl"),
            "2025-11-22T10:00:00.000000001Z info     [7] a.cc:42 net.http order 17 id=17 px=99.5 "
            "user=ann\n"
            "2025-11-22T10:00:01.000000000Z error    [7] net no route to \\x1b[31mhost\n"
            "2025-11-22T10:00:02.000000000Z info     [7] user.login user=bob ok=true\n"
            "2025-11-22T10:00:03.000000000Z info     [7] fps=59.5 Hz\n"
            "2025-11-22T10:00:04.000000000Z info     [7] state {\"hp\":93}\n");
}

TEST_F(Cat, JsonLinesAsJsonIsTheSameJson) {
  write("a.jsonl", kJsonLines);
  EXPECT_EQ(cat("a.jsonl --json"), kJsonLines);
  EXPECT_EQ(cat("a.jsonl --format json"), kJsonLines);
}

TEST_F(Cat, JsonLinesAsLogfmt) {
  write("a.jsonl", kJsonLines);
  EXPECT_EQ(lines_of(cat("a.jsonl --format logfmt")).at(0),
            "ts=2025-11-22T10:00:00.000000001Z level=info logger=net.http msg=\"order 17\" id=17 "
            "px=99.5 context.user=ann source=a.cc:42 thread=main tid=7 seq=1");
}

TEST_F(Cat, EveryFilter) {
  write("a.jsonl", kJsonLines);
  EXPECT_EQ(count("a.jsonl --level warning"), 1u);
  EXPECT_EQ(count("a.jsonl --since 2025-11-22T10:00:01Z --until 2025-11-22T10:00:03Z"), 2u);
  EXPECT_EQ(count("a.jsonl --since @1763805603"), 2u);
  EXPECT_EQ(count("a.jsonl --logger net"), 1u);
  EXPECT_EQ(count("a.jsonl --logger 'net.*'"), 1u);
  EXPECT_EQ(count("a.jsonl --grep route"), 1u);
  EXPECT_EQ(count("a.jsonl --field id=17"), 1u);
  EXPECT_EQ(count("a.jsonl --field user=bob --field ok=true"), 1u);
  EXPECT_EQ(count("a.jsonl --field user=ann"), 1u);  // of the context
  EXPECT_EQ(count("a.jsonl --field hp=93"), 1u);     // in the patch
  EXPECT_EQ(count("a.jsonl --limit 2"), 2u);
  EXPECT_EQ(count("a.jsonl a.jsonl --limit 7"), 7u);
  EXPECT_EQ(count("a.jsonl --level error --grep order"), 0u);
}

TEST_F(Cat, SegmentsAndJsonLinesOfOneRunAreTheSame) {
  ASSERT_EQ(sh("$SLUICE run --logger my.job --segments s --json-lines a.jsonl -- sh -c 'echo a; "
               "echo ERROR b; "
               "seq 1 5000'")
                .code,
            0);
  const auto from_file = lines_of(text("a.jsonl"));
  const auto from_segments = lines_of(cat("s --json"));
  ASSERT_EQ(from_segments.size(), from_file.size());
  for (std::size_t i = 0; i < from_file.size(); ++i) {
    EXPECT_EQ(json::parse(from_segments[i]), json::parse(from_file[i]));
  }
  const std::string run = json::parse(sh("$SLUICE verify --json s").out)["run"];
  EXPECT_EQ(count("s --run " + run.substr(0, 8)), from_file.size());
  EXPECT_EQ(count("s --run nosuchrun"), 0u);
  // 5002 lines, by the name of a logger known only at run time.
  EXPECT_EQ(count("s --logger my.job --grep 5000"), 1u);
}

TEST_F(Cat, TextOfOursAndOfOthers) {
  const std::string lines =
      "2025-11-22T10:00:00.000000001Z warning  [7] a.cc:42 net slow\n"
      "  at frame 1\n"
      "2025-11-22 10:00:05,250 - app - ERROR - no\n";
  write("a.log", lines);
  EXPECT_EQ(cat("a.log"), lines);
  const auto all = lines_of(cat("a.log --json"));
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(json::parse(all[0])["level"], "warning");
  EXPECT_EQ(json::parse(all[0])["source"], "a.cc:42");
  EXPECT_EQ(json::parse(all[0])["msg"], "net slow");
  // A line without a time belongs to the one before.
  EXPECT_EQ(json::parse(all[1])["ts"], json::parse(all[0])["ts"]);
  EXPECT_EQ(json::parse(all[2])["ts"], "2025-11-22T10:00:05.250000000Z");
  EXPECT_EQ(json::parse(all[2])["level"], "error");
  EXPECT_EQ(count("a.log --since 2025-11-22T10:00:03Z"), 1u);
  EXPECT_EQ(count("a.log --level warning --grep a.cc"), 1u);
  // What a line of text does not say cannot be asked for, and that is told.
  const Finished asked = sh("$SLUICE cat a.log --logger net");
  EXPECT_EQ(asked.code, 1);
  EXPECT_EQ(asked.out, "");
  EXPECT_NE(asked.error.find("--logger"), std::string::npos) << asked.error;
}

TEST_F(Cat, JsonOfOthers) {
  write("pino.log",
        "{\"level\":50,\"time\":1763805600123,\"msg\":\"down\",\"port\":80}\n"
        "{not json}\n");
  const auto all = lines_of(cat("pino.log --format logfmt"));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0],
            "ts=2025-11-22T10:00:00.123000000Z level=error msg=\"down\" port=80 tid=0 seq=0");
  EXPECT_EQ(count("pino.log --field port=80"), 1u);
}

TEST_F(Cat, ReadsStandardInputAndAPattern) {
  write("a.jsonl", kJsonLines);
  EXPECT_EQ(sh("$SLUICE cat - --pattern '%(level_short) %(message)' --limit 1 < a.jsonl").out,
            "I order 17 id=17 px=99.5 user=ann\n");
}

TEST_F(Cat, TimesOfOthersAreExactToTheNanosecond) {
  struct Time {
    const char* written;
    const char* read;
  };
  constexpr Time kTimes[] = {{"1763805600", "2025-11-22T10:00:00.000000000Z"},
                             {"1763805600.25", "2025-11-22T10:00:00.250000000Z"},
                             {"1763805600.123456789", "2025-11-22T10:00:00.123456789Z"},
                             {"1763805600.1234567899", "2025-11-22T10:00:00.123456789Z"},
                             {"1763805600123.456789", "2025-11-22T10:00:00.123456789Z"},
                             {"1763805600123456.789", "2025-11-22T10:00:00.123456789Z"},
                             {"1763805600123456789", "2025-11-22T10:00:00.123456789Z"},
                             {"1.76380560025e9", "2025-11-22T10:00:00.250000000Z"},
                             {"176380560025E-2", "2025-11-22T10:00:00.250000000Z"},
                             {"0.000000001", "1970-01-01T00:00:00.000000001Z"},
                             {"0.0e5", "1970-01-01T00:00:00.000000000Z"},
                             {"1e-999", "1970-01-01T00:00:00.000000000Z"},
                             {"\"1763805600.25\", \"time\": {\"ts\": 7.5}, \"ts\": 1763805600.75",
                              "2025-11-22T10:00:00.750000000Z"}};
  std::string lines;
  for (const Time& time : kTimes) {
    lines += R"({"msg":"x", "in":{"ts":1.5}, "ts" : )" + std::string(time.written) + "}\n";
  }
  write("a.log", lines);
  const auto all = lines_of(cat("a.log --pattern '%(time)'"));
  ASSERT_EQ(all.size(), std::size(kTimes));
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], kTimes[i].read) << lines;
}

TEST_F(Cat, ABlankLineIsNoRecordWhateverItsEnd) {
  write("a.log", "2025-11-22T10:00:00Z one\r\n\r\n\ntwo\r\n");
  EXPECT_EQ(cat("a.log"), "2025-11-22T10:00:00Z one\ntwo\n");
}

// Opened to look at it, closed and opened again, it would have no reader in between: that ends
// whoever writes it, or nobody ever writes it again.
TEST_F(Cat, APipeIsOpenedOnceAndReadWhole) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  const int watch = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  ASSERT_GE(::inotify_add_watch(watch, path("pipe").c_str(), IN_OPEN | IN_CLOSE_NOWRITE), 0);
  const Finished run = sh("timeout 60 seq 1 20000 > pipe & timeout 60 $SLUICE cat pipe");
  EXPECT_EQ(run.code, 0) << run.error;
  const auto lines = lines_of(run.out);
  ASSERT_EQ(lines.size(), 20000u);
  EXPECT_EQ(lines.back(), "20000");
  int closed_by_readers = 0;
  for (inotify_event event; ::read(watch, &event, sizeof event) == sizeof event;) {
    closed_by_readers += (event.mask & IN_CLOSE_NOWRITE) != 0;
  }
  EXPECT_EQ(closed_by_readers, 1);
  ::close(watch);
  EXPECT_EQ(sh("$SLUICE cat <(seq 1 3)").out, "1\n2\n3\n");
}

TEST_F(Cat, ReadsPackedFilesAsTheirText) {
  write("a.jsonl", kJsonLines);
  ASSERT_EQ(sh("zstd -q a.jsonl; seq 1 100000 > app.1.log; zstd -q app.1.log").code, 0);
  EXPECT_EQ(cat("a.jsonl.zst --json"), kJsonLines);
  EXPECT_EQ(count("app.1.log.zst"), 100'000u);
  // To where it is damaged, with a word about it.
  ASSERT_EQ(sh("truncate -s -1000 app.1.log.zst").code, 0);
  const Finished run = sh("$SLUICE cat app.1.log.zst a.jsonl.zst --json");
  EXPECT_EQ(run.code, 1);
  EXPECT_NE(run.error.find("app.1.log.zst: is damaged or cut"), std::string::npos) << run.error;
  EXPECT_GT(lines_of(run.out).size(), 1000u);
  EXPECT_TRUE(run.out.ends_with(kJsonLines)) << "the next one comes all the same";
}

TEST_F(Cat, TheNumbersOfSegmentsMayHaveAnyGaps) {
  ASSERT_EQ(sh("$SLUICE run --product a --segments s -- echo one").code, 0);
  ASSERT_EQ(sh("$SLUICE run --product a --segments t -- echo two").code, 0);
  std::filesystem::rename(path("t/a-000001.seg"), path("s/a-9999999999.seg"));
  std::filesystem::copy_file(path("s/a-9999999999.seg"), path("s/a-18446744073709551615.seg"));
  std::filesystem::copy_file(path("s/a-9999999999.seg"), path("s/b-000000.seg"));
  const Finished run = sh("timeout 60 $SLUICE cat s --logger echo --pattern '%(message)'");
  EXPECT_EQ(run.code, 0) << run.error;
  // The third file goes on with the run of the second, from behind what that has.
  EXPECT_EQ(run.out, "one\ntwo\ntwo\n");
}

TEST_F(Cat, AnEmptySegmentHidesNothing) {
  ASSERT_EQ(sh("$SLUICE run --product a --segments s -- echo one").code, 0);
  write("s/a-000002.seg", "");
  ASSERT_EQ(sh("$SLUICE run --product a --segments s -- echo two").code, 0);
  EXPECT_TRUE(std::filesystem::exists(path("s/a-000003.seg")));
  EXPECT_EQ(cat("s --logger echo --pattern '%(message)'"), "one\ntwo\n");
  // Files of one run repeat each other's records: so they do with an empty one between them.
  std::filesystem::copy_file(path("s/a-000003.seg"), path("s/a-000005.seg"));
  write("s/a-000004.seg", "");
  EXPECT_EQ(cat("s --logger echo --pattern '%(message)'"), "one\ntwo\n");
  EXPECT_EQ(sh("$SLUICE verify s").code, 0);
}

TEST_F(Cat, EveryMistakeAtOnceEachWithItsOption) {
  const Finished bad =
      sh("$SLUICE cat missing --level loud --since soon --until 25h61 --limit 0 --field x "
         "--format xml");
  EXPECT_EQ(bad.code, 2);
  for (const char* word :
       {"--level", "--since", "--until", "--limit", "--field", "--format", "missing"}) {
    EXPECT_NE(bad.error.find(word), std::string::npos) << word << "\n" << bad.error;
  }
  EXPECT_EQ(sh("$SLUICE cat a --pattern '%(nope)'").code, 2);
  EXPECT_EQ(sh("$SLUICE cat").code, 2);
  EXPECT_EQ(sh("$SLUICE cat --pid 4000000").code, 2);
  EXPECT_EQ(sh("$SLUICE cat --pid x").code, 2);
  EXPECT_EQ(sh("$SLUICE meow").code, 2);
  EXPECT_EQ(sh("$SLUICE").code, 2);
  EXPECT_EQ(sh("$SLUICE --version").code, 0);
  EXPECT_EQ(sh("$SLUICE cat --help").code, 0);
}

TEST_F(Cat, AReaderThatGoesIsNoFailure) {
  ASSERT_EQ(sh("$SLUICE run --text a.log -- seq 1 100000 > /dev/null").code, 0);
  const Finished run = sh("$SLUICE cat a.log | head -1 | wc -l; echo ${PIPESTATUS[0]}");
  EXPECT_EQ(run.out, "1\n0\n");
  EXPECT_EQ(run.error, "");
  EXPECT_EQ(sh("$SLUICE cat a.log > /dev/full").code, 1);
}

TEST_F(Cat, LinesBeyondEveryLimit) {
  std::string deep(100'000, '[');
  write("a.jsonl", std::string(5'000'000, 'x') + "\n{\"msg\":" + deep + "\n{\"msg\":\"" +
                       std::string(300'000, 'y') + "\",\"tid\":\"no number\",\"fields\":7}\n" +
                       R"({"ts":1e300,"level":{},"msg":[1],"logger":3,"tid":-5,"seq":1.5})" + "\n");
  const std::string all = cat("a.jsonl --json");
  for (const std::string& line : lines_of(all)) EXPECT_TRUE(json::accept(line)) << line.size();
  std::string many = "{";
  for (int i = 0; i < 200; ++i) many += "\"k" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  write("b.jsonl", many + "\"msg\":\"many\"}\n");
  EXPECT_EQ(count("b.jsonl --field fields.k150=150"), 1u);
}

// The engine's own records say in a segment what they say in live output.
TEST_F(Cat, DropReportsOfSegmentsAreThoseOfLiveOutput) {
  const std::string live = path("live.jsonl"), text_path = path("live.log"), stored = path("s");
  const pid_t child = ::fork();
  if (child == 0) {
    const bool started =
        sluice::start({.sinks = {json_file(live), text_file(text_path), segment_files(stored)},
                       .ring_bytes = 32 * 1024,
                       .quiet = true});
    // A backend that is fast enough loses nothing: until it was not.
    for (int i = 0; i % 1000 != 0 || sluice::stats().dropped_ring_full == 0; ++i) {
      info("a record to fill the ring with {}", i);
    }
    ::_exit(started && stop(60'000) ? 0 : 1);
  }
  ASSERT_EQ(wait_for(child), 0);
  const auto reports_in = [](const std::string& lines) {
    std::vector<std::string> reports;
    for (const std::string& line : lines_of(lines)) {
      if (line.find("dropped ") != std::string::npos) reports.push_back(line);
    }
    return reports;
  };
  const auto in_json = reports_in(text("live.jsonl"));
  ASSERT_FALSE(in_json.empty());
  EXPECT_EQ(json::parse(in_json[0])["fields"]["reason"], "ring_full");
  EXPECT_NE(in_json[0].find(" between 2"), std::string::npos) << in_json[0];
  EXPECT_EQ(reports_in(cat("s --json")), in_json);
  EXPECT_EQ(reports_in(cat("s")), reports_in(text("live.log")));
  EXPECT_NE(cat("s --format logfmt --logger sluice").find(" reason=ring_full "), std::string::npos);
  EXPECT_EQ(count("s --field reason=ring_full"), in_json.size());
  EXPECT_EQ(count("s --field reason=too_big"), 0u);
}

// Not in silence: nobody would know that records are missing.
TEST_F(Cat, ASegmentThatCannotBeOpenedIsSaidAfterTheRest) {
  ASSERT_EQ(sh("$SLUICE run --product p --segments s -- echo here").code, 0);
  std::filesystem::create_symlink("nowhere", path("s/p-000002.seg"));
  std::filesystem::create_directory(path("s/p-000003.seg"));
  ASSERT_EQ(sh("$SLUICE run --product p --segments s -- echo after").code, 0);
  const Finished some = sh("$SLUICE cat s");
  EXPECT_EQ(some.code, 1);
  EXPECT_EQ(lines_of(some.out).size(), 6u) << some.out;
  EXPECT_NE(some.error.find("s/p-000002.seg: cannot open: ENOENT"), std::string::npos)
      << some.error;
  EXPECT_NE(some.error.find("s/p-000003.seg: not a regular file"), std::string::npos) << some.error;
  std::filesystem::create_directory(path("none"));
  std::filesystem::create_symlink("nowhere", path("none/q-000001.seg"));
  const Finished none = sh("$SLUICE cat none");
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.error.find("none/q-000001.seg: cannot open"), std::string::npos) << none.error;
}

// Copies of real files with bytes changed at random: any answer is right but a crash or a hang.
class HostileInput : public Cat {
 protected:
  void expect_no_harm(const std::string& file, const std::string& command) {
    const std::string good = read_file(file);
    std::mt19937 random(7);
    for (int round = 0; round < 60; ++round) {
      std::string bytes = good;
      // Half of the time where the structure is, at the start of the file.
      const std::size_t reach =
          round % 2 ? bytes.size() : std::min<std::size_t>(8192, bytes.size());
      for (int i = 0; i < 1 + round % 16; ++i) {
        bytes[random() % reach] = char(round % 3 ? random() : 0xff);
      }
      if (round % 5 == 0) bytes.resize(random() % bytes.size());
      const std::string name = "hostile" + std::filesystem::path(file).extension().string();
      write(name, bytes);
      const Finished run = sh("timeout 60 $SLUICE " + command + " " + name + " > /dev/null");
      EXPECT_TRUE(run.code >= 0 && run.code <= 2) << run.code << " in round " << round;
    }
  }
};

TEST_F(HostileInput, Segments) {
  ASSERT_EQ(sh("$SLUICE run --product p --segments s -- seq 1 3000 > /dev/null").code, 0);
  expect_no_harm(path("s/p-000001.seg"), "cat --json");
  expect_no_harm(path("s/p-000001.seg"), "verify");
}

TEST_F(HostileInput, JsonLines) {
  write("a.jsonl", kJsonLines);
  expect_no_harm(path("a.jsonl"), "cat --format logfmt");
}

TEST_F(HostileInput, Regions) {
  const pid_t pid = start(
      "exec $SLUICE run --text a.log -- sh -c 'seq 1 2000; echo $$ > pid; "
      "exec sleep 300'",
      path("out"), path("error"));
  ASSERT_TRUE(eventually([&] { return lines_of(text("a.log")).size() >= 2001; }));
  ::kill(pid, SIGKILL);
  wait_for(pid);
  ::kill(std::stoi(text("pid")), SIGKILL);
  std::string region;
  for (const auto& file : std::filesystem::directory_iterator(regions_)) {
    if (file.path().extension() == ".region") region = file.path();
  }
  // Only what is used: tens of megabytes of zeros would be copied for nothing.
  ASSERT_FALSE(region.empty());
  EXPECT_EQ(lines_of(cat(region)).size(), 2001u);
  expect_no_harm(region, "cat");
}

}  // namespace
}  // namespace sluice::test
