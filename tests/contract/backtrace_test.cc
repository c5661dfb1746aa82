// Backtraces: what is below a logger's level comes when the logger says an error, or when its
// program is killed, and not else; each record is delivered once or counted as held.
#include <gtest/gtest.h>
#include <sluice/sluice.h>
#include <sluice/store.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <thread>

#include "contract/conservation.h"
#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

using u64 = std::uint64_t;
using Texts = std::vector<std::string>;

Options options_for(const Dirs& dirs) {
  return {.product = "backtrace", .region_directory = dirs.region, .quiet = true};
}

ISOLATED_TEST(Backtrace, ComesWithTheError) {
  Kept kept;
  Options options = options_for(dirs);
  options.sinks = {kept.sink()};
  options.backtrace_records = 3;
  ASSERT_TRUE(start(options)) << last_error();
  Attempts mine;
  const Context context(kv("order", 17));
  for (int i = 0; i < 10; ++i) mine.add(debug("step {}", i));
  mine.add(info("plain"));
  EXPECT_EQ(kept.messages(), Texts{"plain order=17"});
  EXPECT_EQ(stats().held, 10u);
  mine.add(error("it broke"));
  ASSERT_TRUE(flush().complete);
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 4u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(all[i].message.starts_with("step " + std::to_string(7 + i))) << all[i].message;
    EXPECT_EQ(all[i].level, Level::debug);
    EXPECT_TRUE(all[i].json["backtrace"]) << all[i].json;
    EXPECT_EQ(all[i].json["context"]["order"], 17) << "the context of its time";
    EXPECT_EQ(all[i].thread_id, all[3].thread_id);
    EXPECT_LE(all[i].unix_ns, all[3].unix_ns);
  }
  EXPECT_EQ(all[3].message, "it broke order=17");
  EXPECT_FALSE(all[3].json.contains("backtrace"));
  EXPECT_EQ(imbalance(mine, stats()), "");
  EXPECT_EQ(stats().held, 7u);
}

ISOLATED_TEST(Backtrace, IsMarkedInAStore) {
  Options options = options_for(dirs);
  options.sinks = {store_file(dirs.file("a.db"))};
  options.backtrace_records = 8;
  ASSERT_TRUE(start(options)) << last_error();
  SLUICE_DEBUG("alone");
  {
    const Context order(kv("order", 17));
    SLUICE_DEBUG("in a context");
  }
  {
    const Context own(kv("backtrace", "theirs"));
    SLUICE_DEBUG("of the name");
  }
  SLUICE_ERROR("it broke");
  Store store = Store::open(dirs.file("a.db")).value();
  Texts rows;
  for (const auto row :
       store.query("SELECT body, context FROM records WHERE logger = '' ORDER BY id").value()) {
    rows.push_back(row.get<std::string>("body").value() + " " +
                   row.get<std::string>("context").value_or("NULL"));
  }
  EXPECT_EQ(rows,
            (Texts{R"(alone {"backtrace":true})", R"(in a context {"backtrace":true,"order":17})",
                   R"(of the name {"backtrace":"theirs"})", "it broke NULL"}));
  const auto held =
      store.query("SELECT count(*) AS n FROM logs WHERE extra_data->>'backtrace' = 1");
  EXPECT_EQ((*held.value().begin()).get<int>("n").value(), 2);
}

ISOLATED_TEST(Backtrace, IsThatOfALoggerAndWhatIsBelowIt) {
  Kept kept;
  Options options = options_for(dirs);
  options.sinks = {kept.sink()};
  ASSERT_TRUE(start(options)) << last_error();
  static Logger net("net"), http("net.http"), disk("disk");
  ASSERT_TRUE(set_backtrace("net", 8, Level::debug));
  Attempts mine;
  const auto say = [&mine](Logger& logger, const char* text) {
    mine.add(log_text(Level::debug, logger.name(), text));
  };
  SLUICE_LOGGER_TRACE(http, "too low");
  SLUICE_LOGGER_DEBUG(http, "by a macro");
  say(net, "of net");
  say(disk, "of disk");
  mine.add(log_text(Level::error, "disk", "disk broke"));
  EXPECT_EQ(kept.messages(), Texts{"disk broke"}) << "another logger's error";
  mine.add(log_text(Level::error, "net", "net broke"));
  EXPECT_EQ(kept.messages(), (Texts{"by a macro", "of net", "net broke"}));
  // One of its own goes before that of the logger above.
  ASSERT_TRUE(set_backtrace("net.http", 1));
  say(http, "first");
  say(http, "second");
  say(net, "not http's");
  mine.add(log_text(Level::critical, "net.http", "http broke"));
  EXPECT_EQ(kept.messages(), (Texts{"second", "http broke"}));
  // Its level is what passes at once.
  set_level("net", Level::debug);
  say(net, "passes");
  EXPECT_EQ(kept.messages(), Texts{"passes"});
  set_level("net", Level::info);
  ASSERT_TRUE(set_backtrace("net.http", 0));
  ASSERT_TRUE(set_backtrace("net", 0));
  EXPECT_EQ(log_text(Level::debug, "net.http", "gone"), Admission::kFiltered);
  EXPECT_EQ(kept.messages(), Texts{});
}

