// The rig itself: a disk keeps what was synced, and may lose everything else. Files are made under
// a passing name, synced, and renamed; the directory is synced, or, by the wrong program, is not.
//
// sanitizers: none (mounts, and a process that dies with its parent)
#include <gtest/gtest.h>

#include "power_loss/rig.h"
#include "support/read_file.h"

namespace sluice::power_loss {
namespace {

constexpr u64 kFiles = 200;

std::string contents_of(u64 number) {
  return "file " + std::to_string(number) + std::string(number * 37 % 9000, '.');
}

std::vector<Told> make_files(Rig& rig, bool sync_file, bool sync_directory) {
  os::Io& io = os::real_io();
  std::vector<Told> told;
  EXPECT_EQ(io.make_directory(rig.directory().c_str()), 0);
  for (u64 number = 0; number < kFiles; ++number) {
    const std::string path = rig.directory() + "/" + std::to_string(number);
    const std::string contents = contents_of(number);
    const int fd = io.open((path + ".new").c_str(), os::kWrite | os::kCreate | os::kExclusive);
    EXPECT_EQ(os::pwrite_all(io, fd, contents.data(), contents.size(), 0), i64(contents.size()));
    if (sync_file) {
      EXPECT_EQ(io.sync_data(fd), 0);
    }
    io.close(fd);
    EXPECT_EQ(io.rename((path + ".new").c_str(), path.c_str()), 0);
    if (sync_directory) {
      EXPECT_EQ(io.sync_directory(rig.directory().c_str()), 0);
    }
    told.push_back({rig.now(), number + 1});
  }
  return told;
}

u64 points_with_loss(Rig& rig, const std::vector<Told>& told) {
  u64 lost = 0;
  rig.each_point(points(40, 400), [&](u64 point, const std::string& directory) {
    u64 whole = 0;
    while (whole < kFiles &&
           test::read_file(directory + "/" + std::to_string(whole)) == contents_of(whole)) {
      ++whole;
    }
    lost += whole < durable_at(told, point);
  });
  return lost;
}

TEST(PowerRig, WhatWasSyncedIsThere) {
  Rig rig({});
  if (!rig.problem().empty()) GTEST_SKIP() << rig.problem();
  EXPECT_EQ(points_with_loss(rig, make_files(rig, true, true)), 0u);
}

TEST(PowerRig, AFileThatIsNotSyncedIsMissed) {
  Rig rig({});
  if (!rig.problem().empty()) GTEST_SKIP() << rig.problem();
  EXPECT_GT(points_with_loss(rig, make_files(rig, false, false)), 0u);
}

TEST(PowerRig, ANameWhoseDirectoryIsNotSyncedIsMissed) {
  Rig rig({});
  if (!rig.problem().empty()) GTEST_SKIP() << rig.problem();
  EXPECT_GT(points_with_loss(rig, make_files(rig, true, false)), 0u);
}

}  // namespace
}  // namespace sluice::power_loss
