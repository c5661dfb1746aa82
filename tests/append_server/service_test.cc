// The append service through its socket: what clients hear, what is in the files, and that nobody
// waits for another's file.
#include "append_server/service.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "append/protocol.h"
#include "append_server/raw_client.h"
#include "support/own_directory.h"
#include "support/read_file.h"

namespace sluice::test {
namespace {

using namespace std::string_literals;
using append_server::Service;
using append_server::ServiceOptions;
using append_server::ServiceStats;

constexpr i64 kSecond = 1'000'000'000;

class AppendService : public ::testing::Test {
 protected:
  AppendService() { start({}); }
  ~AppendService() override { os::close_descriptor(reader_); }

  void start(ServiceOptions options) {
    service_.reset();
    std::filesystem::remove(socket());
    options.listeners = {os::listen_unix(socket(), append::kBacklog)};
    ASSERT_GE(options.listeners[0], 0);
    auto started = Service::start(std::move(options));
    ASSERT_TRUE(started.ok()) << started.status().message();
    service_ = std::move(started.value());
  }
  [[nodiscard]] std::string socket() const { return directory_.path() + "/s"; }
  [[nodiscard]] std::string path(const std::string& name) const {
    return directory_.path() + "/" + name;
  }
  [[nodiscard]] u64 stop(i64 within_ns = 60 * kSecond) {
    return service_->stop(u64(os::monotonic_ns() + within_ns));
  }
  // Appends as a client that does all in one go, and hears the end.
  void write(const std::string& name, const std::string& bytes) const {
    const RawClient client(socket());
    ASSERT_TRUE(client.open(path(name)) && client.send(bytes));
    client.end();
    EXPECT_EQ(client.message(), "OK");
    EXPECT_EQ(client.message(), "BYE");
    EXPECT_EQ(client.message(), "EOF");
  }
  template <typename Condition>
  void wait_until(const Condition& condition) const {
    const i64 until = os::monotonic_ns() + 60 * kSecond;
    bool holds = condition();
    for (; !holds && os::monotonic_ns() < until; holds = condition()) os::sleep_ns(1'000'000);
    EXPECT_TRUE(holds);
  }

