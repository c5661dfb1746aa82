// sanitizers: none (forks programs that log)
//
// Regions of programs that never registered: found in their directories by what the kernel says of
// these, not by looking into them again and again.
#include "collector/drainer.h"
#include "collector/support/regions_fixture.h"

namespace sluice::test {
namespace {

namespace fs = std::filesystem;
constexpr i64 kNever = 3600 * i64{1'000'000'000};

class Directories : public Regions {
 protected:
  void SetUp() override {
    Regions::SetUp();
    aside_ = regions_ + "-aside";
    make(aside_);
  }
  void TearDown() override {
    Regions::TearDown();
    if (drainer_) {
      EXPECT_EQ(drainer_->stop(u64(os::monotonic_ns()) + 10'000'000'000), 0U);
    }
    std::error_code ignored;
    fs::remove_all(aside_, ignored);
  }
  static void make(const std::string& directory) {
    fs::create_directory(directory);
    fs::permissions(directory, fs::perms::owner_all);
  }
  void start_drainer() {
    auto drainer = collector::Drainer::start({.store = path("all.db"),
                                              .directories = {regions_},
                                              .look_every_ns = kNever,
                                              .say = [](std::string_view) {}});
    ASSERT_TRUE(drainer.ok()) << drainer.status().message();
    drainer_ = std::move(drainer.value());
  }
  // A program whose region is in `directory`, and which no collector hears of.
  pid_t run_quietly(u32 number, const std::string& directory) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::setenv("SLUICE_REGION_DIRECTORY", directory.c_str(), 1);
      Options mine = options(number);
      mine.collector = Collector::only;
      mine.collector_socket = path("none.sock");
      if (!sluice::start(mine)) ::_exit(97);
      SLUICE_INFO("it begins");
      ledger_->calls[number] = 1;
      for (;;) ::pause();
    }
    programs_.push_back(pid);
    EXPECT_TRUE(eventually([&] { return ledger_->calls[number] == 1; }));
    return pid;
  }
  void kill_program(pid_t pid) {
    ::kill(pid, SIGKILL);
    (void)wait_for_program(pid);
  }
  // The region of a program that has died, brought there by somebody.
  void bring(u32 number) {
    kill_program(run_quietly(number, aside_));
    u32 moved = 0;
    for (const auto& file : fs::directory_iterator(aside_)) {
      fs::rename(file.path(), regions_ + "/" + file.path().filename().string());
      ++moved;
    }
    EXPECT_EQ(moved, 1U);
  }

  std::string aside_;
  std::unique_ptr<collector::Drainer> drainer_;
};

TEST_F(Directories, WhatAppears) {
  start_drainer();
  bring(1);
  ASSERT_TRUE(eventually([&] { return has_ended(1); }));
  bring(2);
  EXPECT_TRUE(eventually([&] { return has_ended(2); }));
}

// A program that has its own backend has the lock until its death.
TEST_F(Directories, WhatSomebodyHadUntilHeDied) {
  start_drainer();
  const pid_t pid = ::fork();
  if (pid == 0) {
    Options mine = options(1);
    mine.collector = Collector::off;
    mine.sinks = {store_file(path("all.db"))};
    if (!sluice::start(mine)) ::_exit(97);
    SLUICE_INFO("it begins");
    sluice::flush(Reach::written, kFlushMs);
    ledger_->calls[1] = 1;
    for (;;) ::pause();
  }
  programs_.push_back(pid);
  ASSERT_TRUE(eventually([&] { return ledger_->calls[1] == 1; }));
  EXPECT_FALSE(has_ended(1));
  kill_program(pid);
  EXPECT_TRUE(eventually([&] { return has_ended(1); }));
}

TEST_F(Directories, OneThatIsRemovedAndMadeAgain) {
  start_drainer();
  bring(1);
  ASSERT_TRUE(eventually([&] { return has_ended(1); }));
  fs::remove_all(regions_);
  make(regions_);
  bring(2);  // found by a look, which watches from then on
  ASSERT_TRUE(eventually([&] { return has_ended(2); }));
  bring(3);
  EXPECT_TRUE(eventually([&] { return has_ended(3); }));
}

}  // namespace
}  // namespace sluice::test
