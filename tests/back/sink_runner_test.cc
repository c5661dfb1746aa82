#include "back/sink_runner.h"

#include <deque>
#include <future>
#include <mutex>

#include "back/back_fixture.h"
#include "os/process.h"

namespace sluice::back {
namespace {

constexpr u32 kSite = kSiteFirstCaller;

class Said final : public Reporter {
 public:
  void report(std::string_view sentence) override {
    const std::lock_guard lock(mutex_);
    all_ += std::string(sentence) + "\n";
  }
  std::string all() {
    const std::lock_guard lock(mutex_);
    return all_;
  }
  std::size_t count(std::string_view part) {
    const std::string text = all();
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
      ++found;
    }
    return found;
  }

 private:
  std::mutex mutex_;
  std::string all_;
};

// Fails as it is told, else takes everything; what it got outlives it.
struct Log {
  std::vector<u64> numbers;
  std::vector<u64> gaps;
  std::vector<u32> groups;  // batches in each write
  int opens = 0, flushes = 0, durable_flushes = 0, closes = 0;
};
class ScriptedSink : public Sink {
 public:
  ScriptedSink(Log& log, std::deque<Status> failures) : log_(log), failures_(std::move(failures)) {}

  Status open(const Catalog&, Cursor&) override {
    ++log_.opens;
    return next();
  }
  Status write(Batches batches, Catalog&, Cursor& cursor) override {
    Status status = next();
    if (!status.ok()) return status;
    u64 count = 0;
    for (const BatchView& batch : batches) {
      batch.for_each(cursor.sequence(), [&](const BatchRecord& record) {
        if (from_caller(record.header().site)) {
          log_.numbers.push_back(load<u64>(record.bytes.data() + 16));
          ++count;
        }
        return true;
      });
    }
    log_.groups.push_back(u32(batches.size()));
    cursor.passed(batches.back().next_sequence(), {.delivered = count});
    return {};
  }
  Status write_gap(u64 missed_now, u64) override {
    log_.gaps.push_back(missed_now);
    return {};
  }
  Status flush(bool durable) override {
    ++(durable ? log_.durable_flushes : log_.flushes);
    return {};
  }
  Status close() override {
    ++log_.closes;
    return {};
  }
  [[nodiscard]] bool can_be_durable() const override { return true; }

 private:
  Status next() {
    if (failures_.empty()) return {};
    Status status = failures_.front();
    failures_.pop_front();
    return status;
  }
  Log& log_;
  std::deque<Status> failures_;
};

class SinkRunnerTest : public test::RegionTest {
 protected:
  SinkRunnerTest() {
    define_site(kSite);
    EngineOptions options;
    options.threads = false;
    engine_ = std::make_unique<Engine>(region_, options, said_);
    engine_->resume();
    ring_ = ring(0, 512 * 1024);
  }
  void add(std::deque<Status> failures, bool required = true) {
    engine_->add_sink(region_.sink(0), std::make_unique<ScriptedSink>(log_, std::move(failures)),
                      "scripted", required, true);
  }
  SinkRunner& runner() { return *engine_->runners().front(); }
  void say(u64 from, u64 to, u32 extra = 0) {
    for (u64 i = from; i < to; ++i) ASSERT_TRUE(ring_.say(kSite, os::monotonic_ns(), i, extra));
  }

