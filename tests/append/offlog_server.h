// A server of the append service as a child process: the original offlog
// (scripts/install_offlog.sh), or `sluice offlog`.
#ifndef SLUICE_TESTS_APPEND_OFFLOG_SERVER_H_
#define SLUICE_TESTS_APPEND_OFFLOG_SERVER_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "os/child.h"
#include "os/process.h"
#include "os/unix_socket.h"

namespace sluice::test {

// Its python; empty where it is not installed.
inline std::string offlog_python() {
  const std::string set = os::environment("SLUICE_OFFLOG");
  const std::string python =
      (set.empty() ? os::environment("HOME") + "/.cache/sluice/offlog" : set) + "/bin/python";
  return ::access(python.c_str(), X_OK) == 0 ? python : std::string();
}

enum class Offlog { original, ours };

class OfflogServer {
 public:
  // Waits until it listens.
  explicit OfflogServer(const std::string& directory, std::vector<std::string> more = {},
                        Offlog which = Offlog::original)
      : socket_(directory + "/s") {
    std::vector<std::string> command = {"setpriv", "--pdeathsig", "KILL"};
    if (which == Offlog::original) {
      command.insert(command.end(), {offlog_python(), "-m"});
    } else {
      command.push_back(SLUICE_BIN_DIR "/sluice");
    }
    command.insert(command.end(), {"offlog", "-s", socket_});
    command.insert(command.end(), more.begin(), more.end());
    const int out = ::open((directory + "/server.log").c_str(),
                           O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    EXPECT_EQ(os::spawn(command, out, out, pid_), 0);
    ::close(out);
    int probe = -1;
    for (const i64 until = os::monotonic_ns() + 60'000'000'000;
         (probe = os::connect_unix(socket_)) < 0 && os::monotonic_ns() < until;) {
      os::sleep_ns(5'000'000);
    }
    EXPECT_GE(probe, 0);
    os::close_descriptor(probe);
  }
  ~OfflogServer() {
    if (pid_ != 0) end(SIGKILL);
  }
  OfflogServer(const OfflogServer&) = delete;
  OfflogServer& operator=(const OfflogServer&) = delete;

  void signal(int number) const { os::send_signal(pid_, number); }
  void end(int number) {
    signal(number);
    (void)os::child_end(pid_, true);
    pid_ = 0;
  }
  [[nodiscard]] const std::string& socket() const { return socket_; }

 private:
  std::string socket_;
  u32 pid_ = 0;
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_APPEND_OFFLOG_SERVER_H_
