// ProxyFile against a server that says and does what no good one does.
#include <atomic>
#include <cstdlib>
#include <map>
#include <vector>

#include "append/protocol.h"
#include "append/scripted_server.h"

namespace sluice::test {
namespace {

TEST(ProxyFile, SendsThePathThenEveryByteInOrderAndWaitsForTheEnd) {
  ScriptedServer server;
  std::string path, heard;
  server.play([&](ServerEnd& end) {
    path = end.hear_path();
    end.tell("OK");
    heard = end.hear_all();
    end.tell("BYE");
  });
  auto file = server.open(server.options());
  ASSERT_TRUE(file.ok()) << file.status().message();
  std::string all;
  for (int i = 0; i < 100'000; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    ASSERT_EQ(file.value().write(line), Admission::kOk);
    all += line;
  }
  const Status ended = file.value().close();
  EXPECT_TRUE(ended.ok()) << ended.message();
  server.join();
  EXPECT_EQ(path, "/tmp/the file");
  EXPECT_TRUE(heard == all);
  const ProxyStatistics counts = file.value().statistics();
  EXPECT_EQ(counts.accepted, 100'000U);
  EXPECT_EQ(counts.confirmed_bytes, all.size());
  EXPECT_EQ(counts.refused(), 0U);
  expect_conserved(counts);
  EXPECT_EQ(file.value().write("more"), Admission::kStopped);
}

TEST(ProxyFile, ReadsMessagesThatComeTogetherAndInParts) {
  ScriptedServer server;
  server.play([](ServerEnd& end) {
    (void)end.hear_path();
    using namespace std::string_view_literals;
    end.say("OK\0ROTATED\0ROT"sv);
    (void)end.hear_all();
    end.say("ATED\0BYE\0"sv);
  });
  auto file = server.open(server.options());
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file.value().write("x"), Admission::kOk);
  EXPECT_TRUE(file.value().close().ok());
  EXPECT_TRUE(file.value().check_rotated());
}

TEST(ProxyFile, AnythingButOkFromAnOpenIsItsError) {
  for (const std::string_view answer :
       {"FileNotFoundError: [Errno 2] No such file or directory: '/tmp/the file'", "SystemExit: 0",
        "ok", "ACK 1", "\x1b]0;title\x07"}) {
    ScriptedServer server;
    server.play([&](ServerEnd& end) {
      (void)end.hear_path();
      end.tell(answer);
    });
    const auto file = server.open(server.options());
    ASSERT_FALSE(file.ok()) << answer;
    EXPECT_EQ(file.status().message().find('\x1b'), std::string::npos);
    EXPECT_NE(file.status().message().find("does not open"), std::string::npos)
        << file.status().message();
    EXPECT_EQ(file.status().os_error(), answer.find("Errno 2") != answer.npos ? ENOENT : 0);
  }
}

TEST(ProxyFile, AServerWithoutTheExtensionIsNamed) {
  ScriptedServer server;
  std::string greeting;
  server.play([&](ServerEnd& end) {
    greeting = end.hear_path();
    end.tell(append::kNotAbsolute);
  });
  ProxyOptions options = server.options();
  options.records = options.acknowledge = true;
  options.sync_ms = 20;
  const auto file = server.open(options);
  ASSERT_FALSE(file.ok());
  EXPECT_NE(file.status().message().find("without the extension"), std::string::npos);
  server.join();
  EXPECT_EQ(greeting, "sluice-append/1 records ack sync=20");
}

TEST(ProxyFile, AMessageWithoutAnEndIsAnError) {
  ScriptedServer server;
  server.play([](ServerEnd& end) {
    (void)end.hear_path();
    end.say(std::string(append::kMessageSizeMax + 4096, 'x'));
    (void)end.hear_all();
  });
  const auto file = server.open(server.options());
  ASSERT_FALSE(file.ok());
  EXPECT_NE(file.status().message().find("without an end"), std::string::npos);
  EXPECT_LT(file.status().message().size(), 2000U);
}

TEST(ProxyFile, WhatAServerThatGoesHadIsInDoubtAndTheRestUnsent) {
  for (const bool by_word : {true, false}) {
    ScriptedServer server;
    server.play([&](ServerEnd& end) {
      (void)end.hear_path();
      end.tell("OK");
      EXPECT_EQ(end.hear(10), "0123456789");
      if (by_word) end.tell(append::kServerExited);
    });
    auto file = server.open(server.options());
    ASSERT_TRUE(file.ok());
    EXPECT_EQ(file.value().write("0123456789"), Admission::kOk);
    server.join();
    const Status ended = file.value().close();
    EXPECT_FALSE(ended.ok());
    EXPECT_EQ(ended.message().find("offlog server exited") != std::string::npos, by_word);
    EXPECT_NE(ended.message().find("10 bytes were sent and never confirmed"), std::string::npos)
        << ended.message();
    const ProxyStatistics counts = file.value().statistics();
    EXPECT_EQ(counts.in_doubt_bytes, 10U);
    expect_conserved(counts);
    EXPECT_FALSE(file.value().close().ok());  // told again
  }
}

TEST(ProxyFile, AnErrorOfTheFileEndsItAndIsKept) {
  ScriptedServer server;
  server.play([&](ServerEnd& end) {
    (void)end.hear_path();
    end.tell("OK");
    EXPECT_EQ(end.hear(1), "a");
    end.tell("OSError: [Errno 28] No space left on device");
    end.tell("ValueError: another");
  });
  auto file = server.open(server.options());
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file.value().write("a"), Admission::kOk);
  server.join();
  const Status ended = file.value().close();
  EXPECT_EQ(ended.os_error(), ENOSPC) << ended.message();
  EXPECT_EQ(file.value().status().os_error(), ENOSPC);
  expect_conserved(file.value().statistics());
}

TEST(ProxyFile, AGoodbyeBeforeTheEndConfirmsNothing) {
  ScriptedServer server;
  server.play([&](ServerEnd& end) {
    (void)end.hear_path();
    end.tell("OK");
    EXPECT_EQ(end.hear(1), "a");
    end.tell("BYE");
  });
  auto file = server.open(server.options());
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file.value().write("a"), Admission::kOk);
  while (file.value().status().ok()) std::this_thread::yield();
  EXPECT_FALSE(file.value().close().ok());
  EXPECT_EQ(file.value().statistics().in_doubt_bytes, 1U);
  EXPECT_EQ(file.value().statistics().confirmed_bytes, 0U);
}

