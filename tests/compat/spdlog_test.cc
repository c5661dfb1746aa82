// The shim for spdlog: what its users rely on. Each test is a program of its own, since there is
// one Sluice in a process.
#include <sys/wait.h>

#include <csignal>
#include <future>
#include <set>
#include <thread>

#include "contract/captured_stderr.h"
#include "contract/isolated.h"
#include "contract/outputs.h"
#include "spdlog/async.h"
#include "spdlog/cfg/argv.h"
#include "spdlog/cfg/env.h"
#include "spdlog/cfg/helpers.h"
#include "spdlog/common.h"
#include "spdlog/details/log_msg.h"
#include "spdlog/details/null_mutex.h"
#include "spdlog/details/registry.h"
#include "spdlog/fmt/bin_to_hex.h"
#include "spdlog/fmt/chrono.h"
#include "spdlog/fmt/compile.h"
#include "spdlog/fmt/fmt.h"
#include "spdlog/fmt/ostr.h"
#include "spdlog/fmt/ranges.h"
#include "spdlog/formatter.h"
#include "spdlog/logger.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/ansicolor_sink.h"
#include "spdlog/sinks/base_sink.h"
#include "spdlog/sinks/basic_file_sink.h"
#include "spdlog/sinks/callback_sink.h"
#include "spdlog/sinks/daily_file_sink.h"
#include "spdlog/sinks/dist_sink.h"
#include "spdlog/sinks/null_sink.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/sinks/ringbuffer_sink.h"
#include "spdlog/sinks/rotating_file_sink.h"
#include "spdlog/sinks/sink.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/sinks/syslog_sink.h"
#include "spdlog/sinks/udp_sink.h"
#include "spdlog/spdlog.h"
#include "spdlog/stopwatch.h"
#include "spdlog/version.h"

namespace sluice::test {
namespace {

using Lines = std::vector<std::string>;

// A sink of a program's own, as spdlog's users write them.
class Keeper : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  Lines take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(lines_, {});
  }
  // The next record waits in the sink until let_go().
  void hold() { held_ = true; }
  void let_go() { gate_.set_value(); }
  std::future<void> flushed() { return flushed_.get_future(); }

 protected:
  void sink_it_(const spdlog::details::log_msg& record) override {
    if (held_.exchange(false)) gate_.get_future().wait();
    spdlog::memory_buf_t line;
    formatter_->format(record, line);
    lines_.emplace_back(line.data(), line.size() - 1);
  }
  void flush_() override {
    if (!was_flushed_) flushed_.set_value();
    was_flushed_ = true;
  }

 private:
  Lines lines_;
  std::atomic<bool> held_{false};
  bool was_flushed_ = false;
  std::promise<void> gate_, flushed_;
};

std::shared_ptr<spdlog::logger> make_logger(const char* name, std::shared_ptr<Keeper> keeper,
                                            const char* pattern = "%v") {
  auto logger = std::make_shared<spdlog::logger>(name, std::move(keeper));
  logger->set_pattern(pattern);
  return logger;
}

void own_region(const Dirs& dirs) { ::setenv("SLUICE_REGION_DIRECTORY", dirs.region.c_str(), 1); }

ISOLATED_TEST(Spdlog, SinksOfOneLoggerHaveTheirOwnLevelsAndPatterns) {
  own_region(dirs);
  auto all = std::make_shared<spdlog::sinks::basic_file_sink_mt>(dirs.file("deep/all.log"));
  auto some = std::make_shared<spdlog::sinks::basic_file_sink_mt>(dirs.file("some.log"));
  some->set_level(spdlog::level::warn);
  spdlog::logger logger("net", {all, some});
  all->set_pattern("%n %l: %v");
  some->set_pattern("[%L] %v");
  logger.set_level(spdlog::level::debug);
  logger.trace("no {}", 1);
  logger.debug("one {}", 1);
  logger.warn("two {:>4}|{:.2f}", 2, 2.0);
  logger.log(spdlog::level::err, "three {{}}");  // a text alone is no format
  logger.critical(4);
  logger.flush();
  EXPECT_EQ(read_lines(dirs.file("deep/all.log")),
            (Lines{"net debug: one 1", "net warning: two    2|2.00", "net error: three {{}}",
                   "net critical: 4"}));
  EXPECT_EQ(read_lines(dirs.file("some.log")),
            (Lines{"[W] two    2|2.00", "[E] three {{}}", "[C] 4"}));
}

