// Scoped context: every record of the thread carries the fields in force, and no other thread's.
#include <gtest/gtest.h>
#include <sluice/sluice.h>

#include <thread>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

using nlohmann::json;

Options options_for(const Dirs& dirs, Kept& kept) {
  return {
      .product = "context", .sinks = {kept.sink()}, .region_directory = dirs.region, .quiet = true};
}

json context_of(const Kept::Record& record) {
  return record.json.contains("context") ? record.json["context"] : json();
}

ISOLATED_TEST(Context, LivesAsLongAsTheObject) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  SLUICE_INFO("0");
  {
    const Context outer(kv("request", 7), kv("user", std::string("ann")));
    SLUICE_INFO("1");
    {
      const Context inner(kv("step", 2.5));
      SLUICE_INFO("2");
    }
    SLUICE_INFO("3");
  }
  SLUICE_INFO("4");
  (void)flush();
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(context_of(all[0]), json());
  EXPECT_EQ(context_of(all[1]), json::parse(R"({"request":7,"user":"ann"})"));
  EXPECT_EQ(context_of(all[2]), json::parse(R"({"request":7,"user":"ann","step":2.5})"));
  EXPECT_EQ(context_of(all[3]), json::parse(R"({"request":7,"user":"ann"})"));
  EXPECT_EQ(context_of(all[4]), json());
  EXPECT_EQ(all[1].message, "1 request=7 user=ann");
}

ISOLATED_TEST(Context, OfAThreadIsNoOthers) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([t] {
      const Context context(kv("t", t));
      for (int i = 0; i < 200; ++i) {
        const Context inner(kv("i", i));
        SLUICE_INFO("{t} {i}", t, i);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // Threads that come after take over their rings, not their context.
  std::thread([] { SLUICE_INFO("bare"); }).join();
  (void)flush();
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 1601u);
  for (const auto& record : all) {
    if (record.message == "bare") {
      EXPECT_EQ(context_of(record), json());
    } else {
      EXPECT_EQ(context_of(record), record.json["fields"]);
    }
  }
}

ISOLATED_TEST(Context, BeforeStartAndOverARestart) {
  Kept kept, second;
  const Context context(kv("run", 1));
  SLUICE_INFO("before");
  ASSERT_TRUE(start(options_for(dirs, kept)));
  SLUICE_INFO("during");
  ASSERT_TRUE(stop(60'000));
  sinks_begin_here();
  ASSERT_TRUE(start(options_for(dirs, second)));
  SLUICE_INFO("again");
  (void)flush();
  for (const auto& record : kept.take()) EXPECT_EQ(context_of(record), json::parse(R"({"run":1})"));
  const auto after = second.take();
  ASSERT_FALSE(after.empty());
  EXPECT_EQ(context_of(after.back()), json::parse(R"({"run":1})"));
}

ISOLATED_TEST(Context, WhatDoesNotFitIsLeftOutAndCounted) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const std::string long_text(2000, 'x');
  {
    const Context context(kv("a", 1), kv("long", long_text), kv("b", 2));
    SLUICE_INFO("x");
  }
  SLUICE_INFO("y");
  (void)flush();
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(context_of(all[0]), json::parse(R"({"a":1,"b":2})"));
  EXPECT_EQ(context_of(all[1]), json());
  EXPECT_EQ(stats().context_refused, 1u);
}

ISOLATED_TEST(Context, SixtyFourFieldsAtMost) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const auto nest = [](auto&& self, int depth) -> void {
    if (depth == 0) {
      SLUICE_INFO("deep");
      return;
    }
    const Context context(kv("k", depth));
    self(self, depth - 1);
  };
  nest(nest, 70);
  SLUICE_INFO("out");
  (void)flush();
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(context_of(all[1]), json());
  EXPECT_EQ(stats().context_refused, 6u);
}

// The change of context takes room in the ring like a record: without it, nothing may be delivered
// under a context that is not its own.
ISOLATED_TEST(Context, NeverWrongWhenTheRingIsFull) {
  Kept kept;
  Options options = options_for(dirs, kept);
  options.ring_bytes = 32 * 1024;
  ASSERT_TRUE(start(options));
  std::uint64_t kept_by_call = 0;
  const std::string filler(200, '.');
  for (int i = 0; i < 20'000; ++i) {
    const Context context(kv("i", i));
    if (info("{i} {}", i, filler) == Admission::kOk) ++kept_by_call;
  }
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  std::uint64_t callers = 0;
  for (const auto& record : kept.take()) {
    if (!record.json.contains("fields") || !record.json["fields"].contains("i")) continue;
    ++callers;
    EXPECT_EQ(context_of(record)["i"], record.json["fields"]["i"]);
  }
  EXPECT_EQ(callers, kept_by_call);
  EXPECT_EQ(stats().dropped_ring_full, 20'000 - kept_by_call);
}

ISOLATED_TEST(Context, SecretsInItAreRedacted) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const Context context(kv("password", "hunter2"), kv("user", "ann"));
  SLUICE_INFO("x");
  EXPECT_EQ(context_of(kept.last()), json::parse(R"({"password":"[redacted]","user":"ann"})"));
}

}  // namespace
}  // namespace sluice::test