TEST(ProxyFile, ABufferWithALimitRefusesAndCountsButNeverReorders) {
  ScriptedServer server;
  std::atomic<bool> go{false};
  std::string heard;
  server.play([&](ServerEnd& end) {
    (void)end.hear_path();
    end.tell("OK");
    go.wait(false);
    heard = end.hear_all();
    end.tell("BYE");
  });
  ProxyOptions options = server.options();
  options.buffer_bytes = 1 << 20;
  auto opened = server.open(options);
  ASSERT_TRUE(opened.ok());
  ProxyFile& file = opened.value();
  std::string all;
  u64 refused = 0;
  for (int i = 0; i < 40'000; ++i) {
    const std::string line = std::to_string(i) + std::string(100, '.') + "\n";
    const Admission result = file.write(line);
    if (result == Admission::kOk) {
      all += line;
    } else {
      ASSERT_EQ(result, Admission::kDroppedFull);
      ++refused;
    }
  }
  EXPECT_GT(refused, 0U);
  EXPECT_FALSE(file.wait_for_room(options.buffer_bytes, 1));
  EXPECT_EQ(file.write(std::string(options.buffer_bytes + 1, 'x')), Admission::kDroppedTooBig);
  go = true;
  go.notify_all();
  EXPECT_TRUE(file.wait_for_room(options.buffer_bytes, 60'000));
  const std::string large(options.buffer_bytes, 'L');
  EXPECT_EQ(file.write(large), Admission::kOk);
  all += large;
  const Status ended = file.close();
  EXPECT_TRUE(ended.ok()) << ended.message();
  server.join();
  EXPECT_TRUE(heard == all);
  EXPECT_EQ(file.statistics().refused_full, refused);
  EXPECT_EQ(file.statistics().refused_too_big, 1U);
  expect_conserved(file.statistics());
}

TEST(ProxyFile, ManyThreadsWriteWholeInTheirOrder) {
  constexpr int kThreads = 16, kWrites = 2000;
  ScriptedServer server;
  std::string heard;
  server.play([&](ServerEnd& end) {
    (void)end.hear_path();
    end.tell("OK");
    heard = end.hear_all();
    end.tell("BYE");
  });
  auto file = server.open(server.options());
  ASSERT_TRUE(file.ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&file, t] {
      for (int i = 0; i < kWrites; ++i) {
        // Every hundredth has a chunk of its own.
        const std::string rest(i % 100 == 0 ? 20'000 : std::size_t(i % 50), char('a' + t));
        const std::string line = std::to_string(t) + " " + std::to_string(i) + " " + rest + "\n";
        EXPECT_EQ(file.value().write(line), Admission::kOk);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(file.value().close().ok());
  server.join();
  std::map<int, int> next;
  for (std::size_t at = 0; at < heard.size();) {
    const std::size_t end = heard.find('\n', at);
    ASSERT_NE(end, heard.npos);
    char* behind = heard.data() + at;
    const int t = int(std::strtol(behind, &behind, 10));
    const int i = int(std::strtol(behind, &behind, 10));
    ASSERT_EQ(i, next[t]++);
    const std::string_view rest =
        std::string_view(heard.data(), end).substr(std::size_t(behind + 1 - heard.data()));
    ASSERT_EQ(rest.find_first_not_of(char('a' + t)), rest.npos);
    at = end + 1;
  }
  for (int t = 0; t < kThreads; ++t) EXPECT_EQ(next[t], kWrites);
}

TEST(ProxyFile, GoesOnWithAnotherServerAndSendsNothingTwice) {
  ScriptedServer server;
  std::string first, second;
  server.play([&](ServerEnd& end) {
    (void)end.hear_path();
    end.tell("OK");
    first = end.hear(5);
  });
  ProxyOptions options = server.options();
  options.reconnect = true;
  auto file = server.open(options);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file.value().write("first"), Admission::kOk);
  server.join();
  server.play([&](ServerEnd& end) {
    EXPECT_EQ(end.hear_path(), "/tmp/the file");
    end.tell("OK");
    second = end.hear(6);
    second += end.hear_all();
    end.tell("BYE");
  });
  while (file.value().statistics().reconnects == 0) std::this_thread::yield();
  EXPECT_EQ(file.value().write("second"), Admission::kOk);
  const Status ended = file.value().close();
  EXPECT_FALSE(ended.ok());  // five bytes are in doubt
  server.join();
  EXPECT_EQ(first, "first");
  EXPECT_EQ(second, "second");
  const ProxyStatistics counts = file.value().statistics();
  EXPECT_EQ(counts.in_doubt_bytes, 5U);
  EXPECT_EQ(counts.confirmed_bytes, 6U);
  expect_conserved(counts);
}

TEST(ProxyFile, AWriteThatWasCutOffIsLeftOutWhole) {
  constexpr std::size_t kLarge = std::size_t{8} << 20;
  ScriptedServer server;
  server.play([&](ServerEnd& end) {
    (void)end.hear_path();
    end.tell("OK");
    (void)end.hear(100);
  });
  ProxyOptions options = server.options();
  options.reconnect = true;
  auto file = server.open(options);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file.value().write(std::string(kLarge, 'L')), Admission::kOk);
  server.join();
  std::string heard;
  server.play([&](ServerEnd& end) {
    (void)end.hear_path();
    end.tell("OK");
    heard = end.hear_all();
    end.tell("BYE");
  });
  EXPECT_EQ(file.value().write("whole"), Admission::kOk);
  EXPECT_FALSE(file.value().close().ok());
  server.join();
  EXPECT_EQ(heard, "whole");
  EXPECT_EQ(file.value().statistics().in_doubt_bytes, kLarge);
  expect_conserved(file.value().statistics());
}

TEST(ProxyFile, AcknowledgedBytesAreConfirmedAndNoMoreThanWereSent) {
  ScriptedServer server;
  server.play([&](ServerEnd& end) {
    EXPECT_EQ(end.hear_path(), "sluice-append/1 records ack");
    (void)end.hear_path();
    end.tell("OK");
    using namespace std::string_view_literals;
    EXPECT_EQ(end.hear(7), "\3\0\0\0abc"sv);
    end.tell("ACK 7");
    (void)end.hear(1);
    end.tell("ACK 9999");
    (void)end.hear_all();
  });
  ProxyOptions options = server.options();
  options.records = options.acknowledge = true;
  auto file = server.open(options);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file.value().write("abc"), Admission::kOk);
  while (file.value().statistics().confirmed_bytes != 7) std::this_thread::yield();
  EXPECT_EQ(file.value().write(std::string(append::kRecordSizeMax + 1, 'x')),
            Admission::kDroppedTooBig);
  EXPECT_EQ(file.value().write("d"), Admission::kOk);
  const Status ended = file.value().close();
  EXPECT_NE(ended.message().find("never sent: ACK 9999"), std::string::npos) << ended.message();
  expect_conserved(file.value().statistics());
}

TEST(ProxyFile, AServerThatNeitherReadsNorAnswersEndsTheWait) {
  ScriptedServer server;
  std::atomic<bool> closed{false};
  server.play([&](ServerEnd& end) {
    (void)end.hear_path();
    end.tell("OK");
    closed.wait(false);
  });
  ProxyOptions options = server.options();
  auto opened = server.open(options);
  ASSERT_TRUE(opened.ok());
  options.timeout_ms = 50;
  const auto silent = ProxyFile::open("/tmp/other", options);  // accepted by nobody
  EXPECT_EQ(int(silent.status().error_class()), int(ErrorClass::kRetryable));
  EXPECT_NE(silent.status().message().find("does not answer"), std::string::npos)
      << silent.status().message();
  closed = true;
  closed.notify_all();
}

TEST(ProxyFile, AFullBacklogIsWaitedFor) {
  ScriptedServer server(0);
  std::vector<int> taken;  // fills the backlog
  for (int fd = 0; (fd = os::connect_unix(server.options().socket)) >= 0;) taken.push_back(fd);
  ASSERT_FALSE(taken.empty());
  ProxyOptions options = server.options();
  options.timeout_ms = 30;
  EXPECT_NE(server.open(options).status().message().find("takes no connection"), std::string::npos);
  options = server.options();
  options.block_open = false;
  auto file = server.open(options);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file.value().write("later"), Admission::kOk);
  std::string heard;
  for (std::size_t i = 0; i < taken.size(); ++i) {
    server.play([](ServerEnd&) {});
    server.join();
  }
  server.play([&](ServerEnd& end) {
    (void)end.hear_path();
    end.tell("OK");
    heard = end.hear_all();
    end.tell("BYE");
  });
  EXPECT_TRUE(file.value().close().ok());
  server.join();
  EXPECT_EQ(heard, "later");
  for (int& fd : taken) os::close_descriptor(fd);
}

TEST(ProxyFile, PathsAndSocketsThatCannotBeAreNamed) {
  EXPECT_FALSE(ProxyFile::open("").ok());
  EXPECT_FALSE(ProxyFile::open(std::string_view("a\0b", 3)).ok());
  EXPECT_FALSE(ProxyFile::open(std::string(5000, 'x')).ok());
  ProxyOptions options;
  options.socket = "/nowhere/at/all";
  const Status absent = ProxyFile::open("/tmp/x", options).status();
  EXPECT_EQ(int(absent.error_class()), int(ErrorClass::kRetryable));
  EXPECT_NE(absent.message().find("/nowhere/at/all"), std::string::npos);
  options.socket = std::string(200, 's');
  EXPECT_EQ(int(ProxyFile::open("/tmp/x", options).status().error_class()),
            int(ErrorClass::kFatal));
}

}  // namespace
}  // namespace sluice::test
