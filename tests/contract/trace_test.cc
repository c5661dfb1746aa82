// W3C trace context: what is one and what is none, and that its ids are on the records of its
// scope.
#include <gtest/gtest.h>
#include <sluice/sluice.h>
#include <sluice/trace.h>

#include <cstdlib>
#include <string>

#include "contract/isolated.h"
#include "contract/outputs.h"
#include "runtime/variables.h"

namespace sluice::test {
namespace {

const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736", kSpan = "00f067aa0ba902b7";
const std::string kText = "00-" + kTrace + "-" + kSpan + "-01";

TEST(Trace, WhatIsOneIsPrintedAsItWas) {
  TraceContext trace;
  EXPECT_TRUE(trace.empty());
  EXPECT_EQ(trace.traceparent(), "");
  ASSERT_TRUE(trace.parse(kText));
  EXPECT_EQ(trace.traceparent(), kText);
  EXPECT_EQ(trace.trace_id(), kTrace);
  EXPECT_EQ(trace.span_id(), kSpan);
  EXPECT_EQ(trace.trace_flags(), "01");
  // A later version: sent on as the one that is known.
  ASSERT_TRUE(trace.parse("cc" + kText.substr(2) + "-what-the-future-holds"));
  EXPECT_EQ(trace.traceparent(), kText);
}

TEST(Trace, WhatIsNoneChangesNothing) {
  TraceContext trace;
  ASSERT_TRUE(trace.parse(kText));
  const std::string zeros(32, '0');
  for (const std::string& bad :
       {std::string(), kText.substr(1), kText + "-", kText + "0", "ff" + kText.substr(2),
        "cc" + kText.substr(2) + "0", "00-" + zeros + "-" + kSpan + "-01",
        "00-" + kTrace + "-" + zeros.substr(16) + "-01", "0x" + kText.substr(2),
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + kSpan + "-01",
        "00_" + kTrace + "-" + kSpan + "-01", "00-" + kTrace + "_" + kSpan + "-01",
        "00-" + kTrace + "-" + kSpan + "_01", "00-" + kTrace + "-" + kSpan + "-0g",
        std::string(kText.size(), '\0'), std::string(1000, '-')}) {
    EXPECT_FALSE(trace.parse(bad)) << bad;
    EXPECT_EQ(trace.traceparent(), kText);
  }
}

ISOLATED_TEST(Trace, IdsAreOnTheRecordsOfTheScope) {
  Kept kept;
  ASSERT_TRUE(start({.product = "trace",
                     .sinks = {kept.sink()},
                     .region_directory = dirs.region,
                     .quiet = true}));
  TraceContext trace;
  ::unsetenv("TRACEPARENT");
  EXPECT_FALSE(trace.parse_environment());
  ::setenv("TRACEPARENT", "none", 1);
  EXPECT_FALSE(trace.parse_environment());
  ASSERT_EQ(runtime::unknown_variables().size(), 1u) << "start() says it";
  EXPECT_TRUE(runtime::unknown_variables()[0].starts_with("TRACEPARENT is no W3C trace context"));
  ::setenv("TRACEPARENT", kText.c_str(), 1);
  ASSERT_TRUE(trace.parse_environment());
  EXPECT_TRUE(runtime::unknown_variables().empty());
  {
    const TraceScope scope(trace);
    SLUICE_INFO("within");
  }
  SLUICE_INFO("behind");
  (void)flush();
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].json["context"],
            (nlohmann::json{{"trace_id", kTrace}, {"span_id", kSpan}, {"trace_flags", "01"}}));
  EXPECT_FALSE(all[1].json.contains("context"));
}

}  // namespace
}  // namespace sluice::test
