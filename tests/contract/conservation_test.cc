// attempted = filtered + delivered + dropped(reason) + in flight, exactly, for every sink, under
// many threads, changing levels, overflow, restarts and sinks that misbehave.
#include "contract/conservation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <thread>

#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

// Every record's text says who said it and which it was: "t<thread> n<number>".
struct Tag {
  int thread;
  int number;
  auto operator<=>(const Tag&) const = default;
};

std::vector<Tag> tags_in(const std::vector<std::string>& lines) {
  std::vector<Tag> tags;
  for (const std::string& line : lines) {
    const std::size_t at = line.find("tag t");
    Tag tag{};
    if (at != std::string::npos &&
        std::sscanf(line.c_str() + at, "tag t%d n%d", &tag.thread, &tag.number) == 2) {
      tags.push_back(tag);
    }
  }
  return tags;
}

// Runs `threads` threads of `calls` calls each and adds up what they were told.
template <class Call>
Attempts run(int threads, int calls, const Call& call) {
  std::vector<Attempts> each(threads);
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&, t] {
      for (int i = 0; i < calls; ++i) each[t].add(call(t, i));
    });
  }
  for (std::thread& thread : all) thread.join();
  Attempts sum;
  for (const Attempts& one : each) sum.add(one);
  return sum;
}

// Checker under test: it must see a single record too few, of any kind.
TEST(Conservation, TheCheckerSeesOneRecordMissing) {
  Attempts mine;
  for (int result = 0; result < 6; ++result) {
    for (int i = 0; i <= result; ++i) mine.add(static_cast<Admission>(result));
  }
  Stats told;
  told.merged = 1;
  told.filtered = 2;
  told.dropped_ring_full = 3;
  told.dropped_too_big = 4;
  told.dropped_no_memory = 5;
  told.dropped_stopped = 6;
  told.attempted = 21;
  told.sinks = 1;
  told.sink[0].delivered = 1;
  EXPECT_EQ(imbalance(mine, told), "");
  EXPECT_EQ(imbalance_of_sinks(told), "");
  for (std::uint64_t Stats::*count :
       {&Stats::merged, &Stats::filtered, &Stats::dropped_ring_full, &Stats::dropped_too_big,
        &Stats::dropped_no_memory, &Stats::dropped_stopped, &Stats::attempted}) {
    Stats wrong = told;
    --(wrong.*count);
    EXPECT_NE(imbalance(mine, wrong), "");
  }
  told.sink[0].delivered = 0;
  EXPECT_NE(imbalance_of_sinks(told), "");
}

