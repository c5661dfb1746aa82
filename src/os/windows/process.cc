// Processes under Windows. Users are not told apart here (user_id() is 0, and every file belongs to
// it): who may open what, Windows' own lists of access decide. Naps are a millisecond at least.
#include "os/process.h"

#include <io.h>
#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/durations.h"
#include "os/windows/windows.h"
// Behind Windows' own header, without which they do not compile.
#include <bcrypt.h>
#include <fileapi.h>
#include <synchapi.h>

namespace sluice::os {
namespace {

constexpr std::size_t kNameSize = 16;  // as Linux has it
constinit thread_local char t_name[kNameSize] = "";

// Nanoseconds of a counter; its two factors would overflow as one product.
i64 ns_of_counter(i64 count, i64 per_second) {
  return count / per_second * kNsPerSecond + count % per_second * kNsPerSecond / per_second;
}

std::string known_name(COMPUTER_NAME_FORMAT format) {
  wchar_t name[256];
  DWORD size = 256;
  return ::GetComputerNameExW(format, name, &size) ? to_utf8({name, size}) : std::string();
}

pthread_key_t exit_key;
bool exit_key_made = false;

}  // namespace

KeepErrno::KeepErrno() : saved_(errno) {}
KeepErrno::~KeepErrno() { errno = saved_; }

u32 process_id() { return ::GetCurrentProcessId(); }
u32 thread_id() { return ::GetCurrentThreadId(); }
u32 user_id() { return 0; }

std::string boot_id() { return {}; }

u64 start_time(u32 pid) {
  const HANDLE process = ::OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid);
  if (!process) return 0;
  FILETIME start, end, kernel, user;
  const bool known = ::GetProcessTimes(process, &start, &end, &kernel, &user);
  ::CloseHandle(process);
  return known ? u64(unix_ns_of(start)) : 0;
}

u64 pid_namespace() { return 0; }

void random_bytes(void* to, std::size_t size) {
  if (::BCryptGenRandom(nullptr, static_cast<UCHAR*>(to), ULONG(size),
                        BCRYPT_USE_SYSTEM_PREFERRED_RNG) != 0) {
    std::abort();  // no id would be one
  }
}

void thread_name(char* to, std::size_t size) {
  std::size_t i = 0;
  for (; i + 1 < size && i < kNameSize && t_name[i]; ++i) to[i] = t_name[i];
  to[i] = '\0';
}

void set_thread_name(const char* name) {
  std::size_t i = 0;
  for (; i + 1 < kNameSize && name[i]; ++i) t_name[i] = name[i];
  t_name[i] = '\0';
}

i64 monotonic_ns() {
  static const i64 per_second = [] {
    LARGE_INTEGER value;
    ::QueryPerformanceFrequency(&value);
    return i64{value.QuadPart};
  }();
  LARGE_INTEGER count;
  ::QueryPerformanceCounter(&count);
  return ns_of_counter(count.QuadPart, per_second);
}

i64 wall_ns() {
  FILETIME now;
  ::GetSystemTimePreciseAsFileTime(&now);
  return unix_ns_of(now);
}
i64 wall_seconds() { return wall_ns() / kNsPerSecond; }
i64 boot_ns() { return i64(::GetTickCount64()) * kNsPerMs; }

void sleep_ns(i64 ns) { ::Sleep(DWORD((ns + kNsPerMs - 1) / kNsPerMs)); }
void yield() { ::SwitchToThread(); }

void wait_on(std::atomic<u32>& word, u32 seen, i64 timeout_ns) {
  const DWORD limit = timeout_ns < 0 ? INFINITE : DWORD((timeout_ns + kNsPerMs - 1) / kNsPerMs);
  ::WaitOnAddress(&word, &seen, sizeof seen, limit);
}
void wake_all(std::atomic<u32>& word) { ::WakeByAddressAll(&word); }

// All at once: Windows wakes one or all, and one alone might be a thread that has come since.
void wait_in_turn(std::atomic<u32>& word, u32 seen, i64 timeout_ns) {
  wait_on(word, seen, timeout_ns);
}
void wake_two(std::atomic<u32>& word, u32) { wake_all(word); }

bool barrier_all_threads() {
  ::FlushProcessWriteBuffers();
  return true;
}

void on_thread_exit(ThreadExit handler) {
  exit_key_made = ::pthread_key_create(&exit_key, handler) == 0;
}
void set_thread_exit_value(void* value) {
  if (exit_key_made) ::pthread_setspecific(exit_key, value);
}
void on_fork(void (*)(), void (*)(), void (*)()) {}
void at_process_exit(void (*handler)()) { std::atexit(handler); }

std::string program_path() {
  wchar_t path[4096];
  const DWORD size = ::GetModuleFileNameW(nullptr, path, 4096);
  return size < 4096 ? to_path({path, size}) : std::string();
}
std::string program_name() {
  const std::string path = program_path();
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.empty() ? "program" : name;
}
std::string current_directory() {
  wchar_t path[4096];
  const DWORD size = ::GetCurrentDirectoryW(4096, path);
  return size < 4096 ? to_path({path, size}) : std::string();
}
std::string host_name() { return known_name(ComputerNameDnsHostname); }

std::string environment(const char* name) {
  wchar_t value[4096];
  const DWORD size = ::GetEnvironmentVariableW(to_wide(name).c_str(), value, 4096);
  return size < 4096 ? to_utf8({value, size}) : std::string();
}
std::string take_environment(const char* name) {
  std::string value = environment(name);
  ::SetEnvironmentVariableW(to_wide(name).c_str(), nullptr);
  return value;
}
void set_environment(const char* name, const std::string& value) {
  ::SetEnvironmentVariableW(to_wide(name).c_str(), to_wide(value).c_str());
}
std::vector<std::string> environment_names(std::string_view prefix) {
  std::vector<std::string> names;
  wchar_t* const block = ::GetEnvironmentStringsW();
  for (const wchar_t* at = block; at && *at;) {
    const std::wstring_view entry(at);
    const std::string text = to_utf8(entry);
    if (text.starts_with(prefix)) names.push_back(text.substr(0, text.find('=')));
    at += entry.size() + 1;
  }
  ::FreeEnvironmentStringsW(block);
  return names;
}
bool is_terminal(int fd) { return ::_isatty(fd) != 0; }
std::string runtime_directory() { return {}; }
bool is_memory_filesystem(int) { return false; }
bool is_memory_filesystem(const char*) { return false; }
bool is_kernel_filesystem(const char*) { return false; }
void block_signals() {}
void exit_now(int code) {
  ::TerminateProcess(::GetCurrentProcess(), UINT(code));
  std::abort();  // not reached
}

}  // namespace sluice::os
