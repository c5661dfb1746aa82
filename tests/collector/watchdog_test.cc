// sanitizers: address
// One thread, and the environment is the test's.
#include "collector/watchdog.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "support/fake_manager.h"

namespace sluice::collector {
namespace {

constexpr i64 kSecond = 1'000'000'000;

class Part final : public Service {
 public:
  Part(std::string_view name, const bool& well) : name_(name), well_(well) {}
  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] std::vector<Figure> figures() const override {
    return {{"records_total", Figure::kCounter, 17, "Of a test."},
            {"states", Figure::kGauge, 1, "By colour.", "colour", "red\n\"\\"},
            {"states", Figure::kGauge, 2, "", "colour", "blue"},
            {"age_seconds", Figure::kNanosecond, 1'500'000'001, "Of it."}};
  }
  [[nodiscard]] bool gets_on() override { return well_; }
  [[nodiscard]] u64 stop(u64) override { return 0; }

 private:
  const std::string_view name_;
  const bool& well_;
};

class WatchdogTest : public ::testing::Test {
 protected:
  WatchdogTest() {
    services_.push_back(std::make_unique<Part>("one", one_));
    services_.push_back(std::make_unique<Part>("two", two_));
  }

  bool one_ = true;
  bool two_ = true;
  Services services_;
  Health health_{kSecond};
};

TEST_F(WatchdogTest, TellsTheManagerOnlyWhileAllGetOn) {
  const test::FakeManager listener("@sluice-test-" + std::to_string(::getpid()));
  ::setenv("WATCHDOG_USEC", "4000000", 1);
  const os::ServiceManager manager;
  EXPECT_EQ(Watchdog::interval_ns(manager), 2 * kSecond);
  Watchdog watchdog(services_, health_, manager);
  EXPECT_NE(health_.complaint(kSecond), "") << "nobody has looked";
  watchdog.look(kSecond);
  EXPECT_EQ(listener.next(), "WATCHDOG=1\n");
  EXPECT_EQ(health_.complaint(kSecond), "");
  two_ = false;
  watchdog.look(2 * kSecond);
  EXPECT_EQ(listener.next(), "");
  EXPECT_EQ(health_.complaint(2 * kSecond), "stuck: two");
  one_ = false;
  watchdog.look(3 * kSecond);
  EXPECT_EQ(health_.complaint(3 * kSecond), "stuck: one, two");
  one_ = two_ = true;
  watchdog.look(4 * kSecond);
  EXPECT_EQ(listener.next(), "WATCHDOG=1\n");
  EXPECT_EQ(listener.next(), "");
}

TEST_F(WatchdogTest, ALookThatDoesNotComeIsAComplaintToo) {
  health_.looked(kSecond, {});
  EXPECT_EQ(health_.complaint(6 * kSecond), "");
  EXPECT_EQ(health_.complaint(6 * kSecond + 1'000'000),
            "nobody has looked after the services for 5001 ms");
}

TEST_F(WatchdogTest, PagesSayWhatTheServicesSay) {
  health_.looked(kSecond, {});
  const HttpAnswer page = answer_page("/metrics", services_, health_, 0, 2 * kSecond);
  EXPECT_EQ(page.status, 200U);
  const auto has = [&page](const std::string& lines) {
    return page.body.find(lines) != std::string::npos;
  };
  EXPECT_TRUE(
      has("# HELP sluice_one_states By colour.\n# TYPE sluice_one_states gauge\n"
          "sluice_one_states{colour=\"red\\n\\\"\\\\\"} 1\n"
          "sluice_one_states{colour=\"blue\"} 2\n"))
      << page.body;
  EXPECT_TRUE(has("# TYPE sluice_two_records_total counter\nsluice_two_records_total 17\n"));
  EXPECT_TRUE(has("sluice_one_age_seconds 1.500000001\n"));
  EXPECT_TRUE(has("sluice_uptime_seconds 2.000000000\n"));
  EXPECT_EQ(answer_page("/health", services_, health_, 0, kSecond).status, 200U);
  health_.looked(kSecond, {"two"});
  const HttpAnswer ill = answer_page("/health", services_, health_, 0, kSecond);
  EXPECT_EQ(ill.status, 503U);
  EXPECT_EQ(ill.body, "stuck: two\n");
  EXPECT_EQ(answer_page("/x", services_, health_, 0, kSecond).status, 404U);
  const auto object = status_object(services_, health_, 0, kSecond);
  EXPECT_EQ(object["healthy"], false);
  EXPECT_EQ(object["services"]["one"]["records_total"], 17);
  EXPECT_EQ(object["services"]["one"]["states"]["blue"], 2);
  EXPECT_EQ(object["services"]["one"]["age_seconds"], 1.500000001);
}

}  // namespace
}  // namespace sluice::collector
