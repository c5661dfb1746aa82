// sanitizers: none (forks programs with threads, and kills them)
//
// sluice level: what it changes in running programs, whoever drains them; and commands and programs
// that are killed, stopped, or talk nonsense.
#include "collector/support/regions_fixture.h"
#include "region/region.h"
#include "region/request_area.h"

namespace sluice::test {
namespace {

using region::RequestArea;

constexpr int kQuietLine = __LINE__ + 5;
// Says at three places what passes there; only what passes is counted.
[[noreturn]] void say_for_ever(Ledger& ledger, u32 number) {
  static Logger net{"net.http"};
  for (;;) {
    SLUICE_DEBUG("quiet {}", ledger.kept[number].fetch_add(1));
    SLUICE_LOGGER_DEBUG(net, "net {}", ledger.calls[number].fetch_add(1));
    ledger.flushes[number].fetch_add(1);
    ::usleep(200);
  }
}

class SetLevel : public Regions {
 protected:
  void SetUp() override {
    Regions::SetUp();
    collector_ = Collector::off;
    own_file_ = true;
  }
  // Its number as a process, once it runs.
  std::string run(u32 number, Mode mode = Mode::asynchronous) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      Options wanted = options(number);
      wanted.mode = mode;
      ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), 1);
      if (!sluice::start(wanted)) ::_exit(97);
      say_for_ever(*ledger_, number);
    }
    programs_.push_back(pid);
    EXPECT_TRUE(goes_on(number, 1));
    return std::to_string(pid);
  }
  bool goes_on(u32 number, u64 rounds) {
    const u64 from = ledger_->flushes[number];
    return eventually([&] { return ledger_->flushes[number] >= from + rounds; });
  }
  // Whether the place passes what it says, a round after now and for some rounds.
  bool says(std::atomic<u64>& place, u32 number) {
    EXPECT_TRUE(goes_on(number, 2));
    const u64 before = place;
    EXPECT_TRUE(goes_on(number, 20));
    return place != before;
  }
  bool says_quiet(u32 number) { return says(ledger_->kept[number], number); }
  bool says_net(u32 number) { return says(ledger_->calls[number], number); }

  Finished level(const std::string& words) { return sh("$SLUICE level " + words); }
  void expect_done(const std::string& words, const std::string& said = {}) {
    const Finished run = level(words);
    EXPECT_EQ(run.code, 0) << words << "\n" << run.error;
    EXPECT_NE(run.out.find(said), std::string::npos) << run.out;
  }
  void expect_failure(const std::string& words, int code, const std::string& said) {
    const Finished run = level(words);
    EXPECT_EQ(run.code, code) << words << "\n" << run.out << run.error;
    EXPECT_NE(run.error.find(said), std::string::npos) << run.error;
  }
  void change_all(u32 number, const std::string& pid) {
    const std::string place = "set_level_test.cc:" + std::to_string(kQuietLine);
    EXPECT_FALSE(says_quiet(number));
    expect_done(pid + " debug", "all loggers");
    EXPECT_TRUE(says_quiet(number));
    EXPECT_TRUE(says_net(number));
    expect_done(pid + " net off", "logger 'net': off");
    EXPECT_TRUE(says_quiet(number));
    EXPECT_FALSE(says_net(number));
    expect_done(pid + " net default", "as it was started");
    expect_done(pid + " default");
    EXPECT_FALSE(says_quiet(number));
    EXPECT_FALSE(says_net(number));
    expect_done("program" + std::to_string(number) + " " + place + " debug", "1 call site at");
    EXPECT_TRUE(says_quiet(number));
    EXPECT_FALSE(says_net(number));
    expect_done(pid + " " + place + " default");
    EXPECT_FALSE(says_quiet(number));
    expect_done(pid + " 'set_level_test.cc:*' trace", "2 call sites");
    EXPECT_TRUE(says_quiet(number));
    expect_done(pid + " 'set_level_test.cc:*' default");
    expect_done(pid + " nowhere.cc:7 debug", "no call site");
    EXPECT_FALSE(says_net(number));
  }
  // The region's file of the one program, and where its area of requests lies.
  struct Requests {
    int fd = -1;
    u64 at = 0;
  };
  [[nodiscard]] std::string region_path() const {
    for (const auto& entry : std::filesystem::directory_iterator(regions_)) {
      if (entry.path().extension() == ".region") return entry.path();
    }
    return {};
  }
  [[nodiscard]] Requests open_requests() const {
    const int fd = ::open(region_path().c_str(), O_RDWR | O_CLOEXEC);
    alignas(64) char bytes[4096] = {};
    EXPECT_EQ(::pread(fd, bytes, sizeof bytes, 0), ssize_t(sizeof bytes));
    const auto& header = *reinterpret_cast<const region::RegionHeader*>(bytes);
    for (u32 i = 0; i < header.area_count && i < region::kAreasMax; ++i) {
      const region::Area& area = header.areas[i];
      if (area.kind == u32(region::AreaKind::kRequests)) return {fd, area.offset};
    }
    ADD_FAILURE() << "no area of requests";
    return {};
  }
  static u8 byte_at(const Requests& requests, u64 at) {
    u8 byte = 0;
    EXPECT_EQ(::pread(requests.fd, &byte, 1, off_t(requests.at + at)), 1);
    return byte;
  }
  static bool is_answered(const Requests& requests) {
    return byte_at(requests, offsetof(RequestArea, asked)) ==
           byte_at(requests, offsetof(RequestArea, answered));
  }
};