TEST(Spdlog, AProgramThatEndsLeavesWholeFilesInOrder) {
  constexpr int kLines = 4000;
  const OwnDirs own;
  const Dirs& dirs = own.get();
  const auto program = [&] {
    own_region(dirs);
    auto logger = spdlog::basic_logger_mt<spdlog::async_factory>("both", dirs.file("both.log"));
    spdlog::set_pattern("%v");
    const auto say = [&](int thread) {
      for (int i = 0; i < kLines; ++i) logger->info("{} {}", thread, i);
    };
    std::thread other(say, 1);
    say(0);
    other.join();
  };
  EXPECT_EQ(exit_code_of(program), 0);
  int next[2] = {0, 0};
  for (const std::string& line : read_lines(dirs.file("both.log"))) {
    std::istringstream in(line);
    std::size_t thread = 2;
    int number = -1;
    in >> thread >> number;
    ASSERT_LT(thread, 2U) << line;
    ASSERT_EQ(number, next[thread]++) << "of thread " << thread;
  }
  EXPECT_EQ(next[0], kLines);
  EXPECT_EQ(next[1], kLines);
}

TEST(Spdlog, WhatWasDeliveredSurvivesAKill) {
  const OwnDirs own;
  const Dirs& dirs = own.get();
  const auto program = [&] {
    own_region(dirs);
    auto logger = spdlog::basic_logger_mt("a", dirs.file("a.log"));
    logger->set_pattern("%v");
    logger->info("kept");
    logger->flush();
    (void)std::raise(SIGKILL);
  };
  EXPECT_EQ(exit_code_of(program), 128 + SIGKILL);
  EXPECT_EQ(read_lines(dirs.file("a.log")), Lines{"kept"});
}

ISOLATED_TEST(Spdlog, ACallDoesNotWaitForItsSink) {
  own_region(dirs);
  auto keeper = std::make_shared<Keeper>();
  auto logger = make_logger("slow", keeper);
  keeper->hold();
  for (int i = 0; i < 100; ++i) logger->info("{}", i);  // would hang here
  keeper->let_go();
  logger->flush();
  EXPECT_EQ(keeper->take().size(), 100U);
}

ISOLATED_TEST(Spdlog, WhatIsChangedHoldsForWhatIsSaidAfterwards) {
  own_region(dirs);
  auto keeper = std::make_shared<Keeper>();
  auto logger = make_logger("a", keeper);
  for (int i = 0; i < 200; ++i) {
    logger->set_pattern("old %v");
    keeper->set_level(spdlog::level::info);
    logger->info("1");
    keeper->set_pattern("new %v");
    logger->info("2");
    keeper->set_level(spdlog::level::err);
    logger->info("3");
    logger->set_level(spdlog::level::off);
    logger->critical("4");
    logger->set_level(spdlog::level::info);
    logger->flush();
    ASSERT_EQ(keeper->take(), (Lines{"old 1", "new 2"})) << "round " << i;
  }
}

ISOLATED_TEST(Spdlog, ProblemsGoToTheErrorHandlerAndStopNothing) {
  own_region(dirs);
  Lines problems;
  auto keeper = std::make_shared<Keeper>();
  auto thrower = std::make_shared<spdlog::sinks::callback_sink_mt>(
      [](const spdlog::details::log_msg&) { throw std::runtime_error("full"); });
  spdlog::logger logger("a", {thrower, keeper});
  logger.set_pattern("%v");
  logger.set_error_handler([&](const std::string& problem) { problems.push_back(problem); });
  logger.info(fmt::runtime("{} {}"), 1);
  logger.info("said");
  logger.flush();
  EXPECT_EQ(keeper->take(), Lines{"said"});
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_NE(problems[0].find("argument"), std::string::npos) << problems[0];
  EXPECT_EQ(problems[1], "full");
}

