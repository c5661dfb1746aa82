// Fork and thread exit.
//
// The child gets zero pages where the parent's region was: every control byte reads "cold", so its
// first record makes a region of its own, and a call that the fork interrupted writes into memory
// that nobody reads. The handler only resets and closes; it allocates nothing and takes no lock,
// so it is right whatever the parent's other threads were doing.
#include "front/front.h"
#include "os/fork.h"
#include "os/process.h"

namespace sluice::front {
namespace {

void in_child() {
  Front& front = g_front;
  ThreadBlock& block = detail::t_block;
  const Phase phase = front.phase.load(std::memory_order_relaxed);
  if (phase == Phase::kFresh) return;
  const bool was_running = phase == Phase::kRunning || front.started_in_parent;
  const u64 inherited_head = block.attached ? block.ring.load() : 0;
  front.region.abandon_after_fork();
  os::close_inherited();
  kRuntimeHooks.forked();
  if (inherited_head & detail::kInCall) {
    // Forked by a signal handler inside a call, which still writes to the old place: zero pages now.
    block.ring.limit = 0;
    front.reservation = nullptr;
  } else {
    block.ring = {};
  }
  block.filtered = nullptr;
  block.attached = 0;
  // Its context goes on in the child.
  block.pending = detail::kPendingContext;
  front.registering.store(0, std::memory_order_relaxed);
  front.lost_without_region.store(0, std::memory_order_relaxed);
  front.started_in_parent = was_running;
  // A child of a stopped program stays stopped: it has no region to count in, only the process.
  if (phase != Phase::kStopped) front.phase.store(Phase::kFresh, std::memory_order_release);
}

void at_thread_exit(void* block) { detach_thread(*static_cast<ThreadBlock*>(block)); }

std::atomic<bool> installed{false};

}  // namespace

void install_process_handlers() {
  if (installed.exchange(true, std::memory_order_acq_rel)) return;
  os::on_fork(nullptr, nullptr, in_child);
  os::on_thread_exit(at_thread_exit);
  os::at_process_exit(kRuntimeHooks.at_exit);
}

}  // namespace sluice::front