TEST_F(SetLevel, OfAProgramWithSinksOfItsOwn) { change_all(1, run(1)); }

TEST_F(SetLevel, OfAProgramThatTheCollectorDrains) {
  serve();
  own_file_ = false;
  collector_ = Collector::automatic;
  const std::string pid = run(2);
  ASSERT_TRUE(eventually([&] { return taken() == 1; }));
  change_all(2, pid);
  ASSERT_EQ(stop(), 0);
  change_all(2, pid);
}

TEST_F(SetLevel, OfEveryProcessOfAProduct) {
  (void)run(3);
  (void)run(3);  // counts where the first one does, so it may not have started yet
  Finished asked;
  EXPECT_TRUE(eventually([&] {
    asked = level("program3 debug");
    return asked.code == 0 && lines_of(asked.out).size() == 2;
  })) << asked.out
      << asked.error;
}

TEST_F(SetLevel, DefaultIsWhatTheProgramWasStartedWith) {
  ::setenv("SLUICE_LEVEL", "debug,net=off", 1);
  const std::string pid = run(4);
  ::unsetenv("SLUICE_LEVEL");
  EXPECT_TRUE(says_quiet(4));
  EXPECT_FALSE(says_net(4));
  expect_done(pid + " error");
  expect_done(pid + " net debug");
  EXPECT_FALSE(says_quiet(4));
  EXPECT_TRUE(says_net(4));
  expect_done(pid + " default");
  expect_done(pid + " net default");
  EXPECT_TRUE(says_quiet(4));
  EXPECT_FALSE(says_net(4));
}

TEST_F(SetLevel, ABacktraceIsHeldUntilItIsTakenBack) {
  const std::string pid = run(7);
  EXPECT_FALSE(says_net(7));
  expect_done(pid + " net backtrace=8", "logger 'net': a backtrace of 8 records");
  EXPECT_TRUE(says_net(7)) << "calls pass, and are held";
  EXPECT_FALSE(says_quiet(7));
  expect_done(pid + " net backtrace=0", "no backtrace");
  EXPECT_FALSE(says_net(7));
  expect_done(pid + " backtrace", "all loggers without a level of their own: a backtrace of 64");
  EXPECT_TRUE(says_quiet(7));
  EXPECT_EQ(read_file(path("program7.log")).find("quiet"), std::string::npos);
  // What was published as the logger's backtrace was taken back goes out at once.
  const std::size_t at_once = lines_of(read_file(path("program7.log"))).size();
  EXPECT_LT(at_once, ledger_->calls[7].load()) << "the others were held";
  programs_.clear();
  const pid_t killed = pid_t(std::stoi(pid));
  ::kill(killed, SIGKILL);
  ::waitpid(killed, nullptr, 0);
  EXPECT_EQ(sh("$SLUICE recover --directory " + regions_).code, 0);
  const std::vector<std::string> lines = lines_of(read_file(path("program7.log")));
  EXPECT_EQ(lines.size() - at_once, 64u) << "the last ones of a program that was killed";
}

TEST_F(SetLevel, ALimitOfPlaces) {
  const std::string pid = run(12);
  expect_done(pid + " debug");
  const std::string place = "set_level_test.cc:" + std::to_string(kQuietLine);
  expect_done(pid + " " + place + " rate=1/s", "1 call site at '" + place + "': each at most 1 a");
  // From the first notice on: what was said before the limit is in the file by then.
  int notices = 0, passed = 0;
  EXPECT_TRUE(eventually([&] {
    notices = passed = 0;
    for (const std::string& line : lines_of(read_file(path("program12.log")))) {
      notices += line.find("a limit kept") != std::string::npos;
      passed += notices > 0 && line.find("quiet") != std::string::npos;
    }
    return notices >= 2;
  }));
  EXPECT_LE(passed, 3 * notices);
  expect_done(pid + " " + place + " default", "as it was started");
  expect_done(pid + " debug");
  expect_done(pid + " sample=1/1000000000", "call sites: each one time in 1000000000");
  expect_done(pid + " 'set_level_test.cc:*' rate=4000000000", "2 call sites at");
  expect_done(pid + " rate=off", "no limit");
  expect_failure(pid + " net rate=5", 2, "a limit is of the calls at a place");
  for (const char* const wrong :
       {"rate=", "rate=x", "rate=0", "rate=-1", "rate=5000000000", "rate=1/m",
        "sample=", "sample=7", "sample=1/", "sample=1/0", "sample=2/7", "sample=1/x"}) {
    expect_failure(pid + " " + wrong, 2, wrong[0] == 'r' ? "write rate=N/s" : "write sample=1/N");
  }
}

