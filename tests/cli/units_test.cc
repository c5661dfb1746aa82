// sanitizers: address
// The units that are installed, judged by systemd itself where it is.
#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

class Units : public Cli {
 protected:
  void SetUp() override {
    Cli::SetUp();
    if (sh("command -v systemd-analyze").code != 0) GTEST_SKIP() << "there is no systemd";
    unit("sluice.service.in", "system/sluice.service");
    unit("sluice-http.socket", "system/sluice-http.socket");
    unit("sluice-user.service.in", "user/sluice.service");
  }
  // As cmake --install puts it, but for where the command is.
  void unit(const std::string& from, const std::string& to) {
    std::string made = read_file(SLUICE_SOURCE_DIR "/packaging/" + from);
    ASSERT_FALSE(made.empty()) << from;
    for (const auto& [name, value] :
         {std::pair<std::string, std::string>{"@CMAKE_INSTALL_FULL_BINDIR@", SLUICE_BIN_DIR},
          {"@CMAKE_INSTALL_FULL_DOCDIR@", "/usr/share/doc/sluice"}}) {
      for (std::size_t at = 0; (at = made.find(name)) != std::string::npos;) {
        made.replace(at, name.size(), value);
      }
    }
    EXPECT_EQ(made.find('@' + std::string("CMAKE")), std::string::npos);
    std::filesystem::create_directories(std::filesystem::path(path(to)).parent_path());
    write(to, made);
  }
  // What it finds wrong.
  std::string complaints(const std::string& files, const std::string& options = {}) {
    const Finished judged = sh("XDG_RUNTIME_DIR=$PWD systemd-analyze verify --man=no " + options +
                               " " + files + " 2>&1 | grep -F sluice");
    return judged.out;
  }
};

TEST_F(Units, AreFoundRight) {
  EXPECT_EQ(complaints("system/sluice.service system/sluice-http.socket"), "");
  EXPECT_EQ(complaints("user/sluice.service", "--user"), "");
  // Control: it does find a key wrong.
  write("system/sluice.service", text("system/sluice.service") + "WatchdogSex=3\n");
  EXPECT_NE(complaints("system/sluice.service"), "");
}

}  // namespace
}  // namespace sluice::test
