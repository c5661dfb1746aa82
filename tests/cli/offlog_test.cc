// sanitizers: none
// `sluice offlog` in the place of offlog's server: for its own unchanged clients, on its command
// line, in its log, and where the original died.
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <regex>

#include "append/offlog_server.h"
#include "append_server/raw_client.h"
#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

class OfflogCommand : public Cli {
 protected:
  void TearDown() override {
    if (pid_ > 0) stop(SIGKILL);
    Cli::TearDown();
  }
  void serve(const std::string& options = {}, const std::string& before = {}) {
    listen(before + " exec $SLUICE offlog -s s " + options);
  }
  void listen(const std::string& script) {
    pid_ = start(script, "out", "error");
    EXPECT_TRUE(eventually([&] {
      int probe = os::connect_unix(path("s"));
      const bool listens = probe >= 0;
      os::close_descriptor(probe);
      return listens;
    })) << text("error");
  }
  int stop(int signal = SIGTERM) {
    ::kill(pid_, signal);
    const int code = wait_for(pid_);
    pid_ = -1;
    return code;
  }
  // What the server has used of the processors.
  [[nodiscard]] i64 processor_time_ns() const {
    clockid_t clock{};
    timespec time{};
    EXPECT_EQ(::clock_getcpuclockid(pid_, &clock), 0);
    EXPECT_EQ(::clock_gettime(clock, &time), 0);
    return time.tv_sec * 1'000'000'000 + time.tv_nsec;
  }
  // Runs a script with the original client. The original's timeout is in seconds, whatever it says.
  Finished python(const std::string& script) {
    write("client.py", "import sys, os\nfrom offlog import ProxyFile, Logger\n" + script);
    return sh(offlog_python() + " client.py");
  }
  pid_t pid_ = -1;
};

TEST_F(OfflogCommand, UnchangedClientsAreServed) {
  if (offlog_python().empty()) GTEST_SKIP() << "scripts/install_offlog.sh";
  serve("-r 50");
  const Finished done = python(R"(
def proxy(path, **more): return ProxyFile(path, sock_path='s', timeout=60, **more)
f = proxy('plain')
f.write(b'hello\n'); f.write(b'\x00\xff'); f.close(); f.close()
# OK and BYE are read by one call, unless the server sees to it that they are not.
for i in range(500):
    f = proxy('many', block_open=False); f.write(b'x'); f.close()
f = proxy('big')
f.write(b'y' * (8 << 20)); f.close()
for path, error in (('/no/such', FileNotFoundError), ('/tmp', IsADirectoryError), ("it's/no", FileNotFoundError)):
    try: proxy(path); print('opened', path)
    except error as e: print(type(e).__name__, e)
f = proxy('/dev/full')
try:
    while True: f.write(b'x\n')
except OSError as e: print(e)
log = Logger('my app', 'log', stdout_level=None, stderr_level=None, offlog_socket_path='s', offlog_timeout=60)
log.info('Hello world, params are %s %d', 'foo', 7)
import time
until = time.time() + 60
os.rename('log', 'log.1')
lines = 0
while not os.path.exists('log') and time.time() < until: log.info('more'); lines += 1; time.sleep(0.005)
log.close()
print(open('log.1').read().count('\n') + open('log').read().count('\n') == lines + 1)
)");
  EXPECT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(done.out,
            "FileNotFoundError [Errno 2] No such file or directory: '/no/such'\n"
            "IsADirectoryError [Errno 21] Is a directory: '/tmp'\n"
            "FileNotFoundError [Errno 2] No such file or directory: \"" +
                path("it's/no") +
                "\"\n"
                "[Errno 28] No space left on device\nTrue\n");
  EXPECT_EQ(text("plain"), std::string("hello\n\0\xff", 8));
  EXPECT_EQ(text("many"), std::string(500, 'x'));
  EXPECT_EQ(text("big").size(), std::size_t{8} << 20);
  EXPECT_EQ(stop(), 0);
}

