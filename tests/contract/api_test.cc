// The public functions as a program uses them.
#include <gtest/gtest.h>
#include <sluice/exception.h>
#include <sluice/sluice.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <stdexcept>
#include <thread>
#include <vector>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

Options options_for(const Dirs& dirs, Kept& kept) {
  return {.product = "api", .sinks = {kept.sink()}, .region_directory = dirs.region, .quiet = true};
}

ISOLATED_TEST(Api, FunctionsDoWhatMacrosDo) {
  Kept kept;
  Options options = options_for(dirs, kept);
  options.level = Level::trace;
  ASSERT_TRUE(start(options));
  EXPECT_EQ(trace("t {}", 1), Admission::kOk);
  EXPECT_EQ(debug("d {}", 2), Admission::kOk);
  EXPECT_EQ(info("order {id} at {px}", 17, 99.5), Admission::kOk);
  EXPECT_EQ(notice("n"), Admission::kOk);
  EXPECT_EQ(warning("w {}", "x"), Admission::kOk);
  EXPECT_EQ(error("e", kv("code", 5)), Admission::kOk);
  EXPECT_EQ(critical("c"), Admission::kOk);
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  const auto records = kept.take();
  ASSERT_EQ(records.size(), 7u);
  const Level levels[] = {Level::trace,   Level::debug, Level::info,    Level::notice,
                          Level::warning, Level::error, Level::critical};
  for (int i = 0; i < 7; ++i) EXPECT_EQ(records[i].level, levels[i]);
  EXPECT_EQ(records[2].message, "order 17 at 99.5");
  EXPECT_EQ(records[2].json["fields"]["px"], 99.5);
  EXPECT_EQ(records[5].message, "e code=5");
  // A function's site is where it was called, not in the header.
  EXPECT_NE(records[2].json["source"].get<std::string>().find("api_test.cc:"), std::string::npos);
}

ISOLATED_TEST(Api, EveryKindOfRecord) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  SLUICE_EVENT("user.login", kv("user", 7), kv("ok", true));
  SLUICE_GAUGE("queue.depth", 12, kv("queue", "in"));
  SLUICE_COUNTER("requests", 1);
  SLUICE_HISTOGRAM("size", 512.5);
  SLUICE_TIMER("load", 0.25);
  SLUICE_STATE(kv("hp", 93), kv("name", "x"));
  event("order.paid", R"({"id":3})");
  gauge("g", 1.5);
  counter("c", 2);
  histogram("h", 3);
  timer("t", 0.5);
  state(R"({"hp":null})");
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 12u);
  EXPECT_EQ(all[0].json["kind"], "event");
  EXPECT_EQ(all[0].json["event"], "user.login");
  EXPECT_EQ(all[0].json["fields"], nlohmann::json::parse(R"({"user":7,"ok":true})"));
  EXPECT_EQ(all[1].json["kind"], "metric");
  EXPECT_EQ(all[1].json["name"], "queue.depth");
  EXPECT_EQ(all[1].json["value"], 12.0);
  EXPECT_EQ(all[1].json["metric"], "gauge");
  EXPECT_EQ(all[1].json["fields"]["queue"], "in");
  EXPECT_EQ(all[2].json["metric"], "counter");
  EXPECT_EQ(all[3].json["metric"], "histogram");
  EXPECT_EQ(all[4].json["metric"], "timer");
  EXPECT_EQ(all[5].json["kind"], "state");
  EXPECT_EQ(all[5].json["patch"], nlohmann::json::parse(R"({"hp":93,"name":"x"})"));
  EXPECT_EQ(all[6].json["event"], "order.paid");
  EXPECT_EQ(all[7].json["name"], "g");
  EXPECT_EQ(all[7].json["value"], 1.5);
  EXPECT_EQ(all[8].json["name"], "c");
  EXPECT_EQ(all[9].json["name"], "h");
  EXPECT_EQ(all[10].json["name"], "t");
  EXPECT_EQ(all[11].json["patch"], nlohmann::json::parse(R"({"hp":null})"));
}