ISOLATED_TEST(Spdlog, DropsAreReported) {
  own_region(dirs);
  ::setenv("SLUICE_RING_BYTES", "32K", 1);
  ::setenv("SLUICE_JOURNAL_BYTES", "1M", 1);
  constexpr int kSaid = 100'000;  // of 64 bytes and more each
  std::string problems;
  auto keeper = std::make_shared<Keeper>();
  spdlog::set_error_handler([&](const std::string& problem) { problems += problem + "\n"; });
  auto logger = make_logger("a", keeper);
  keeper->hold();
  for (int i = 0; i < kSaid; ++i) logger->info("a line of some thirty bytes, {}", i);
  keeper->let_go();
  logger->flush();
  logger->warn("the reserve is free again");
  logger->flush();
  const Stats after = stats();
  EXPECT_GT(after.dropped_ring_full, 0U);
  EXPECT_EQ(keeper->take().size() + after.dropped(), kSaid + 1U);
  EXPECT_NE(problems.find("dropped"), std::string::npos) << problems;
}

ISOLATED_TEST(Spdlog, ADroppedLoggerHasWrittenAllAndClosesItsFileInTheCaller) {
  own_region(dirs);
  const std::thread::id caller = std::this_thread::get_id();
  Lines events;
  spdlog::file_event_handlers handlers;
  handlers.before_open = [&](const std::string&) { events.push_back("before open"); };
  handlers.after_open = [&](const std::string&, std::FILE* file) { std::fputs("head\n", file); };
  handlers.before_close = [&](const std::string&, std::FILE* file) { std::fputs("tail\n", file); };
  handlers.after_close = [&](const std::string&) {
    events.push_back(std::this_thread::get_id() == caller ? "closed" : "closed elsewhere");
  };
  spdlog::basic_logger_mt("a", dirs.file("a.log"), true, handlers);
  spdlog::set_pattern("%v");
  for (int i = 0; i < 100; ++i) spdlog::get("a")->info("line");
  EXPECT_THROW(spdlog::basic_logger_mt("a", dirs.file("b.log")), spdlog::spdlog_ex);
  spdlog::drop("a");
  EXPECT_EQ(events, (Lines{"before open", "closed"}));
  const Lines lines = read_lines(dirs.file("a.log"));
  ASSERT_EQ(lines.size(), 102U);
  EXPECT_EQ(lines.front(), "head");
  EXPECT_EQ(lines.back(), "tail");
  EXPECT_EQ(spdlog::get("a"), nullptr);
  EXPECT_THROW(spdlog::basic_logger_mt("x", "/proc/no/such.log"), spdlog::spdlog_ex);
}

ISOLATED_TEST(Spdlog, LoggersOfOneNameAreKeptApart) {
  own_region(dirs);
  auto first = std::make_shared<Keeper>();
  auto second = std::make_shared<Keeper>();
  auto one = make_logger("net", first, "%n %v");
  {
    auto two = make_logger("net", second, "%n %v");
    one->info("to the first");
    two->info("to the second");
  }
  one->flush();
  EXPECT_EQ(first->take(), Lines{"net to the first"});
  EXPECT_EQ(second->take(), Lines{"net to the second"});
}

ISOLATED_TEST(Spdlog, TextsKeepTheirBytes) {
  own_region(dirs);
  auto keeper = std::make_shared<Keeper>();
  auto logger = make_logger("a", keeper);
  const Lines said{"two\nlines", "\x1b[31mred\t", "bytes \xff\x01", "\"quoted\\\"", ""};
  for (const std::string& text : said) logger->info(text);
  logger->info("{}", spdlog::to_hex(std::string("\x01\xfe"), 1));
  logger->flush();
  Lines expected = said;
  expected.push_back("\n0000: 01\n0001: fe");
  EXPECT_EQ(keeper->take(), expected);
}

