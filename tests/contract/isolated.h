// A test in a process of its own, with folders of its own.
//
// There is one Sluice in a process and its region lives as long, so a test that starts it runs in a
// forked child: the parent never logs. What the child finds wrong is printed by it and becomes one
// failure of the parent. The folders (one on disk, one on tmpfs for the region) are removed with
// everything in them when the parent's test ends. When the body of any child has ended its own
// counts must add up, whatever the test was about.
//
//     ISOLATED_TEST(Flush, WaitsForEverySink) { sluice::start(options_for(dirs)); ... }
#ifndef SLUICE_TESTS_CONTRACT_ISOLATED_H_
#define SLUICE_TESTS_CONTRACT_ISOLATED_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "contract/conservation.h"

namespace sluice::test {

struct Dirs {
  std::string files;   // for outputs
  std::string region;  // on tmpfs, for region files

  [[nodiscard]] std::string file(const char* name) const { return files + "/" + name; }
};

inline std::string make_dir(const char* pattern) {
  std::string path = pattern;
  if (!::mkdtemp(path.data())) std::abort();
  return path;
}

class OwnDirs {
 public:
  OwnDirs() : dirs_{make_dir("/tmp/sluice-test-XXXXXX"), make_dir("/dev/shm/sluice-test-XXXXXX")} {}
  ~OwnDirs() {
    std::error_code ignored;
    std::filesystem::remove_all(dirs_.files, ignored);
    std::filesystem::remove_all(dirs_.region, ignored);
  }
  OwnDirs(const OwnDirs&) = delete;
  OwnDirs& operator=(const OwnDirs&) = delete;

  [[nodiscard]] const Dirs& get() const { return dirs_; }

 private:
  Dirs dirs_;
};

inline constexpr int kChildFailed = 70;

// Runs `body` in a child that ends by exit(), as main() would; its exit code, or 128 + signal.
template <class F>
int exit_code_of(F&& body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    EXPECT_EQ(settled_imbalance(), "") << "after the body";
    std::exit(::testing::Test::HasFailure() ? kChildFailed : 0);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

using IsolatedBody = void (*)(const Dirs&);

inline void run_isolated(IsolatedBody body) {
  const OwnDirs dirs;
  // Variables of whoever runs the tests must not decide what they find.
  for (char** entry = environ; *entry;) {
    const std::string name(*entry, std::string(*entry).find('='));
    if (name.starts_with("SLUICE_") && !name.starts_with("SLUICE_TEST_")) {
      ::unsetenv(name.c_str());
    } else {
      ++entry;
    }
  }
  EXPECT_EQ(exit_code_of([&] { body(dirs.get()); }), 0) << "in the test's own process, see above";
}

}  // namespace sluice::test

#define ISOLATED_TEST(suite, name)                                    \
  static void suite##_##name(const ::sluice::test::Dirs& dirs);       \
  TEST(suite, name) { ::sluice::test::run_isolated(suite##_##name); } \
  static void suite##_##name([[maybe_unused]] const ::sluice::test::Dirs& dirs)

#endif  // SLUICE_TESTS_CONTRACT_ISOLATED_H_
