// What an engine that has stopped says of how far its sinks are: whoever comes next begins there.
#include "back/engine.h"

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

}  // namespace
}  // namespace sluice::back