ISOLATED_TEST(Spdlog, PlacesReachTheSinksAndSluice) {
  own_region(dirs);
  start_or_exit({.level = Level::trace,
                 .sinks = {spdlog::sluice_sink(), json_file(dirs.file("all.jsonl"))},
                 .quiet = true});
  auto keeper = std::make_shared<Keeper>();
  auto logger = make_logger("net", keeper, "%s:%#:%!|%v");
  SPDLOG_LOGGER_INFO(logger, "from {}", "a macro");
  const int line = __LINE__ - 1;
  SPDLOG_LOGGER_DEBUG(logger, "not compiled {}", 1);
  logger->log(spdlog::source_loc{"x/y.cc", 7, "f"}, spdlog::level::warn, "given");
  logger->info("\"code.line.number\":5");  // is text, not a place
  logger->flush();
  (void)flush();
  EXPECT_EQ(keeper->take(), (Lines{fmt::format("spdlog_test.cc:{}:{}|from a macro", line, __func__),
                                   "y.cc:7:f|given", "::|\"code.line.number\":5"}));
  const auto records = read_json(dirs.file("all.jsonl"));
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[0]["logger"], "net");
  EXPECT_EQ(records[0]["msg"], "from a macro");
  EXPECT_EQ(records[0]["fields"]["code.line.number"], line);
  EXPECT_EQ(records[1]["fields"]["code.file.path"], "x/y.cc");
  EXPECT_EQ(records[1]["level"], "warning");
}

ISOLATED_TEST(Spdlog, SluicesOwnRecordsGoToTheLoggerOfTheNameOrTheDefault) {
  own_region(dirs);
  auto others = std::make_shared<Keeper>();
  auto net = std::make_shared<Keeper>();
  spdlog::set_default_logger(make_logger("", others, "%n|%l|%v"));
  auto logger = make_logger("net", net, "%n|%l|%v");
  logger->warn("through spdlog");
  logger->set_level(spdlog::level::warn);
  SLUICE_INFO("order {id}", 17, kv("px", 1.5));
  SLUICE_DEBUG("below the default logger's level");
  static Logger in_sluice{"net"};
  SLUICE_LOGGER_ERROR(in_sluice, "through Sluice");
  SLUICE_LOGGER_NOTICE(in_sluice, "below the logger's level");
  logger->flush();
  EXPECT_EQ(net->take(), (Lines{"net|warning|through spdlog", "net|error|through Sluice"}));
  EXPECT_EQ(others->take(), Lines{"|info|order 17 px=1.5"});
}

ISOLATED_TEST(Spdlog, ABacktraceKeepsTheLastRecordsOfAnyLevel) {
  own_region(dirs);
  auto keeper = std::make_shared<Keeper>();
  auto logger = make_logger("a", keeper, "%l %v");
  logger->enable_backtrace(3);
  logger->set_level(spdlog::level::warn);
  for (int i = 0; i < 10; ++i) logger->debug("step {}", i);
  logger->warn("odd");
  logger->set_level(spdlog::level::info);
  logger->flush();
  EXPECT_EQ(keeper->take(), Lines{"warning odd"});
  logger->dump_backtrace();
  EXPECT_EQ(keeper->take(), (Lines{"info backtrace: the last 3 records:", "debug step 8",
                                   "debug step 9", "warning odd", "info backtrace: end"}));
  logger->disable_backtrace();
  logger->debug("gone");
  logger->dump_backtrace();
  logger->flush();
  EXPECT_EQ(keeper->take(), Lines{});
}

