// Fork and thread exit.
//
// The child gets zero pages where the parent's region was: every control byte reads "cold", so its
// first record makes a region of its own, and a call that the fork interrupted writes into memory
// that nobody reads. The handler only resets and closes; it allocates nothing and takes no lock,
// so it is right whatever the parent's other threads were doing.
#include "os/fork.h"
#include "front/front.h"
#include "front/series.h"
#include "os/fatal_signals.h"
#include "os/process.h"
#include "sluice/detail/site_limit.h"

namespace sluice::front {
namespace {

void in_child() {
  Front& front = g_front;
  ThreadBlock& block = detail::t_block;
  // relaxed: the child has one thread, and a copy of all memory
  const Phase phase = front.phase.word.load(std::memory_order_relaxed);
  os::close_inherited();
  detail::g_backend_ns.store(0, std::memory_order_relaxed);  // its thread is not here
  if (phase == Phase::kFresh) return;
  if (front.creating_here()) {
    // A handler that interrupted the making of the region has forked: its child goes on making
    // one, in files of its own.
    front.creator.store(os::thread_id(), std::memory_order_relaxed);
    kRuntimeHooks.forked();
    return;
  }
  const bool was_running =
      phase == Phase::kRunning || front.started_in_parent.load(std::memory_order_relaxed);
  OrphanedCalls orphans(block);
  front.region.abandon_after_fork();
  kRuntimeHooks.forked();
  // They still write to the old place: zero pages now. The child's region goes elsewhere.
  const bool cells_in_use = forget_cells();
  if (orphans.put_back() || cells_in_use) front.reservation = nullptr;
  // Its context goes on in the child.
  block.pending = detail::kPendingContext;
  block.in_sink = 0;
  forget_kept_out();
  front.phase.registering.store(0, std::memory_order_relaxed);
  front.lost_without_region.store(0, std::memory_order_relaxed);
  front.lost_adds.store(0, std::memory_order_relaxed);
  front.started_in_parent.store(was_running, std::memory_order_relaxed);
  // A child of a stopped program stays stopped: it has no region to count in, only the process.
  if (phase != Phase::kStopped) front.phase.set(Phase::kFresh);
}

void at_thread_exit(void* block) {
  detach_thread(*static_cast<ThreadBlock*>(block));
  detach_cells();
  os::drop_thread_stack();
}

std::atomic<bool> installed{false};

}  // namespace

void install_process_handlers() {
  // relaxed: only the region's creator comes here
  if (installed.exchange(true, std::memory_order_relaxed)) return;
  os::on_fork(os::before_fork, os::after_fork, in_child);
  os::on_thread_exit(at_thread_exit);
  os::at_process_exit(kRuntimeHooks.at_exit);
}

}  // namespace sluice::front
