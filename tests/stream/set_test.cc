// Many streams by name: hostile names stay within the directory, names that would meet get files of
// their own, for good, and sums are sums.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <thread>

#include "sluice/stream.h"
#include "stream/stream_files.h"

namespace sluice::test {
namespace {

TEST(StreamSet, MakesStreamsAtTheirFirstRecord) {
  const OwnDirectory directory;
  auto opened = StreamSet::open(directory.path());
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  StreamSet& set = opened.value();
  EXPECT_FALSE(set.has("payment"));
  EXPECT_EQ(set.write("payment", "p1"), Admission::kOk);
  EXPECT_TRUE(set.has("payment"));
  EXPECT_TRUE(set.initialize("login").ok());
  EXPECT_TRUE(set.initialize("login").ok());
  EXPECT_EQ(set.names(), (std::vector<std::string>{"login", "payment"}));
  EXPECT_TRUE(set.close_stream("payment").ok());
  EXPECT_FALSE(set.has("payment"));
  EXPECT_FALSE(set.close_stream("payment").ok());
  EXPECT_EQ(set.write("payment", "p2"), Admission::kOk);
  EXPECT_TRUE(set.flush());
  EXPECT_EQ(read_file(directory.path() + "/payment.log"), "p2\n");
  EXPECT_EQ(set.write("", "x"), Admission::kStopped);
  EXPECT_FALSE(set.status().ok());
  const Status closed = set.close();
  EXPECT_TRUE(closed.ok()) << closed.message();
  EXPECT_EQ(set.write("payment", "late"), Admission::kStopped);
  EXPECT_EQ(records_of_stream(directory.path(), "payment"), (std::vector<std::string>{"p1", "p2"}));
  const StreamStatistics told = set.statistics();
  EXPECT_EQ(told.accepted, 2u);
  EXPECT_EQ(told.dropped_stopped, 2u);
  EXPECT_EQ(told.files, 2u);
  const FlushMetrics metrics = set.flush_metrics();
  EXPECT_EQ(metrics.flushes, 2u);
  EXPECT_GT(metrics.pwritev_ms_max, 0.0);
  EXPECT_GE(metrics.flush_ms_max, metrics.write_ms_max);
  EXPECT_GE(metrics.write_ms_average, metrics.pwritev_ms_average);
  EXPECT_LE(metrics.pwritev_share, metrics.write_share);
  EXPECT_LE(metrics.write_share, 1.0);
}

TEST(StreamSet, HostileNamesStayInTheDirectoryAndKeepTheirFiles) {
  const OwnDirectory directory;
  const std::vector<std::string> names = {"../../etc/passwd",
                                          ".",
                                          "..",
                                          "a/b",
                                          "a_b",
                                          "a b",
                                          std::string("nul\0nul", 7),
                                          "new\nline",
                                          std::string(300, 'n'),
                                          std::string(300, 'n') + "2",
                                          "bad\xff\xfeutf",
                                          "-rf",
                                          "s\xc3\xbc\xc3\x9f",
                                          "x_2026-01-02_18-55-02_1",
                                          "%41",
                                          "tab\tname"};
  std::vector<std::string> files;
  for (int round = 0; round < 2; ++round) {
    auto set = StreamSet::open(directory.path());
    ASSERT_TRUE(set.ok());
    // The second time in the other order: the names are kept, not made again.
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string& name = names[round == 0 ? i : names.size() - 1 - i];
      ASSERT_EQ(set.value().write(name, std::to_string(round) + stream::percent_encoded(name)),
                Admission::kOk);
    }
    EXPECT_TRUE(set.value().flush());
    std::vector<std::string> open;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
      const std::string name = entry.path().filename();
      EXPECT_LE(name.size(), 255u);
      EXPECT_FALSE(name.starts_with('-'));
      if (name.ends_with(".log") && stream::parse_finished(name).number == 0) open.push_back(name);
    }
    std::sort(open.begin(), open.end());
    EXPECT_EQ(open.size(), names.size());
    if (round == 0) files = open;
    EXPECT_EQ(open, files);
    EXPECT_TRUE(set.value().close().ok());
  }
  // Every stream has its own two records, and nobody else's.
  for (const std::string& file : files) {
    const auto lines = records_of_stream(directory.path(), file.substr(0, file.size() - 4));
    ASSERT_EQ(lines.size(), 2u) << file;
    EXPECT_EQ(lines[0].substr(1), lines[1].substr(1));
  }
  EXPECT_FALSE(std::filesystem::exists(directory.path() + "/../etc"));
}