ISOLATED_TEST(Spdlog, SinksAreFlushedByLevelAndByTime) {
  own_region(dirs);
  auto by_level = std::make_shared<Keeper>();
  auto logger = make_logger("a", by_level);
  logger->flush_on(spdlog::level::err);
  logger->warn("not yet");
  spdlog::details::engine::instance().drain();
  auto flushed = by_level->flushed();
  EXPECT_EQ(flushed.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  logger->error("now");
  flushed.wait();

  auto by_time = std::make_shared<Keeper>();
  spdlog::register_logger(make_logger("b", by_time));
  spdlog::flush_every(std::chrono::milliseconds(1));
  by_time->flushed().wait();
  spdlog::shutdown();
}

ISOLATED_TEST(Spdlog, TheRegistryGivesNewLoggersWhatHoldsForAll) {
  own_region(dirs);
  ::setenv("SPDLOG_LEVEL", "warn, net=trace,odd=loud", 1);
  spdlog::cfg::load_env_levels();
  spdlog::set_pattern("all %v");
  auto net = spdlog::basic_logger_mt("net", dirs.file("net.log"));
  auto odd = spdlog::basic_logger_mt("odd", dirs.file("odd.log"));
  EXPECT_EQ(net->level(), spdlog::level::trace);
  EXPECT_EQ(odd->level(), spdlog::level::warn);
  EXPECT_EQ(spdlog::get_level(), spdlog::level::warn);
  net->trace("said");
  spdlog::set_level(spdlog::level::err);
  EXPECT_EQ(net->level(), spdlog::level::err);
  const char* arguments[] = {"program", "SPDLOG_LEVEL=info"};
  spdlog::cfg::load_argv_levels(2, arguments);
  EXPECT_EQ(odd->level(), spdlog::level::info);

  auto copy = net->clone("copy");
  copy->info("of the clone");
  std::set<std::string> names;
  spdlog::apply_all(
      [&](const std::shared_ptr<spdlog::logger>& each) { names.insert(each->name()); });
  EXPECT_EQ(names, (std::set<std::string>{"", "net", "odd"}));
  copy.reset();
  net->flush();
  EXPECT_EQ(read_lines(dirs.file("net.log")), (Lines{"all said", "all of the clone"}));
}

ISOLATED_TEST(Spdlog, AfterShutdownACallIsHarmless) {
  own_region(dirs);
  auto held = spdlog::basic_logger_mt("held", dirs.file("held.log"));
  spdlog::set_pattern("%v");
  spdlog::shutdown();
  spdlog::info("to nobody");
  EXPECT_EQ(spdlog::default_logger(), nullptr);
  EXPECT_EQ(spdlog::get("held"), nullptr);
  held->info("still held");
  held->flush();
  EXPECT_EQ(read_lines(dirs.file("held.log")), Lines{"still held"});
}

ISOLATED_TEST(Spdlog, FilesRotateBySize) {
  own_region(dirs);
  auto logger = spdlog::rotating_logger_mt("r", dirs.file("r.log"), 20, 2);
  logger->set_pattern("%v");
  for (int i = 0; i < 10; ++i) logger->info("line {}", i);  // 7 bytes each: two a file
  logger->flush();
  EXPECT_EQ(read_lines(dirs.file("r.log")), (Lines{"line 8", "line 9"}));
  EXPECT_EQ(read_lines(dirs.file("r.1.log")), (Lines{"line 6", "line 7"}));
  EXPECT_EQ(read_lines(dirs.file("r.2.log")), (Lines{"line 4", "line 5"}));
  EXPECT_FALSE(std::filesystem::exists(dirs.file("r.3.log")));
}

ISOLATED_TEST(Spdlog, ADayHasAFileAndTheOldestGoes) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  const auto noon = spdlog::log_clock::now();
  const auto name_of = [&](int days) {
    const std::time_t second = spdlog::log_clock::to_time_t(noon + std::chrono::hours(24 * days));
    std::tm day{};
    ::gmtime_r(&second, &day);
    return spdlog::sinks::daily_filename_calculator::calc_filename(dirs.file("d.log"), day);
  };
  spdlog::sinks::daily_file_sink_mt sink(dirs.file("d.log"), 0, 0, false, 2);
  sink.set_pattern("%v");
  const std::string first = sink.filename();
  for (int days = 0; days < 3; ++days) {
    const auto time = noon + std::chrono::hours(24 * days);
    sink.log({time, {}, "a", spdlog::level::info, std::to_string(days)});
  }
  EXPECT_FALSE(std::filesystem::exists(first));
  EXPECT_EQ(read_lines(name_of(1)), Lines{"1"});
  EXPECT_EQ(read_lines(name_of(2)), Lines{"2"});
}

ISOLATED_TEST(Spdlog, ASluiceWithoutTheShimsSinkIsSaid) {
  own_region(dirs);
  start_or_exit({.sinks = {text_file(dirs.file("a.log"), {.pattern = "%v"})}, .quiet = true});
  const CapturedStderr said(dirs.file("stderr"));
  spdlog::info("to Sluice only");
  EXPECT_NE(said.text().find("spdlog::sluice_sink()"), std::string::npos) << said.text();
  (void)flush();
  EXPECT_EQ(read_lines(dirs.file("a.log")), Lines{"to Sluice only"});
}

