// sanitizers: address (one thread)
#include "upload/retention.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::test {
namespace {

using upload::Bounds;
using upload::Candidate;

// Its age in seconds at second 100, and its bytes.
Candidate candidate(const std::string& name, i64 age, u64 bytes, bool uploaded,
                    bool in_use = false) {
  Candidate made;
  made.file.name = name;
  made.file.info.size = bytes;
  made.file.info.modified_ns = (100 - age) * 1'000'000'000;
  made.uploaded = uploaded;
  made.in_use = in_use;
  return made;
}

std::string gone(const std::vector<Candidate>& files, const Bounds& bounds) {
  std::string names;
  for (const Candidate& file : upload::files_to_remove(files, bounds, 100 * i64{1'000'000'000})) {
    names += file.file.name;
  }
  return names;
}

TEST(Retention, WhatIsNotUploadedGoesOnlyForTheBudget) {
  const std::vector<Candidate> files = {candidate("a", 90, 10, false), candidate("B", 80, 10, true),
                                        candidate("C", 50, 10, true), candidate("d", 40, 10, false),
                                        candidate("E", 10, 10, true)};
  const i64 second = 1'000'000'000;
  EXPECT_EQ(gone(files, {}), "");
  EXPECT_EQ(gone(files, {.kept_ns = 45 * second, .kept_bytes = 0, .disk_bytes = 0}), "BC");
  EXPECT_EQ(gone(files, {.kept_ns = 1 * second, .kept_bytes = 1, .disk_bytes = 0}), "BCE");
  EXPECT_EQ(gone(files, {.kept_ns = 0, .kept_bytes = 20, .disk_bytes = 0}), "B");
  EXPECT_EQ(gone(files, {.kept_ns = 0, .kept_bytes = 0, .disk_bytes = 50}), "");
  EXPECT_EQ(gone(files, {.kept_ns = 0, .kept_bytes = 0, .disk_bytes = 49}), "B");
  EXPECT_EQ(gone(files, {.kept_ns = 0, .kept_bytes = 0, .disk_bytes = 20}), "BCE");
  EXPECT_EQ(gone(files, {.kept_ns = 0, .kept_bytes = 0, .disk_bytes = 19}), "BCEa");
  EXPECT_EQ(gone(files, {.kept_ns = 0, .kept_bytes = 0, .disk_bytes = 1}), "BCEad");
}

TEST(Retention, WhatIsBeingSentStays) {
  const std::vector<Candidate> files = {candidate("a", 90, 10, false, true),
                                        candidate("b", 80, 10, false)};
  EXPECT_EQ(gone(files, {.kept_ns = 0, .kept_bytes = 0, .disk_bytes = 1}), "b");
}

}  // namespace
}  // namespace sluice::test