  Said said_;
  Log log_;
  std::unique_ptr<Engine> engine_;
  Ring ring_{};
};

TEST_F(SinkRunnerTest, DeliversFlushesCloses) {
  add({});
  say(0, 100);
  EXPECT_TRUE(engine_->drain_all(true));
  ASSERT_EQ(log_.numbers.size(), 100u);
  EXPECT_EQ(log_.opens, 1);
  EXPECT_GE(log_.flushes, 1);
  const FlushOutcome outcome = engine_->flush(true, os::monotonic_ns());
  EXPECT_EQ(outcome.behind, 0u);
  EXPECT_EQ(log_.durable_flushes, 1);
  EXPECT_EQ(engine_->stop(os::monotonic_ns()), 0u);
  EXPECT_EQ(log_.closes, 1);
  EXPECT_TRUE(engine_->all_delivered());
  EXPECT_EQ(region_.sink(0).delivered.load(), 100u);
  EXPECT_EQ(said_.all(), "");
}

TEST_F(SinkRunnerTest, ARetryableErrorIsSaidOnceAndLosesNothing) {
  const Status busy(ErrorClass::kRetryable, "no space");
  add({Status(), busy, busy, busy});  // opens, then fails three times
  say(0, 10);
  for (int i = 0; i < 6; ++i) (void)engine_->drain_all(true);
  EXPECT_EQ(log_.numbers.size(), 10u);
  EXPECT_EQ(said_.count("no space"), 1u) << said_.all();
  EXPECT_EQ(said_.count("works again"), 1u);
}

// Errors begin with the path of what they are about, which mostly is the sink's name.
TEST_F(SinkRunnerTest, APlaceIsNamedOnce) {
  add({Status(), Status(ErrorClass::kRetryable, "scripted: no space"),
       Status(ErrorClass::kRetryable, "scripted"),
       Status(ErrorClass::kFatal, "/other: forbidden")});
  say(0, 10);
  for (int i = 0; i < 4; ++i) (void)engine_->drain_all(true);
  EXPECT_EQ(said_.all(),
            "sluice: scripted: no space; trying again\n"
            "sluice: scripted: /other: forbidden; this sink is given up\n");
}

TEST_F(SinkRunnerTest, SmallBatchesAreWrittenTogether) {
  add({Status(), Status(ErrorClass::kRetryable, "busy")});
  const auto commit = [&](u64 from, u64 to) {
    for (u64 i = from; i < to; ++i) {
      say(i, i + 1);
      EXPECT_TRUE(engine_->drain_all(false));
    }
  };
  commit(0, 30);
  (void)engine_->drain_all(true);  // fails
  EXPECT_TRUE(log_.groups.empty());
  commit(30, 100);
  (void)engine_->drain_all(true);
  ASSERT_EQ(log_.numbers.size(), 100u);
  for (u64 i = 0; i < 100; ++i) EXPECT_EQ(log_.numbers[i], i);
  EXPECT_EQ(log_.groups, (std::vector<u32>{64, 36}));
}

TEST_F(SinkRunnerTest, AFullBatchIsAGroupOfItsOwn) {
  add({});
  say(0, 400, 1000);
  (void)engine_->drain_all(true);
  EXPECT_EQ(log_.numbers.size(), 400u);
  EXPECT_GT(log_.groups.size(), 5u);
  for (const u32 batches : log_.groups) EXPECT_LE(batches, 2u);
}

TEST_F(SinkRunnerTest, OpeningIsTriedAgainToo) {
  add({Status(ErrorClass::kRetryable, "not there"), Status(ErrorClass::kRotate, "bad file")});
  say(0, 3);
  for (int i = 0; i < 5; ++i) (void)engine_->drain_all(true);
  EXPECT_EQ(log_.opens, 3);
  EXPECT_EQ(log_.numbers.size(), 3u);
}

TEST_F(SinkRunnerTest, ASinkThatIsGivenUpHoldsNobodyBack) {
  add({Status(), Status(ErrorClass::kDisableSink, "forbidden")});
  say(0, 10);
  (void)engine_->drain_all(true);
  EXPECT_TRUE(runner().given_up());
  EXPECT_TRUE(engine_->gave_up(region_.sink(0)));
  EXPECT_EQ(runner().floor(), ~u64{0});
  EXPECT_EQ(said_.count("forbidden; this sink is given up"), 1u);
  // Three journals full go by.
  for (int round = 0; round < 8; ++round) {
    say(0, 400, 1000);
    EXPECT_TRUE(engine_->drain_all(true));
  }
  EXPECT_TRUE(log_.numbers.empty());
}

TEST_F(SinkRunnerTest, WhatABestEffortSinkMissedIsCountedExactly) {
  add({}, false);
  say(0, 10);
  (void)engine_->drain_all(true);
  u64 said_count = 10;
  for (int round = 0; round < 8; ++round) {
    say(said_count, said_count + 400, 1000);
    said_count += 400;
    EXPECT_TRUE(engine_->drain_all(false)) << "never held back";
  }
  (void)engine_->drain_all(true);
  ASSERT_EQ(log_.gaps.size(), 1u);
  EXPECT_EQ(log_.numbers.size() + log_.gaps[0], said_count);
  EXPECT_EQ(region_.sink(0).dropped_backlog.load(), log_.gaps[0]);
  EXPECT_EQ(log_.numbers.back(), said_count - 1);
}

TEST_F(SinkRunnerTest, ARequiredSinkHoldsTheJournalBack) {
  const Status busy(ErrorClass::kRetryable, "busy");
  add(std::deque<Status>(200, busy));
  u64 said_count = 0;
  bool held = false;
  for (int round = 0; round < 8 && !held; ++round) {
    for (int i = 0; i < 400 && !held; ++i) {
      held = !ring_.say(kSite, os::monotonic_ns(), said_count, 1000);
      said_count += !held;
    }
    held |= !engine_->drain_all(true);
  }
  EXPECT_TRUE(held);
  for (int i = 0; i < 250; ++i) (void)engine_->drain_all(true);
  ASSERT_EQ(log_.numbers.size(), said_count);
  for (u64 i = 0; i < said_count; ++i) EXPECT_EQ(log_.numbers[i], i);
  EXPECT_TRUE(log_.gaps.empty());
}

// A sink with a thread of its own, whose first write waits until it is let go.
class GatedRunner {
 public:
  GatedRunner(region::Region& region, Log& log, Reporter& reporter)
      : runner_(region, opened(region.sink(0)),
                std::make_unique<Gated>(log, entered_, gate_.get_future()), "gated", true,
                {.sync_interval_ns = 0}, reporter) {}

