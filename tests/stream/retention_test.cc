// Retention of finished files: the oldest go, by age and bytes, and nothing that is not uploaded.
#include "stream/retention.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "record/time_text.h"
#include "stream/names.h"
#include "stream/stream_files.h"
#include "support/fault_io.h"

namespace sluice::test {
namespace {

using namespace stream;
using Names = std::vector<std::string>;

constexpr i64 kHour = 3600 * kNsPerSecond;
constexpr i64 kNow = i64{1'770'000'000} * kNsPerSecond;

class Retention : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Directory::open(io_, own_.path());
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    directory_ = opened.value();
    for (const char* const name : {"a", "b"}) {
      const auto claim = directory_->claim(name);
      ASSERT_TRUE(claim.ok());
      directory_->release(claim.value());
    }
  }
  // A finished file of `hours` ago. Its name.
  std::string make(const std::string& stem, u64 number, i64 hours, std::size_t bytes = 100) {
    const std::string name = finished_name(stem, kNow - hours * kHour, number);
    make_file(name, bytes);
    return name;
  }
  void make_file(const std::string& name, std::size_t bytes = 100) {
    std::ofstream(own_.path() + "/" + name) << std::string(bytes, 'x');
  }
  std::vector<FinishedFile> list(std::string_view stream = {}) {
    auto files = list_finished(io_, *directory_, stream, kNow);
    EXPECT_TRUE(files.ok()) << files.status().message();
    return files.ok() ? files.value() : std::vector<FinishedFile>();
  }
  Removal plan(const KeepFiles& keep, const IsUploaded& is_uploaded = {}) {
    return plan_removal(list(), keep, kNow, is_uploaded);
  }
  static Names names(const std::vector<FinishedFile>& files) {
    Names all;
    for (const FinishedFile& file : files) all.push_back(file.name);
    return all;
  }
  static IsUploaded only(std::set<std::string> uploaded) {
    return [uploaded = std::move(uploaded)](const FinishedFile& file) {
      return uploaded.contains(file.name);
    };
  }
  [[nodiscard]] bool there(const std::string& name) const {
    return std::filesystem::exists(own_.path() + "/" + name);
  }

