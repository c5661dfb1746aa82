// sanitizers: address (the uploader's own threads are tested in tests/upload)
//
// `sluice upload` as a shell uses it, into directories.
#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

bool says(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Cli, UploadSendsEveryRecordOnceAndRemovesTheFiles) {
  const Finished done =
      sh("seq 1 100000 > in && $SLUICE stream write s --dir d --rotate-bytes 64KiB --quiet < in && "
         "$SLUICE upload d --to file://$PWD/out && ls d && "
         "ls out/* | sort -t_ -k4 -n | xargs cat | cmp - in && "
         "stat -c %a d/.upload && $SLUICE upload d --to out --json --quiet");
  EXPECT_EQ(done.code, 0) << done.error;
  EXPECT_TRUE(says(done.error, "9 files, 588895 bytes uploaded")) << done.error;
  const auto lines = lines_of(done.out);
  ASSERT_EQ(lines.size(), 2u) << done.out;
  EXPECT_EQ(lines[0], "600") << "it holds what opens sessions";
  EXPECT_EQ(nlohmann::json::parse(lines[1]).at("files"), 0);
}

TEST_F(Cli, UploadNamesObjectsAsAskedFor) {
  const Finished done =
      sh("echo x | $SLUICE stream write 'pay/ment' --dir d --quiet && "
         "$SLUICE upload d --to out --layout hive --dry-run && ls d | wc -l && ! test -e out && "
         "$SLUICE upload d --to out --layout hive --keep --quiet && ls d | wc -l && "
         "$SLUICE upload d --to out --layout hive --dry-run && find out -type f && "
         "$SLUICE upload d --to gs://bucket/some/prefix --dry-run");
  EXPECT_EQ(done.code, 0) << done.error;
  const auto lines = lines_of(done.out);
  ASSERT_EQ(lines.size(), 5u) << done.out;
  EXPECT_TRUE(says(lines[0], " -> event=pay_ment/date=2")) << lines[0];
  EXPECT_EQ(lines[1], "1");
  EXPECT_EQ(lines[2], "1");
  EXPECT_TRUE(lines[3].starts_with("out/event=pay_ment/date=2")) << lines[3];
  EXPECT_TRUE(says(lines[4], " -> some/prefix/pay_ment_2")) << lines[4];
}

TEST_F(Cli, UploadFinishesWhatAKilledWriterLeft) {
  const pid_t child =
      start("(echo first; exec sleep 60) | exec $SLUICE stream write s --dir d --flush-interval 10",
            path("o"), path("e"));
  ASSERT_TRUE(eventually([&] { return text("d/s.log") == "first\n"; }));
  Finished done = sh("$SLUICE upload d --to out");
  EXPECT_EQ(done.code, 0) << done.error;
  EXPECT_TRUE(says(done.error, "0 files, 0 bytes")) << "its writer is alive: " << done.error;
  EXPECT_EQ(sh("pkill -KILL -P " + std::to_string(child) + " -x sluice").code, 0);
  (void)sh("pkill -TERM -P " + std::to_string(child) + " -x sleep");
  (void)wait_for(child);
  done = sh("printf torn >> d/s.log; $SLUICE upload d --to out && cat out/s_*.log && ls d");
  EXPECT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(done.out, "first\n");
  EXPECT_TRUE(
      says(done.error,
           "s.log: its writer ended without closing it: 0 records that it had accepted are lost; "
           "the file is finished, 4 "))
      << done.error;
}

// What the tools of everybody unpack.
TEST_F(Cli, UploadCompressesWhileItSends) {
  const Finished done = sh(
      "seq 1 400000 > in && : > empty && mkdir d && cp in empty d && "
      "$SLUICE upload d --to out --settle 0 --compress gzip --dry-run --quiet | sort && "
      "$SLUICE upload d --to out --settle 0 --compress gzip --keep && "
      "$SLUICE upload d --to out --settle 0 --compress zstd && "
      "for f in in empty; do zcat out/$f.gz | cmp - $f && zstd -dcq out/$f.zst | cmp - $f; done && "
      "ls d && ls out && [ $(stat -c %s out/in.gz) -lt $(($(stat -c %s in) / 3)) ]");
  EXPECT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(done.out,
            "empty -> empty.gz (0 bytes)\nin -> in.gz (2688895 bytes)\n"
            "empty.gz\nempty.zst\nin.gz\nin.zst\n");
  EXPECT_TRUE(says(done.error, "2 files, 2688895 bytes uploaded")) << done.error;
  const Finished conflict =
      sh("echo x > d/in; $SLUICE upload d --to out --settle 0 --compress gzip; echo $?; ls d");
  EXPECT_TRUE(says(conflict.error, "other content")) << conflict.error;
  EXPECT_EQ(conflict.out, "1\nin\n");
}

TEST_F(Cli, UploadParksAConflict) {
  const Finished done =
      sh("mkdir d out; echo mine > d/a; echo yours > out/a; echo b > d/b; echo n > d/.hidden; "
         "$SLUICE upload d --to out --settle 0; echo $?; cat out/a d/a out/b; ls -A out");
  EXPECT_EQ(done.out, "1\nyours\nmine\nb\na\nb\n") << done.error;
  EXPECT_TRUE(says(done.error, "not tried again before the next start")) << done.error;
  EXPECT_TRUE(says(done.error, "1 files, 2 bytes uploaded; 1 parked")) << done.error;
}