ISOLATED_TEST(Conservation, EightThreadsAndChangingLevels) {
  Kept kept;
  const std::string log = dirs.file("a.log");
  ASSERT_TRUE(start({.product = "c",
                     .sinks = {text_file(log), kept.sink({.level = Level::error}),
                               json_file(dirs.file("a.jsonl"))},
                     .ring_bytes = 64 * 1024,
                     .region_directory = dirs.region,
                     .quiet = true}));
  // Thread 0 changes levels between its calls, beside the calls of the others.
  const auto change = [](int i) {
    const Level levels[] = {Level::debug, Level::error, Level::off, Level::info};
    set_level(i % 3 ? "" : "some.logger", levels[i % 4]);
  };
  const std::string big(40'000, 'x');
  const Attempts mine = run(8, 20'000, [&](int t, int i) {
    if (t == 0 && i % 50 == 0) change(i / 50);
    switch (i % 5) {
      case 0:
        return info("tag t{} n{}", t, i);
      case 1:
        return error("tag t{} n{} {}", t, i, "with a text");
      case 2:
        return debug("tag t{} n{}", t, i);
      case 3:
        return log_text(Level::warning, "some.logger.below", "no tag");
      default:
        return i % 1000 == 4 ? info("tag t{} n{} {}", t, i, big) : Admission::kFiltered;
    }
  });
  // What the last branch did not call was not attempted.
  Attempts called = mine;
  called.by_result[static_cast<int>(Admission::kFiltered)] -= 8u * (20'000 / 5 - 20);
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  const Stats told = stats();
  EXPECT_EQ(imbalance(called, told), "");
  EXPECT_EQ(imbalance_of_sinks(told), "");
  EXPECT_EQ(told.dropped_too_big, called.of(Admission::kDroppedTooBig));
  EXPECT_EQ(told.sink[0].delivered, called.accepted());
  EXPECT_EQ(told.sink[2].delivered, called.accepted());
  // The outputs hold each once.
  auto tags = tags_in(read_lines(log));
  const std::size_t count = tags.size();
  EXPECT_EQ(std::set<Tag>(tags.begin(), tags.end()).size(), count);
  std::uint64_t errors = 0;
  for (const auto& record : kept.take()) errors += record.level == Level::error;
  EXPECT_EQ(errors, told.sink[1].delivered);
  EXPECT_GT(errors, 0u);
}

ISOLATED_TEST(Conservation, AHundredThreadsThatComeAndGo) {
  const std::string log = dirs.file("a.log");
  ASSERT_TRUE(start({.product = "c",
                     .sinks = {text_file(log)},
                     .ring_bytes = 32 * 1024,
                     .region_directory = dirs.region,
                     .quiet = true}));
  Attempts mine;
  for (int round = 0; round < 4; ++round) {
    mine.add(
        run(100, 400, [round](int t, int i) { return info("tag t{} n{}", round * 100 + t, i); }));
  }
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  EXPECT_EQ(imbalance(mine, stats()), "");
  EXPECT_EQ(imbalance_of_sinks(stats()), "");
  const auto tags = tags_in(read_lines(log));
  EXPECT_EQ(tags.size(), mine.accepted());
  EXPECT_EQ(std::set<Tag>(tags.begin(), tags.end()).size(), tags.size());
}

// A stop in the middle of it, and a start again: what was said in between is counted as stopped.
ISOLATED_TEST(Conservation, StoppedAndStartedUnderLoad) {
  const std::string log = dirs.file("a.log");
  const Options options{.product = "c",
                        .sinks = {text_file(log)},
                        .ring_bytes = 64 * 1024,
                        .region_directory = dirs.region,
                        .recover = false,
                        .quiet = true};
  ASSERT_TRUE(start(options));
  std::atomic<bool> done{false};
  std::vector<Attempts> each(4);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; !done; ++i) each[t].add(info("tag t{} n{}", t, i));
    });
  }
  for (int i = 0; i < 8; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_TRUE(stop(60'000)) << last_error();
    EXPECT_TRUE(start(options)) << last_error();
  }
  done = true;
  Attempts mine;
  for (int t = 0; t < 4; ++t) {
    threads[t].join();
    mine.add(each[t]);
  }
  ASSERT_TRUE(stop(60'000));
  const Stats told = stats();
  EXPECT_EQ(imbalance(mine, told), "");
  EXPECT_EQ(told.queued, 0u);
  const auto tags = tags_in(read_lines(log));
  EXPECT_EQ(tags.size(), mine.accepted());
  EXPECT_EQ(std::set<Tag>(tags.begin(), tags.end()).size(), tags.size());
}

// Best effort means: it may miss records, and says to the last one how many.
ISOLATED_TEST(Conservation, ABestEffortSinkThatIsOverrun) {
  static Gate gate;
  static Kept said;
  const std::string log = dirs.file("a.log");
  const auto slow = [](const CallbackRecord& record, void*) {
    gate.wait();  // for the first record; later it is open
    said.add(record);
  };
  ASSERT_TRUE(start({.product = "c",
                     .sinks = {text_file(log), callback(slow)},
                     .journal_bytes = 1 << 20,
                     .region_directory = dirs.region,
                     .quiet = true}));
  Attempts mine;
  mine.add(info("tag t0 n0"));
  gate.wait_until_entered();
  const std::string filler(200, '.');
  const auto file_is_behind = [] {
    const Stats now = stats();
    return now.queued + now.sink[0].queued > 0;
  };
  for (int i = 1; i <= 30'000; ++i) {
    mine.add(info("tag t0 n{} {}", i, filler));
    // When the file has it all, the journal may be written over.
    while (i % 1000 == 0 && file_is_behind()) (void)flush(Reach::written, 1);
  }
  EXPECT_EQ(mine.accepted(), 30'001u);
  gate.open();
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  const Stats told = stats();
  EXPECT_EQ(imbalance(mine, told), "");
  EXPECT_EQ(imbalance_of_sinks(told), "");
  EXPECT_GT(told.sink[1].dropped_backlog, 1000u);
  EXPECT_EQ(told.sink[0].dropped_backlog, 0u);
  EXPECT_EQ(told.sink[0].delivered, mine.accepted());
  std::uint64_t delivered = 0, said_missed = 0;
  for (const auto& record : said.take()) {
    if (record.message.starts_with("tag t0")) {
      ++delivered;
    } else if (record.json["fields"].contains("missed")) {
      said_missed += record.json["fields"]["missed"].get<std::uint64_t>();
    }
  }
  EXPECT_EQ(delivered, told.sink[1].delivered);
  EXPECT_EQ(said_missed, told.sink[1].dropped_backlog);
  ASSERT_TRUE(stop(60'000));
}

// A callback that throws and logs: the exception ends in the library, its own records go to the
// other sinks and not back to it.
ISOLATED_TEST(Conservation, ACallbackThatThrowsAndLogs) {
  const std::string log = dirs.file("a.log");
  static std::atomic<std::uint64_t> calls{0};
  const auto rude = [](const CallbackRecord&, void*) {
    const auto call = calls.fetch_add(1);
    info("from the callback {}", call);
    (void)flush(Reach::written, 100);
    (void)stats();
    if (call % 2) throw call;
    throw std::runtime_error("rude");
  };
  ASSERT_TRUE(
      start({.product = "c",
             .sinks = {text_file(log), callback(rude, nullptr, {.need = Sink::Need::required})},
             .region_directory = dirs.region,
             .quiet = true}));
  for (int i = 0; i < 200; ++i) info("tag t0 n{}", i);
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  // What the callback said during the flush.
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  const Stats told = stats();
  EXPECT_EQ(calls.load(), 200u);
  EXPECT_EQ(told.merged, 400u);
  EXPECT_EQ(told.sink[0].delivered, 400u);
  EXPECT_EQ(told.sink[1].delivered, 200u);
  EXPECT_EQ(told.sink[1].filtered, 200u);
  EXPECT_EQ(tags_in(read_lines(log)).size(), 200u);
  EXPECT_TRUE(stop(60'000)) << last_error();
}

// The same in the caller's own thread.
ISOLATED_TEST(Conservation, ImmediateModeDeliversBeforeTheCallReturns) {
  const std::string log = dirs.file("a.log");
  static std::atomic<std::uint64_t> calls{0};
  const auto rude = [](const CallbackRecord&, void*) {
    calls.fetch_add(1);
    info("from the callback");
    (void)flush(Reach::written, 100);
    (void)stats();
    throw std::runtime_error("rude");
  };
  ASSERT_TRUE(
      start({.product = "c",
             .mode = Mode::immediate,
             .sinks = {text_file(log), callback(rude, nullptr, {.need = Sink::Need::required})},
             .region_directory = dirs.region,
             .quiet = true}));
  for (int i = 0; i < 20; ++i) {
    info("tag t9 n{}", i);
    EXPECT_EQ(tags_in(read_lines(log)).size(), std::size_t(i + 1));
    EXPECT_EQ(calls.load(), std::uint64_t(i + 1));
  }
  const Attempts mine = run(4, 500, [](int t, int i) { return info("tag t{} n{}", t, i); });
  EXPECT_EQ(mine.accepted(), 2000u);
  ASSERT_TRUE(stop(60'000)) << last_error();
  const Stats told = stats();
  EXPECT_EQ(told.merged, 2u * 2020u);
  EXPECT_EQ(told.sink[1].delivered, 2020u);
  EXPECT_EQ(told.sink[1].filtered, 2020u);
  EXPECT_EQ(tags_in(read_lines(log)).size(), 2020u);
}

// Two callbacks that flush must not wait for each other, nor stop() for them.
ISOLATED_TEST(Conservation, CallbacksThatFlushDoNotStandStill) {
  const auto flusher = [](const CallbackRecord&, void*) { (void)flush(Reach::written, 10'000); };
  const Sink::Need required = Sink::Need::required;
  ASSERT_TRUE(start({.product = "c",
                     .sinks = {callback(flusher, nullptr, {.need = required}),
                               callback(flusher, nullptr, {.need = required})},
                     .region_directory = dirs.region,
                     .quiet = true}));
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) info("{}", i);
  EXPECT_TRUE(stop(5000)) << last_error();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(4));
}

// One sink is stuck for good: the others get everything and are closed, the program ends.
ISOLATED_TEST(Conservation, StopLeavesAStuckSinkBehindAndNoOther) {
  static Gate gate;  // used until the process has ended
  const std::string log = dirs.file("a.log");
  ASSERT_TRUE(start({.product = "c",
                     .sinks = {gate.sink({.need = Sink::Need::required}), text_file(log),
                               segment_files(dirs.file("segments"))},
                     .region_directory = dirs.region,
                     .quiet = true}));
  for (int i = 0; i < 1000; ++i) info("tag t0 n{}", i);
  gate.wait_until_entered();
  EXPECT_FALSE(stop(300));
  EXPECT_NE(last_error().find("not everything was delivered"), std::string_view::npos);
  EXPECT_EQ(tags_in(read_lines(log)).size(), 1000u);
  bool sealed = false;
  for (const auto& entry : std::filesystem::directory_iterator(dirs.file("segments"))) {
    sealed |= entry.path().extension() == ".seg";
  }
  EXPECT_TRUE(sealed);
  EXPECT_EQ(stats().sink[1].delivered, 1000u);
  EXPECT_EQ(stats().sink[1].queued, 0u);
}

// A flush waits for what was said before it, not for callers who go on.
ISOLATED_TEST(Conservation, FlushReturnsWhileOthersLog) {
  ASSERT_TRUE(start({.product = "c",
                     .sinks = {text_file(dirs.file("a.log"), {.level = Level::error})},
                     .region_directory = dirs.region,
                     .quiet = true}));
  std::atomic<bool> done{false};
  std::thread busy([&] {
    for (int i = 0; !done; ++i) info("busy {}", i);
  });
  for (int i = 0; i < 5; ++i) {
    error("tag t0 n{}", i);
    const FlushResult result = flush(Reach::written, 20'000);
    EXPECT_TRUE(result.complete);
    EXPECT_GE(tags_in(read_lines(dirs.file("a.log"))).size(), std::size_t(i + 1));
  }
  done = true;
  busy.join();
}

}  // namespace
}  // namespace sluice::test
