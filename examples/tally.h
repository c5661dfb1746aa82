// Counts which numbered records are in a file, for the examples that check what they promise.
//
// Every record carries its number as the field `n`: "n":17 in JSON Lines, n=17 in text. A line
// without a number, or a file that does not end in a newline, is torn. Single-owner.
#ifndef SLUICE_EXAMPLES_TALLY_H_
#define SLUICE_EXAMPLES_TALLY_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

struct Tally {
  std::uint64_t present = 0;     // different numbers in [1, expected]
  std::uint64_t duplicates = 0;  // lines whose number had been seen
  std::uint64_t beyond = 0;      // numbers above `expected`
  std::uint64_t torn = 0;

  [[nodiscard]] std::uint64_t lost(std::uint64_t expected) const { return expected - present; }
};

// The number of a line; 0 when it has none, or more than one (the rest of a torn line before it).
inline std::uint64_t number_of(const char* line) {
  std::uint64_t found = 0;
  int fields = 0;
  for (const char* at = line; (at = std::strchr(at, 'n')) != nullptr; ++at) {
    const bool text = at > line && at[-1] == ' ' && at[1] == '=';
    const bool json = at > line && at[-1] == '"' && at[1] == '"' && at[2] == ':';
    if (!text && !json) continue;
    found = std::strtoull(at + (json ? 3 : 2), nullptr, 10);
    ++fields;
  }
  return fields == 1 ? found : 0;
}

// In the lines where the library says what it dropped: "dropped 12 records of ..., 40 in all".
inline constexpr char kDropReport[] = " in all";

// Reads lines until the file's end, all but the library's own.
inline Tally tally_lines(std::FILE* file, std::uint64_t expected) {
  Tally tally;
  std::vector<bool> seen(expected + 1);
  char* line = nullptr;
  std::size_t capacity = 0;
  ssize_t length = 0;
  while ((length = getline(&line, &capacity, file)) > 0) {
    if (std::strstr(line, kDropReport) != nullptr) continue;
    const std::uint64_t number = number_of(line);
    if (number == 0 || line[length - 1] != '\n') {
      ++tally.torn;
    } else if (number > expected) {
      ++tally.beyond;
    } else if (seen[number]) {
      ++tally.duplicates;
    } else {
      seen[number] = true;
      ++tally.present;
    }
  }
  std::free(line);
  return tally;
}

inline Tally tally_file(const std::string& path, std::uint64_t expected) {
  std::FILE* file = std::fopen(path.c_str(), "r");
  if (file == nullptr) return {};
  const Tally tally = tally_lines(file, expected);
  std::fclose(file);
  return tally;
}

#endif  // SLUICE_EXAMPLES_TALLY_H_
