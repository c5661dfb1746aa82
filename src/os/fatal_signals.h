// Signals that end the process, and where it was: for a handler that says so.
//
// Everything but catch_fatal_signals() and give_thread_stack() is async-signal-safe.
#ifndef SLUICE_SRC_OS_FATAL_SIGNALS_H_
#define SLUICE_SRC_OS_FATAL_SIGNALS_H_

#include <string_view>

#include "base/bytes.h"

namespace sluice::os {

struct FatalSignal {
  int number = 0;
  int code = 0;              // si_code
  const void* address = {};  // of a fault; null: there is none
  u32 sender_pid = 0;        // of one that was sent
  u32 sender_uid = 0;
  [[nodiscard]] bool was_sent() const { return code <= 0; }
};
// "SIGSEGV", "SEGV_MAPERR"; empty: no name is known.
[[nodiscard]] std::string_view fatal_signal_name(int number);
[[nodiscard]] std::string_view signal_code_name(int number, int code);

// Has `say` called, on an alternate stack, once a thread at most, when SIGSEGV, SIGBUS, SIGILL,
// SIGFPE, SIGTRAP, SIGSYS or SIGABRT would end the process; then what was there before decides: a
// handler of the program's is called, a core is dumped. Once a process. 0 or -errno.
using SayFatal = void (*)(const FatalSignal& signal);
int catch_fatal_signals(SayFatal say);
[[nodiscard]] bool catches_fatal_signals();

// A stack for handlers of the calling thread, which it keeps until drop_thread_stack(): without one
// nothing can be said of an overflow of its own. Does nothing where the thread has one already.
void give_thread_stack();
void drop_thread_stack();

// The addresses to which the calling thread's calls return, from the caller's on, the innermost
// first; how many.
[[nodiscard]] u32 return_addresses(const void** to, u32 most);

// The file that was loaded at an address, and how far it is from its beginning, as addr2line takes
// it. Empty: no file's.
struct LoadedFile {
  const char* path = "";  // empty: the program itself
  u64 offset = 0;
  bool found = false;
};
[[nodiscard]] LoadedFile loaded_file_at(const void* address);

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_FATAL_SIGNALS_H_