// Says something while its pattern is changed, as another thread may.
class Talker : public Keeper {
 public:
  spdlog::logger* logger = nullptr;

 protected:
  void set_formatter_(std::unique_ptr<spdlog::formatter> formatter) override {
    if (logger != nullptr) logger->info("said meanwhile");
    Keeper::set_formatter_(std::move(formatter));
  }
};

ISOLATED_TEST(Spdlog, ADistributorsPatternIsChangedWhileRecordsCome) {
  own_region(dirs);
  auto talker = std::make_shared<Talker>();
  auto keeper = std::make_shared<Keeper>();
  auto all = std::make_shared<spdlog::sinks::dist_sink_mt>();
  all->set_sinks({talker, keeper});
  spdlog::logger logger("a", all);
  logger.info("first");
  talker->logger = &logger;
  // A wait for delivery under the distributor's lock, which delivery wants, ends after 5 s.
  const auto begin = std::chrono::steady_clock::now();
  all->set_pattern("now %v");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  logger.flush();
  EXPECT_EQ(keeper->take().back(), "now said meanwhile");
}

TEST(SpdlogPattern, FlagsWidthsAndColours) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  const auto time = spdlog::log_clock::from_time_t(1'764'340'681) + std::chrono::microseconds(1234);
  const auto line_of = [&](const char* pattern, spdlog::source_loc where = {}) {
    spdlog::pattern_formatter formatter(pattern, spdlog::pattern_time_type::local, "");
    spdlog::memory_buf_t line;
    spdlog::details::log_msg record(time, where, "net", spdlog::level::warn, "said");
    record.thread_id = 77;
    formatter.format(record, line);
    return std::string(line.data(), record.color_range_start) + "<" +
           std::string(line.data() + record.color_range_start,
                       record.color_range_end - record.color_range_start) +
           ">" + std::string(line.data() + record.color_range_end, line.end());
  };
  EXPECT_EQ(line_of("%+"), "[2025-11-28 14:38:01.001] [net] [<warning>] said");
  EXPECT_EQ(line_of("%20+", {"a/b.cc", 3, "f"}),
            "[2025-11-28 14:38:01.001] [net] [<warning>] [b.cc:3] said");
  EXPECT_EQ(line_of("%a %A %b %B %c"), "<>Fri Friday Nov November Fri Nov 28 14:38:01 2025");
  EXPECT_EQ(line_of("%Y-%m-%d %H:%M:%S.%e %f %F"), "<>2025-11-28 14:38:01.001 001234 001234000");
  EXPECT_EQ(line_of("%D %C %I %p %r %R %T %z %E"),
            "<>11/28/25 25 02 PM 02:38:01 PM 14:38 14:38:01 +00:00 1764340681");
  EXPECT_EQ(line_of("%8l|%-8l|%=9l|%3!l|%-3!l"), "<> warning|warning | warning |war|war");
  EXPECT_EQ(line_of("%^%L%$ %t %% %q"), "<W> 77 % %q");
  EXPECT_EQ(line_of("%@ %s %g %# %!", {"a/b.cc", 3, "f"}), "<>a/b.cc:3 b.cc a/b.cc 3 f");
  EXPECT_EQ(line_of("[%@%s%#%!]"), "<>[]");
}

TEST(SpdlogHex, FormatsAsAsked) {
  const std::string bytes("az\x01\xff", 4);
  EXPECT_EQ(fmt::format("{:n}", spdlog::to_hex(bytes)), " 61 7a 01 ff");
  EXPECT_EQ(fmt::format("{:Xsn}", spdlog::to_hex(bytes)), "617A01FF");
  EXPECT_EQ(fmt::format("{:p}", spdlog::to_hex(bytes, 3)), "\n61 7a 01\nff");
  EXPECT_EQ(fmt::format("{:sa}", spdlog::to_hex(bytes, 3)), "\n0000: 617a01  az.\n0003: ff      .");
}

}  // namespace
}  // namespace sluice::test