ISOLATED_TEST(Api, TextOfARuntimeLevelAndLogger) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  EXPECT_EQ(log_text(Level::warning, "imported.lib", "{not a format}"), Admission::kOk);
  EXPECT_EQ(log_text(Level::debug, "", "below"), Admission::kFiltered);
  EXPECT_EQ(log_text(Level::off, "", "no level"), Admission::kFiltered);
  const auto last = kept.last();
  EXPECT_EQ(last.message, "{not a format}");
  EXPECT_EQ(last.logger, "imported.lib");
  EXPECT_EQ(last.level, Level::warning);
}

ISOLATED_TEST(Api, ExceptionsWithThoseNestedInThem) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  try {
    try {
      throw std::out_of_range("index 7");
    } catch (...) {
      std::throw_with_nested(std::runtime_error("cannot load"));
    }
  } catch (const std::exception& exception) {
    log_exception(Level::error, exception, "startup");
  }
  try {
    throw 5;
  } catch (...) {
    log_current_exception(Level::critical);
  }
  log_current_exception(Level::info);
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].json["fields"]["exception.message"], "cannot load");
  EXPECT_EQ(all[0].json["fields"]["exception.type"], "std::runtime_error");
  EXPECT_NE(all[0].message.find("startup"), std::string::npos);
  EXPECT_EQ(all[1].json["fields"]["exception.type"], "std::out_of_range");
  EXPECT_EQ(all[1].json["fields"]["exception.message"], "index 7");
  EXPECT_EQ(all[1].level, Level::error);
  EXPECT_EQ(all[2].level, Level::critical);
  EXPECT_EQ(all[3].json["fields"]["exception.type"], "none");
}

// As every other record: with the place of the call, at its level.
ISOLATED_TEST(Api, AnExceptionsRecordsHaveThePlaceOfTheCall) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const std::runtime_error plain("plain");
  std::uint32_t line = 0;
  for (const Level level : {Level::info, Level::error, Level::info, Level::trace}) {
    log_exception(level, plain), line = __LINE__;
  }
  std::uint32_t current = 0;
  try {
    try {
      throw std::out_of_range("index 7");
    } catch (...) {
      std::throw_with_nested(std::runtime_error("cannot load"));
    }
  } catch (...) {
    log_current_exception(Level::error), current = __LINE__;
  }
  set_level("", Level::off);
  log_exception(Level::error, plain);
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 5u) << "trace is below the logger's level";
  EXPECT_EQ(all[0].level, Level::info);
  EXPECT_EQ(all[1].level, Level::error);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string where = all[i].json["source"].get<std::string>();
    EXPECT_TRUE(where.ends_with("api_test.cc:" + std::to_string(i < 3 ? line : current))) << where;
  }
  EXPECT_EQ(all[4].json["fields"]["exception.type"], "std::out_of_range");
  EXPECT_EQ(stats().filtered, 2u);
}

ISOLATED_TEST(Api, LastErrorSaysWhyAFlushIsNotComplete) {
  const auto said = [](std::string_view what) {
    return last_error().find(what) != std::string_view::npos;
  };
  EXPECT_FALSE(flush(Reach::written, 0).complete);
  EXPECT_TRUE(said("not started")) << last_error();
  Kept kept;
  Gate gate;
  ASSERT_TRUE(start({.sinks = {kept.sink(), gate.sink(), text_file(dirs.file("a.log"))},
                     .region_directory = dirs.region,
                     .quiet = true}));
  EXPECT_EQ(last_error(), "");
  info("x");
  gate.wait_until_entered();
  EXPECT_FALSE(flush(Reach::written, 300).complete);
  EXPECT_TRUE(said("not in time: callback;")) << last_error();
  gate.open();
  EXPECT_TRUE(flush(Reach::written, 60'000).complete);
  EXPECT_EQ(last_error(), "");
}

// Also of a thread that the backend has not met yet: the first record of a new one.
ISOLATED_TEST(Api, StatsCountWhatHasJustBeenPublished) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  for (std::uint64_t i = 1; i <= 100; ++i) {
    std::thread thread([i] {
      info("first");
      EXPECT_EQ(stats().attempted, i);
    });
    thread.join();
  }
}

// Threads one after the other take shared memory only until what they said is merged.
ISOLATED_TEST(Api, ARingGoesToTheNextThread) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const auto one_after_the_other = [](int threads) {
    for (int i = 0; i < threads; ++i) {
      std::thread([] { info("x"); }).join();
      ASSERT_TRUE(flush(Reach::written, 60'000).complete);
    }
  };
  one_after_the_other(10);
  const std::uint64_t grown = stats().region_bytes;
  one_after_the_other(200);
  // A ring or two more may be on their way from one to the other.
  EXPECT_LE(stats().region_bytes, grown + (std::uint64_t{4} << 20));
}

ISOLATED_TEST(Api, TimeOfTheCaller) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const std::uint64_t first = ticks();
  SLUICE_INFO("now");
  SLUICE_LOG_AT(Level::info, first, "then {}", 1);
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 2u);
  // The thread's order stands, the time is what was given.
  EXPECT_EQ(all[1].message, "then 1");
  EXPECT_LE(all[1].unix_ns, all[0].unix_ns);
}