TEST_F(Cli, UploadLeavesFilesThatChange) {
  const Finished done = sh("mkdir d; echo x > d/a; $SLUICE upload d --to out; ls d");
  EXPECT_EQ(done.code, 0);
  EXPECT_EQ(done.out, "a\n");
  EXPECT_TRUE(says(done.error, "1 changed lately, and not finished")) << done.error;
}

TEST_F(Cli, UploadWatchesUntilASignal) {
  ASSERT_EQ(sh("mkdir d; echo a > d/a").code, 0);
  const pid_t child =
      start("exec $SLUICE upload d --to out --watch --settle 0", path("o"), path("e"));
  ASSERT_TRUE(eventually([&] { return text("out/a") == "a\n"; }));
  const Finished second = sh("$SLUICE upload d --to out");
  EXPECT_EQ(second.code, 2);
  EXPECT_TRUE(says(second.error, "another program uploads from here")) << second.error;
  ASSERT_EQ(sh("echo b > d/.b && mv d/.b d/b").code, 0);
  ASSERT_TRUE(eventually([&] { return text("out/b") == "b\n"; }));
  ::kill(child, SIGTERM);
  EXPECT_EQ(wait_for(child), 0) << text("e");
  EXPECT_TRUE(says(text("e"), "2 files, 4 bytes uploaded")) << text("e");
}

// A disk that is full on the other side: what could not be sent is here, and is said.
TEST_F(Cli, UploadToAFullDiskKeepsTheFile) {
  const Finished done = sh(
      "mkdir d out; head -c 3000000 /dev/zero > d/big; echo small > d/small; "
      "unshare -m sh -c 'mount -t tmpfs -o size=1m none out && "
      "$SLUICE upload d --to out --settle 0 --backoff 1 --files-at-once 1; echo $?; cat out/small; "
      "ls -A out'; ls d");
  EXPECT_EQ(done.out, "1\nsmall\nsmall\nbig\n") << done.error;
  EXPECT_TRUE(says(done.error, "ENOSPC")) << done.error;
  EXPECT_TRUE(says(done.error, "1 left for later")) << done.error;
}

TEST_F(Cli, UploadSaysItsMistakes) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"d", "--to is required"},
      {"d --to", "--to"},
      {"d --to a --to b", "--to"},
      {"d --to ''", "where to"},
      {"d --to ftp://x", "there is no 'ftp://'"},
      {"d --to gs://", "the bucket is missing"},
      {"d --to s3:///x", "the bucket is missing"},
      {"d --to file://x", "three slashes"},
      {"d --to d", "another directory"},
      {"d --to ./d/.", "another directory"},
      {"none --to out", "ENOENT"},
      {"f --to out", "ENOTDIR"},
      {"d --to out --layout round", "--layout"},
      {"d --to out --settle -1", "--settle"},
      {"d --to out --files-at-once 0", "--files-at-once"},
      {"d --to out --keep --keep-for soon", "is no age"},
      {"d --to out --keep-bytes 1k", "set keep"},
  };
  ASSERT_EQ(sh("mkdir d; touch f").code, 0);
  for (const auto& [arguments, part] : mistakes) {
    const Finished done = sh("$SLUICE upload " + arguments);
    EXPECT_EQ(done.code, 2) << arguments;
    EXPECT_TRUE(says(done.error, part)) << arguments << ": " << done.error;
  }
  EXPECT_EQ(sh("ls -A d").out, "");
}

// The log of an uploader says which files are in the bucket; the others stay.
TEST_F(Cli, PruneLeavesWhatIsNotUploaded) {
  const auto files = [this] {
    return lines_of(sh("ls out/*_*_*_*.log | sed 's/.*_//; s/.log//' | sort -n").out);
  };
  ASSERT_EQ(sh("seq 1 100000 | $SLUICE stream write s --dir out --rotate-bytes 64KiB --quiet").code,
            0);
  ASSERT_EQ(sh("mkdir late && mv out/s_*_[3-9].log late/ && "
               "$SLUICE upload out --to bucket --keep --quiet && mv late/* out/")
                .code,
            0);
  const Finished done = sh("$SLUICE stream prune --dir out --max-bytes 1");
  ASSERT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(files().size(), 7u) << done.out;
  EXPECT_NE(done.out.find("stay only because they are not uploaded yet"), std::string::npos)
      << done.out;
  const Finished lost = sh("$SLUICE stream prune --dir out --disk-budget 200KB");
  ASSERT_EQ(lost.code, 0) << lost.error;
  EXPECT_EQ(files(), (std::vector<std::string>{"7", "8", "9"}));
  EXPECT_NE(lost.out.find("4 files, "), std::string::npos) << lost.out;
  EXPECT_NE(lost.out.find("are lost: they were not uploaded"), std::string::npos) << lost.out;
}

}  // namespace
}  // namespace sluice::test
