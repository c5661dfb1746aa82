// sanitizers: address (the command's own threads are tested in tests/stream)
//
// `sluice stream write` as a shell uses it.
#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

TEST_F(Cli, StreamWritesEachLineOnce) {
  const Finished done =
      sh("seq 1 200000 > in && $SLUICE stream write numbers --dir out < in && "
         "cat out/numbers_*_1.log | cmp - in && ls out");
  EXPECT_EQ(done.code, 0) << done.error;
  EXPECT_NE(done.error.find("200000 records, 1288895 bytes in 1 files"), std::string::npos)
      << done.error;
  EXPECT_EQ(lines_of(done.out).size(), 1u) << done.out;
}

TEST_F(Cli, StreamKeepsWhatIsNoText) {
  const Finished done =
      sh("head -c 3000000 /dev/urandom > in; echo >> in; "
         "$SLUICE stream write bytes --dir out --quiet < in && cat out/bytes_*.log | cmp - in");
  EXPECT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(done.error, "");
}

TEST_F(Cli, StreamEndsALineWithoutANewline) {
  const Finished done =
      sh("printf 'a\\n\\nb' | $SLUICE stream write s --dir out --quiet && cat out/s_*.log");
  EXPECT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(done.out, "a\n\nb\n");
}

TEST_F(Cli, StreamRotates) {
  const Finished done = sh(
      "seq 1 100000 > in && $SLUICE stream write s --dir out --rotate-bytes 64KiB --quiet < in && "
      "ls out/*.log | wc -l && find out -size +64k && "
      "ls out/*.log | sort -t_ -k4 -n | xargs cat | cmp - in");
  EXPECT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(done.out, "9\n");
}

TEST_F(Cli, StreamOfBlocksIsReadAndVerified) {
  const Finished done =
      sh("seq 1 50000 > in; printf '{\"message\":\"hello\",\"level\":\"error\"}\\n' >> in; "
         "$SLUICE stream write s --dir out --framing blocks --rotate-bytes 200KiB --quiet < in && "
         "$SLUICE stream write t --dir out --quiet < in && "
         "$SLUICE verify out && $SLUICE cat out/s_*_1.log --format text | head -1 && "
         "$SLUICE cat out | wc -l && $SLUICE cat out --level error --json | wc -l");
  EXPECT_EQ(done.code, 0) << done.error;
  const auto lines = lines_of(done.out);
  ASSERT_GE(lines.size(), 6u) << done.out;
  EXPECT_NE(lines[0].find("whole, sealed, "), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find(" records in "), std::string::npos) << lines[0];
  EXPECT_EQ(lines[lines.size() - 2], "100002") << done.out;
  EXPECT_EQ(lines.back(), "2") << done.out;
}