  SinkRunner* operator->() { return &runner_; }
  void start() { runner_.start_thread(epoch); }
  void wait_until_in_write() { entered_.get_future().wait(); }
  void let_go() { gate_.set_value(); }

  std::atomic<u32> epoch{0};

 private:
  class Gated final : public ScriptedSink {
   public:
    Gated(Log& log, std::promise<void>& entered, std::future<void> open)
        : ScriptedSink(log, {}), entered_(entered), open_(std::move(open)) {}
    Status write(Batches batches, Catalog& catalog, Cursor& cursor) override {
      if (!std::exchange(waited_, true)) {
        entered_.set_value();
        open_.wait();
      }
      return ScriptedSink::write(batches, catalog, cursor);
    }

   private:
    std::promise<void>& entered_;
    std::future<void> open_;
    bool waited_ = false;
  };
  static region::SinkEntry& opened(region::SinkEntry& entry) {
    entry.cursor.store(1);
    return entry;
  }

  std::promise<void> entered_, gate_;
  SinkRunner runner_;
};
constexpr i64 kPatienceNs = 10'000'000'000;

// Asked for while more than one group waits: the sync comes behind the last of them, not the first.
TEST_F(SinkRunnerTest, AFlushToTheDiskWaitsForAllThatIsBeforeIt) {
  GatedRunner own(region_, log_, said_);
  say(0, 400, 1000);
  EXPECT_TRUE(engine_->drain_all(false));
  own.start();
  own.wait_until_in_write();
  const u64 all = engine_->counts().next_sequence;
  own->request(all, true, own.epoch);
  own.let_go();
  EXPECT_TRUE(own->wait_reached(all, true, os::monotonic_ns() + kPatienceNs));
  const i64 until = os::monotonic_ns() + kPatienceNs;
  own->ask_to_stop(until);
  ASSERT_TRUE(own->wait_for_thread(until));
  EXPECT_EQ(log_.numbers.size(), 400u);
  EXPECT_GT(log_.groups.size(), 1u);
  EXPECT_EQ(log_.durable_flushes, 1);
}

// At the end of a stop's time a sink that gets on finishes the group in hand, closes, and ends; the
// rest stays in the journal.
TEST_F(SinkRunnerTest, AskedToLeaveItFinishesTheGroupInHand) {
  say(0, 400, 1000);
  EXPECT_TRUE(engine_->drain_all(false));
  const u64 all = engine_->counts().next_sequence;
  GatedRunner own(region_, log_, said_);
  own.start();
  own.wait_until_in_write();
  own->ask_to_stop(os::monotonic_ns());
  own.let_go();
  ASSERT_TRUE(own->wait_for_thread(os::monotonic_ns() + kPatienceNs));
  EXPECT_EQ(log_.groups.size(), 1u);
  EXPECT_EQ(log_.closes, 1);
  EXPECT_LT(own->sequence(), all);
  EXPECT_EQ(own->sequence(), 1 + log_.numbers.size());
  EXPECT_FALSE(own->given_up());
}

TEST_F(SinkRunnerTest, AskedToStopWithTimeLeftItTakesAllThereIs) {
  say(0, 400, 1000);
  EXPECT_TRUE(engine_->drain_all(false));
  GatedRunner own(region_, log_, said_);
  own.start();
  own.wait_until_in_write();
  own->ask_to_stop(os::monotonic_ns() + kPatienceNs);
  own.let_go();
  ASSERT_TRUE(own->wait_for_thread(os::monotonic_ns() + kPatienceNs));
  EXPECT_GT(log_.groups.size(), 1u);
  EXPECT_EQ(log_.closes, 1);
  EXPECT_EQ(own->sequence(), engine_->counts().next_sequence);
}

// A sink that got half way through a group has told how far: the rest of it is what it has not had.
TEST_F(SinkRunnerTest, HalfAGroupIsCountedAsHalfAGroup) {
  class Stopping final : public ScriptedSink {
   public:
    explicit Stopping(Log& log) : ScriptedSink(log, {}) {}
    Status write(Batches batches, Catalog&, Cursor& cursor) override {
      Status status;
      batches.front().for_each(cursor.sequence(), [&](const BatchRecord& record) {
        if (taken_ == 49) status = {ErrorClass::kRetryable, "stuck"};
        if (taken_ == 49) return false;
        ++taken_;
        cursor.passed(record.sequence + 1, {.delivered = 1});
        return true;
      });
      return status;
    }

   private:
    u64 taken_ = 0;
  };
  region::SinkEntry& entry = region_.sink(0);
  engine_->add_sink(entry, std::make_unique<Stopping>(log_), "stopping", false, true);
  say(0, 100);
  (void)engine_->drain_all(true);
  EXPECT_EQ(entry.delivered.load(), 49u);
  EXPECT_EQ(engine_->counts().merged - entry.cursor_callers.load(), 51u);
  // What is then reclaimed unread is missed, without what it had.
  u64 said_count = 100;
  for (int round = 0; round < 8; ++round) {
    say(said_count, said_count + 400, 1000);
    said_count += 400;
    EXPECT_TRUE(engine_->drain_all(false));
  }
  (void)engine_->drain_all(true);
  EXPECT_GT(entry.dropped_backlog.load(), 51u);
  EXPECT_EQ(entry.delivered.load() + entry.dropped_backlog.load(), entry.cursor_callers.load());
}

// A recovery that cannot have one of the sinks keeps what that one has not had.
TEST_F(SinkRunnerTest, ARecoveryKeepsWhatAnAbsentSinkIsOwed) {
  EngineOptions options;
  options.threads = false;
  options.dead_region = true;
  const auto recover = [&](bool with_owed) {
    Engine engine(region_, options, said_);
    engine.resume();
    engine.add_sink(region_.sink(0), std::make_unique<ScriptedSink>(log_, std::deque<Status>()),
                    "there", true, false);
    Log owed;
    if (with_owed) {
      engine.add_sink(region_.sink(1), std::make_unique<ScriptedSink>(owed, std::deque<Status>()),
                      "owed", true, false);
    }
    const bool merged = engine.drain_all(true);
    (void)engine.stop(os::monotonic_ns());
    return std::pair(merged, owed.numbers.size());
  };
  for (u32 i = 0; i < 2; ++i) {
    region_.sink(i).cursor.store(1);
    region_.sink(i).kind = u32(SinkKind::text);
    region_.sink(i).required = 1;
    region_.sink(i).state.store(region::SinkState::kOpen);
  }
  std::vector<Ring> rings;
  for (u32 i = 1; i < 5; ++i) rings.push_back(ring(i, 512 * 1024));
  u64 said_count = 0;
  for (Ring& each : rings) {
    while (each.say(kSite, os::monotonic_ns(), said_count, 1000)) ++said_count;
  }
  EXPECT_GT(said_count * 1000, u64{1} << 20) << "more than the journal holds";
  EXPECT_FALSE(recover(false).first) << "no room without the other sink";
  EXPECT_EQ(recover(true), std::pair(true, std::size_t(said_count)));
  EXPECT_EQ(log_.numbers.size(), said_count);
  // Without any sink nothing is given up either.
  for (u32 i = 0; i < 2; ++i) region_.sink(i).state.store(region::SinkState::kUnused);
  u64 more = 0;
  for (Ring& each : rings) {
    while (each.say(kSite, os::monotonic_ns(), more, 1000)) ++more;
  }
  Engine engine(region_, options, said_);
  engine.resume();
  EXPECT_FALSE(engine.drain_all(true));
  EXPECT_GT(engine.counts().queued, 0u);
}

// More than the journal holds, in a recovery that may not wait: the sinks run in between.
TEST_F(SinkRunnerTest, ADrainOfMoreThanTheJournalHolds) {
  add({});
  std::vector<Ring> rings;
  for (u32 i = 1; i < 8; ++i) rings.push_back(ring(i, 512 * 1024));
  u64 said_count = 0;
  for (Ring& each : rings) {
    while (each.say(kSite, os::monotonic_ns(), said_count, 1000)) ++said_count;
  }
  EXPECT_GT(said_count * 1000, u64{3} << 20);
  const FlushOutcome outcome = engine_->flush(true, os::monotonic_ns());
  EXPECT_TRUE(outcome.merged);
  EXPECT_EQ(outcome.behind, 0u);
  EXPECT_EQ(log_.numbers.size(), said_count);
}

}  // namespace
}  // namespace sluice::back
