// What the process says on standard error meanwhile. One at a time.
#ifndef SLUICE_TESTS_CONTRACT_CAPTURED_STDERR_H_
#define SLUICE_TESTS_CONTRACT_CAPTURED_STDERR_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <utility>

#include "contract/outputs.h"

namespace sluice::test {

class CapturedStderr {
 public:
  // Into the file at `path`.
  explicit CapturedStderr(std::string path)
      : path_(std::move(path)), kept_fd_(::dup(STDERR_FILENO)) {
    EXPECT_NE(std::freopen(path_.c_str(), "w", stderr), nullptr);
  }
  ~CapturedStderr() {
    std::fflush(stderr);
    ::dup2(kept_fd_, STDERR_FILENO);
    ::close(kept_fd_);
  }
  CapturedStderr(const CapturedStderr&) = delete;
  CapturedStderr& operator=(const CapturedStderr&) = delete;

  // So far.
  [[nodiscard]] std::string text() const {
    std::fflush(stderr);
    return read_file(path_);
  }

 private:
  const std::string path_;
  const int kept_fd_;
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_CONTRACT_CAPTURED_STDERR_H_