// What is not a log or an event is never held: a state without its patch would be another state.
ISOLATED_TEST(Backtrace, HoldsLogsAndEventsOnly) {
  Kept kept;
  Options options = options_for(dirs);
  options.level = Level::error;
  options.backtrace_records = 8;
  options.sinks = {kept.sink()};
  ASSERT_TRUE(start(options)) << last_error();
  (void)state(R"({"hp":93})");
  (void)gauge("load", 0.5);
  (void)event("login", R"({"user":1})");
  ASSERT_TRUE(flush().complete);
  for (const auto& record : kept.take()) EXPECT_NE(record.json["kind"], "event") << record.json;
  EXPECT_EQ(stats().held, 1u);
}

// Many threads, of which each errs now and then; each record out once or held.
ISOLATED_TEST(Backtrace, IsExactOverThreads) {
  Kept kept;
  Options options = options_for(dirs);
  options.sinks = {kept.sink()};
  options.backtrace_records = 64;
  options.overflow = Overflow::block;
  options.block_deadline_ms = 60'000;
  ASSERT_TRUE(start(options)) << last_error();
  constexpr int kThreads = 8, kEach = 4000;
  std::vector<Attempts> counts(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([t, &counts] {
      for (int i = 0; i < kEach; ++i) {
        counts[t].add(i % 97 == 0 ? error("{} {}", t, i) : debug("{} {}", t, i));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Attempts mine;
  for (const Attempts& one : counts) mine.add(one);
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  EXPECT_EQ(imbalance(mine, stats()), "");
  std::map<std::string, int> seen;
  u64 errors = 0, held = 0;
  for (const auto& record : kept.take()) {
    if (record.level == Level::warning) continue;  // reports
    EXPECT_EQ(++seen[record.message], 1) << record.message;
    errors += record.level == Level::error;
    held += record.json.contains("backtrace");
  }
  EXPECT_EQ(errors, u64{kThreads} * ((kEach + 96) / 97));
  EXPECT_GT(held, 1000u);
  EXPECT_EQ(held + errors + stats().held, u64{kThreads} * kEach);
}

// SIGKILL: the next start finds the last ones behind what was said, if nobody stopped.
ISOLATED_TEST(Backtrace, ComesFromADeadProgram) {
  for (const bool stops : {false, true}) {
    const std::string file = dirs.file(stops ? "stopped.log" : "killed.log");
    Options options = options_for(dirs);
    options.backtrace_records = 4;
    options.sinks = {text_file(file, {.pattern = "%v"})};
    const pid_t child = ::fork();
    if (child == 0) {
      if (!start(options)) ::_exit(97);
      for (int i = 0; i < 100; ++i) (void)debug("step {}", i);
      (void)info("plain");
      if (stops) stop();
      ::raise(SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    const pid_t next = ::fork();
    if (next == 0) {
      if (!start(options)) ::_exit(97);
      stop();
      ::_exit(0);
    }
    ASSERT_EQ(::waitpid(next, &status, 0), next);
    EXPECT_EQ(status, 0);
    const Texts expected =
        stops ? Texts{"plain"} : Texts{"plain", "step 96", "step 97", "step 98", "step 99"};
    EXPECT_EQ(read_lines(file), expected);
  }
}

// The same at any instant: the last ones, whichever these were.
ISOLATED_TEST(Backtrace, ComesFromAProgramThatWasKilledAtAnyTime) {
  auto* const said = static_cast<std::atomic<int>*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const char* const full = std::getenv("SLUICE_TEST_FULL");
  const int rounds = full && full[0] == '1' ? 500 : 40;
  for (int round = 0; round < rounds; ++round) {
    const std::string file = dirs.file(("killed" + std::to_string(round)).c_str());
    Options options = options_for(dirs);
    options.backtrace_records = 4;
    options.sinks = {text_file(file, {.pattern = "%v"})};
    said->store(-1);
    const pid_t child = ::fork();
    if (child == 0) {
      if (!start(options)) ::_exit(97);
      for (int i = 0;; ++i) {
        if (i % 16 == 15 ? error("{}", i) == Admission::kOk : debug("{}", i) == Admission::kOk) {
          said->store(i, std::memory_order_release);
        } else {
          ::_exit(98);
        }
        ::usleep(20);
      }
    }
    while (said->load(std::memory_order_acquire) < 20 + round * 3) ::usleep(50);
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << status;
    const int last = said->load();
    const pid_t next = ::fork();
    if (next == 0) {
      if (!start(options)) ::_exit(97);
      stop();
      ::_exit(0);
    }
    ASSERT_EQ(::waitpid(next, &status, 0), next);
    EXPECT_EQ(status, 0);
    // Four and the error, each time; what came behind the last error, at most four, at the end.
    Texts expected;
    const Texts lines = read_lines(file);
    ASSERT_FALSE(lines.empty());
    const int end = std::stoi(lines.back());
    EXPECT_GE(end, last);
    EXPECT_LE(end, last + 1) << "one may have been published and not told";
    for (int i = 0; i <= end; ++i) {
      const int in_turn = i % 16;
      const bool rest = i >= end / 16 * 16 && end % 16 != 15;
      if (rest ? i > end - 4 : in_turn >= 11) expected.push_back(std::to_string(i));
    }
    EXPECT_EQ(lines, expected) << "round " << round << ", last " << last;
  }
  ::munmap(said, 4096);
}

}  // namespace
}  // namespace sluice::test