TEST_F(Cli, DamageInAStreamIsSaidAndCostsLittle) {
  const Finished made =
      sh("seq 1 50000 > in; $SLUICE stream write s --dir out --framing blocks --quiet < in && "
         "mv out/s_*_1.log damaged && "
         "printf X | dd of=damaged bs=1 seek=70000 conv=notrunc status=none");
  ASSERT_EQ(made.code, 0) << made.error;
  const Finished verified = sh("$SLUICE verify damaged");
  EXPECT_EQ(verified.code, 1);
  EXPECT_NE(verified.out.find("DAMAGED"), std::string::npos) << verified.out;
  EXPECT_NE(verified.out.find(" bytes at offset 65536\n"), std::string::npos) << verified.out;
  const Finished read = sh("$SLUICE cat damaged | wc -l");
  const int left = std::stoi(read.out);
  EXPECT_GT(left, 40'000);
  EXPECT_LT(left, 50'000);
  EXPECT_NE(verified.out.find("missing: " + std::to_string(50'000 - left) + " records"),
            std::string::npos)
      << verified.out << read.out;
  EXPECT_NE(read.error.find(std::to_string(50'000 - left) + " records are damaged"),
            std::string::npos)
      << read.error;
  // Lines have no checksum: a torn end is what can be seen of them.
  const Finished lines =
      sh("$SLUICE stream write t --dir lines --quiet < in && $SLUICE verify lines && "
         "printf torn >> lines/t_*_1.log && $SLUICE verify lines");
  EXPECT_EQ(lines.code, 1);
  EXPECT_NE(lines.out.find("whole, 50000 lines"), std::string::npos) << lines.out;
  EXPECT_NE(lines.out.find("the last line does not end"), std::string::npos) << lines.out;
}

TEST_F(Cli, StreamRotatesByNumber) {
  ASSERT_EQ(::mkfifo(path("in").c_str(), 0600), 0);
  const pid_t writer = start(
      "exec $SLUICE stream write s --dir out --rotate-records 10 --flush-interval 1 --quiet < in",
      path("o"), path("e"));
  std::ofstream in(path("in"));
  const auto lines_in_file = [this](const std::string& number) {
    return lines_of(sh("cat out/s_*_" + number + ".log 2>/dev/null").out).size();
  };
  in << "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n" << std::flush;
  ASSERT_TRUE(eventually([&] { return lines_in_file("1") == 10; })) << text("e");
  in << "11\n12\n" << std::flush;
  in.close();
  EXPECT_EQ(wait_for(writer), 0) << text("e");
  EXPECT_EQ(lines_in_file("2"), 2u);
  EXPECT_EQ(sh("$SLUICE stream write s --dir out --framing line </dev/null").code, 2);
}

TEST_F(Cli, StreamIsFinishedAtASignal) {
  const std::string out = path("o"), error = path("e");
  const pid_t child = start(
      "(echo first; touch ready; exec sleep 60) | exec $SLUICE stream write s --dir out "
      "--flush-interval 10",
      out, error);
  ASSERT_TRUE(eventually([&] { return text("out/s.log") == "first\n"; }));
  const Finished killed = sh("pkill -TERM -P " + std::to_string(child) + " -x sluice");
  EXPECT_EQ(killed.code, 0);
  ASSERT_TRUE(eventually([&] { return !std::filesystem::exists(path("out/s.log")); }));
  (void)sh("pkill -TERM -P " + std::to_string(child) + " -x sleep");
  EXPECT_EQ(wait_for(child), 0) << read_file(error);
  EXPECT_EQ(sh("cat out/s_*.log").out, "first\n");
}

TEST_F(Cli, StreamFinishesItsFileAtASignal) {
  ASSERT_EQ(::mkfifo(path("in").c_str(), 0600), 0);
  const pid_t child =
      start("exec $SLUICE stream write s --dir out --flush-interval 10 --quiet < in", path("o"),
            path("e"));
  std::ofstream in(path("in"));
  in << "one\n" << std::flush;
  ASSERT_TRUE(eventually([&] { return text("out/s.log") == "one\n"; }));
  ::kill(child, SIGUSR1);
  ASSERT_TRUE(eventually([&] { return sh("cat out/s_*_1.log").out == "one\n"; }));
  EXPECT_FALSE(std::filesystem::exists(path("out/s.log")));
  in << "two\n" << std::flush;
  in.close();
  EXPECT_EQ(wait_for(child), 0) << text("e");
  EXPECT_EQ(sh("cat out/s_*_2.log").out, "two\n");
}

// The disk stays full: whoever asks it to end must not have to kill it.
TEST_F(Cli, StreamOnAFullDiskEndsAtASignal) {
  ASSERT_EQ(sh("mkdir out; yes | head -c 100000000 > in").code, 0);
  const pid_t child = start(
      "exec unshare -m sh -c 'mount -t tmpfs -o size=1m none out && exec $SLUICE stream write s"
      " --dir out --flush-interval 10 < in'",
      path("o"), path("e"));
  ASSERT_TRUE(eventually([&] { return text("e").find("ENOSPC") != std::string::npos; }));
  ::kill(child, SIGTERM);
  EXPECT_EQ(wait_for(child), 1);
  EXPECT_NE(text("e").find("accepted records are lost"), std::string::npos) << text("e");
}

TEST_F(Cli, StreamSaysItsMistakes) {
  EXPECT_EQ(sh("$SLUICE stream write").code, 2);
  EXPECT_EQ(sh("$SLUICE stream write '' --dir out < /dev/null").code, 2);
  const Finished no_directory = sh("touch f; $SLUICE stream write s --dir f/x < /dev/null");
  EXPECT_EQ(no_directory.code, 2);
  EXPECT_NE(no_directory.error.find("ENOTDIR"), std::string::npos) << no_directory.error;
}

}  // namespace
}  // namespace sluice::test
