// sanitizers: address
// One thread; the environment and descriptors 3 and up are the test's.
#include "os/service_manager.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <string>

#include "os/process.h"
#include "os/unix_socket.h"
#include "support/fake_manager.h"
#include "support/own_directory.h"

namespace sluice::os {
namespace {

using test::FakeManager;

TEST(ServiceManager, WithoutOneCallsDoNothing) {
  ::unsetenv("NOTIFY_SOCKET");
  ::setenv("WATCHDOG_USEC", "1000000", 1);
  const ServiceManager manager;
  EXPECT_FALSE(manager.listens());
  EXPECT_EQ(manager.alive_interval_ns(), 0);
  EXPECT_EQ(manager.ready("up"), 0);
  EXPECT_EQ(manager.alive(), 0);
}

TEST(ServiceManager, TellsAtAPathWhatItIsGiven) {
  const test::OwnDirectory folder;
  const FakeManager listener(folder.path() + "/notify");
  const ServiceManager manager;
  EXPECT_TRUE(manager.listens());
  EXPECT_EQ(::getenv("NOTIFY_SOCKET"), nullptr) << "a child would speak in our name";
  EXPECT_EQ(manager.ready("listens"), 0);
  EXPECT_EQ(listener.next(), "READY=1\nSTATUS=listens\n");
  EXPECT_EQ(manager.stopping("drains"), 0);
  EXPECT_EQ(listener.next(), "STOPPING=1\nSTATUS=drains\n");
  EXPECT_EQ(manager.alive(), 0);
  EXPECT_EQ(listener.next(), "WATCHDOG=1\n");
  EXPECT_EQ(manager.extend_timeout(2'500'000'000), 0);
  EXPECT_EQ(listener.next(), "EXTEND_TIMEOUT_USEC=2500000\n");
  EXPECT_EQ(listener.next(), "");
}

TEST(ServiceManager, TellsAtAnAbstractName) {
  const FakeManager listener("@sluice-test-" + std::to_string(::getpid()));
  const ServiceManager manager;
  EXPECT_EQ(manager.status("fine"), 0);
  EXPECT_EQ(listener.next(), "STATUS=fine\n");
}

TEST(ServiceManager, AStatusIsOneLineWhateverIsInIt) {
  const FakeManager listener("@sluice-test-" + std::to_string(::getpid()));
  const ServiceManager manager;
  EXPECT_EQ(manager.status("a\nREADY=1\r\nb"), 0);
  EXPECT_EQ(listener.next(), "STATUS=a READY=1  b\n");
}

TEST(ServiceManager, AReloadSaysWhenItBegan) {
  const FakeManager listener("@sluice-test-" + std::to_string(::getpid()));
  const ServiceManager manager;
  const i64 before = monotonic_ns() / 1000;
  EXPECT_EQ(manager.reloading("reads"), 0);
  const i64 after = monotonic_ns() / 1000;
  const std::string text = listener.next();
  const std::string head = "RELOADING=1\nMONOTONIC_USEC=";
  ASSERT_EQ(text.substr(0, head.size()), head);
  const i64 said = std::stoll(text.substr(head.size()));
  EXPECT_GE(said, before);
  EXPECT_LE(said, after);
  EXPECT_NE(text.find("\nSTATUS=reads\n"), std::string::npos);
}

TEST(ServiceManager, WatchdogIsForTheProcessThatItNames) {
  const FakeManager listener("@sluice-test-" + std::to_string(::getpid()));
  struct {
    std::string usec, pid;
    i64 interval_ns;
  } const cases[] = {
      {"3000000", std::to_string(::getpid()), 1'500'000'000},
      {"3000000", "", 1'500'000'000},
      {"3000000", "1", 0},
      {"", "", 0},
      {"3x", "", 0},
      {"18446744073709551615", "", 0},
  };
  for (const auto& one : cases) {
    ::setenv("NOTIFY_SOCKET", ("@sluice-test-" + std::to_string(::getpid())).c_str(), 1);
    ::setenv("WATCHDOG_USEC", one.usec.c_str(), 1);
    ::setenv("WATCHDOG_PID", one.pid.c_str(), 1);
    const ServiceManager manager;
    EXPECT_EQ(manager.alive_interval_ns(), one.interval_ns) << one.usec << " for " << one.pid;
    EXPECT_EQ(::getenv("WATCHDOG_USEC"), nullptr);
  }
}

TEST(ServiceManager, SaysWhyNobodyCouldBeTold) {
  ::setenv("NOTIFY_SOCKET", "/nowhere/notify", 1);
  EXPECT_EQ(ServiceManager().ready("up"), -ENOENT);
  ::setenv("NOTIFY_SOCKET", "relative", 1);
  EXPECT_EQ(ServiceManager().ready("up"), -EINVAL);
  ::setenv("NOTIFY_SOCKET", ("/" + std::string(200, 'x')).c_str(), 1);
  EXPECT_EQ(ServiceManager().ready("up"), -EINVAL);
}

// Runs `check` in a process of its own, with `fd` as descriptor 3 and nothing from 4 on: its result
// is the process's.
int with_passed(int fd, const std::function<int()>& check) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(fd, 3);
    ::close_range(4, ~0U, 0);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::_exit(check());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(PassedSockets, AreThoseOfThisProcessWithTheirNames) {
  const test::OwnDirectory folder;
  const int listener = listen_unix(folder.path() + "/socket", 4);
  ASSERT_GE(listener, 0);
  EXPECT_EQ(with_passed(listener,
                        [] {
                          ::setenv("LISTEN_FDS", "2", 1);  // the second is not there
                          ::setenv("LISTEN_FDNAMES", "ingest:admin", 1);
                          const auto sockets = passed_sockets();
                          if (sockets.size() != 1 || sockets[0].fd != 3) return 1;
                          if (sockets[0].name != "ingest") return 2;
                          if ((::fcntl(3, F_GETFD) & FD_CLOEXEC) == 0) return 3;
                          if ((::fcntl(3, F_GETFL) & O_NONBLOCK) == 0) return 4;
                          if (::getenv("LISTEN_FDS") != nullptr) return 5;
                          return passed_sockets().empty() ? 0 : 6;
                        }),
            0);
  EXPECT_EQ(with_passed(listener,
                        [] {
                          ::setenv("LISTEN_FDS", "1", 1);
                          ::unsetenv("LISTEN_FDNAMES");
                          const auto sockets = passed_sockets();
                          return sockets.size() == 1 && sockets[0].name == "unknown" ? 0 : 1;
                        }),
            0);
  for (const char* const count : {"", "x", "-1", "99999999999999999999", "100000"}) {
    EXPECT_EQ(with_passed(listener,
                          [count] {
                            ::setenv("LISTEN_FDS", count, 1);
                            return passed_sockets().empty() ? 0 : 1;
                          }),
              0)
        << count;
  }
  EXPECT_EQ(with_passed(listener,
                        [] {
                          ::setenv("LISTEN_PID", "1", 1);
                          ::setenv("LISTEN_FDS", "1", 1);
                          return passed_sockets().empty() ? 0 : 1;
                        }),
            0);
  ::close(listener);
}

int tcp_listener(u32 address) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_addr.s_addr = htonl(address);
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&local), sizeof local), 0);
  EXPECT_EQ(::listen(fd, 1), 0);
  return fd;
}

TEST(ListenerInfo, TellsWhatADescriptorIs) {
  const test::OwnDirectory folder;
  const int unix_listener = listen_unix(folder.path() + "/socket", 4);
  EXPECT_EQ(listener_info(unix_listener).kind, ListenerInfo::kUnixStream);
  EXPECT_EQ(listener_info(unix_listener).path, folder.path() + "/socket");
  const int client = connect_unix(folder.path() + "/socket");
  EXPECT_EQ(listener_info(client).kind, ListenerInfo::kNone);
  const int tcp = tcp_listener(INADDR_LOOPBACK);
  EXPECT_EQ(listener_info(tcp).kind, ListenerInfo::kTcp);
  EXPECT_TRUE(listener_info(tcp).loopback);
  EXPECT_NE(listener_info(tcp).port, 0);
  const int open_tcp = tcp_listener(INADDR_ANY);
  EXPECT_EQ(listener_info(open_tcp).kind, ListenerInfo::kTcp);
  EXPECT_FALSE(listener_info(open_tcp).loopback);
  const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(listener_info(file).kind, ListenerInfo::kNone);
  EXPECT_EQ(listener_info(-1).kind, ListenerInfo::kNone);
  for (const int fd : {unix_listener, client, tcp, open_tcp, file}) ::close(fd);
}

}  // namespace
}  // namespace sluice::os