  const OwnDirectory directory_;
  std::unique_ptr<Service> service_;
  int reader_ = -1;  // of a FIFO, so that what hangs ends with the test
};

TEST_F(AppendService, WritesWhatIsSentAndSaysGoodbye) {
  write("a", "hello\n");
  write("a", "");
  write("a", std::string("\0\xff\n", 3));
  const std::string large(std::size_t{5} << 20, 'L');
  write("a", large);
  EXPECT_TRUE(read_file(path("a")) == "hello\n"s + std::string("\0\xff\n", 3) + large);
  const ServiceStats stats = service_->stats();
  EXPECT_EQ(stats.bytes_written, 9 + large.size());
  EXPECT_EQ(stats.clients_total, 4U);
  EXPECT_EQ(stop(), 0U);
}

TEST_F(AppendService, EachMessageComesWithAReceiveOfItsOwn) {
  // All at once, and read late: one receive may not return two.
  for (int i = 0; i < 200; ++i) {
    const RawClient client(socket());
    ASSERT_TRUE(client.open(path("a")) && client.send("x\n"));
    client.end();
    wait_until([&] { return os::wait_socket(client.socket(), os::kPeerEnded, 0) > 0; });
    ASSERT_EQ(client.message(), "OK");
    ASSERT_EQ(client.message(), "BYE");
  }
}

TEST_F(AppendService, SaysWhyAPathIsRefused) {
  std::filesystem::create_directory(path("d"));
  const std::pair<std::string, std::string> cases[] = {
      {"rel/path\0"s, "ValueError: not an absolute path"},
      {"/" + std::string(5000, 'x'), "ValueError: path longer than PATH_MAX"},
      {path("d") + '\0', "IsADirectoryError: [Errno 21] Is a directory: '" + path("d") + "'"},
      {path("no/it's") + '\0',
       "FileNotFoundError: [Errno 2] No such file or directory: \"" + path("no/it's") + "\""},
      {path("s") + '\0', "OSError: [Errno 6] No such device or address: '" + path("s") + "'"}};
  for (const auto& [sent, told] : cases) {
    const RawClient client(socket());
    ASSERT_TRUE(client.send(sent + "and data that nobody will read"));
    EXPECT_EQ(client.message(), told);
    EXPECT_EQ(client.message(), "EOF") << "and no reset, which could take the message away";
  }
  const RawClient mute(socket());
  mute.end();
  EXPECT_EQ(mute.message(), "BYE");
  write("a", "the others go on\n");
}

TEST_F(AppendService, PathsFromHellAreRefusedInWords) {
  std::filesystem::create_symlink(path("loop"), path("loop"));
  const std::string odd = "no/\xff\x1b]0;x\x07\n";
  const std::string long_name(300, 'n');
  const std::string longest(append::kPathSizeMax, '/');
  const std::pair<std::string, std::string> cases[] = {
      {"", "ValueError: not an absolute path"},
      {"/", "IsADirectoryError: [Errno 21] Is a directory: '/'"},
      {"/" + std::string(1 << 20, 'x'), "ValueError: path longer than PATH_MAX"},
      {longest, "OSError: [Errno 36] File name too long: '" + longest + "'"},
      {path("loop"),
       "OSError: [Errno 40] Too many levels of symbolic links: '" + path("loop") + "'"},
      {path(long_name), "OSError: [Errno 36] File name too long: '" + path(long_name) + "'"},
      {path("a/"), "IsADirectoryError: [Errno 21] Is a directory: '" + path("a/") + "'"},
      {path("../no/a"),
       "FileNotFoundError: [Errno 2] No such file or directory: '" + path("../no/a") + "'"},
      {path(odd), "FileNotFoundError: [Errno 2] No such file or directory: '" + path("no/") +
                      "\\udcff\\x1b]0;x\\x07\\n'"}};
  for (const auto& [sent, told] : cases) {
    const RawClient client(socket());
    (void)client.open(sent);  // the longest are ended before they are whole
    EXPECT_EQ(client.message(), told);
    EXPECT_EQ(client.message(), "EOF");
  }
}

TEST_F(AppendService, OddPathsThatAreThereAreWritten) {
  std::filesystem::create_directory(path("d"));
  std::filesystem::create_symlink(path("target"), path("link"));
  const std::string odd = "\xff\x1b \n'\"";
  write(odd, "odd\n");
  write("d/../up", "up\n");
  write("link", "followed\n");
  write("./" + std::string(2000, '/') + "deep", "deep\n");
  EXPECT_EQ(read_file(path(odd)), "odd\n");
  EXPECT_EQ(read_file(path("up")), "up\n");
  EXPECT_EQ(read_file(path("target")), "followed\n");
  EXPECT_EQ(read_file(path("deep")), "deep\n");
  // Only the first zero ends a path.
  const RawClient client(socket());
  ASSERT_TRUE(client.send(path("z") + "\0\0/b\0"s));
  client.end();
  EXPECT_EQ(client.message(), "OK");
  EXPECT_EQ(client.message(), "BYE");
  EXPECT_EQ(read_file(path("z")), "\0/b\0"s);
}

TEST_F(AppendService, AFullDiskIsOneClientsOwn) {
  const RawClient client(socket());
  ASSERT_TRUE(client.open("/dev/full"));
  EXPECT_EQ(client.message(), "OK");
  ASSERT_TRUE(client.send("x\n"));
  EXPECT_EQ(client.message(), "OSError: [Errno 28] No space left on device");
  EXPECT_EQ(client.message(), "EOF");
  EXPECT_FALSE(client.send("more")) << "its next write fails at once";
  write("a", "fine\n");
  EXPECT_EQ(service_->stats().writes_failed, 1U);
}

// What was sent and not received would reset the connection, and take the message with it.
TEST_F(AppendService, AClientThatDoesNotStopHearsWhy) {
  for (int i = 0; i < 50; ++i) {
    const RawClient client(socket());
    ASSERT_TRUE(client.open("/dev/full"));
    ASSERT_EQ(client.message(), "OK");
    const std::string line(1000, 'x');
    while (client.send(line)) {
    }
    ASSERT_EQ(client.message(), "OSError: [Errno 28] No space left on device");
    ASSERT_EQ(client.message(), "EOF");
  }
}

TEST_F(AppendService, LinesOfSeveralClientsStayWhole) {
  start({.line_hold_ms = 60'000});  // also where the machine is slow
  constexpr int kClients = 4;
  constexpr int kLines = 20'000;
  std::vector<std::thread> threads;
  for (int c = 0; c < kClients; ++c) {
    threads.emplace_back([&, c] {
      const RawClient client(socket());
      ASSERT_TRUE(client.open(path("a")));
      std::string bytes;
      for (int i = 0; i < kLines; ++i) {
        bytes += std::to_string(c) + " " + std::to_string(i) + " " +
                 std::string(std::size_t(i % 150), char('a' + c)) + "\n";
        // Cut where no line ends.
        if (bytes.size() > 3000) {
          ASSERT_TRUE(client.send(bytes.substr(0, bytes.size() - 7)));
          bytes.erase(0, bytes.size() - 7);
        }
      }
      ASSERT_TRUE(client.send(bytes));
      client.end();
      EXPECT_EQ(client.message(), "OK");
      EXPECT_EQ(client.message(), "BYE");
    });
  }
  for (std::thread& thread : threads) thread.join();
  int next[kClients] = {};
  std::ifstream file(path("a"));
  for (std::string line; std::getline(file, line);) {
    const int c = line[0] - '0';
    ASSERT_TRUE(c >= 0 && c < kClients) << line;
    const int i = next[c]++;
    ASSERT_EQ(line, std::to_string(c) + " " + std::to_string(i) + " " +
                        std::string(std::size_t(i % 150), char('a' + c)));
  }
  for (const int lines : next) EXPECT_EQ(lines, kLines);
  EXPECT_EQ(service_->stats().lines_split, 0U);
}

TEST_F(AppendService, APieceOfALineWaitsBesideOthersAndNotForEver) {
  start({.line_hold_ms = 1000});  // long enough for the second one on a slow machine
  const RawClient first(socket());
  const RawClient second(socket());
  ASSERT_TRUE(first.open(path("a")) && first.send("alone"));
  EXPECT_EQ(first.message(), "OK");
  wait_until([&] { return read_file(path("a")) == "alone"; });
  ASSERT_TRUE(second.open(path("a")));
  EXPECT_EQ(second.message(), "OK") << "at once, though nothing can be written now";
  ASSERT_TRUE(second.send("two\n"));
  ASSERT_TRUE(first.send(" no more\nrest"));
  wait_until([&] { return read_file(path("a")).size() == 22; });
  EXPECT_EQ(read_file(path("a")), "alone no more\ntwo\nrest") << "in the end";
  first.end();
  EXPECT_EQ(first.message(), "BYE");
}

TEST_F(AppendService, ALineWithoutAnEndDoesNotKeepOthersOut) {
  start({.line_hold_ms = 1000});
  const RawClient endless(socket());
  ASSERT_TRUE(endless.open(path("a")));
  EXPECT_EQ(endless.message(), "OK");
  std::atomic<bool> enough = false;
  std::thread sender([&] {
    const std::string piece(64 << 10, 'x');
    while (!enough && endless.send(piece)) {
    }
  });
  // Its line is under way, and pieces of it follow each other faster than the hold.
  wait_until([&] { return service_->stats().bytes_written > (4U << 20); });
  write("a", "other\n");
  enough = true;
  sender.join();
  EXPECT_GT(service_->stats().lines_split, 0U) << "and it is counted";
}

TEST_F(AppendService, AHungFileKeepsNobodyElse) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  std::vector<std::unique_ptr<RawClient>> stuck;
  for (int i = 0; i < 50; ++i) {
    stuck.push_back(std::make_unique<RawClient>(socket()));
    ASSERT_TRUE(stuck.back()->open(path("fifo")));
  }
  for (int i = 0; i < 20; ++i) write("a", "x\n");
  // Now they open, and fill it.
  reader_ = ::open(path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader_, 0);
  EXPECT_EQ(stuck[0]->message(), "OK");
  for (const auto& client : stuck) ASSERT_TRUE(client->send(std::string(100'000, 'x')));
  wait_until([&] { return service_->stats().stuck > 0; });
  write("a", "y\n");
  // One thread for one file: more, had they been taken, would be there by then, and stay. One that
  // only got no processor for a while counts too, and goes.
  const i64 settled_ns = os::monotonic_ns() + kSecond / 2;
  wait_until([&] { return os::monotonic_ns() > settled_ns && service_->stats().stuck == 1; });
  EXPECT_TRUE(service_->gets_on());
  wait_until([&] { return service_->gets_on(); });
  EXPECT_GT(stop(kSecond), 0U) << "the hung one is left, and said";
  std::string told = stuck[1]->message();
  if (told == "OK") told = stuck[1]->message();  // before the first one's write
  EXPECT_EQ(told, "OSError: offlog server exited");
  EXPECT_EQ(stuck[0]->message(), "OSError: offlog server exited") << "told though it hangs";
}

TEST_F(AppendService, AFifoThatNobodyReadsCostsNoThreadAndEndsWithTheServer) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo(path("late").c_str(), 0600), 0);
  std::vector<std::unique_ptr<RawClient>> clients;
  std::string spelled = path("");
  for (int i = 0; i < 600; ++i) {
    clients.push_back(std::make_unique<RawClient>(socket()));
    ASSERT_TRUE(clients.back()->send(spelled + "fifo\0lost\n"s));
    spelled += "./";
  }
  const RawClient late(socket());
  ASSERT_TRUE(late.send(path("late") + "\0kept\n"s));
  write("a", "x\n");
  wait_until([&] { return service_->stats().stuck == 0; });
  reader_ = ::open(path("late").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader_, 0);
  EXPECT_EQ(late.message(), "OK");
  char bytes[16];
  EXPECT_EQ(std::string(bytes, std::size_t(::read(reader_, bytes, sizeof bytes))), "kept\n");
  wait_until([&] { return service_->stats().clients == 601; });
  EXPECT_EQ(stop(), 0U);
  EXPECT_EQ(clients[0]->message(), "OSError: offlog server exited");
  EXPECT_EQ(clients[0]->message(),
            "OSError: [Errno 6] No such device or address: '" + path("fifo") + "'");
  EXPECT_EQ(clients[0]->message(), "EOF");
  EXPECT_EQ(service_->stats().bytes_dropped, 600U * 5U) << "and counted";
}

TEST_F(AppendService, TellsOfRotationWhileTheClientIsIdleAndGoesOn) {
  start({.rotation_check_ms = 20});
  const RawClient client(socket());
  ASSERT_TRUE(client.open(path("a")));
  EXPECT_EQ(client.message(), "OK");
  EXPECT_EQ(client.receive(100'000'000), "NOTHING");
  std::filesystem::rename(path("a"), path("a.1"));
  EXPECT_EQ(client.message(), "ROTATED");
  ASSERT_TRUE(client.send("to the old one\n"));
  EXPECT_EQ(client.receive(100'000'000), "NOTHING") << "told once";
  client.end();
  EXPECT_EQ(client.message(), "BYE");
  EXPECT_EQ(read_file(path("a.1")), "to the old one\n");
  EXPECT_FALSE(std::filesystem::exists(path("a")));
}

TEST_F(AppendService, APathThatBecomesAFilesChildIsARotation) {
  start({.rotation_check_ms = 20});
  std::filesystem::create_directory(path("d"));
  const RawClient client(socket());
  ASSERT_TRUE(client.open(path("d/a")));
  EXPECT_EQ(client.message(), "OK");
  std::filesystem::remove_all(path("d"));
  std::ofstream(path("d")) << "a file";
  EXPECT_EQ(client.message(), "ROTATED");
}

TEST_F(AppendService, AtTheEndWhatWasSentIsWrittenAndAllAreTold) {
  const RawClient idle(socket());
  ASSERT_TRUE(idle.open(path("idle")) && idle.send("sent before\n"));
  EXPECT_EQ(idle.message(), "OK");
  const RawClient mute(socket());
  const RawClient halfway(socket());
  ASSERT_TRUE(halfway.send(path("half").substr(0, 5)));
  wait_until([&] { return service_->stats().clients == 3; });
  // Sent, and gone; and one that nobody has accepted yet, maybe.
  {
    const RawClient gone(socket());
    ASSERT_TRUE(gone.send(path("gone") + "\0kept\n"s));
  }
  EXPECT_EQ(stop(), 0U);
  for (const RawClient* client : {&idle, &mute, &halfway}) {
    EXPECT_EQ(client->message(), "OSError: offlog server exited");
    EXPECT_EQ(client->message(), "EOF");
    EXPECT_FALSE(client->send("more"));
  }
  EXPECT_EQ(read_file(path("idle")), "sent before\n");
  EXPECT_EQ(read_file(path("gone")), "kept\n");
  EXPECT_FALSE(std::filesystem::exists(path("half")));
}

TEST_F(AppendService, KeepsToItsDirectories) {
  std::filesystem::create_directories(path("in/below"));
  std::filesystem::create_directory(path("out"));
  std::filesystem::create_symlink(path("out"), path("in/link"));
  std::filesystem::create_symlink(path("out/x"), path("in/file"));
  start({.directories = {path("in")}});
  write("in/below/a", "x\n");
  for (const std::string name :
       {"out/a", "in/../out/a", "in/link/a", "in/file", "inside", "in/below/../../out/a"}) {
    const RawClient client(socket());
    ASSERT_TRUE(client.open(path(name)));
    EXPECT_EQ(client.message(),
              "PermissionError: [Errno 13] Permission denied: '" + path(name) + "'");
  }
  EXPECT_TRUE(std::filesystem::is_empty(path("out")));
}

TEST_F(AppendService, TooManyClientsAreToldToComeAgain) {
  start({.clients_max = 2});
  auto first = std::make_unique<RawClient>(socket());
  ASSERT_TRUE(first->open(path("a")));
  EXPECT_EQ(first->message(), "OK");
  const RawClient second(socket());
  ASSERT_TRUE(second.open(path("a")));
  EXPECT_EQ(second.message(), "OK");
  EXPECT_EQ(RawClient(socket()).message(),
            "BlockingIOError: [Errno 11] Resource temporarily unavailable: there are too many "
            "clients; try again later");
  first.reset();
  wait_until([&] { return service_->stats().clients == 1; });
  write("a", "x\n");
  start({.clients_per_user_max = 1});
  const RawClient only(socket());
  ASSERT_TRUE(only.open(path("a")));
  EXPECT_EQ(only.message(), "OK");
  EXPECT_TRUE(RawClient(socket()).message().starts_with("BlockingIOError"));
}

// A bound from below, which a slow machine keeps too: what was saved for a second, then the rate.
TEST_F(AppendService, AUserOverTheRateWaitsAndLosesNothing) {
  constexpr u64 kRate = 1 << 20;
  constexpr int kClients = 4;
  start({.bytes_per_second_per_user = kRate});
  const std::string bytes(kRate / 2, '\n');
  const i64 begin_ns = os::monotonic_ns();
  std::vector<std::thread> threads;
  for (int c = 0; c < kClients; ++c) threads.emplace_back([&] { write("a", bytes); });
  for (std::thread& thread : threads) thread.join();
  const u64 sent = bytes.size() * kClients;
  EXPECT_GE(os::monotonic_ns() - begin_ns, i64((sent - kRate) * u64(kSecond) / kRate));
  EXPECT_EQ(read_file(path("a")).size(), sent);
  const ServiceStats stats = service_->stats();
  EXPECT_GT(stats.rate_waits, 0U);
  EXPECT_EQ(stats.bytes_dropped, 0U);
}

TEST_F(AppendService, APieceOfALineThatWaitsForTheRateIsNotLate) {
  // 4 KiB at a time, at once, after 1 s and after 3 s.
  start({.bytes_per_second_per_user = 2 << 10, .line_hold_ms = 1000});
  const RawClient other(socket());
  ASSERT_TRUE(other.open(path("a")));
  EXPECT_EQ(other.message(), "OK");
  std::string lines;
  for (int i = 0; i < 10; ++i) lines += std::string(999, 'x') + "\n";
  write("a", lines);
  EXPECT_EQ(read_file(path("a")), lines);
  EXPECT_GT(service_->stats().rate_waits, 1U);
  EXPECT_EQ(service_->stats().lines_split, 0U);
}

TEST_F(AppendService, ARateIsOneUsersOwn) {
  start({.bytes_per_second_per_user = 1 << 10});
  ASSERT_EQ(::chmod(socket().c_str(), 0777), 0);
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0711), 0);
  const RawClient first(socket());
  ASSERT_TRUE(first.open(path("a")) && first.send(std::string(150 << 10, 'x')));  // for minutes
  wait_until([&] { return service_->stats().rate_waits > 0; });
  // Of this thread alone: what the system call does, and its wrapper in the library does not.
  constexpr uid_t kAnother = 65'534;
  if (::syscall(SYS_setresuid, -1, kAnother, -1) != 0) GTEST_SKIP() << "needs root";
  const RawClient second(socket());
  ASSERT_EQ(::syscall(SYS_setresuid, -1, 0, -1), 0);
  ASSERT_TRUE(second.open(path("b")) && second.send("not slowed\n"));
  second.end();
  EXPECT_EQ(second.message(), "OK");
  EXPECT_EQ(second.message(), "BYE");
}

TEST_F(AppendService, AStopDoesNotWaitForTheRate) {
  start({.bytes_per_second_per_user = 1 << 10});
  const RawClient client(socket());
  const std::string bytes(150 << 10, 'x');
  ASSERT_TRUE(client.open(path("a")) && client.send(bytes));
  EXPECT_EQ(client.message(), "OK");
  wait_until([&] { return service_->stats().rate_waits > 0; });
  EXPECT_EQ(stop(), 0U);
  EXPECT_EQ(client.message(), "OSError: offlog server exited");
  EXPECT_TRUE(read_file(path("a")) == bytes);
}

TEST_F(AppendService, WhoSaysNoPathIsNotKeptForEver) {
  start({.greeting_ms_max = 50});
  const RawClient client(socket());
  ASSERT_TRUE(client.send("/half"));
  EXPECT_TRUE(client.message().starts_with("TimeoutError"));
  EXPECT_EQ(client.message(), "EOF");
}

TEST_F(AppendService, RecordsAreWholeAndAcknowledged) {
  const RawClient client(socket());
  ASSERT_TRUE(client.send("sluice-append/1 records ack sync=end\0"s) && client.open(path("a")));
  EXPECT_EQ(client.message(), "OK");
  ASSERT_TRUE(client.send("\3\0\0\0one\3\0\0\0t"s));
  ASSERT_TRUE(client.send("wo\4\0\0\0cut"s));
  wait_until([&] { return read_file(path("a")) == "onetwo"; });
  ASSERT_TRUE(client.send("!"));
  client.end();
  std::string told;  // acknowledgements may come together with what follows
  for (std::string more; (more = client.receive()) != "EOF";) told += more;
  EXPECT_EQ(told, "ACK 22\0BYE\0"s) << "with the disk's word, at the end";
  EXPECT_EQ(read_file(path("a")), "onetwocut!");

  const RawClient torn(socket());
  ASSERT_TRUE(torn.send("sluice-append/1 records\0"s) && torn.open(path("a")));
  EXPECT_EQ(torn.message(), "OK");
  ASSERT_TRUE(torn.send("\1\0\0\0x\5\0\0\0ab"s));
  torn.end();
  EXPECT_EQ(torn.message(), "ValueError: the last record is not whole");
  EXPECT_EQ(read_file(path("a")), "onetwocut!x");

  const RawClient timed(socket());
  ASSERT_TRUE(timed.send("sluice-append/1 ack sync=1\0"s) && timed.open(path("a")));
  EXPECT_EQ(timed.message(), "OK");
  ASSERT_TRUE(timed.send("y\n"));
  EXPECT_EQ(timed.message(), "ACK 2") << "without an end";
  EXPECT_EQ(service_->stats().bytes_dropped, 6U);
}

TEST_F(AppendService, RecordsThatAreNotWholeHaveABudget) {
  start({.held_bytes_max = 1000});
  const std::string unfinished = "\0\10\0\0"s + std::string(1500, 'r');
  const RawClient first(socket());
  ASSERT_TRUE(first.send("sluice-append/1 records\0"s) && first.open(path("a")));
  EXPECT_EQ(first.message(), "OK");
  ASSERT_TRUE(first.send(unfinished));
  wait_until([&] { return service_->stats().held_bytes == unfinished.size(); });
  const RawClient second(socket());
  ASSERT_TRUE(second.send("sluice-append/1 records\0"s) && second.open(path("b")));
  EXPECT_EQ(second.message(), "OK");
  ASSERT_TRUE(second.send("\3\0\0\0one"s + unfinished));
  EXPECT_TRUE(second.message().starts_with("BlockingIOError: [Errno 11]"));
  EXPECT_EQ(second.message(), "EOF");
  EXPECT_EQ(read_file(path("b")), "one") << "what was whole";
  EXPECT_EQ(service_->stats().bytes_dropped, unfinished.size());
}

TEST_F(AppendService, ClientsThatComeAndGoByTheHundred) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const RawClient client(socket());
        ASSERT_TRUE(client.send(path("f" + std::to_string((t + i) % 3)) + "\0line\n"s));
        if (i % 4 == 0) continue;  // gone without a word
        client.end();
        ASSERT_EQ(client.message(), "OK");
        ASSERT_EQ(client.message(), "BYE");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stop(), 0U);
  std::size_t bytes = 0;
  for (const char* name : {"f0", "f1", "f2"}) bytes += read_file(path(name)).size();
  EXPECT_EQ(bytes, 8U * 50U * 5U) << "also of those who did not wait";
}

}  // namespace
}  // namespace sluice::test
