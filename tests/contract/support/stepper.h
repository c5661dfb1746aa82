// Runs a child one instruction at a time (ptrace(2)): to look at it, signal it or kill it between
// any two. Only the child's first thread is traced; its others run on.
//
// The child calls be_traced() once and mark() at the ends of what is to be stepped through; outside
// it runs freely. Threading: one thread, the child's parent. x86-64.
#ifndef SLUICE_TESTS_CONTRACT_SUPPORT_STEPPER_H_
#define SLUICE_TESTS_CONTRACT_SUPPORT_STEPPER_H_

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace sluice::testing {

class Stepper {
 public:
  explicit Stepper(pid_t child) : child_(child) {}

  // In the child.
  static void be_traced() { ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }
  static void mark() { asm volatile("int3" ::: "memory"); }

  // Until the next mark(). False: the child has ended.
  bool run_to_mark() {
    if (ended_) return false;
    if (started_ && !at_mark_) resume(PTRACE_CONT, pending_);
    if (started_ && at_mark_) resume(PTRACE_CONT, 0);
    started_ = true;
    pending_ = 0;
    for (;;) {
      if (!wait()) return false;
      if (is_mark()) {
        at_mark_ = true;
        return true;
      }
      resume(PTRACE_CONT, stopped_by_ == SIGTRAP ? 0 : stopped_by_);
    }
  }

  // So many instructions behind the mark. False: it came to the next mark before.
  bool step(std::uint64_t instructions) {
    for (std::uint64_t i = 0; i < instructions; ++i) {
      at_mark_ = false;
      resume(PTRACE_SINGLESTEP, 0);
      if (!wait()) return false;
      if (is_mark()) {
        at_mark_ = true;
        return false;
      }
    }
    at_mark_ = false;
    return true;
  }

  // With the next resumption.
  void go_on_with(int signal) { pending_ = signal; }
  void finish() {
    if (!ended_) ::kill(child_, SIGKILL);
    ended_ = true;
  }

 private:
  void resume(int how, int signal) {
    ::ptrace(static_cast<__ptrace_request>(how), child_, nullptr, signal);
  }
  bool wait() {
    int status = 0;
    while (::waitpid(child_, &status, 0) < 0) {
      if (errno != EINTR) return !(ended_ = true);
    }
    if (!WIFSTOPPED(status)) return !(ended_ = true);
    stopped_by_ = WSTOPSIG(status);
    return true;
  }
  [[nodiscard]] bool is_mark() const {
    siginfo_t info{};
    return stopped_by_ == SIGTRAP && ::ptrace(PTRACE_GETSIGINFO, child_, nullptr, &info) == 0 &&
           info.si_code == SI_KERNEL;
  }

  const pid_t child_;
  bool started_ = false;
  bool at_mark_ = false;
  bool ended_ = false;
  int pending_ = 0;
  int stopped_by_ = 0;
};

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_CONTRACT_SUPPORT_STEPPER_H_
