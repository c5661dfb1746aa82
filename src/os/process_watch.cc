#include "os/process_watch.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "os/process.h"

namespace sluice::os {
namespace {

// As the kernel's pidfd.h has it; the C library's headers may be older.
struct PidfdInfo {
  u64 mask;
  u64 cgroup;
  u32 pid, tgid, ppid;
  u32 ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
  int exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr u64 kPidfdInfoExit = 1 << 3;
constexpr unsigned long kPidfdGetInfo = _IOWR(0xFF, 11, PidfdInfo);

constexpr const char* kOomKey = "oom_kill";
constexpr std::size_t kThreadsLookedAt = 1024;
constexpr int kCoreFlag = 0x80;
constexpr int kSignalMask = 0x7f;

ProcessEnd decoded(int status) {
  return {.known = true,
          .exit_code = (status >> 8) & 0xff,
          .signal = status & kSignalMask,
          .core = (status & kCoreFlag) != 0};
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  std::getline(file, text, '\0');
  return text;
}

// The fields of a stat file in `directory` behind the name, from the state (field 3) on.
std::string stat_fields(const std::string& directory) {
  const std::string text = text_of(directory + "/stat");
  const std::size_t at = text.rfind(')');
  return at == std::string::npos || at + 2 > text.size() ? std::string() : text.substr(at + 2);
}

ProcessEnd end_of_zombie(u32 pid, u64 pid_start) {
  constexpr int kFirst = 3, kStart = 22, kExitCode = 52;
  const std::string fields = stat_fields("/proc/" + std::to_string(pid));
  if (pid_start == 0 || fields.empty() || fields[0] != 'Z') return {};
  const char* at = fields.c_str();
  u64 start = 0;
  for (int field = kFirst; at; ++field) {
    if (field == kStart) start = std::strtoull(at, nullptr, 10);
    if (field == kExitCode) break;
    at = std::strchr(at, ' ');
    if (at) ++at;
  }
  const int status = at ? int(std::strtol(at, nullptr, 10)) : 0;
  return start == pid_start && status != 0 ? decoded(status) : ProcessEnd();
}

// The number behind `key` in a file of lines "key number"; -1: none.
i64 number_in(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string name;
  for (i64 value = 0; file >> name >> value;) {
    if (name == key) return value;
  }
  return -1;
}

}  // namespace

i64 lock_holder(int fd, u64 byte) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = off_t(byte);
  lock.l_len = 1;
  if (::fcntl(fd, F_GETLK, &lock) != 0) return -errno;
  if (lock.l_type == F_UNLCK) return 0;
  return lock.l_pid > 0 ? i64(lock.l_pid) : -1;
}

i64 lock_holder(const char* path, u64 byte) {
  const int fd = ::open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return -errno;
  const i64 holder = lock_holder(fd, byte);
  ::close(fd);
  return holder;
}

int open_process(u32 pid) {
  const int fd = int(::syscall(SYS_pidfd_open, pid, 0));
  return fd < 0 ? -errno : fd;
}

ProcessEnd end_of_process(int process, u32 pid, u64 pid_start) {
  PidfdInfo info{};
  info.mask = kPidfdInfoExit;
  if (process >= 0 && ::ioctl(process, kPidfdGetInfo, &info) == 0 &&
      (info.mask & kPidfdInfoExit) != 0) {
    return decoded(info.exit_code);
  }
  return end_of_zombie(pid, pid_start);
}

OomCounter oom_counter(u32 pid) {
  std::ifstream groups("/proc/" + std::to_string(pid) + "/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    OomCounter counter;
    if (controllers.empty()) {
      counter.path = "/sys/fs/cgroup" + line.substr(second + 1) + "/memory.events";
    } else if (controllers == "memory") {
      counter.path = "/sys/fs/cgroup/memory" + line.substr(second + 1) + "/memory.oom_control";
    }
    counter.kills = number_in(counter.path, kOomKey);
    if (counter.kills >= 0) return counter;
  }
  return {};
}

bool has_killed(const OomCounter& before) {
  return !before.path.empty() && number_in(before.path, kOomKey) > before.kills;
}

std::vector<ThreadState> threads_of(u32 pid, std::size_t most) {
  std::vector<ThreadState> threads;
  const std::string directory = "/proc/" + std::to_string(pid) + "/task";
  std::vector<std::string> ids;
  std::error_code gone;
  for (const auto& task : std::filesystem::directory_iterator(directory, gone)) {
    ids.push_back(task.path().filename());
    if (ids.size() == kThreadsLookedAt) break;
  }
  std::sort(ids.begin(), ids.end(), [](const std::string& a, const std::string& b) {
    return std::pair(a.size(), a) < std::pair(b.size(), b);
  });
  for (const std::string& id : ids) {
    if (threads.size() == most) break;
    const std::string own = directory + "/" + id;
    const std::string fields = stat_fields(own);
    if (fields.empty()) continue;  // it has ended meanwhile
    ThreadState& thread = threads.emplace_back();
    thread.state = fields[0];
    thread.name = text_of(own + "/comm");
    if (thread.name.ends_with('\n')) thread.name.pop_back();
    thread.place = text_of(own + "/wchan");
    if (thread.place == "0") thread.place.clear();
  }
  return threads;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace sluice::os
