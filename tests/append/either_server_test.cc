// sanitizers: address
// ProxyFile and AppendLogger against the original offlog server, unchanged, and against ours.
#include <filesystem>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "append/offlog_server.h"
#include "sluice/append.h"
#include "support/own_directory.h"
#include "support/read_file.h"

namespace sluice::test {
namespace {

constexpr u32 kPatienceMs = 60'000;

class EitherServer : public ::testing::TestWithParam<Offlog> {
 protected:
  void SetUp() override {
    if (GetParam() == Offlog::original && offlog_python().empty()) {
      GTEST_SKIP() << "the original offlog is not installed: scripts/install_offlog.sh";
    }
  }
  [[nodiscard]] std::string path(const std::string& name) const {
    return directory_.path() + "/" + name;
  }
  [[nodiscard]] static ProxyOptions options(const OfflogServer& server) {
    ProxyOptions options;
    options.socket = server.socket();
    options.timeout_ms = kPatienceMs;
    return options;
  }

  OwnDirectory directory_;
};

TEST_P(EitherServer, WritesEveryByteInOrder) {
  OfflogServer server(directory_.path(), {}, GetParam());
  auto file = ProxyFile::open(path("a"), options(server));
  ASSERT_TRUE(file.ok()) << file.status().message();
  std::string all;
  for (int i = 0; i < 50'000; ++i) {
    const std::string line = std::to_string(i) + " of many\n";
    ASSERT_EQ(file.value().write(line), Admission::kOk);
    all += line;
  }
  const std::string large(std::size_t{32} << 20, 'L');
  ASSERT_EQ(file.value().write(large), Admission::kOk);
  const Status ended = file.value().close();
  EXPECT_TRUE(ended.ok()) << ended.message();
  EXPECT_TRUE(read_file(path("a")) == all + large);
}

TEST_P(EitherServer, ManyShortFilesAreAllConfirmed) {
  OfflogServer server(directory_.path(), {}, GetParam());
  ProxyOptions quick = options(server);
  quick.block_open = false;  // OK and BYE come together
  for (int i = 0; i < 300; ++i) {
    auto file = ProxyFile::open(path("a"), quick);
    ASSERT_TRUE(file.ok());
    ASSERT_EQ(file.value().write("x"), Admission::kOk);
    const Status ended = file.value().close();
    ASSERT_TRUE(ended.ok()) << ended.message();
  }
  EXPECT_EQ(read_file(path("a")).size(), 300U);
}

TEST_P(EitherServer, ItsErrorsAreOurs) {
  OfflogServer server(directory_.path(), {}, GetParam());
  const Status absent = ProxyFile::open(path("no/file"), options(server)).status();
  EXPECT_EQ(absent.os_error(), ENOENT) << absent.message();
  EXPECT_EQ(ProxyFile::open(directory_.path(), options(server)).status().os_error(), EISDIR);
  ProxyOptions extended = options(server);
  extended.sync_at_end = true;
  const Status with_extension = ProxyFile::open(path("a"), extended).status();
  if (GetParam() == Offlog::ours) {
    EXPECT_TRUE(with_extension.ok()) << with_extension.message();
  } else {
    EXPECT_NE(with_extension.message().find("without the extension"), std::string::npos);
  }
}

TEST_P(EitherServer, AServerThatIsStoppedMakesNoWriteWaitAndOneThatIsKilledLeavesDoubt) {
  OfflogServer server(directory_.path(), {}, GetParam());
  ProxyOptions small = options(server);
  small.buffer_bytes = 1 << 20;
  auto file = ProxyFile::open(path("a"), small);
  ASSERT_TRUE(file.ok());
  server.signal(SIGSTOP);
  const std::string line(100, 'x');
  u64 refused = 0;
  while (refused == 0 || file.value().statistics().in_flight_bytes == 0) {
    refused += file.value().write(line) == Admission::kOk ? 0 : 1;
  }
  server.end(SIGKILL);
  const Status ended = file.value().close();
  EXPECT_FALSE(ended.ok());
  const ProxyStatistics counts = file.value().statistics();
  EXPECT_EQ(counts.confirmed_bytes, 0U);
  EXPECT_GT(counts.in_doubt_bytes, 0U);
  // A sender that came late has taken the whole buffer as one message: then nothing is unsent.
  EXPECT_EQ(counts.accepted_bytes, counts.in_doubt_bytes + counts.unsent_bytes);
  EXPECT_GE(counts.accepted_bytes, small.buffer_bytes - line.size());
}

TEST_P(EitherServer, ARestartIsBridged) {
  ProxyStatistics counts;
  std::size_t written = 0;
  {
    auto first =
        std::make_unique<OfflogServer>(directory_.path(), std::vector<std::string>(), GetParam());
    ProxyOptions bridging = options(*first);
    bridging.reconnect = true;
    auto file = ProxyFile::open(path("a"), bridging);
    ASSERT_TRUE(file.ok());
    ASSERT_EQ(file.value().write("before\n"), Admission::kOk);
    while (read_file(path("a")).empty()) os::sleep_ns(1'000'000);
    first->end(SIGTERM);
    const OfflogServer second(directory_.path(), {}, GetParam());
    ASSERT_EQ(file.value().write("after\n"), Admission::kOk);
    (void)file.value().close();
    counts = file.value().statistics();
    written = read_file(path("a")).size();
  }
  EXPECT_EQ(read_file(path("a")), "before\nafter\n");
  EXPECT_EQ(counts.confirmed_bytes, 6U);
  EXPECT_EQ(counts.in_doubt_bytes, 7U);
  EXPECT_EQ(written, 13U);
}

TEST_P(EitherServer, TheLoggersLinesAreTheDocuments) {
  OfflogServer server(directory_.path(), {"-r", "10"}, GetParam());
  AppendLoggerOptions options;
  options.name = "my app";
  options.file = path("log");
  options.stdout_level = options.stderr_level = Level::off;
  options.service = EitherServer::options(server);
  for (const bool local : {false, true}) {
    std::filesystem::remove(options.file);
    options.local_file = local;
    auto opened = AppendLogger::open(options);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    AppendLogger& log = opened.value();
    log.info("params are {} {}", "foo", 7);
    log.log(Level::trace, "too low");
    log.log_text(Level::critical, "{} % as it is\nsecond line");
    try {
      throw std::runtime_error("no paper");
    } catch (const std::runtime_error&) {
      log.exception("failed");
    }
    const Status ended = log.close();
    EXPECT_TRUE(ended.ok()) << ended.message();
    log.error("too late");
    EXPECT_EQ(log.statistics().accepted, 3U);
    EXPECT_EQ(log.statistics().refused, 1U);
    const std::string stamp = R"(\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} my app )";
    EXPECT_TRUE(std::regex_match(read_file(options.file),
                                 std::regex(stamp + R"(INFO\] params are foo 7\n)" + stamp +
                                            R"(CRITICAL\] \{\} % as it is\nsecond line\n)" + stamp +
                                            R"(ERROR\] failed\nstd::runtime_error: no paper\n)")))
        << read_file(options.file);
  }
}

TEST_P(EitherServer, TheLoggerFollowsARotation) {
  OfflogServer server(directory_.path(), {"-r", "10"}, GetParam());
  AppendLoggerOptions options;
  options.file = path("log");
  options.stdout_level = options.stderr_level = Level::off;
  options.service = EitherServer::options(server);
  auto log = AppendLogger::open(options);
  ASSERT_TRUE(log.ok());
  log.value().info("old");
  while (read_file(path("log")).empty()) os::sleep_ns(1'000'000);
  std::filesystem::rename(path("log"), path("log.1"));
  u64 lines = 1;
  while (log.value().statistics().rotations == 0) {
    log.value().info("some file");
    ++lines;
    os::sleep_ns(1'000'000);
  }
  log.value().info("new");
  const Status ended = log.value().close();
  EXPECT_TRUE(ended.ok()) << ended.message();
  const std::string old = read_file(path("log.1")), fresh = read_file(path("log"));
  EXPECT_NE(fresh.find("new"), std::string::npos);
  EXPECT_EQ(
      u64(std::count(old.begin(), old.end(), '\n') + std::count(fresh.begin(), fresh.end(), '\n')),
      lines + 1);
}

INSTANTIATE_TEST_SUITE_P(, EitherServer, ::testing::Values(Offlog::original, Offlog::ours),
                         [](const auto& tested) {
                           return tested.param == Offlog::ours ? "ours" : "original";
                         });

// Two clients of one file, whose records stay whole though they are no lines; each confirmed.
TEST(OurServer, RecordsOfSeveralClientsAreWholeConfirmedAndOnTheDisk) {
  const OwnDirectory directory;
  const OfflogServer server(directory.path(), {}, Offlog::ours);
  constexpr int kRecords = 5000;
  const auto record = [](int client, int i) {
    return "<" + std::to_string(client) + std::string(std::size_t(i % 700), 'x') + ">";
  };
  std::vector<std::thread> threads;
  for (int client = 0; client < 2; ++client) {
    threads.emplace_back([&, client] {
      ProxyOptions options;
      options.socket = server.socket();
      options.timeout_ms = kPatienceMs;
      options.records = options.acknowledge = true;
      options.sync_ms = 5;
      auto file = ProxyFile::open(directory.path() + "/a", options);
      ASSERT_TRUE(file.ok()) << file.status().message();
      for (int i = 0; i < kRecords; ++i) {
        ASSERT_EQ(file.value().write(record(client, i)), Admission::kOk);
      }
      const Status ended = file.value().close();
      EXPECT_TRUE(ended.ok()) << ended.message();
      const ProxyStatistics counts = file.value().statistics();
      EXPECT_EQ(counts.confirmed_bytes, counts.accepted_bytes);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string all = read_file(directory.path() + "/a");
  int next[2] = {};
  for (std::size_t at = 0; at < all.size();) {
    const int client = all.at(at + 1) - '0';
    const std::string expected = record(client, next[client]++);
    ASSERT_EQ(all.substr(at, expected.size()), expected);
    at += expected.size();
  }
  EXPECT_EQ(next[0], kRecords);
  EXPECT_EQ(next[1], kRecords);
}

}  // namespace
}  // namespace sluice::test
