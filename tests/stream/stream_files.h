// Reads back what streams have written, from the files alone.
#ifndef SLUICE_TESTS_STREAM_STREAM_FILES_H_
#define SLUICE_TESTS_STREAM_STREAM_FILES_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "stream/names.h"
#include "stream/stored_records.h"
#include "support/own_directory.h"
#include "support/read_file.h"

namespace sluice::test {

// The finished files of a stem, in their order.
inline std::vector<std::string> finished_files(const std::string& directory,
                                               const std::string& stem) {
  std::map<std::uint64_t, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    const stream::FinishedName parsed = stream::parse_finished(name);
    if (parsed.number == 0 || parsed.stem != stem) continue;
    EXPECT_TRUE(files.emplace(parsed.number, entry.path()).second) << "a number twice: " << name;
  }
  std::vector<std::string> paths;
  for (const auto& [number, path] : files) paths.push_back(path);
  return paths;
}

// Their records.
inline std::vector<std::string> records_of_stream(const std::string& directory,
                                                  const std::string& stem, bool open_too = false) {
  std::vector<std::string> paths = finished_files(directory, stem);
  const std::string open = directory + "/" + stem + ".log";
  if (open_too && std::filesystem::exists(open)) paths.push_back(open);
  std::vector<std::string> lines;
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    const std::vector<std::string> more = stored_records(read_file(path), path == open);
    lines.insert(lines.end(), more.begin(), more.end());
  }
  return lines;
}

// Of records "WRITER NUMBER ..." the numbers of each writer, in the order of the files.
inline std::map<int, std::vector<int>> numbers_by_writer(const std::vector<std::string>& lines) {
  std::map<int, std::vector<int>> numbers;
  for (const std::string& line : lines) {
    int writer = 0, number = 0;
    EXPECT_EQ(std::sscanf(line.c_str(), "%d %d ", &writer, &number), 2) << line;
    numbers[writer].push_back(number);
  }
  return numbers;
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_STREAM_STREAM_FILES_H_
