#include "os/trial.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "base/durations.h"
#include "os/io.h"

namespace sluice::os {
namespace {

std::string read_file(const std::string& path) {
  Io& io = real_io();
  const int fd = io.open(path.c_str(), kRead | kFollow);
  if (fd < 0) return {};
  char text[512];
  const i64 got = io.read(fd, text, sizeof text);
  io.close(fd);
  return {text, got > 0 ? std::size_t(got) : 0};
}

bool write_file(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = ::write(fd, text.data(), text.size()) == ssize_t(text.size());
  ::close(fd);
  return written;
}

std::string task_file(u32 tid, const char* name) {
  return "/proc/self/task/" + std::to_string(tid) + "/" + name;
}

// A mount namespace of our own: as root, or as root of a user namespace of our own.
int leave_mounts() {
  if (::unshare(CLONE_NEWNS) == 0) return 0;
  const std::string user = std::to_string(::geteuid());
  const std::string group = std::to_string(::getegid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return -errno;
  if (!write_file("/proc/self/setgroups", "deny") ||
      !write_file("/proc/self/uid_map", user + " " + user + " 1") ||
      !write_file("/proc/self/gid_map", group + " " + group + " 1")) {
    return -EPERM;
  }
  return 0;
}

i64 cpu_clock_ns(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return i64{time.tv_sec} * kNsPerSecond + time.tv_nsec;
}

}  // namespace

int freeze_thread(u32 tid) {
  if (::ptrace(PTRACE_SEIZE, pid_t(tid), nullptr, nullptr) != 0) return -errno;
  if (::ptrace(PTRACE_INTERRUPT, pid_t(tid), nullptr, nullptr) != 0) return -errno;
  int status = 0;
  while (::waitpid(pid_t(tid), &status, __WALL) < 0) {
    if (errno != EINTR) return -errno;
  }
  return WIFSTOPPED(status) ? 0 : -ESRCH;
}

void thaw_thread(u32 tid) { ::ptrace(PTRACE_DETACH, pid_t(tid), nullptr, nullptr); }

bool is_frozen(u32 tid) {
  const std::string stat = read_file(task_file(tid, "stat"));
  const auto name_end = stat.rfind(") ");
  return name_end != std::string::npos && name_end + 2 < stat.size() && stat[name_end + 2] == 't';
}

u32 find_thread(std::string_view name) {
  u32 found = 0;
  real_io().list("/proc/self/task", [&](const char* entry) {
    const u32 tid = u32(std::strtoul(entry, nullptr, 10));
    if (read_file(task_file(tid, "comm")) == std::string(name) + "\n") found = tid;
  });
  return found;
}

int mount_small(const std::string& directory, u64 bytes) {
  if (const int failed = leave_mounts(); failed != 0) return failed;
  // Nothing mounted from here on is to be seen outside.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return -errno;
  const std::string options = "size=" + std::to_string(bytes) + ",mode=0700";
  if (::mount("tmpfs", directory.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    return -errno;
  }
  return 0;
}

int resize_small(const std::string& directory, u64 bytes) {
  const std::string options = "size=" + std::to_string(bytes);
  const unsigned long flags = MS_REMOUNT | MS_NOSUID | MS_NODEV;
  return ::mount("tmpfs", directory.c_str(), "tmpfs", flags, options.c_str()) == 0 ? 0 : -errno;
}

void unmount_small(const std::string& directory) { ::umount2(directory.c_str(), MNT_DETACH); }

ScratchDirectory::ScratchDirectory(const std::string& where) {
  std::string path = where + "/sluice-XXXXXX";
  if (::mkdtemp(path.data())) path_ = path;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

ThreadUsage thread_usage() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return {u64(usage.ru_nvcsw), u64(usage.ru_nivcsw), u64(usage.ru_minflt + usage.ru_majflt),
          cpu_clock_ns(CLOCK_THREAD_CPUTIME_ID)};
}

i64 process_cpu_ns() { return cpu_clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

}  // namespace sluice::os
