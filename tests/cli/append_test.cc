// sanitizers: address
// `sluice append` as a shell uses it, against the original offlog server and against ours.
#include "append/offlog_server.h"
#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

class AppendCommand : public Cli, public ::testing::WithParamInterface<Offlog> {
 protected:
  void SetUp() override {
    Cli::SetUp();
    if (GetParam() == Offlog::original && offlog_python().empty()) {
      GTEST_SKIP() << "the original offlog is not installed: scripts/install_offlog.sh";
    }
  }
};

TEST_P(AppendCommand, PutsStandardInputAtTheEndOfAFileOfThisDirectory) {
  const OfflogServer server(work_, {}, GetParam());
  write("out", "there\n");
  const Finished done = sh("seq 1 200000 | $SLUICE append --socket s --timeout 60000 out");
  EXPECT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(done.out + done.error, "");
  EXPECT_EQ(sh("{ echo there; seq 1 200000; } | cmp - out").code, 0);
}

TEST_P(AppendCommand, SaysWhatTheServerSaysAndFails) {
  const OfflogServer server(work_, {}, GetParam());
  const Finished absent = sh("echo x | $SLUICE append --socket s no/such/out");
  EXPECT_EQ(absent.code, 1);
  EXPECT_NE(absent.error.find("[Errno 2] No such file or directory"), std::string::npos)
      << absent.error;
  const Finished extended = sh("echo x | $SLUICE append --socket s --sync out");
  EXPECT_EQ(extended.code, GetParam() == Offlog::ours ? 0 : 1);
  EXPECT_EQ(extended.error.find("without the extension") == std::string::npos,
            GetParam() == Offlog::ours)
      << extended.error;
  const Finished full = sh("seq 1 200000 | $SLUICE append --socket s /dev/full");
  EXPECT_EQ(full.code, 1);
  EXPECT_NE(full.error.find("never confirmed"), std::string::npos) << full.error;
}

TEST_P(AppendCommand, NobodyAtTheSocketAndMistakesAreSaid) {
  const Finished nobody = sh("echo x | $SLUICE append --socket nothing out");
  EXPECT_EQ(nobody.code, 1);
  EXPECT_NE(nobody.error.find("start it with"), std::string::npos) << nobody.error;
  EXPECT_EQ(sh("$SLUICE append").code, 2);
  EXPECT_EQ(sh("$SLUICE append --timeout 0 out").code, 2);
}

INSTANTIATE_TEST_SUITE_P(, AppendCommand, ::testing::Values(Offlog::original, Offlog::ours),
                         [](const auto& tested) {
                           return tested.param == Offlog::ours ? "ours" : "original";
                         });

}  // namespace
}  // namespace sluice::test
