// Rings for threads, room in them, drops, and calls that interrupt calls.
//
// A slot owns its ring for the life of the region. It goes from thread to thread by its state word
// (P8): acq_rel, so that the next thread sees the ring empty as the consumer left it, and the
// consumer sees the generation of the thread whose records it reads.
#include <cstring>

#include "front/front.h"
#include "os/process.h"

namespace sluice::front {
namespace {

using region::Region;
using region::RingLines;
using region::SlotState;
using region::ThreadSlot;

constexpr u64 kNestedRingBytes = 32 * 1024;
constexpr i64 kWaitNapNs = 20'000;

// What a signal handler's call found of the call it interrupted. Four deep: a handler that is
// interrupted in a call, and so on.
constexpr u32 kNestingMax = 4;
struct Interrupted {
  detail::RingProducer<RealSync> ring;
  std::atomic<u64>* filtered;
  u8 attached;
  u8 pending;
  u32 slot;
};
struct Nesting {
  u32 depth;
  Interrupted saved[kNestingMax];
};
constinit thread_local Nesting t_nesting{};

// A spin lock for the table of blocks: held for a few instructions, never in a signal handler.
class BlocksLock {
 public:
  BlocksLock() {
    // acquire / release: the table's entries between holders
    while (g_front.blocks_lock.exchange(true, std::memory_order_acquire)) os::yield();
  }
  ~BlocksLock() { g_front.blocks_lock.store(false, std::memory_order_release); }
};

bool take(ThreadSlot& slot, SlotState from, SlotState to) {
  // acq_rel: P8, see the head of this file
  return slot.state.compare_exchange_strong(from, to, std::memory_order_acq_rel);
}

// Makes a ring for an unused slot; the slot is left in state `made`.
ThreadSlot* make_slot(Region& region, u64 ring_bytes, SlotState made) {
  for (u32 i = 0; i < region.header().slots_max; ++i) {
    ThreadSlot& slot = region.slots()[i];
    if (slot.state.load(std::memory_order_relaxed) != SlotState::kUnused ||
        !take(slot, SlotState::kUnused, SlotState::kMaking)) {
      continue;
    }
    const bool ok = region.make_ring(slot, ring_bytes);
    // relaxed RMW: a bound for scans; what is in the slot is published by its state (P8)
    u32 used = region.wake().slots_used.load(std::memory_order_relaxed);
    while (ok && used <= i && !region.wake().slots_used.compare_exchange_weak(
                                  used, i + 1, std::memory_order_relaxed)) {
    }
    slot.state.store(ok ? made : SlotState::kUnused, std::memory_order_release);
    return ok ? &slot : nullptr;
  }
  return nullptr;
}

ThreadSlot* claim_slot(Region& region, u64 ring_bytes) {
  for (u32 i = 0; i < region.header().slots_max; ++i) {
    ThreadSlot& slot = region.slots()[i];
    if (slot.state.load(std::memory_order_relaxed) == SlotState::kReady &&
        slot.ring_bytes.load(std::memory_order_relaxed) == ring_bytes &&
        take(slot, SlotState::kReady, SlotState::kActive)) {
      return &slot;
    }
  }
  return make_slot(region, ring_bytes, SlotState::kActive);
}

RingPlace<RealSync> ring_of(const ThreadBlock& block) {
  return g_front.region.ring_of(g_front.region.slots()[block.slot]);
}

Admission refuse(const CallSite& site, ThreadBlock& block, DropReason reason) {
  count_drop(site.id.load(std::memory_order_relaxed), reason);
  if (site.is_state) block.pending |= detail::kPendingStateGap;
  switch (reason) {
    case DropReason::kTooBig: return Admission::kDroppedTooBig;
    case DropReason::kNoMemory: return Admission::kDroppedNoMemory;
    case DropReason::kStopped: return Admission::kStopped;
    case DropReason::kRingFull: break;
  }
  return Admission::kDroppedFull;
}

}  // namespace

bool attach_thread(ThreadBlock& block, u64 ring_bytes) {
  Front& front = g_front;
  ThreadSlot* slot = claim_slot(front.region, ring_bytes);
  if (!slot) return false;
  RingLines& lines = *front.region.lines_of(*slot);
  // relaxed: published to the consumer together with the first record, by head (P1)
  slot->generation.fetch_add(1, std::memory_order_relaxed);
  slot->tid.store(os::thread_id(), std::memory_order_relaxed);
  slot->of_sink.store(block.in_sink, std::memory_order_relaxed);
  os::thread_name(slot->name, sizeof slot->name);
  block.slot = u32(slot - front.region.slots());
  attach_producer(block.ring, front.region.ring_of(*slot),
                  lines.head.load(std::memory_order_relaxed));
  block.filtered = &lines.filtered;
  block.attached = 1;
  front.blocks[block.slot].store(&block, std::memory_order_release);
  return true;
}

void detach_exiting_thread(ThreadBlock& block) {
  if (!block.attached) return;
  const BlocksLock lock;
  detach_thread(block);
}

void detach_thread(ThreadBlock& block) {
  if (!block.attached) return;
  Front& front = g_front;
  ThreadSlot& slot = front.region.slots()[block.slot];
  front.blocks[block.slot].store(nullptr, std::memory_order_relaxed);
  block.ring.limit = block.ring.write;
  block.filtered = nullptr;
  block.attached = 0;
  block.pending = 0;
  // release: everything this thread published precedes kLeft (P8)
  slot.state.store(SlotState::kLeft, std::memory_order_release);
}

void count_drop(u32 site, DropReason reason) {
  Front& front = g_front;
  if (!front.region.exists()) {
    front.lost_without_region.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  // relaxed: counters; the report reads them, no data hangs on them
  front.region.drop_cell(site ? site : u32{kSiteUnknown}, reason)
      .fetch_add(1, std::memory_order_relaxed);
  front.region.wake().drops.fetch_add(1, std::memory_order_relaxed);
}

bool quiesce(i64 deadline_ns) {
  Front& front = g_front;
  const bool barrier = os::barrier_all_threads();
  for (u32 i = 0; i < front.region.header().slots_max; ++i) {
    for (;;) {
      bool busy;
      {
        const BlocksLock lock;
        const ThreadBlock* block = front.blocks[i].load(std::memory_order_acquire);
        busy = block && block != &detail::t_block &&
               block->busy.load(std::memory_order_relaxed) != 0;
      }
      if (!busy) break;
      if (os::monotonic_ns() >= deadline_ns) return false;
      os::yield();
    }
  }
  return barrier;
}

void keep_ready(u32 count) {
  Region& region = g_front.region;
  u32 ready = 0;
  for (u32 i = 0; i < region.header().slots_max; ++i) {
    if (region.slots()[i].state.load(std::memory_order_relaxed) == SlotState::kReady) ++ready;
  }
  for (; ready < count; ++ready) {
    if (!make_slot(region, region.header().ring_bytes, SlotState::kReady)) return;
  }
}

}  // namespace sluice::front

namespace sluice {
inline namespace v1 {
namespace detail {

char* make_room(CallSite& site, std::size_t bytes, Admission& why) noexcept {
  using namespace front;
  const os::KeepErrno keep;
  Front& front = g_front;
  ThreadBlock& block = t_block;
  if (bytes > front.region.header().record_bytes_max) {
    why = refuse(site, block, DropReason::kTooBig);
    return nullptr;
  }
  if (!block.attached) {
    if (!attach_thread(block, front.region.header().ring_bytes)) {
      why = refuse(site, block, DropReason::kNoMemory);
      return nullptr;
    }
    os::set_thread_exit_value(&block);
  }
  const auto ring = front::ring_of(block);
  // A smaller ring than asked for (no room on tmpfs) also means smaller records.
  if (bytes > ring.capacity / 4) {
    why = refuse(site, block, DropReason::kTooBig);
    return nullptr;
  }
  const u64 fast = ring.capacity - ring.capacity / 8;
  const u64 usable = site.may_use_reserve ? ring.capacity : fast;
  i64 give_up_ns = 0;
  for (;;) {
    char* to = write_pending(block) ? sluice::make_room(block.ring, ring, bytes, usable, fast)
                                    : nullptr;
    if (to) {
      if (front.clock_is_slow.load(std::memory_order_relaxed)) block.ring.limit = block.ring.write;
      return to;
    }
    const bool may_wait = (front.options.block_when_full || front.options.immediate) &&
                          front.phase.load(std::memory_order_acquire) == Phase::kRunning &&
                          !block.in_sink;
    if (!may_wait) break;
    const i64 now = os::monotonic_ns();
    if (give_up_ns == 0) give_up_ns = now + front.options.block_deadline_ns;
    if (now >= give_up_ns) break;
    region::WakeLines& wake = front.region.wake();
    wake.consumer.fetch_add(1, std::memory_order_release);
    os::wake_all(wake.consumer);
    os::sleep_ns(kWaitNapNs);
  }
  why = refuse(site, block, DropReason::kRingFull);
  return nullptr;
}

bool enter_nested() noexcept {
  using namespace front;
  const os::KeepErrno keep;
  ThreadBlock& block = t_block;
  Nesting& nesting = t_nesting;
  if (nesting.depth == kNestingMax || !ensure_region()) {
    count_drop(kSiteUnknown, DropReason::kNoMemory);
    return false;
  }
  Interrupted& saved = nesting.saved[nesting.depth++];
  saved = {block.ring, block.filtered, block.attached, block.pending, block.slot};
  block.attached = 0;
  block.pending = 0;
  block.ring.limit = block.ring.write;
  attach_thread(block, kNestedRingBytes);
  return true;
}

void finish_call(std::uint8_t after) noexcept {
  using namespace front;
  const os::KeepErrno keep;
  if (after & kLeaveNested) {
    ThreadBlock& block = t_block;
    block.busy.store(1, std::memory_order_relaxed);
    detach_thread(block);
    Nesting& nesting = t_nesting;
    const Interrupted& saved = nesting.saved[--nesting.depth];
    block.ring = saved.ring;
    block.filtered = saved.filtered;
    block.attached = saved.attached;
    block.pending = saved.pending;
    block.slot = saved.slot;
    return;  // a handler publishes only: the next ordinary call runs the sinks
  }
  kRuntimeHooks.run_now();
}

}  // namespace detail

Admission prepare_thread() noexcept {
  using namespace front;
  const os::KeepErrno keep;
  ThreadBlock& block = detail::t_block;
  if (block.attached) return Admission::kOk;
  if (!ensure_region() || !attach_thread(block, g_front.region.header().ring_bytes)) {
    return Admission::kDroppedNoMemory;
  }
  os::set_thread_exit_value(&block);
  return Admission::kOk;
}

}  // namespace v1
}  // namespace sluice