TEST_F(SetLevel, MistakesInBacktraces) {
  const std::string pid = run(8);
  for (const char* const wrong : {"backtrace=", "backtrace=x", "backtrace=5000", "backtraces=1",
                                  "backtrace=-1", "backtrace=99999999999999999999"}) {
    expect_failure(pid + " net " + wrong, 2, "write backtrace=N, N from 0 (none) to 4096");
  }
  expect_failure(pid + " main.cc:7 backtrace=8", 2, "a backtrace is a logger's");
  EXPECT_FALSE(says_net(8));
}

TEST_F(SetLevel, AProgramWithoutAThreadOfItsOwnSaysSoAtOnce) {
  expect_failure(run(5, Mode::immediate) + " debug", 1, "has no thread that could take a request");
  own_file_ = false;
  collector_ = Collector::only;
  expect_failure(run(6) + " debug", 1, "has no thread that could take a request");
}

TEST_F(SetLevel, Mistakes) {
  const std::string pid = run(7);
  expect_failure(pid + " loud", 2, "'loud' is no level; write trace");
  expect_failure("nobody debug", 2, "no region of 'nobody' is there");
  expect_failure("4000000 debug", 2, "no region of process 4000000 is there");
  expect_failure(pid + " " + std::string(2000, 'x') + " debug", 2, "longer than 1016 bytes");
  EXPECT_EQ(level(pid).code, 2);
  EXPECT_FALSE(says_quiet(7));
}

TEST_F(SetLevel, AStoppedProgramDoesSoWhenItGoesOn) {
  const std::string pid = run(8);
  ::kill(programs_[0], SIGSTOP);
  expect_failure(pid + " --timeout 0.1 debug", 1, "holds once it goes on");
  expect_failure(pid + " --timeout 0.1 off", 1, "Nothing was asked for");
  ::kill(programs_[0], SIGCONT);
  EXPECT_TRUE(eventually([&] { return says_quiet(8); }));
  expect_done(pid + " default");
  EXPECT_FALSE(says_quiet(8));
}

TEST_F(SetLevel, AProgramThatIsKilledBeforeItAnswers) {
  const std::string pid = run(9);
  const Requests requests = open_requests();
  ::kill(programs_[0], SIGSTOP);
  const pid_t command =
      start("exec $SLUICE level --timeout 600 " + pid + " debug", path("o"), path("e"));
  ASSERT_TRUE(eventually([&] { return !is_answered(requests); }));
  ::kill(programs_[0], SIGKILL);
  (void)wait_for_program(programs_[0]);
  EXPECT_EQ(wait_for(command), 1);
  EXPECT_NE(text("e").find("it has ended before it answered"), std::string::npos) << text("e");
  expect_failure(pid + " debug", 1, "it has ended");
  ::close(requests.fd);
}

TEST_F(SetLevel, ManyCommandsAtOnce) {
  const std::string pid = run(10);
  ::kill(programs_[0], SIGSTOP);  // so that they meet
  std::vector<pid_t> commands;
  const auto name = [](int i) { return "logger.of.command." + std::to_string(100 + i); };
  for (int i = 0; i < 40; ++i) {
    commands.push_back(start("exec $SLUICE level --timeout 60 " + pid + " " + name(i) + " debug",
                             path("o" + name(i)), path("e" + name(i))));
  }
  const Requests requests = open_requests();
  EXPECT_TRUE(eventually([&] { return !is_answered(requests); }));
  ::close(requests.fd);
  ::kill(programs_[0], SIGCONT);
  for (const pid_t command : commands) EXPECT_EQ(wait_for(command), 0);
  const std::string region = read_file(region_path());
  for (int i = 0; i < 40; ++i) {
    EXPECT_NE(text("o" + name(i)).find("'" + name(i) + "': debug"), std::string::npos);
    EXPECT_NE(region.find(name(i)), std::string::npos) << "not done: " << name(i);
  }
}

TEST_F(SetLevel, CommandsThatAreKilledAnywhere) {
  const std::string pid = run(11);
  std::mt19937 random(11);
  for (int i = 0; i < 60; ++i) {
    const pid_t command =
        start("exec $SLUICE level " + pid + " net " + (i % 2 == 0 ? "debug" : "off"), "/dev/null",
              "/dev/null");
    ::usleep(u32(random()) % 40'000);
    ::kill(command, SIGKILL);
    (void)wait_for(command);
  }
  expect_done(pid + " net debug");
  EXPECT_TRUE(says_net(11));
  expect_done(pid + " net off");
  EXPECT_FALSE(says_net(11));
}

}  // namespace
}  // namespace sluice::test
