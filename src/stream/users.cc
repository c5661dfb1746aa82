#include "stream/users.h"

#include "os/process.h"

namespace sluice::stream {
namespace {

// Never destroyed: threads may write while the process exits.
struct alignas(64) Seat {
  Users::Words::Word word{nullptr};
  std::atomic<const void*> thread{nullptr};  // something of the thread whose it is
  Seat* below = nullptr;
};
std::atomic<Seat*> seats{nullptr};

constinit thread_local Seat* own_seat = nullptr;

struct Leaving {
  ~Leaving() {
    // release: the thread's last store to the word (P18)
    if (own_seat != nullptr) Made::publish(own_seat->thread, static_cast<const void*>(nullptr));
    own_seat = nullptr;
  }
};

// acquire, all looks: the seats below; what their threads have left there (P18)
Seat* sit_down() {
  static_assert(Users::Words::Word::is_always_lock_free);
  for (Seat* seat = Made::look(seats); seat != nullptr; seat = seat->below) {
    const void* nobody = Made::look(seat->thread);
    if (nobody != nullptr) continue;
    if (Made::publish_in_place(seat->thread, nobody, static_cast<const void*>(&own_seat))) {
      return seat;
    }
  }
  auto* const seat = new Seat;
  Made::publish(seat->thread, static_cast<const void*>(&own_seat));
  seat->below = Made::look(seats);
  // release: the seat (P18)
  while (!Made::publish_in_place(seats, seat->below, seat)) continue;
  return seat;
}

}  // namespace

Users::Words::Word& Users::own() {
  if (own_seat == nullptr) {
    thread_local Leaving leaving;
    own_seat = sit_down();
  }
  return own_seat->word;
}

bool Users::pass_barrier() { return os::barrier_all_threads(); }

bool Users::in_use(const void* thing) {
  for (Seat* seat = Made::look(seats); seat != nullptr; seat = seat->below) {
    if (Words::has(seat->word, thing)) return true;
  }
  return false;
}

}  // namespace sluice::stream
