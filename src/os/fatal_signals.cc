#include "os/fatal_signals.h"

#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "os/process.h"

namespace sluice::os {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT};
constexpr std::size_t kPage = 4096;
constexpr std::size_t kStackBytes = 64 * 1024;  // the unwinder takes some 10 KiB

struct sigaction g_before[std::size(kSignals)];
// relaxed: set before the handlers are, which the system call orders
std::atomic<SayFatal> g_say{nullptr};
// initial-exec: else the first look at it in a thread may allocate
constinit thread_local bool t_saying __attribute__((tls_model("initial-exec"))) = false;
constinit thread_local void* t_stack __attribute__((tls_model("initial-exec"))) = nullptr;

const struct sigaction& before(int number) {
  return g_before[std::find(std::begin(kSignals), std::end(kSignals), number) -
                  std::begin(kSignals)];
}

void on_fatal_signal(int number, siginfo_t* info, void* context) {
  const KeepErrno keep;
  if (!t_saying) {
    t_saying = true;
    FatalSignal signal{number, info->si_code, nullptr, 0, 0};
    if (signal.was_sent()) {
      signal.sender_pid = u32(info->si_pid);
      signal.sender_uid = u32(info->si_uid);
    } else {
      signal.address = info->si_addr;
    }
    g_say.load(std::memory_order_relaxed)(signal);
    t_saying = false;
  }
  const struct sigaction& then = before(number);
  const bool handled = then.sa_handler != SIG_DFL && then.sa_handler != SIG_IGN;
  if (handled && (then.sa_flags & SA_SIGINFO) != 0) return then.sa_sigaction(number, info, context);
  if (handled) return then.sa_handler(number);
  // A fault comes again as soon as this returns; one that was sent is sent again.
  struct sigaction ends {};
  ends.sa_handler = SIG_DFL;
  ::sigaction(number, &ends, nullptr);
  if (info->si_code <= 0) ::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), number);
}

struct Walk {
  const void** to;
  u32 most;
  u32 count = 0;
  u32 left_out = 1;  // return_addresses() itself
};

_Unwind_Reason_Code take_frame(_Unwind_Context* context, void* of) {
  Walk& walk = *static_cast<Walk*>(of);
  if (walk.left_out > 0) {
    --walk.left_out;
    return _URC_NO_REASON;
  }
  if (walk.count == walk.most) return _URC_END_OF_STACK;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address is what it gives
  walk.to[walk.count++] = reinterpret_cast<const void*>(_Unwind_GetIP(context));
  return _URC_NO_REASON;
}

}  // namespace

int catch_fatal_signals(SayFatal say) {
  SayFatal none = nullptr;
  if (!g_say.compare_exchange_strong(none, say, std::memory_order_relaxed)) return -EALREADY;
  // The unwinder is loaded and has what it allocates now, not in a handler.
  const void* frames[4];
  (void)return_addresses(frames, std::size(frames));
  give_thread_stack();
  struct sigaction action {};
  action.sa_sigaction = on_fatal_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  ::sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    if (::sigaction(kSignals[i], nullptr, &g_before[i]) != 0 ||
        ::sigaction(kSignals[i], &action, nullptr) != 0) {
      return -errno;
    }
  }
  return 0;
}

bool catches_fatal_signals() { return g_say.load(std::memory_order_relaxed) != nullptr; }

void give_thread_stack() {
  stack_t there{};
  if (t_stack != nullptr || ::sigaltstack(nullptr, &there) != 0) return;
  if ((there.ss_flags & SS_DISABLE) == 0) return;
  // A page in front of it that faults: an overflow of this stack must not write elsewhere.
  void* const made = ::mmap(nullptr, kStackBytes + kPage, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) return;
  stack_t stack{};
  stack.ss_sp = static_cast<char*>(made) + kPage;
  stack.ss_size = kStackBytes;
  if (::mprotect(made, kPage, PROT_NONE) != 0 || ::sigaltstack(&stack, nullptr) != 0) {
    ::munmap(made, kStackBytes + kPage);
    return;
  }
  t_stack = made;
}

void drop_thread_stack() {
  if (t_stack == nullptr) return;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  // In use: the thread ends within a handler.
  if (::sigaltstack(&none, nullptr) != 0) return;
  ::munmap(t_stack, kStackBytes + kPage);
  t_stack = nullptr;
}

u32 return_addresses(const void** to, u32 most) {
  Walk walk{to, most};
  (void)_Unwind_Backtrace(take_frame, &walk);
  return walk.count;
}

LoadedFile loaded_file_at(const void* address) {
#if defined(DLFO_STRUCT_HAS_EH_DBASE)  // glibc 2.35: takes no lock
  dl_find_object found{};
  if (::_dl_find_object(const_cast<void*>(address), &found) == 0 &&
      found.dlfo_link_map != nullptr) {
    return {found.dlfo_link_map->l_name,
            u64(static_cast<const char*>(address) -
                // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader counts in numbers
                reinterpret_cast<const char*>(found.dlfo_link_map->l_addr)),
            true};
  }
#else
  (void)address;
#endif
  return {};
}

std::string_view fatal_signal_name(int number) {
  switch (number) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGILL:
      return "SIGILL";
    case SIGFPE:
      return "SIGFPE";
    case SIGTRAP:
      return "SIGTRAP";
    case SIGSYS:
      return "SIGSYS";
    case SIGABRT:
      return "SIGABRT";
    default:
      return {};
  }
}

std::string_view signal_code_name(int number, int code) {
  struct Known {
    int number;  // 0: of any
    int code;
    std::string_view name;
  };
  static constexpr Known kKnown[] = {
      {0, SI_USER, "SI_USER"},
      {0, SI_QUEUE, "SI_QUEUE"},
      {0, SI_TKILL, "SI_TKILL"},
      {0, SI_KERNEL, "SI_KERNEL"},
      {SIGSEGV, SEGV_MAPERR, "SEGV_MAPERR"},
      {SIGSEGV, SEGV_ACCERR, "SEGV_ACCERR"},
      {SIGSEGV, SEGV_PKUERR, "SEGV_PKUERR"},
      {SIGBUS, BUS_ADRALN, "BUS_ADRALN"},
      {SIGBUS, BUS_ADRERR, "BUS_ADRERR"},
      {SIGBUS, BUS_OBJERR, "BUS_OBJERR"},
      {SIGILL, ILL_ILLOPC, "ILL_ILLOPC"},
      {SIGILL, ILL_ILLOPN, "ILL_ILLOPN"},
      {SIGILL, ILL_PRVOPC, "ILL_PRVOPC"},
      {SIGFPE, FPE_INTDIV, "FPE_INTDIV"},
      {SIGFPE, FPE_INTOVF, "FPE_INTOVF"},
      {SIGFPE, FPE_FLTDIV, "FPE_FLTDIV"},
      {SIGFPE, FPE_FLTINV, "FPE_FLTINV"},
      {SIGTRAP, TRAP_BRKPT, "TRAP_BRKPT"},
      {SIGTRAP, TRAP_TRACE, "TRAP_TRACE"},
  };
  for (const Known& known : kKnown) {
    if ((known.number == 0 || known.number == number) && known.code == code) return known.name;
  }
  return {};
}

}  // namespace sluice::os