TEST_F(OfflogCommand, SaysWhatTheOriginalSays) {
  ::umask(022);
  serve("-l own.log");
  {
    const RawClient client(path("s"));
    ASSERT_TRUE(client.open(path("a")));
    EXPECT_EQ(client.message(), "OK");
    client.end();
    EXPECT_EQ(client.message(), "BYE");
  }
  struct stat info {};
  ASSERT_EQ(::stat(path("s").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755U);
  { EXPECT_TRUE(RawClient(path("s")).send(std::string("rel\0", 4))); }
  EXPECT_TRUE(
      eventually([&] { return text("error").find("not an absolute") != std::string::npos; }));
  EXPECT_EQ(stop(SIGINT), 0);
  EXPECT_FALSE(std::filesystem::exists(path("s")));
  std::string said = text("out");
  said = std::regex_replace(
      said, std::regex(R"(\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} offlog INFO\] )"), "");
  for (const std::string& line : std::vector<std::string>{
           "This is offlog server\n", "Listening on socket s\n", "connected\n",
           " opened " + path("a") + "\n", " disconnected\n", " closed " + path("a") + "\n",
           "Received signal, shutting down\n", "Exit\n"}) {
    EXPECT_NE(said.find(line), std::string::npos) << line << " in " << said;
  }
  EXPECT_NE(text("error").find("WARNING] Client 2 error, not an absolute path: rel"),
            std::string::npos)
      << text("error");
  EXPECT_EQ(lines_of(text("own.log")).size(),
            lines_of(text("out")).size() + lines_of(text("error")).size());
}

TEST_F(OfflogCommand, ASecondServerAFileAndAStaleSocket) {
  serve();
  const Finished second = sh("$SLUICE offlog -s s");
  EXPECT_EQ(second.code, 1);
  EXPECT_NE(second.error.find("a server listens there already"), std::string::npos);
  EXPECT_EQ(sh("echo still | $SLUICE append --socket s a && cat a").out, "still\n");
  stop(SIGKILL);
  EXPECT_TRUE(std::filesystem::exists(path("s"))) << "left, as a kill leaves it";
  serve();
  EXPECT_EQ(stop(), 0);
  write("s", "not a socket");
  const Finished refused = sh("$SLUICE offlog -s s");
  EXPECT_EQ(refused.code, 1);
  EXPECT_EQ(text("s"), "not a socket");
  EXPECT_EQ(sh("$SLUICE offlog -r 0").code, 2);
  EXPECT_EQ(sh("$SLUICE offlog --nothing").code, 2);
  EXPECT_EQ(sh("$SLUICE offlog -s no/such/dir/s -l no/such/log").code, 1);
}

TEST_F(OfflogCommand, ItsOwnLogNeverStopsIt) {
  // A pipe that nobody reads, and a disk that is full.
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  const int held = ::open(path("pipe").c_str(), O_RDWR | O_CLOEXEC);
  serve("-l /dev/full > pipe");
  for (int i = 0; i < 3000; ++i) {
    const RawClient client(path("s"));
    ASSERT_TRUE(client.send(path("a") + std::string("\0x\n", 3)));
  }
  EXPECT_EQ(sh("echo end | $SLUICE append --socket s b && cat b").out, "end\n");
  ::kill(pid_, SIGTERM);
  EXPECT_EQ(wait_for(std::exchange(pid_, -1)), 0);
  ::close(held);
  EXPECT_EQ(text("a").size(), 6000U);
}

// Clients of a FIFO that is full, of one that nobody reads, one that is idle, one without a path.
class HungFiles {
 public:
  explicit HungFiles(const std::string& directory)
      : full_(directory + "/full"), socket_(directory + "/s") {
    const std::string alone = directory + "/alone";
    EXPECT_EQ(::mkfifo(full_.c_str(), 0600), 0);
    EXPECT_EQ(::mkfifo(alone.c_str(), 0600), 0);
    reader_ = ::open(full_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    for (const std::string& path : {full_, full_, full_, alone, directory + "/idle"}) {
      EXPECT_TRUE(clients_.emplace_back(std::make_unique<RawClient>(socket_))->open(path));
      if (path != full_) continue;
      EXPECT_TRUE(clients_.back()->send(std::string(100'000, 'x')));
    }
    EXPECT_EQ(clients_.back()->message(), "OK");
    clients_.push_back(std::make_unique<RawClient>(socket_));
  }
  ~HungFiles() { ::close(reader_); }
  HungFiles(const HungFiles&) = delete;
  HungFiles& operator=(const HungFiles&) = delete;

  [[nodiscard]] bool hang() const {
    int waiting = 0;
    return ::ioctl(reader_, FIONREAD, &waiting) == 0 && waiting >= 65'536;
  }
  void expect_told() const {
    for (const auto& client : clients_) {
      std::string told = client->message();
      if (told == "OK") told = client->message();
      EXPECT_EQ(told, "OSError: offlog server exited");
    }
  }
  [[nodiscard]] std::string left() const {
    return "Clients left at the end: 3 of " + full_ + ", which did not answer in time";
  }

 private:
  const std::string full_;
  const std::string socket_;
  int reader_ = -1;
  std::vector<std::unique_ptr<RawClient>> clients_;
};

TEST_F(OfflogCommand, EndsWellThoughFilesHang) {
  serve("-l own.log");
  const HungFiles files(path(""));
  ASSERT_TRUE(eventually([&] { return files.hang(); }));
  EXPECT_EQ(stop(), 0);
  files.expect_told();
  EXPECT_NE(text("error").find(files.left()), std::string::npos) << text("error");
  EXPECT_NE(text("own.log").find(files.left()), std::string::npos);
  EXPECT_NE(text("out").find("Exit\n"), std::string::npos);
}

TEST_F(OfflogCommand, TheCollectorEndsWellThoughFilesHang) {
  listen(
      "exec $SLUICE serve --quiet --append-socket s --store store.db --admin-socket run/admin "
      "--ingest-socket run/ingest --stop-deadline 2s");
  const HungFiles files(path(""));
  ASSERT_TRUE(eventually([&] { return files.hang(); }));
  EXPECT_EQ(stop(), 0);
  files.expect_told();
  EXPECT_NE(text("error").find(" left undone at the deadline"), std::string::npos) << text("error");
  (void)sh("$SLUICE recover");  // what it could not store in time
  const std::string said = sh("$SLUICE logs --store store.db").out;
  EXPECT_NE(said.find(files.left()), std::string::npos) << said;
}

TEST_F(OfflogCommand, ALogThatNobodyReadsDoesNotKeepItFromStarting) {
  ASSERT_EQ(::mkfifo(path("log").c_str(), 0600), 0);
  const Finished refused = sh("$SLUICE offlog -s s -l log");
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.error.find("--logfile log cannot be opened"), std::string::npos);
}

TEST_F(OfflogCommand, WithoutDescriptorsClientsAreToldAndTheOthersGoOn) {
  serve({}, "ulimit -n 40;");
  std::vector<std::unique_ptr<RawClient>> clients;
  int served = 0;
  int refused = 0;
  for (int i = 0; i < 60; ++i) {
    clients.push_back(std::make_unique<RawClient>(path("s")));
    ASSERT_TRUE(clients.back()->open(path("f" + std::to_string(i))) || i > 0);
    const std::string told = clients.back()->message();
    if (told == "OK") {
      ++served;
    } else {
      EXPECT_TRUE(told.find("[Errno 24]") != std::string::npos ||
                  told.find("[Errno 11]") != std::string::npos)
          << told;
      ++refused;
    }
  }
  EXPECT_GT(served, 5);
  EXPECT_GT(refused, 5);
  ASSERT_TRUE(clients[0]->send("on\n"));
  clients[0]->end();
  EXPECT_EQ(clients[0]->message(), "BYE");
  EXPECT_EQ(text("f0"), "on\n");
}

// Not one is left, not even to refuse by.
TEST_F(OfflogCommand, WithoutAnyDescriptorNothingSpinsAndThoseWhoWaitAreServedInTheEnd) {
  serve();
  const RawClient there(path("s"));
  ASSERT_TRUE(there.open(path("a")));
  EXPECT_EQ(there.message(), "OK");
  rlimit before{};
  ASSERT_EQ(::prlimit(pid_, RLIMIT_NOFILE, nullptr, &before), 0);
  const rlimit none{3, before.rlim_max};
  ASSERT_EQ(::prlimit(pid_, RLIMIT_NOFILE, &none, nullptr), 0);
  const RawClient waits(path("s"));
  ASSERT_TRUE(waits.open(path("b")) && waits.send("served\n"));
  constexpr i64 kNs = 500'000'000;
  const i64 before_ns = processor_time_ns();
  os::sleep_ns(kNs);
  EXPECT_LT(processor_time_ns() - before_ns, kNs / 4);
  ASSERT_TRUE(there.send("goes on\n"));
  there.end();
  EXPECT_EQ(there.message(), "BYE");
  ASSERT_EQ(::prlimit(pid_, RLIMIT_NOFILE, &before, nullptr), 0);
  waits.end();
  EXPECT_EQ(waits.message(), "OK");
  EXPECT_EQ(waits.message(), "BYE");
  EXPECT_EQ(text("a") + text("b"), "goes on\nserved\n");
  EXPECT_EQ(stop(), 0);
}

TEST_F(OfflogCommand, AFullDiskIsToldToItsClientsOnly) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may mount";
  std::filesystem::create_directory(path("small"));
  listen(
      "exec unshare -m sh -c 'mount -t tmpfs -o size=64k none small && "
      "exec \"$SLUICE\" offlog -s s'");
  // Only the server sees what is mounted.
  const std::string seen =
      std::filesystem::path("/proc") / std::to_string(pid_) / "root" / path("small/a").substr(1);
  const RawClient other(path("s"));
  ASSERT_TRUE(other.open(path("b")));
  EXPECT_EQ(other.message(), "OK");
  for (int i = 0; i < 2; ++i) {
    const RawClient client(path("s"));
    ASSERT_TRUE(client.open(path("small/a")));
    EXPECT_EQ(client.message(), "OK");
    while (client.send("a line\n")) {
    }
    EXPECT_EQ(client.message(), "OSError: [Errno 28] No space left on device");
    ASSERT_TRUE(other.send("goes on\n"));
    EXPECT_GE(read_file(seen).size(), 60'000U);
    ASSERT_EQ(::truncate(seen.c_str(), 0), 0);  // and there is room for the next one
  }
  other.end();
  EXPECT_EQ(other.message(), "BYE");
  EXPECT_EQ(text("b"), "goes on\ngoes on\n");
  EXPECT_EQ(stop(), 0);
}

TEST_F(OfflogCommand, ManyClientsAndAKillOfHalfOfThem) {
  serve();
  constexpr int kClients = 8;
  for (int c = 0; c < kClients; ++c) {
    const std::string script =
        "i=0; while [ $i -lt 400 ]; do echo client-" + std::to_string(c) +
        "-$i; i=$((i+1)); done | $SLUICE append --socket s --timeout 60000 all";
    const pid_t pid = start(script, "o" + std::to_string(c), "e" + std::to_string(c));
    if (c % 2 == 0) ::kill(pid, SIGKILL);
    const int code = wait_for(pid);
    EXPECT_EQ(code, c % 2 == 0 ? 137 : 0);
  }
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(sh("grep -c '^client-[1357]-[0-9]*$' all").out, "1600\n");
}

}  // namespace
}  // namespace sluice::test
