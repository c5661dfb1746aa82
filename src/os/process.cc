#include "os/process.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "base/durations.h"

namespace sluice::os {
namespace {

bool is_memory(const struct statfs& info) {
  return u32(info.f_type) == TMPFS_MAGIC || u32(info.f_type) == RAMFS_MAGIC;
}

i64 clock_ns(clockid_t clock) {
  timespec now;
  ::clock_gettime(clock, &now);
  return i64{now.tv_sec} * kNsPerSecond + now.tv_nsec;
}

pthread_key_t exit_key;
bool exit_key_made = false;

}  // namespace

KeepErrno::KeepErrno() : saved_(errno) {}
KeepErrno::~KeepErrno() { errno = saved_; }

u32 process_id() { return u32(::getpid()); }
u32 thread_id() { return u32(::syscall(SYS_gettid)); }
u32 user_id() { return u32(::geteuid()); }

std::string boot_id() {
  FILE* file = std::fopen("/proc/sys/kernel/random/boot_id", "re");
  if (!file) return {};
  char text[36];
  const std::size_t size = std::fread(text, 1, sizeof text, file);
  std::fclose(file);
  return size == sizeof text ? std::string(text, size) : std::string();
}

u64 start_time(u32 pid) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%u/stat", pid);
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[1024];
  const ssize_t size = ::read(file, text, sizeof text - 1);
  ::close(file);
  text[std::max<ssize_t>(size, 0)] = '\0';
  // The second field is the name in parentheses and may itself hold spaces and parentheses.
  const char* at = std::strrchr(text, ')');
  for (int field = 2; at && field < 22; ++field) at = std::strchr(at + 1, ' ');
  return at ? std::strtoull(at + 1, nullptr, 10) : 0;
}

u64 pid_namespace() {
  struct stat info;
  return ::stat("/proc/self/ns/pid", &info) == 0 ? u64(info.st_ino) : 0;
}

void random_bytes(void* to, std::size_t size) {
  if (::getrandom(to, size, GRND_NONBLOCK) == ssize_t(size)) return;
  // Early in boot: ids need only differ, not be secret.
  u64 seed = u64(monotonic_ns()) ^ (u64{process_id()} << 40) ^ u64(wall_ns());
  for (std::size_t i = 0; i < size; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    static_cast<u8*>(to)[i] = u8(seed >> 56);
  }
}

void thread_name(char* to, std::size_t size) {
  char name[16] = "";
  ::prctl(PR_GET_NAME, name);
  std::size_t i = 0;
  for (; i + 1 < size && i < sizeof name && name[i]; ++i) to[i] = name[i];
  to[i] = '\0';
}

void set_thread_name(const char* name) { ::prctl(PR_SET_NAME, name); }

i64 monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }
i64 wall_ns() { return clock_ns(CLOCK_REALTIME); }
i64 wall_seconds() { return wall_ns() / kNsPerSecond; }
i64 boot_ns() { return clock_ns(CLOCK_BOOTTIME); }

void sleep_ns(i64 ns) {
  timespec time{time_t(ns / kNsPerSecond), long(ns % kNsPerSecond)};
  ::nanosleep(&time, nullptr);
}
void yield() { ::sched_yield(); }

void wait_on(std::atomic<u32>& word, u32 seen, i64 timeout_ns) {
  timespec time{time_t(timeout_ns / kNsPerSecond), long(timeout_ns % kNsPerSecond)};
  ::syscall(SYS_futex, &word, FUTEX_WAIT, seen, timeout_ns < 0 ? nullptr : &time, nullptr, 0);
}
void wake_all(std::atomic<u32>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, 0x7fffffff, nullptr, nullptr, 0);
}

namespace {
u32 turn_of(u32 seen) { return 1U << (seen % 32); }
}  // namespace

void wait_in_turn(std::atomic<u32>& word, u32 seen, i64 timeout_ns) {
  const i64 until = monotonic_ns() + std::max<i64>(timeout_ns, 0);
  timespec time{time_t(until / kNsPerSecond), long(until % kNsPerSecond)};
  ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, seen, timeout_ns < 0 ? nullptr : &time, nullptr,
            turn_of(seen));
  // relaxed: only whether it was stepped; who waits looks again for what the step was for
  if (word.load(std::memory_order_relaxed) != seen) wake_two(word, seen);
}
void wake_two(std::atomic<u32>& word, u32 seen) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_BITSET, 2, nullptr, nullptr, turn_of(seen));
}

bool barrier_all_threads() {
  static const bool registered =
      ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
  return registered && ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void on_thread_exit(ThreadExit handler) {
  exit_key_made = ::pthread_key_create(&exit_key, handler) == 0;
}
void set_thread_exit_value(void* value) {
  if (exit_key_made) ::pthread_setspecific(exit_key, value);
}
void on_fork(void (*before)(), void (*in_parent)(), void (*in_child)()) {
  ::pthread_atfork(before, in_parent, in_child);
}
void at_process_exit(void (*handler)()) { std::atexit(handler); }

std::string program_path() {
  char path[4096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, std::size_t(size)) : std::string();
}
std::string program_name() {
  const std::string path = program_path();
  const auto slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  return name.empty() ? "program" : name;
}
std::string current_directory() {
  char path[4096];
  return ::getcwd(path, sizeof path) ? path : "";
}
std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}
std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}
std::string take_environment(const char* name) {
  std::string value = environment(name);
  ::unsetenv(name);
  return value;
}
void set_environment(const char* name, const std::string& value) {
  ::setenv(name, value.c_str(), 1);
}
std::vector<std::string> environment_names(std::string_view prefix) {
  std::vector<std::string> names;
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string_view text(*entry);
    if (text.starts_with(prefix)) names.emplace_back(text.substr(0, text.find('=')));
  }
  return names;
}
bool is_terminal(int fd) { return ::isatty(fd) == 1; }
std::string runtime_directory() {
  std::string path = environment("XDG_RUNTIME_DIR");
  return !path.empty() && path[0] == '/' ? path : std::string();
}
bool is_memory_filesystem(int fd) {
  struct statfs info;
  return ::fstatfs(fd, &info) == 0 && is_memory(info);
}
bool is_memory_filesystem(const char* path) {
  struct statfs info;
  return ::statfs(path, &info) == 0 && is_memory(info);
}
bool is_kernel_filesystem(const char* path) {
  struct statfs info;
  if (::statfs(path, &info) != 0) return false;
  for (const auto magic : {PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
                           DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC, DEVPTS_SUPER_MAGIC}) {
    if (u32(info.f_type) == u32(magic)) return true;
  }
  return false;
}
void block_signals() {
  sigset_t all;
  ::sigfillset(&all);
  // The kernel ends a process at once for a fault whose signal is blocked: no handler would run.
  for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT}) {
    ::sigdelset(&all, fault);
  }
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}
void exit_now(int code) { ::_exit(code); }

}  // namespace sluice::os
