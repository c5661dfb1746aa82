// Fiber: a stack and a way to jump between stacks, so that model threads can be stopped and resumed
// at every atomic operation for the price of a function call.
//
// Threading: everything runs on the one thread that calls explore(); a Fiber never moves.
// Invariants: an entry function never returns; a fiber that is abandoned (its execution failed or
//   its model thread was killed) is simply prepared again: nothing on its stack is destroyed, so
//   code that runs in fibers keeps no owning objects on its stack.
// Failure: none that can be reported; a stack overflow ends the program.
//
// x86-64 has its own switch, because swapcontext() makes a system call each time; other machines
// use swapcontext(). AddressSanitizer is told which stack is in use. ThreadSanitizer has nothing to
// see on one thread, and takes 0.2 ms to make a fiber: not supported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#if defined(__SANITIZE_ADDRESS__)
#define SLUICE_FIBER_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#error "cmake/tests.cmake compiles tests/explorer without -fsanitize=thread"
#endif
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace sluice::explorer {

#if defined(__x86_64__)
// Saves the callee-saved registers on the running stack, its pointer in *save, and continues the
// stack `load` (System V ABI; the floating-point control words are the same in all fibers).
[[gnu::naked, gnu::noinline]] inline void switch_stack(void** /*save*/, void* /*load*/) {
  asm("pushq %rbp\n\t"
      "pushq %rbx\n\t"
      "pushq %r12\n\t"
      "pushq %r13\n\t"
      "pushq %r14\n\t"
      "pushq %r15\n\t"
      "movq %rsp, (%rdi)\n\t"
      "movq %rsi, %rsp\n\t"
      "popq %r15\n\t"
      "popq %r14\n\t"
      "popq %r13\n\t"
      "popq %r12\n\t"
      "popq %rbx\n\t"
      "popq %rbp\n\t"
      "ret");
}
#endif

class Fiber {
 public:
  using Entry = void (*)(void*);

  Fiber() = default;
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber() { forget_sanitizer_state(); }

  // Makes the next switch to this fiber call entry(argument) on its own, fresh stack.
  void prepare(Entry entry, void* argument) {
    entry_ = entry;
    argument_ = argument;
    if (stack_ == nullptr) stack_ = std::make_unique<Stack>();
    forget_sanitizer_state();
#if defined(SLUICE_FIBER_ASAN)
    __asan_unpoison_memory_region(stack_->bytes, kStackBytes);
    bottom_ = stack_->bytes;
    bytes_ = kStackBytes;
#endif
#if defined(__x86_64__)
    // Six registers, the return address and one word that keeps the ABI's alignment at entry.
    auto** top = reinterpret_cast<void**>(stack_->bytes + kStackBytes) - 8;
    for (int i = 0; i < 8; ++i) top[i] = nullptr;
    top[6] = reinterpret_cast<void*>(&Fiber::trampoline);
    stack_pointer_ = top;
#else
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack_->bytes;
    context_.uc_stack.ss_size = kStackBytes;
    context_.uc_link = nullptr;
    makecontext(&context_, &Fiber::trampoline, 0);
#endif
  }

  // Stops `from` (the running fiber, or the program's own stack) and continues `to`.
  static void switch_to(Fiber& from, Fiber& to) {
    leaving_ = &from;
    arriving_ = &to;
#if defined(SLUICE_FIBER_ASAN)
    __sanitizer_start_switch_fiber(&from.fake_stack_, to.bottom_, to.bytes_);
#endif
#if defined(__x86_64__)
    switch_stack(&from.stack_pointer_, to.stack_pointer_);
#else
    swapcontext(&from.context_, &to.context_);
#endif
    arrived();
  }

 private:
  static constexpr std::size_t kStackBytes = std::size_t{128} << 10;
  struct Stack {
    alignas(64) std::byte bytes[kStackBytes];
  };

  static void arrived() {
#if defined(SLUICE_FIBER_ASAN)
    __sanitizer_finish_switch_fiber(arriving_->fake_stack_, &leaving_->bottom_, &leaving_->bytes_);
#endif
  }

  static void trampoline() {
    arrived();
    Fiber* self = arriving_;
    self->entry_(self->argument_);
    std::abort();
  }

  void forget_sanitizer_state() {
#if defined(SLUICE_FIBER_ASAN)
    fake_stack_ = nullptr;
#endif
  }

  static inline Fiber* leaving_ = nullptr;
  static inline Fiber* arriving_ = nullptr;

  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  std::unique_ptr<Stack> stack_;
#if defined(__x86_64__)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t context_{};
#endif
#if defined(SLUICE_FIBER_ASAN)
  void* fake_stack_ = nullptr;
  const void* bottom_ = nullptr;
  std::size_t bytes_ = 0;
#endif
};

}  // namespace sluice::explorer
