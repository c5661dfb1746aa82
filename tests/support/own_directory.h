// A new directory in /tmp, removed at the end with all that is in it.
#ifndef SLUICE_TESTS_SUPPORT_OWN_DIRECTORY_H_
#define SLUICE_TESTS_SUPPORT_OWN_DIRECTORY_H_

#include <cstdlib>
#include <filesystem>
#include <string>

namespace sluice::test {

class OwnDirectory {
 public:
  OwnDirectory() {
    std::string path = "/tmp/sluice-test-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    path_ = path;
  }
  ~OwnDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  OwnDirectory(const OwnDirectory&) = delete;
  OwnDirectory& operator=(const OwnDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_SUPPORT_OWN_DIRECTORY_H_