ISOLATED_TEST(Api, BeforeStartAndAfterStop) {
  Kept kept;
  SLUICE_INFO("before {}", 1);
  EXPECT_EQ(info("before {}", 2), Admission::kOk);
  ASSERT_TRUE(start(options_for(dirs, kept)));
  SLUICE_INFO("running");
  ASSERT_TRUE(stop(60'000)) << last_error();
  EXPECT_EQ(info("after"), Admission::kStopped);
  EXPECT_EQ(log_text(Level::info, "a.b", "after"), Admission::kStopped);
  sinks_begin_here();
  Kept second;
  ASSERT_TRUE(start(options_for(dirs, second)));
  SLUICE_INFO("again");
  ASSERT_TRUE(stop(60'000));
  const auto first = kept.take();
  ASSERT_EQ(first.size(), 3u);
  EXPECT_EQ(first[0].message, "before 1");
  EXPECT_EQ(first[1].message, "before 2");
  EXPECT_EQ(first[2].message, "running");
  std::vector<std::string> rest;
  for (const auto& record : second.take()) {
    if (record.logger != "sluice") rest.push_back(record.message);
  }
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0], "again");
  EXPECT_EQ(stats().dropped_stopped, 2u);
}

// What is said when nothing may be published any more must not be taken, or exit would lose it.
ISOLATED_TEST(Api, ALevelSetAfterStopOpensNothing) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const auto say = [] { return info("said"); };
  ASSERT_EQ(say(), Admission::kOk);
  ASSERT_TRUE(stop(60'000));
  set_level("", Level::trace);
  EXPECT_EQ(say(), Admission::kStopped);
  EXPECT_EQ(debug("new site"), Admission::kStopped);
  const Stats after = stats();
  EXPECT_EQ(after.merged, 1u);
  EXPECT_EQ(after.queued, 0u);
  EXPECT_EQ(after.dropped_stopped, 2u);
}

// Either may make the region; what start() asks for then is its own, or comes too late.
ISOLATED_TEST(Api, StartBesideFirstCalls) {
  std::atomic<bool> go{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&go] {
      while (!go.load()) std::this_thread::yield();
      for (int n = 0; n < 100; ++n) SLUICE_INFO("call {}", n);
    });
  }
  go = true;
  Options options;
  options.product = "beside";
  options.sinks = {text_file(dirs.file("a.log"))};
  options.region_directory = dirs.region;
  options.quiet = true;
  EXPECT_TRUE(start(options));
  for (std::thread& caller : callers) caller.join();
  EXPECT_TRUE(stop());
  const Stats stats = sluice::stats();
  EXPECT_EQ(stats.attempted, 300u);
  EXPECT_EQ(stats.sink[0].delivered, 300u);
}

ISOLATED_TEST(Api, StartTwiceIsRefused) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  EXPECT_FALSE(start(options_for(dirs, kept)));
  EXPECT_NE(last_error().find("already started"), std::string_view::npos);
  ASSERT_TRUE(stop(60'000));
  EXPECT_TRUE(stop(60'000)) << "a second stop has nothing to do";
  EXPECT_TRUE(last_error().empty());
}

ISOLATED_TEST(Api, ErrnoIsKept) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  for (int i = 0; i < 3; ++i) {
    errno = 123;
    SLUICE_INFO("x {}", i);
    EXPECT_EQ(errno, 123);
    log_text(Level::info, "some.logger", "y");
    EXPECT_EQ(errno, 123);
    const Context context(kv("a", 1));
    EXPECT_EQ(errno, 123);
  }
  std::thread([] {
    errno = 77;
    SLUICE_INFO("first of a thread");
    EXPECT_EQ(errno, 77);
    EXPECT_EQ(prepare_thread(), Admission::kOk);
    EXPECT_EQ(errno, 77);
  }).join();
  ASSERT_TRUE(stop(60'000));
  errno = 5;
  SLUICE_INFO("stopped");
  EXPECT_EQ(errno, 5);
}

// The program did not write there: what the library has to say must not kill it.
ISOLATED_TEST(Api, AStandardErrorThatNobodyReads) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const int before = dup(2);
  ASSERT_GE(dup2(ends[1], 2), 0);
  close(ends[0]);
  close(ends[1]);
  Options options;
  options.product = "unheard";
  options.region_directory = dirs.region;
  options.sinks = {text_file(dirs.file("a.log"))};
  const bool started = start(options);
  dup2(before, 2);
  ASSERT_TRUE(started);
  EXPECT_TRUE(stop(60'000));
}

ISOLATED_TEST(Api, FlushSaysHowFar) {
  EXPECT_FALSE(flush(Reach::written, 60'000).complete) << "nothing is started";
  Kept kept;
  Options options = options_for(dirs, kept);
  const std::string log = dirs.file("a.log");
  options.sinks = {kept.sink(), text_file(log)};
  ASSERT_TRUE(start(options));
  for (int i = 0; i < 100; ++i) SLUICE_INFO("n {}", i);
  FlushResult result = flush(Reach::queued, 0);
  EXPECT_TRUE(result.complete);
  EXPECT_TRUE(flush(Reach::shared, 0).complete);
  result = flush(Reach::written);
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.sinks, 2u);
  EXPECT_EQ(result.behind, 0u);
  EXPECT_EQ(read_lines(log).size(), 100u);
  EXPECT_EQ(kept.count(), 100u);
  EXPECT_TRUE(flush(Reach::durable, 60'000).complete);
}

ISOLATED_TEST(Api, FlushOfAStuckSinkEndsInTime) {
  Gate gate;
  Kept kept;
  Options options = options_for(dirs, kept);
  options.sinks = {gate.sink(), kept.sink()};
  ASSERT_TRUE(start(options));
  SLUICE_INFO("x");
  const auto before = std::chrono::steady_clock::now();
  const FlushResult result = flush(Reach::written, 100);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(3));
  EXPECT_FALSE(result.complete);
  EXPECT_EQ(result.sinks, 2u);
  EXPECT_EQ(result.behind, 1u);
  EXPECT_EQ(kept.count(), 1u);
  gate.open();
  EXPECT_TRUE(flush(Reach::written, 60'000).complete);
}

ISOLATED_TEST(Api, ConfigurationSaysWhatHolds) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  const std::string text(configuration());
  EXPECT_NE(text.find("product = api\n"), std::string::npos) << text;
  EXPECT_NE(text.find("ring_bytes = 524288\n"), std::string::npos);
  EXPECT_NE(text.find("sink[0] = callback, required"), std::string::npos);
}

// The thread-local texts behind last_error() are gone when static objects are destroyed.
ISOLATED_TEST(Api, StopInAStaticDestructor) {
  struct Last {
    ~Last() {
      (void)start({.ring_bytes = 1, .quiet = true});
      if (last_error().find("ring_bytes") == std::string_view::npos) std::_Exit(1);
      (void)stop();
      if (configuration().empty()) std::_Exit(1);
    }
  };
  static Last last;
  static const std::string log = dirs.file("a.log");
  ASSERT_TRUE(start({.sinks = {text_file(log)}, .region_directory = dirs.region, .quiet = true}));
  (void)configuration();
  EXPECT_FALSE(start({.ring_bytes = 2, .quiet = true}));
  info("x");
  ASSERT_TRUE(stop(60'000));
}

ISOLATED_TEST(Api, ThreadNamesAndIds) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  std::thread([] {
    ::pthread_setname_np(::pthread_self(), "painter");
    SLUICE_INFO("hello");
  }).join();
  const auto last = kept.last();
  EXPECT_EQ(last.json["thread"], "painter");
  EXPECT_NE(last.thread_id, std::uint32_t(::getpid()));
}

}  // namespace
}  // namespace sluice::test