// What is in the index after a kill in the midst of a line is cut; what is no name of ours names
// nothing.
TEST(StreamSet, ADamagedIndexNamesNothingElse) {
  const OwnDirectory directory;
  std::ofstream(directory.path() + "/.streams") << "../evil\tevil\n"
                                                << "good\tgood\n"
                                                << "torn\tto";
  auto set = StreamSet::open(directory.path());
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set.value().write("evil", "e"), Admission::kOk);
  EXPECT_EQ(set.value().write("good", "g"), Admission::kOk);
  EXPECT_EQ(set.value().write("torn", "t"), Admission::kOk);
  EXPECT_TRUE(set.value().close().ok());
  EXPECT_FALSE(std::filesystem::exists(directory.path() + "/../evil.log"));
  for (const char* name : {"evil", "good", "torn"}) {
    EXPECT_EQ(records_of_stream(directory.path(), name), (std::vector<std::string>{{name[0]}}));
  }
}

// By name: a sanitizer has a thread of its own.
int threads_of_streams() {
  int count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream comm(task.path() / "comm");
    std::string name;
    if (std::getline(comm, name) && name == "sluice-stream") ++count;
  }
  return count;
}

TEST(StreamSet, WhereThePoolIsFullOneMoreIsRefusedAndTheOthersGoOn) {
  constexpr int kChunks = 16;  // of 64 KiB, one for each stream
  const OwnDirectory directory;
  auto opened = StreamSet::open(directory.path(), {.shards = 1, .pool_bytes = kChunks << 16});
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  StreamSet& set = opened.value();
  for (int i = 0; i < kChunks; ++i) EXPECT_TRUE(set.initialize("s" + std::to_string(i)).ok());
  EXPECT_TRUE(set.status().ok());
  const Status refused = set.initialize("more");
  EXPECT_EQ(refused.error_class(), ErrorClass::kRetryable);
  EXPECT_NE(refused.message().find("more.log: the pool of streams is full: raise pool_bytes"),
            std::string::npos)
      << refused.message();
  EXPECT_EQ(set.write("more", "x"), Admission::kStopped);
  EXPECT_EQ(set.status().message(), refused.message());
  EXPECT_EQ(set.write("s0", "x"), Admission::kOk);
  EXPECT_TRUE(set.close_stream("s1").ok());
  EXPECT_EQ(set.write("more", "x"), Admission::kOk);
  EXPECT_TRUE(set.close().ok());
  EXPECT_EQ(set.statistics().accepted, 2u);
  EXPECT_EQ(set.statistics().dropped(), 1u);
}

TEST(StreamSet, AThousandStreamsWithFewDescriptors) {
  const rlimit few{256, 256};
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const OwnDirectory directory;
  auto set = StreamSet::open(directory.path());
  ASSERT_TRUE(set.ok());
  constexpr int kStreams = 1000, kRounds = 3;
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kStreams; ++i) {
      const std::string name = "stream" + std::to_string(i);
      ASSERT_EQ(set.value().write(name, name + " " + std::to_string(round)), Admission::kOk)
          << set.value().status().message();
    }
    ASSERT_TRUE(set.value().flush(60'000)) << set.value().status().message();
  }
  EXPECT_EQ(threads_of_streams(), 2) << "for all of them";
  const Status closed = set.value().close(60'000);
  EXPECT_TRUE(closed.ok()) << closed.message();
  EXPECT_EQ(set.value().statistics().accepted, std::uint64_t(kStreams * kRounds));
  for (int i = 0; i < kStreams; ++i) {
    const std::string name = "stream" + std::to_string(i);
    EXPECT_EQ(records_of_stream(directory.path(), name),
              (std::vector<std::string>{name + " 0", name + " 1", name + " 2"}));
  }
}

}  // namespace
}  // namespace sluice::test
