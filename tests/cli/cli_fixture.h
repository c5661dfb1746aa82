// Runs the real `sluice` binary as a user's shell would, in directories of its own.
#ifndef SLUICE_TESTS_CLI_CLI_FIXTURE_H_
#define SLUICE_TESTS_CLI_CLI_FIXTURE_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/read_file.h"

namespace sluice::test {

struct Finished {
  int code = -1;  // 128+N for signal N
  std::string out;
  std::string error;
};

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class Cli : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string work = place_ + "sluice-cli-XXXXXX";
    std::string shared = "/dev/shm/sluice-cli-XXXXXX";
    ASSERT_NE(::mkdtemp(work.data()), nullptr);
    ASSERT_NE(::mkdtemp(shared.data()), nullptr);
    work_ = work;
    regions_ = shared;
    ::setenv("SLUICE_REGION_DIRECTORY", regions_.c_str(), 1);
    ::setenv("SLUICE", SLUICE_BIN_DIR "/sluice", 1);
    ::unsetenv("SLUICE_STORE");  // of whoever runs the tests
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(work_, ignored);
    std::filesystem::remove_all(regions_, ignored);
  }

  // Starts a shell script in the work directory; `$SLUICE` is the binary.
  pid_t start(const std::string& script, const std::string& out, const std::string& error) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (::chdir(work_.c_str()) != 0) ::_exit(99);
      const int out_fd = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      const int error_fd = ::open(error.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      const int in_fd = ::open("/dev/null", O_RDONLY);
      ::dup2(in_fd, 0);
      ::dup2(out_fd, 1);
      ::dup2(error_fd, 2);
      ::execl("/bin/bash", "bash", "-c", script.c_str(), nullptr);
      ::_exit(98);
    }
    return pid;
  }

  static int wait_for(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

  Finished sh(const std::string& script) {
    const std::string out = regions_ + "/.out", error = regions_ + "/.error";
    Finished finished;
    finished.code = wait_for(start(script, out, error));
    finished.out = read_file(out);
    finished.error = read_file(error);
    return finished;
  }

  // Waits until `ready` holds, at most so long: a deadline for what another process does.
  static ::testing::AssertionResult eventually(const std::function<bool()>& ready,
                                               int seconds = 10) {
    for (int i = 0; i < 200 * seconds; ++i) {
      if (ready()) return ::testing::AssertionSuccess();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return ::testing::AssertionFailure() << "not in " << seconds << " seconds";
  }

  [[nodiscard]] std::string path(const std::string& name) const { return work_ + "/" + name; }
  [[nodiscard]] std::string text(const std::string& name) const { return read_file(path(name)); }
  void write(const std::string& name, std::string_view bytes) const {
    std::ofstream file(path(name), std::ios::binary);
    file.write(bytes.data(), std::streamsize(bytes.size()));
  }

  // The objects of a JSON Lines file, those of kind log only unless `all`.
  [[nodiscard]] std::vector<nlohmann::json> records(const std::string& name,
                                                    bool all = false) const {
    std::vector<nlohmann::json> found;
    for (const std::string& line : lines_of(text(name))) {
      auto object = nlohmann::json::parse(line, nullptr, false);
      EXPECT_TRUE(object.is_object()) << line;
      if (all || !object.contains("kind")) found.push_back(std::move(object));
    }
    return found;
  }

  std::string place_ = ::testing::TempDir();  // of the work directory
  std::string work_;
  std::string regions_;
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_CLI_CLI_FIXTURE_H_
