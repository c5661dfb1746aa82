// sanitizers: address (commands of one thread, in which ThreadSanitizer has nothing to find)
//
// `sluice stream prune` as a shell uses it, beside a writer too.
#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

using nlohmann::json;

class StreamPrune : public Cli {
 protected:
  // Nine files of 64 KiB at most.
  void fill() {
    ASSERT_EQ(
        sh("seq 1 100000 | $SLUICE stream write s --dir out --rotate-bytes 64KiB --quiet").code, 0);
    ASSERT_EQ(files().size(), 9u);
  }
  // The numbers of the finished files, in their order.
  std::vector<std::string> files() {
    return lines_of(sh("ls out/*_*_*_*.log | sed 's/.*_//; s/.log//' | sort -n").out);
  }
};

TEST_F(StreamPrune, ToASizeTheOldestFirst) {
  fill();
  const Finished look = sh("$SLUICE stream prune --dir out --max-bytes 200KB --dry-run");
  EXPECT_EQ(look.code, 0) << look.error;
  EXPECT_EQ(lines_of(look.out).size(), 7u) << look.out;
  EXPECT_EQ(files().size(), 9u);
  const Finished done = sh("$SLUICE stream prune --dir out --max-bytes 200KB --json");
  ASSERT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(files(), (std::vector<std::string>{"7", "8", "9"}));
  const json counts = json::parse(done.out);
  EXPECT_EQ(counts["files"], 6);
  EXPECT_EQ(counts["files_left"], 3);
  EXPECT_EQ(sh("cat out/s_*.log | wc -c").out, counts["bytes_left"].dump() + "\n");
  EXPECT_EQ(sh("$SLUICE stream prune --dir out --max-bytes 200KB").out.substr(0, 26),
            "removed 0 files, 0 bytes; ");
  EXPECT_EQ(sh("cat out/s_*.log | tail -1").out, "100000\n");
}

TEST_F(StreamPrune, ByAge) {
  fill();
  ASSERT_EQ(sh("for n in 1 2 3; do mv out/s_*_$n.log out/s_2020-01-01_00-00-00_$n.log; done").code,
            0);
  ASSERT_EQ(sh("$SLUICE stream prune --dir out --older-than 7d").code, 0);
  EXPECT_EQ(files(), (std::vector<std::string>{"4", "5", "6", "7", "8", "9"}));
}

TEST_F(StreamPrune, OfOneStreamAndBesideItsWriter) {
  fill();
  ASSERT_EQ(::mkfifo(path("in").c_str(), 0600), 0);
  const pid_t writer =
      start("exec $SLUICE stream write t/1 --dir out --flush-interval 10 --quiet < in", path("o"),
            path("e"));
  std::ofstream in(path("in"));
  in << "one\n" << std::flush;
  ASSERT_TRUE(eventually([&] { return text("out/t_1.log") == "one\n"; }));
  ASSERT_EQ(sh("$SLUICE stream prune --dir out --stream t/1 --max-bytes 1").code, 0);
  EXPECT_EQ(files().size(), 9u);
  ASSERT_EQ(sh("$SLUICE stream prune --dir out --max-bytes 1").code, 0);
  EXPECT_EQ(files().size(), 0u);
  EXPECT_EQ(sh("$SLUICE stream write t/1 --dir out < /dev/null").code, 2) << "it is written still";
  in << "two\n" << std::flush;
  in.close();
  EXPECT_EQ(wait_for(writer), 0) << text("e");
  EXPECT_EQ(sh("cat out/t_1_*.log").out, "one\ntwo\n");
}

TEST_F(StreamPrune, MistakesAllAtOnceAndNothingIsDone) {
  fill();
  const Finished many = sh("$SLUICE stream prune --dir none --older-than 7 --max-bytes much");
  EXPECT_EQ(many.code, 2);
  EXPECT_EQ(lines_of(many.error).size(), 3u) << many.error;
  EXPECT_FALSE(std::filesystem::exists(path("none")));
  EXPECT_EQ(sh("$SLUICE stream prune --dir out").code, 2);
  EXPECT_EQ(sh("$SLUICE stream prune --dir out --older-than 0d").code, 2);
  EXPECT_EQ(sh("$SLUICE stream prune --dir out --max-bytes 0").code, 2);
  EXPECT_EQ(sh("$SLUICE stream prune --dir out --max-bytes 1 --stream other").code, 2);
  EXPECT_EQ(sh("$SLUICE stream prune --max-bytes 1").code, 2);
  EXPECT_EQ(files().size(), 9u);
}

}  // namespace
}  // namespace sluice::test
