// sluice verify: damage is found to the byte and is exit code 1.
#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

using nlohmann::json;

class Verify : public Cli {
 protected:
  void SetUp() override {
    Cli::SetUp();
    ASSERT_EQ(sh("$SLUICE run --product p --segments s -- seq 1 20000").code, 0);
  }
  json report(int expected_code) {
    const Finished run = sh("$SLUICE verify --json s/p-000001.seg");
    EXPECT_EQ(run.code, expected_code) << run.error;
    return json::parse(run.out);
  }
  const std::string file_ = "s/p-000001.seg";
};

TEST_F(Verify, AWholeFile) {
  const json whole = report(0);
  EXPECT_EQ(whole["whole"], true);
  EXPECT_EQ(whole["sealed"], true);
  EXPECT_EQ(whole["records"], 20002);
  EXPECT_EQ(whole["bytes"], text(file_).size());
  EXPECT_NE(sh("$SLUICE verify s").out.find("whole, sealed, 20002 records"), std::string::npos);
}

TEST_F(Verify, OneWrongByteIsFoundWhereItIs) {
  std::string bytes = text(file_);
  const std::size_t at = bytes.size() / 2;
  bytes[at] = char(bytes[at] ^ 1);
  write(file_, bytes);
  const json damaged = report(1);
  ASSERT_EQ(damaged["damaged"].size(), 1u);
  const std::size_t offset = damaged["damaged"][0]["offset"];
  EXPECT_LE(offset, at);
  EXPECT_GT(offset + damaged["damaged"][0]["bytes"].get<std::size_t>(), at);
  EXPECT_GT(damaged["missing_sequences"], 0);
  EXPECT_NE(sh("$SLUICE verify s").out.find("DAMAGED"), std::string::npos);
  // The rest can be read, and what is missing is said.
  const Finished rest = sh("$SLUICE cat s");
  EXPECT_EQ(rest.code, 1);
  EXPECT_EQ(lines_of(rest.out).size() + damaged["missing_sequences"].get<std::size_t>(), 20002u);
  EXPECT_NE(rest.error.find("damaged"), std::string::npos);
}

TEST_F(Verify, ATornTail) {
  std::filesystem::resize_file(path(file_), text(file_).size() - 100);
  const json torn = report(1);
  EXPECT_EQ(torn["sealed"], false);
  EXPECT_GT(torn["torn_tail"]["bytes"], 0);
}

TEST_F(Verify, WhatIsNoSegment) {
  write("x.seg", std::string(5000, 'x'));
  const Finished none = sh("$SLUICE verify x.seg s");
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.out.find("not a single good frame"), std::string::npos);
}

// What a kill between making a file and its first frame leaves.
TEST_F(Verify, AnEmptyFileIsWhole) {
  write("empty.seg", "");
  const Finished empty = sh("$SLUICE verify empty.seg");
  EXPECT_EQ(empty.code, 0);
  EXPECT_EQ(empty.out, "empty.seg: whole, not sealed, 0 records in 0 frames, 0 bytes\n");
  const json report = json::parse(sh("$SLUICE verify --json empty.seg").out);
  EXPECT_EQ(report["whole"], true);
  EXPECT_EQ(report["sealed"], false);
  EXPECT_EQ(report["records"], 0);
  EXPECT_EQ(report["segment"], nullptr);
}

TEST_F(Verify, APathCannotHarmATerminal) {
  const std::string name = "a\x1b[31m\xc2\x9b.seg";
  std::filesystem::copy_file(path(file_), path(name));
  write("x\x1b[31m.seg", "x");
  for (const char* options : {"", "--json "}) {
    const Finished run = sh("$SLUICE verify " + std::string(options) + "*.seg");
    EXPECT_EQ(run.code, 1);
    EXPECT_EQ(lines_of(run.out).size(), 2u) << run.out;
    EXPECT_EQ(run.out.find('\x1b'), std::string::npos);
    EXPECT_EQ(run.out.find("\xc2\x9b"), std::string::npos);
  }
  EXPECT_NE(sh("$SLUICE verify a*.seg").out.find("a\\x1b[31m\\u009b.seg: whole"),
            std::string::npos);
  const std::string json_line = sh("$SLUICE verify --json a*.seg").out;
  EXPECT_EQ(json::parse(json_line)["file"], name);
}

TEST_F(Verify, Mistakes) {
  EXPECT_EQ(sh("$SLUICE verify").code, 2);
  const Finished missing = sh("mkdir none; $SLUICE verify missing.seg none");
  EXPECT_EQ(missing.code, 2);
  EXPECT_EQ(lines_of(missing.error).size(), 2u) << missing.error;
  EXPECT_EQ(sh("ln -s nowhere l.seg; $SLUICE verify l.seg").code, 2);
}

}  // namespace
}  // namespace sluice::test
