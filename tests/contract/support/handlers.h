// A thread's own work beside signal handlers that come between any two of its instructions.
#ifndef SLUICE_TESTS_CONTRACT_SUPPORT_HANDLERS_H_
#define SLUICE_TESTS_CONTRACT_SUPPORT_HANDLERS_H_

#include <signal.h>

#include <atomic>
#include <cstdint>
#include <thread>

namespace sluice::test {

// How often `Add`, which captures nothing, was called, by the thread and by handlers on it, 20,000
// of which are sent.
struct Interrupted {
  std::uint64_t by_thread = 0;
  std::uint64_t by_handlers = 0;
  [[nodiscard]] std::uint64_t all() const { return by_thread + by_handlers; }
};

template <class Add>
Interrupted add_beside_handlers(Add) {
  static volatile sig_atomic_t handled = 0;
  struct sigaction action {};
  action.sa_handler = [](int) {
    Add()();
    handled = handled + 1;
  };
  ::sigaction(SIGUSR1, &action, nullptr);
  std::atomic<bool> ended{false};
  const pthread_t self = ::pthread_self();
  std::thread sender([&] {
    for (int i = 0; i < 20'000; ++i) ::pthread_kill(self, SIGUSR1);
    ended.store(true);
  });
  Interrupted added;
  for (; !ended.load(); ++added.by_thread) Add()();
  sender.join();
  ::signal(SIGUSR1, SIG_IGN);
  added.by_handlers = std::uint64_t(handled);
  return added;
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_CONTRACT_SUPPORT_HANDLERS_H_
