// What an engine that has stopped says of how far its sinks are: whoever comes next begins there.
#include "back/engine.h"

#include <condition_variable>
#include <mutex>

#include "back/back_fixture.h"
#include "os/process.h"
#include "region/drain.h"

namespace sluice::back {
namespace {

constexpr u32 kSite = kSiteFirstCaller;

// Takes everything, or nothing for now, or nothing ever.
class AnySink final : public Sink {
 public:
  explicit AnySink(Status answer) : answer_(std::move(answer)) {}
  Status open(const Catalog&, Cursor&) override { return {}; }
  Status write(Batches batches, Catalog&, Cursor& cursor) override {
    if (answer_.ok()) cursor.passed(batches.back().next_sequence(), {});
    return answer_;
  }
  Status write_gap(u64, u64) override { return {}; }
  Status flush(bool) override { return {}; }
  Status close() override { return {}; }
  [[nodiscard]] bool can_be_durable() const override { return false; }

 private:
  const Status answer_;
};

class EngineTest : public test::RegionTest {
 protected:
  EngineTest() { define_site(kSite); }
  // An engine with one sink that has been stopped behind three records; what retire() says.
  std::optional<u64> retire_with(const Status& answer, bool required) {
    Ring a = ring(0);
    EngineOptions options;
    options.threads = false;
    options.dead_region = true;
    Engine engine(region_, options, silent_);
    engine.resume();
    engine.add_sink(region_.sink(0), std::make_unique<AnySink>(answer), "any", required, true);
    for (u64 i = 0; i < 3; ++i) EXPECT_TRUE(a.say(kSite, 1000 + i, i));
    (void)engine.stop(os::monotonic_ns());
    EXPECT_TRUE(engine.has_ended());
    const std::optional<u64> passed = engine.retire();
    // What comes now is the next one's.
    EXPECT_TRUE(a.say(kSite, 2000, 3));
    EXPECT_FALSE(engine.flush(false, os::monotonic_ns()).merged);
    return passed;
  }
  test::Silent silent_;
};

TEST_F(EngineTest, RetiresBehindWhatItsSinksHave) {
  EXPECT_EQ(retire_with({}, true), std::optional<u64>(4));
}

TEST_F(EngineTest, AnEndedSinkThatIsBehindHoldsTheNextOneUp) {
  for (const bool required : {true, false}) {
    const Status later{ErrorClass::kRetryable, "not now"};
    EXPECT_EQ(retire_with(later, required), std::nullopt) << required;
  }
}

TEST_F(EngineTest, WhatASinkGaveUpIsForTheNextOne) {
  EXPECT_EQ(retire_with({ErrorClass::kDisableSink, "never"}, true), std::optional<u64>(1));
}

// In its write() until the test lets it go on.
class HangingSink final : public Sink {
 public:
  Status open(const Catalog&, Cursor&) override { return {}; }
  Status write(Batches batches, Catalog&, Cursor& cursor) override {
    std::unique_lock lock(mutex_);
    hangs_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return goes_on_; });
    cursor.passed(batches.back().next_sequence(), {});
    return {};
  }
  Status write_gap(u64, u64) override { return {}; }
  Status flush(bool) override { return {}; }
  Status close() override { return {}; }
  [[nodiscard]] bool can_be_durable() const override { return false; }
  void wait_until_it_hangs() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return hangs_; });
  }
  void go_on() {
    const std::lock_guard lock(mutex_);
    goes_on_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool hangs_ = false;
  bool goes_on_ = false;
};

class Guests : public EngineTest {
 protected:
  Guests() : engine_(region_, EngineOptions(), silent_) {
    engine_.resume();
    engine_.add_sink(region_.sink(0), std::make_unique<AnySink>(Status()), "own", true, true);
    engine_.start_backend({});
    engine_.start_sinks();
    engine_.begin_here(region_.sink(1));
  }
  FlushOutcome say(i64 wait_ns) {
    EXPECT_TRUE(ring_.say(kSite, 1000 + said_, said_));
    ++said_;
    return engine_.flush(false, os::monotonic_ns() + wait_ns);
  }
  static constexpr i64 kLongNs = 20'000'000'000;

  Engine engine_;
  Ring ring_ = ring(0);
  u64 said_ = 0;
};

TEST_F(Guests, AreWaitedForWhileTheyAreThere) {
  engine_.add_guest(region_.sink(1), std::make_unique<AnySink>(Status()), "guest");
  FlushOutcome both = say(kLongNs);
  EXPECT_EQ(both.sinks, 2U);
  EXPECT_EQ(both.behind, 0U);
  engine_.end_guest();
  EXPECT_FALSE(engine_.has_guest());
  const auto again = [this] {
    return engine_.add_guest(region_.sink(1), std::make_unique<AnySink>(Status()), "guest");
  };
  while (!again()) os::yield();
  EXPECT_EQ(say(kLongNs).sinks, 2U) << "goes on where it was";
  EXPECT_EQ(engine_.stop(os::monotonic_ns() + kLongNs), 0U);
  EXPECT_FALSE(engine_.left_behind());
}

// It hangs, and is a guest as long as it does.
TEST_F(Guests, AreNotThrownOutOfACall) {
  auto sink = std::make_unique<HangingSink>();
  HangingSink& hanging = *sink;
  engine_.add_guest(region_.sink(1), std::move(sink), "guest");
  (void)say(0);
  hanging.wait_until_it_hangs();  // a thread that has not got there yet would just leave
  u64 behind = 2;
  while (behind > 1) behind = engine_.flush(false, os::monotonic_ns() + 1'000'000).behind;
  EXPECT_EQ(behind, 1U);
  engine_.end_guest();
  EXPECT_FALSE(engine_.has_guest());
  EXPECT_FALSE(engine_.add_guest(region_.sink(1), std::make_unique<AnySink>(Status()), "another"));
  EXPECT_EQ(engine_.flush(false, os::monotonic_ns() + kLongNs, 0).behind, 0U) << "the others";
  EXPECT_EQ(engine_.stop(os::monotonic_ns() + kLongNs), 0U) << "what it lacks is nobody's fault";
  EXPECT_FALSE(engine_.left_behind());
  EXPECT_TRUE(engine_.is_in_use());
  hanging.go_on();
  while (engine_.is_in_use()) os::yield();
}

// The words in the region may be another's for a moment.
TEST_F(Guests, GoByWordsOfTheirOwn) {
  engine_.add_guest(region_.sink(1), std::make_unique<AnySink>(Status()), "guest");
  EXPECT_EQ(say(kLongNs).behind, 0U);
  region_.sink(1).cursor.store(1, std::memory_order_relaxed);
  region_.sink(1).cursor_position.store(0, std::memory_order_relaxed);
  EXPECT_EQ(engine_.flush(false, os::monotonic_ns() + kLongNs).behind, 0U);
  EXPECT_EQ(say(kLongNs).behind, 0U);
  EXPECT_EQ(region_.sink(1).cursor.load(std::memory_order_relaxed), said_ + 1);
  EXPECT_EQ(engine_.stop(os::monotonic_ns() + kLongNs), 0U);
}

}  // namespace
}  // namespace sluice::back
