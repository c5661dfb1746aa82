// What holds on every system that the library runs on: with the standard library alone, so that it
// is the same program under Linux and Windows.
#include <gtest/gtest.h>
#include <sluice/fmt.h>
#include <sluice/limit.h>
#include <sluice/sluice.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace sluice {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

class EverySystem : public ::testing::Test {
 protected:
  EverySystem() {
    std::random_device random;
    const std::string name = std::to_string(random());
    directory_ =
        fs::temp_directory_path() / (u8"sluice-\u00e4 " + std::u8string(name.begin(), name.end()));
    fs::create_directories(directory_);
  }
  ~EverySystem() override {
    (void)stop(60'000);
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }
  [[nodiscard]] std::string file(const char* name) const {
    const std::u8string path = (directory_ / name).generic_u8string();
    return {path.begin(), path.end()};
  }
  // Without what the library says of itself, such as what an earlier test had dropped.
  std::vector<std::string> lines(const char* name) {
    std::ifstream in(directory_ / name, std::ios::binary);
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);) {
      if (line.find("\"logger\":\"sluice\"") == std::string::npos) all.push_back(line);
    }
    return all;
  }
  Options with(std::vector<Sink> sinks) {
    merged_before_ = stats().merged;
    return {.product = "every", .sinks = std::move(sinks), .quiet = true};
  }
  // Everything that was said is somewhere, as exactly as it was counted.
  void expect_conserved() const {
    const Stats now = stats();
    EXPECT_EQ(now.attempted, now.filtered + now.merged + now.held + now.dropped() + now.queued);
    EXPECT_EQ(now.damaged, 0u);
    for (std::uint32_t i = 0; i < now.sinks; ++i) {
      const SinkStats& sink = now.sink[i];
      EXPECT_EQ(
          sink.delivered + sink.filtered + sink.dropped_backlog + sink.dropped_error + sink.queued,
          now.merged - merged_before_);
    }
  }

  fs::path directory_;
  std::uint64_t merged_before_ = 0;
};