  OwnDirectory own_;
  testing::FaultIo io_{os::real_io()};
  std::shared_ptr<Directory> directory_;
};

TEST_F(Retention, TheOldestOfAllStreamsGoByAge) {
  const std::string old_b = make("b", 1, 60), old_a = make("a", 1, 50), new_a = make("a", 2, 47);
  const Removal removal = plan({.age_ns = 48 * kHour});
  EXPECT_EQ(names(removal.files), (Names{old_b, old_a}));
  EXPECT_EQ(removal.going.files, 2u);
  EXPECT_EQ(removal.going.bytes, 200u);
  EXPECT_EQ(removal.staying.files, 1u);
  EXPECT_TRUE(plan({}).files.empty()) << "no bound";
  FileCount removed;
  ASSERT_TRUE(remove_files(io_, *directory_, removal, removed).ok());
  EXPECT_EQ(removed.files, 2u);
  EXPECT_EQ(names(list()), Names{new_a});
  EXPECT_TRUE(there(kIndexName));
}

TEST_F(Retention, TheOldestGoUntilTheRestHasAtMostSoManyBytes) {
  const std::string first = make("a", 1, 5), second = make("b", 1, 4), third = make("a", 2, 3);
  EXPECT_TRUE(plan({.bytes = 300}).files.empty());
  EXPECT_EQ(names(plan({.bytes = 299}).files), Names{first});
  EXPECT_EQ(names(plan({.bytes = 100}).files), (Names{first, second}));
  EXPECT_EQ(names(plan({.bytes = 1}).files), (Names{first, second, third}));
  EXPECT_EQ(names(plan({.age_ns = 4 * kHour - 1, .bytes = 299}).files), (Names{first, second}));
}

TEST_F(Retention, OfOneStreamOnly) {
  const std::string a = make("a", 1, 50);
  make("b", 1, 60);
  EXPECT_EQ(names(list("a")), Names{a});
  EXPECT_FALSE(list_finished(io_, *directory_, "no such", kNow).ok());
}

TEST_F(Retention, WhatIsNoFinishedFileOfAStreamOfThisDirectoryIsLeftAlone) {
  make_file("a.log");
  make_file("notes_2020-01-01_00-00-00_1.log");  // of no stream here
  make_file("a_2020-01-01_00-00-00.log");
  make_file("a_2020-01-01_00-00-00_1.log.gz");
  std::filesystem::create_directory(own_.path() + "/a_2020-01-01_00-00-00_3.log");
  make_file("elsewhere");
  std::filesystem::create_symlink("elsewhere", own_.path() + "/a_2020-01-01_00-00-00_4.log");
  EXPECT_TRUE(plan({.age_ns = 1, .bytes = 1, .disk_budget_bytes = 1}).files.empty());
}

TEST_F(Retention, AFileOfAnotherUserIsLeftAlone) {
  const std::string mine = make("a", 1, 50), theirs = make("a", 2, 49);
  io_.give(own_.path() + "/" + theirs, 4711);
  EXPECT_EQ(names(list()), Names{mine});
}

// The clock went back, or was ahead for a while: the order is that of the numbers, and no file is
// taken for older than one that was finished before it.
TEST_F(Retention, AClockThatWasWrongKeepsFilesLongerAndNeverShorter) {
  const std::string first = make("a", 1, 10), back = make("a", 2, 5000), third = make("a", 3, 9);
  EXPECT_EQ(names(list()), (Names{first, back, third}));
  EXPECT_TRUE(plan({.age_ns = 11 * kHour}).files.empty());
  EXPECT_EQ(names(plan({.bytes = 100}).files), (Names{first, back}));
  const std::string ahead = make("b", 1, -90'000), after = make("b", 2, 8);
  EXPECT_EQ(names(list()), (Names{first, back, third, ahead, after}));
  EXPECT_EQ(plan({.age_ns = 7 * kHour}).files.size(), 5u) << "not kept until that time comes";
}

TEST_F(Retention, WhatIsNotUploadedStaysWhateverItsAge) {
  const std::string waiting = make("a", 1, 50), done = make("a", 2, 40), fresh = make("a", 3, 1);
  const IsUploaded is_uploaded = only({done, fresh});
  const Removal by_age = plan({.age_ns = 2 * kHour}, is_uploaded);
  EXPECT_EQ(names(by_age.files), Names{done});
  EXPECT_EQ(by_age.held.files, 1u);
  EXPECT_EQ(by_age.staying.files, 2u);
  const Removal by_bytes = plan({.bytes = 1}, is_uploaded);
  EXPECT_EQ(names(by_bytes.files), (Names{done, fresh}));
  EXPECT_EQ(by_bytes.held.files, 1u);
  EXPECT_EQ(by_bytes.not_uploaded.files, 0u);
}

TEST_F(Retention, TheDiskBudgetTakesItAfterAllElseAndCountsIt) {
  const std::string first = make("a", 1, 50), second = make("a", 2, 40), done = make("a", 3, 1);
  const IsUploaded is_uploaded = only({done});
  const Removal within = plan({.disk_budget_bytes = 200}, is_uploaded);
  EXPECT_EQ(names(within.files), Names{done});
  EXPECT_EQ(within.not_uploaded.files, 0u);
  const Removal beyond = plan({.age_ns = 45 * kHour, .disk_budget_bytes = 100}, is_uploaded);
  EXPECT_EQ(names(beyond.files), (Names{done, first}));
  EXPECT_EQ(beyond.not_uploaded.files, 1u);
  EXPECT_EQ(beyond.not_uploaded.bytes, 100u);
  EXPECT_EQ(beyond.held.files, 1u) << "had it been uploaded, it would have gone before `done`";
  EXPECT_EQ(beyond.staying.files, 1u);
  EXPECT_TRUE(plan({.disk_budget_bytes = 300}, is_uploaded).files.empty());
}

TEST_F(Retention, WhatCannotBeRemovedIsSaidAndTheOthersGo) {
  const std::string first = make("a", 1, 50), gone = make("a", 2, 40), last = make("a", 3, 30);
  const Removal removal = plan({.age_ns = kHour});
  std::filesystem::remove(own_.path() + "/" + gone);
  io_.fail({.op = testing::Op::kUnlink, .call = 1, .error = EPERM});
  FileCount removed;
  const Status status = remove_files(io_, *directory_, removal, removed);
  EXPECT_NE(status.message().find(first), std::string::npos) << status.message();
  EXPECT_EQ(removed.files, 1u);
  EXPECT_TRUE(there(first));
  EXPECT_FALSE(there(last));
}

}  // namespace
}  // namespace sluice::test
