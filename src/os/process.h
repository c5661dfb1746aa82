// The process, its threads, clocks, waiting and waking.
//
// Everything in the first half is async-signal-safe and keeps errno where it is called from the hot
// path's cold side. Times in nanoseconds.
#ifndef SLUICE_SRC_OS_PROCESS_H_
#define SLUICE_SRC_OS_PROCESS_H_

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sluice::os {

// Keeps errno over a scope.
class KeepErrno {
 public:
  KeepErrno();
  ~KeepErrno();
  KeepErrno(const KeepErrno&) = delete;
  KeepErrno& operator=(const KeepErrno&) = delete;

 private:
  int saved_;
};

u32 process_id();
u32 thread_id();
u32 user_id();
// Start time of the process in clock ticks since boot (/proc/PID/stat field 22); 0 when unknown.
u64 start_time(u32 pid);
// Inode of the pid namespace: a pid means something only together with it.
u64 pid_namespace();
// Which start of the kernel this is, 36 characters; empty when unknown.
std::string boot_id();
void random_bytes(void* to, std::size_t size);
// The calling thread's name, cut to size - 1 and ended by a zero.
void thread_name(char* to, std::size_t size);
void set_thread_name(const char* name);

i64 monotonic_ns();
i64 wall_ns();
i64 wall_seconds();
i64 boot_ns();
// CPUID says that the TSC runs at one rate in every state and on every core.
bool has_invariant_tsc();

void sleep_ns(i64 ns);
void yield();

// Waits while `word` holds `seen`, at most timeout_ns (< 0: without limit). May wake spuriously.
// Works across processes when the word is in shared memory.
void wait_on(std::atomic<u32>& word, u32 seen, i64 timeout_ns);
void wake_all(std::atomic<u32>& word);

// The same for a word that many threads wait on: to wake them all at once takes long, and they take
// the processor from the one who does it. wake_two() wakes at most two of those in wait_in_turn()
// who had seen `seen`, and each of these calls it again, until none is left; who has come to wait
// since is not among them.
void wait_in_turn(std::atomic<u32>& word, u32 seen, i64 timeout_ns);
void wake_two(std::atomic<u32>& word, u32 seen);

// Makes every running thread of this process pass a full memory barrier (membarrier(2)). False when
// the kernel has no such call.
bool barrier_all_threads();

// Runs `handler(value)` when the calling thread exits, if it has set a non-null value.
using ThreadExit = void (*)(void*);
void on_thread_exit(ThreadExit handler);
void set_thread_exit_value(void* value);
// Runs in a forked child, and before and after fork in the parent. Null: nothing.
void on_fork(void (*before)(), void (*in_parent)(), void (*in_child)());
void at_process_exit(void (*handler)());

std::string program_name();  // base name of the executable
std::string program_path();
std::string current_directory();
std::string host_name();
std::string environment(const char* name);  // empty when not set
// The same, and takes the variable away, from this process and its children. Before there are
// threads.
std::string take_environment(const char* name);
// For this process and its children. Before there are threads.
void set_environment(const char* name, const std::string& value);
// Names of the variables that begin with `prefix`.
std::vector<std::string> environment_names(std::string_view prefix);
bool is_terminal(int fd);
// $XDG_RUNTIME_DIR when it is set and absolute, else empty.
std::string runtime_directory();
// True when `path` is on tmpfs (or ramfs): its shared mappings are never written back to a disk.
bool is_memory_filesystem(int fd);
bool is_memory_filesystem(const char* path);
// True when `path` is on one of the kernel's own file systems (/proc, /sys and the like), where no
// program makes files.
bool is_kernel_filesystem(const char* path);
// Blocks every signal in the calling thread but those of its own faults, for threads of the
// library.
void block_signals();
// Ends the process at once, with no destructors and no handlers: where a thread hangs for good.
[[noreturn]] void exit_now(int code);

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_PROCESS_H_