TEST_F(EverySystem, EachRecordOfEachThreadIsInEachFileInOrder) {
  Options options =
      with({text_file(file("a.log")), json_file(file("a.jsonl")), logfmt_file(file("a.logfmt"))});
  options.overflow = Overflow::block;
  ASSERT_TRUE(start(options)) << last_error();
  constexpr int kThreads = 8, kEach = 5000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < kEach; ++i) SLUICE_INFO("thread {t} says {i}", t, i, kv("half", i * 0.5));
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(flush(Reach::durable, 60'000).complete);
  expect_conserved();
  EXPECT_EQ(stats().merged - merged_before_, std::uint64_t{kThreads} * kEach);
  ASSERT_TRUE(stop(60'000)) << last_error();
  std::map<int, int> next;
  for (const std::string& line : lines("a.jsonl")) {
    const json record = json::parse(line);
    const json& fields = record["fields"];
    EXPECT_EQ(fields["i"], next[fields["t"]]++);
    EXPECT_EQ(fields["half"], fields["i"].get<double>() / 2);
  }
  for (int t = 0; t < kThreads; ++t) EXPECT_EQ(next[t], kEach);
  const std::vector<std::string> text = lines("a.log"), logfmt = lines("a.logfmt");
  EXPECT_EQ(text.size(), std::size_t{kThreads} * kEach);
  EXPECT_EQ(logfmt.size(), text.size());
  EXPECT_TRUE(text[0].ends_with("half=0")) << text[0];
  EXPECT_NE(logfmt[0].find("msg=\"thread "), std::string::npos) << logfmt[0];
}

TEST_F(EverySystem, ValuesContextAndLevels) {
  ASSERT_TRUE(start(with({json_file(file("a.jsonl"))}))) << last_error();
  static Logger net{"net.http"};
  set_level("net", Level::warning);
  {
    const Context run(kv("run", 7), kv("user", "\xc3\xa4"));
    SLUICE_LOGGER_INFO(net, "not this");
    SLUICE_LOGGER_ERROR(net, "status {}", 500);
    SLUICE_DEBUG("nor this");
  }
  SLUICE_INFO("{} {} {} {}", std::string(300, 'x'), -1, true, 1.25);
  SLUICE_EVENT("order.placed", kv("total", 9.99));
  SLUICE_STATE(kv("hp", 93));
  SLUICE_GAUGE("fps", 60);
  for (int i = 0; i < 10; ++i) SLUICE_LOG_LIMITED(Level::info, every_nth(4), "nth");
  log_text(Level::notice, "script", "a text of run time");
  ASSERT_TRUE(stop(60'000)) << last_error();
  const std::vector<std::string> all = lines("a.jsonl");
  ASSERT_EQ(all.size(), 9u);
  const json error = json::parse(all[0]);
  EXPECT_EQ(error["logger"], "net.http");
  EXPECT_EQ(error["msg"], "status 500");
  EXPECT_EQ(error["context"]["user"], "\xc3\xa4") << error.dump();
  EXPECT_EQ(json::parse(all[1])["msg"], std::string(300, 'x') + " -1 true 1.25");
  EXPECT_EQ(json::parse(all[2])["fields"]["total"], 9.99);
  EXPECT_EQ(json::parse(all[3])["patch"]["hp"], 93);
  EXPECT_EQ(json::parse(all[4])["value"], 60);
  EXPECT_EQ(json::parse(all[8])["logger"], "script");
}

TEST_F(EverySystem, WhatDoesNotFitIsCountedAndNobodyWaits) {
  struct Held {
    std::mutex mutex;
    std::atomic<std::uint64_t> got{0};
  } held;
  std::unique_lock hold(held.mutex);
  const std::uint64_t before = stats().dropped();
  ASSERT_TRUE(start(with({callback(
      [](const CallbackRecord& record, void* user) {
        if (record.logger == "sluice") return;  // says how many were dropped
        Held& mine = *static_cast<Held*>(user);
        const std::lock_guard lock(mine.mutex);
        ++mine.got;
      },
      &held, {.need = Sink::Need::required})})));
  for (int i = 0; i < 500'000; ++i) SLUICE_INFO("a record of some length {}", i);
  EXPECT_GT(stats().dropped(), before);
  hold.unlock();
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  expect_conserved();
  EXPECT_EQ(held.got + stats().dropped() - before, 500'000u);
  ASSERT_TRUE(stop(60'000)) << last_error();
}

TEST_F(EverySystem, ThreadsComeAndGoAndItStartsAgain) {
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(start(with({json_file(file("a.jsonl"))}))) << last_error();
    for (int i = 0; i < 200; ++i) {
      std::thread([i] { SLUICE_INFO("thread {}", i); }).join();
    }
    ASSERT_TRUE(stop(60'000)) << last_error();
    SLUICE_INFO("after stop");
  }
  EXPECT_EQ(lines("a.jsonl").size(), 600u);
}

TEST_F(EverySystem, ImmediateMode) {
  Options options = with({json_file(file("a.jsonl"))});
  options.mode = Mode::immediate;
  ASSERT_TRUE(start(options)) << last_error();
  for (int i = 0; i < 100; ++i) {
    SLUICE_INFO("{}", i);
    ASSERT_EQ(lines("a.jsonl").size(), std::size_t(i + 1));
  }
}

TEST_F(EverySystem, FilesRotateAndOldOnesGo) {
  ASSERT_TRUE(start(with({json_file(file("a.jsonl"), {.rotate_bytes = 20'000, .keep_files = 3})})))
      << last_error();
  for (int i = 0; i < 2000; ++i) SLUICE_INFO("record {}", i);
  ASSERT_TRUE(stop(60'000)) << last_error();
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(directory_)) {
    if (entry.path().filename().string().starts_with("a")) ++files;
  }
  EXPECT_EQ(files, 4u);
  EXPECT_EQ(json::parse(lines("a.jsonl").back())["msg"], "record 1999");
}

TEST_F(EverySystem, MistakesAreSaid) {
  std::ofstream(directory_ / "plain") << "no directory";
  EXPECT_FALSE(start(with({json_file(file("plain/a.jsonl"))})));
  EXPECT_NE(std::string(last_error()).find("plain/a.jsonl"), std::string::npos) << last_error();
  EXPECT_FALSE(start({.product = std::string(100, 'x'), .quiet = true}));
}

#ifdef _WIN32
TEST_F(EverySystem, WhatIsNotThereIsRefusedAtTheStart) {
  for (const Sink& sink : {store_file(file("a.db")), syslog(), syslog("udp:127.0.0.1:514"),
                           syslog("tcp:127.0.0.1:514"), journald()}) {
    EXPECT_FALSE(start(with({sink}))) << sink.path;
    EXPECT_NE(std::string(last_error()).find("Windows"), std::string::npos) << last_error();
  }
}
#endif

}  // namespace
}  // namespace sluice
