// The last record of a program that crashes: which signal ended it, and where it was.
//
//     sluice::catch_fatal_signals();   // once, after start()
//
// A SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS or SIGABRT then leaves two events of level
// critical, `fatal.signal` (signal, code, address or sender) and `fatal.stack` (the return
// addresses of the thread, as `file+0xoffset`, which addr2line and the like resolve), before the
// program ends as it would have: a handler that was there before is called, a core is dumped. They
// are records as all others and lie in the region, from where the next start, `sluice recover` or
// the collector takes them, with all that was said before.
//
// The handler runs on a stack of its own in the thread that has called this, in those whose first
// record comes later, and in those that have called prepare_thread_for_fatal_signals(): there an
// overflow of the stack is said as well. It allocates nothing and takes no lock. Where nothing
// survives the process (no tmpfs) it cannot help.
#ifndef SLUICE_FATAL_H_
#define SLUICE_FATAL_H_

#include "sluice/detail/api.h"

namespace sluice {
inline namespace v1 {

// Once a process; again: nothing. Thread-safe. False: the system refuses a handler.
SLUICE_API bool catch_fatal_signals() noexcept;

// For a thread that does not log, or has before. Thread-safe; does nothing before
// catch_fatal_signals().
SLUICE_API void prepare_thread_for_fatal_signals() noexcept;

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_FATAL_H_
