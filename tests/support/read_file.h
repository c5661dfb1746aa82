// A file as one string; empty where there is none.
#ifndef SLUICE_TESTS_SUPPORT_READ_FILE_H_
#define SLUICE_TESTS_SUPPORT_READ_FILE_H_

#include <fstream>
#include <sstream>
#include <string>

namespace sluice::test {

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_SUPPORT_READ_FILE_H_
