#include "os/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/durations.h"

namespace sluice::os {
namespace {

constexpr int kAsked[] = {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

bool pipe_signal_was_default = true;
bool mask_was_saved = false;
sigset_t first_mask;

sigset_t asked_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : kAsked) ::sigaddset(&set, signal);
  return set;
}

int wait_poll(pollfd* files, nfds_t count, i64 timeout_ns) {
  const timespec time{time_t(timeout_ns / kNsPerSecond), long(timeout_ns % kNsPerSecond)};
  return ::ppoll(files, count, timeout_ns < 0 ? nullptr : &time, nullptr);
}

}  // namespace

void open_standard_files() {
  int fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= 2) fd = ::open("/dev/null", O_RDWR);
  if (fd > 2) ::close(fd);
}

void ignore_broken_pipes() {
  struct sigaction before {};
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  pipe_signal_was_default = before.sa_handler != SIG_IGN;
}

int make_pipe(Pipe& out) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return -errno;
  out = {ends[0], ends[1]};
  return 0;
}

void close_descriptor(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

i64 readable_bytes(int fd) {
  int bytes = 0;
  return ::ioctl(fd, FIONREAD, &bytes) == 0 ? bytes : -errno;
}

bool reader_has_gone(int fd) {
  pollfd file{fd, 0, 0};
  return wait_poll(&file, 1, 0) > 0 && (file.revents & POLLERR) != 0;
}

int write_fully(int fd, const void* bytes, std::size_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t written = ::write(fd, at, size);
    if (written >= 0) {
      at += written;
      size -= std::size_t(written);
    } else if (errno == EAGAIN) {
      pollfd file{fd, POLLOUT, 0};
      if (wait_poll(&file, 1, -1) < 0 && errno != EINTR) return -errno;
    } else if (errno != EINTR) {
      return -errno;
    }
  }
  return 0;
}

Flag::Flag() : fd_(::eventfd(0, EFD_CLOEXEC)) {}
Flag::~Flag() { ::close(fd_); }
void Flag::raise() const {
  const u64 one = 1;
  (void)!::write(fd_, &one, sizeof one);
}

void Flag::lower() const {
  u64 raised = 0;
  (void)!::read(fd_, &raised, sizeof raised);
}

Readable wait_readable(int first, int second, i64 timeout_ns) {
  pollfd files[2] = {{first, POLLIN, 0}, {second, POLLIN, 0}};
  if (wait_poll(files, 2, timeout_ns) <= 0) return {};
  return {files[0].revents != 0, files[1].revents != 0};
}

SignalInbox::SignalInbox() {
  // Somebody may have started us with SIGCHLD ignored; then no child's end could be asked for.
  ::signal(SIGCHLD, SIG_DFL);
  const sigset_t set = asked_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, &first_mask);
  mask_was_saved = true;
  fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

SignalInbox::~SignalInbox() { ::close(fd_); }

SignalInbox::Signal SignalInbox::next() const {
  signalfd_siginfo info;
  if (::read(fd_, &info, sizeof info) != ssize_t(sizeof info)) return {};
  return {int(info.ssi_signo), info.ssi_code == SI_KERNEL};
}

bool is_child_signal(int signal) { return signal == SIGCHLD; }
bool is_end_signal(int signal) {
  return signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT;
}
bool is_hang_up_signal(int signal) { return signal == SIGHUP; }
bool is_rotate_signal(int signal) { return signal == SIGUSR1; }

int spawn(const std::vector<std::string>& command, int out, int error, u32& pid) {
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (out >= 0) ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  if (error >= 0) ::posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  short flags = 0;
  if (mask_was_saved) {
    ::posix_spawnattr_setsigmask(&attributes, &first_mask);
    flags |= POSIX_SPAWN_SETSIGMASK;
  }
  if (pipe_signal_was_default) {
    sigset_t defaults;
    ::sigemptyset(&defaults);
    ::sigaddset(&defaults, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes, &defaults);
    flags |= POSIX_SPAWN_SETSIGDEF;
  }
  ::posix_spawnattr_setflags(&attributes, flags);
  pid_t child = 0;
  const int failed =
      ::posix_spawnp(&child, arguments[0], &actions, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  pid = u32(child);
  return -failed;
}

ChildEnd child_end(u32 pid, bool wait) {
  int status = 0;
  pid_t got;
  do {
    got = ::waitpid(pid_t(pid), &status, wait ? 0 : WNOHANG);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return {};
  if (got < 0) return {true, 127, 0, false};
  if (WIFSIGNALED(status)) return {true, 0, WTERMSIG(status), WCOREDUMP(status) != 0};
  return {WIFEXITED(status), WEXITSTATUS(status), 0, false};
}

void send_signal(u32 pid, int signal) { ::kill(pid_t(pid), signal); }

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

}  // namespace sluice::os
