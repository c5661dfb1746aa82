// Rings for threads, room in them, drops, and calls that interrupt calls.
//
// A slot owns its ring for the life of the region. It goes from thread to thread by its state word
// (P8, region/slot_handover.h).
#include <cstring>

#include "base/wake_word.h"
#include "front/call_cost.h"
#include "front/front.h"
#include "os/fatal_signals.h"
#include "os/process.h"
#include "region/slot_handover.h"
#include "sluice/sluice.h"

namespace sluice::front {
namespace {

using region::Region;
using region::RingLines;
using region::SlotState;
using region::ThreadSlot;
using Handover = region::SlotHandover<RealSync>;

constexpr u64 kNestedRingBytes = 32 * 1024;
constexpr i64 kNoChunkPauseNs = 20'000'000;
constexpr i64 kWaitNapNs = 20'000;

// What a signal handler's call found of the call it interrupted. Four deep: a handler that is
// interrupted in a call, and so on.
constexpr u32 kNestingMax = 4;
struct Interrupted {
  detail::RingProducer<RealSync> ring;
  std::atomic<u64>* filtered;
  u8 in_cold;
  u8 attached;
  u8 pending;
  u32 slot;
};
struct Nesting {
  u32 depth;
  Interrupted saved[kNestingMax];
};
constinit thread_local Nesting t_nesting{};

// The block changes within: a handler that logs meanwhile takes a ring of its own and leaves the
// block as it found it. On its way through the fast path it may look at any instruction.
class Changing {
 public:
  explicit Changing(ThreadBlock& block)
      : block_(block), before_(block.in_cold.load(std::memory_order_relaxed)) {
    block_.in_cold.store(1, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  ~Changing() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    block_.in_cold.store(before_, std::memory_order_relaxed);
  }
  Changing(const Changing&) = delete;
  Changing& operator=(const Changing&) = delete;

 private:
  ThreadBlock& block_;
  const u8 before_;
};

// Makes a ring for an unused slot; the slot is left in state `made`. Where there was no room a
// moment ago it is not asked for again: every call of a thread without a ring comes here.
ThreadSlot* make_slot(Region& region, u64 ring_bytes, SlotState made) {
  const i64 now = os::monotonic_ns();
  // relaxed: a hint
  if (now < g_front.no_room_until_ns.load(std::memory_order_relaxed)) return nullptr;
  for (u32 i = 0; i < region.header().slots_max; ++i) {
    ThreadSlot& slot = region.slots()[i];
    if (slot.state.load(std::memory_order_relaxed) != SlotState::kUnused ||
        !Handover::try_take(slot.state, SlotState::kUnused, SlotState::kMaking)) {
      continue;
    }
    const bool ok = region.make_ring(slot, ring_bytes);
    // relaxed RMW: a bound for scans; what is in the slot is published by its state (P8)
    u32 used = region.wake().slots_used.load(std::memory_order_relaxed);
    while (
        ok && used <= i &&
        !region.wake().slots_used.compare_exchange_weak(used, i + 1, std::memory_order_relaxed)) {
    }
    Handover::give(slot.state, ok ? made : SlotState::kUnused);
    if (!ok) g_front.no_room_until_ns.store(now + kNoChunkPauseNs, std::memory_order_relaxed);
    return ok ? &slot : nullptr;
  }
  return nullptr;
}

ThreadSlot* claim_slot(Region& region, u64 ring_bytes) {
  for (u32 i = 0; i < region.header().slots_max; ++i) {
    ThreadSlot& slot = region.slots()[i];
    if (slot.state.load(std::memory_order_relaxed) == SlotState::kReady &&
        slot.ring_bytes.load(std::memory_order_relaxed) == ring_bytes &&
        Handover::try_take(slot.state, SlotState::kReady, SlotState::kActive)) {
      return &slot;
    }
  }
  if (ThreadSlot* made = make_slot(region, ring_bytes, SlotState::kActive)) return made;
  // No room for another ring: one of another size is better than none.
  for (u32 i = 0; i < region.header().slots_max; ++i) {
    ThreadSlot& slot = region.slots()[i];
    if (slot.state.load(std::memory_order_relaxed) == SlotState::kReady &&
        Handover::try_take(slot.state, SlotState::kReady, SlotState::kActive)) {
      return &slot;
    }
  }
  return nullptr;
}

// What a restart asked for, or else what the region was made with.
u64 ring_bytes_wanted() {
  const u64 bytes = g_front.options.ring_bytes.load(std::memory_order_relaxed);
  return bytes ? bytes : g_front.region.header().ring_bytes;
}

RingPlace<RealSync> ring_of(const ThreadBlock& block) {
  return g_front.region.ring_of(g_front.region.slots()[block.slot]);
}

}  // namespace

Admission refuse(const CallSite& site, ThreadBlock& block, DropReason reason) {
  count_drop(site.id.load(std::memory_order_relaxed), reason);
  if (site.is_state) {
    block.pending |= detail::kPendingStateGap;
    // Nothing fits until the mark is written, or a smaller patch would pass without it.
    if (block.attached) block.ring.limit = block.ring.load() & ~detail::kInCall;
  }
  switch (reason) {
    case DropReason::kTooBig:
      return Admission::kDroppedTooBig;
    case DropReason::kNoMemory:
      return Admission::kDroppedNoMemory;
    case DropReason::kStopped:
      return Admission::kStopped;
    case DropReason::kRingFull:
      break;
  }
  return Admission::kDroppedFull;
}

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
  attach_producer(block.ring, front.region.ring_of(*slot));
  block.filtered = &lines.filtered;
  block.attached = 1;
  return true;
}

void detach_thread(ThreadBlock& block) {
  if (!block.attached) return;
  const Changing changing(block);
  ThreadSlot& slot = g_front.region.slots()[block.slot];
  block.ring.forget();
  block.filtered = nullptr;
  block.attached = 0;
  block.pending = 0;
  Handover::leave(slot.state);
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

OrphanedCalls::OrphanedCalls(ThreadBlock& block) : block_(block) {
  const Nesting& nesting = t_nesting;
  any_ = nesting.depth > 0 || block.in_cold.load(std::memory_order_relaxed) != 0;
  const auto keep = [this](std::atomic<u64>* call) {
    if (!call) return;
    const u64 value = call->load(std::memory_order_relaxed);
    any_ = any_ || (value & detail::kInCall);
    calls_[count_++] = {call, value};
  };
  keep(block.ring.call);
  for (u32 i = 0; i < nesting.depth; ++i) keep(nesting.saved[i].ring.call);
}

bool OrphanedCalls::put_back() {
  block_.ring.limit = 0;  // nothing fits
  block_.filtered = nullptr;
  block_.attached = 0;
  for (u32 i = 0; i < t_nesting.depth; ++i) {
    Interrupted& saved = t_nesting.saved[i];
    saved.ring.limit = 0;
    saved.filtered = nullptr;
    saved.attached = 0;
  }
  if (!any_) {
    block_.ring.forget();
    return false;
  }
  for (u32 i = 0; i < count_; ++i) {
    calls_[i].word->store(calls_[i].value, std::memory_order_relaxed);
  }
  return true;
}

bool quiesce(i64 deadline_ns) {
  const Region& region = g_front.region;
  const ThreadBlock& self = detail::t_block;
  // Signed: a child forked inside a registration leaves one too many.
  while (std::int32_t(g_front.phase.count()) > 0) {
    if (os::monotonic_ns() >= deadline_ns) return false;
    os::yield();
  }
  close_controls();
  const bool barrier = os::barrier_all_threads();
  const u32 used = region.wake().slots_used.load(std::memory_order_relaxed);
  for (u32 i = 0; i < used; ++i) {
    const ThreadSlot& slot = region.slots()[i];
    if (self.attached && self.slot == i) continue;
    // The ring of an active slot (P8), and what its last call has published (P9).
    while (Handover::look(slot.state) == SlotState::kActive &&
           (region.lines_of(slot)->call.load(detail::CallOrders::look_at_call) & detail::kInCall)) {
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
    const ThreadSlot& slot = region.slots()[i];
    if (slot.state.load(std::memory_order_relaxed) == SlotState::kReady &&
        slot.ring_bytes.load(std::memory_order_relaxed) == ring_bytes_wanted()) {
      ++ready;
    }
  }
  for (; ready < count; ++ready) {
    if (!make_slot(region, ring_bytes_wanted(), SlotState::kReady)) return;
  }
}

}  // namespace sluice::front

namespace sluice {
inline namespace v1 {
namespace detail {
namespace {

enum class Admit { kStop, kGo, kGoThenRun };

// Registers, starts, or refuses; what is refused is counted.
Admit admit(CallSite& site, const SiteShape& shape, Admission& why) {
  using namespace front;
  Front& front = g_front;
  bool registered = false;
  for (;;) {
    switch (site.control_value()) {
      case kOn:
        return Admit::kGo;
      case kOnThenRun:
        return Admit::kGoThenRun;
      case kOff:
        count_filtered();
        why = Admission::kFiltered;
        return Admit::kStop;
      case kLimited: {
        PlaceTally* const tally = tally_of(site.id.load(std::memory_order_relaxed));
        if (tally == nullptr || tally->admit(limit_second())) {
          // relaxed: as the control byte that it stands for
          return front.options.immediate.load(std::memory_order_relaxed) ? Admit::kGoThenRun
                                                                         : Admit::kGo;
        }
        count_filtered();
        why = Admission::kFiltered;
        return Admit::kStop;
      }
      case kClosed:
        count_drop(site.id.load(std::memory_order_relaxed), DropReason::kStopped);
        why = Admission::kStopped;
        return Admit::kStop;
      default:
        break;
    }
    const Registering registering;
    if (registering.stopped()) {
      count_drop(site.id.load(std::memory_order_relaxed), DropReason::kStopped);
      why = Admission::kStopped;
      return Admit::kStop;
    }
    if (!ensure_region()) {
      front.lost_without_region.fetch_add(1, std::memory_order_relaxed);
      why = Admission::kDroppedNoMemory;
      return Admit::kStop;
    }
    // A second round finds the byte cold again only when stop() and start() came in between.
    if (registered) refresh_controls();
    publish_site(site, shape);
    registered = true;
  }
}

// Puts the interrupted call's ring aside. False: too deep.
bool set_aside(ThreadBlock& block) {
  front::Nesting& nesting = front::t_nesting;
  if (nesting.depth == front::kNestingMax) return false;
  // A handler in between uses the same place, and is through with it when it returns.
  nesting.saved[nesting.depth] = {
      block.ring,     block.filtered, block.in_cold.load(std::memory_order_relaxed),
      block.attached, block.pending,  block.slot};
  std::atomic_signal_fence(std::memory_order_seq_cst);
  ++nesting.depth;
  block.in_cold.store(1, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  block.ring.forget();
  block.filtered = nullptr;
  block.attached = 0;
  block.pending = 0;
  return true;
}

// In the cold path still: a handler that comes in between takes the next place in t_nesting, which
// is therefore given up last.
void put_back(ThreadBlock& block) {
  const u8 left_to_write = block.pending;
  block.in_cold.store(1, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  front::detach_thread(block);
  // The place stays ours until everything is back.
  front::Nesting& nesting = front::t_nesting;
  const front::Interrupted& saved = nesting.saved[nesting.depth - 1];
  block.ring.take_up(saved.ring);
  block.filtered = saved.filtered;
  block.slot = saved.slot;
  block.attached = saved.attached;
  block.pending = u8(left_to_write | saved.pending);
  if (left_to_write && block.attached) block.ring.limit = block.ring.load() & ~kInCall;
  const u8 in_cold = saved.in_cold;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  --nesting.depth;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  block.in_cold.store(in_cold, std::memory_order_relaxed);
}

bool attach(ThreadBlock& block, bool nested) {
  if (block.attached) return true;
  const u64 bytes = nested ? front::kNestedRingBytes : front::ring_bytes_wanted();
  if (!front::attach_thread(block, bytes)) return false;
  if (!nested) os::set_thread_exit_value(&block);
  // Not in a handler: it may be on another stack already.
  if (!nested && os::catches_fatal_signals()) os::give_thread_stack();
  return true;
}

}  // namespace

bool ColdCall::begin(CallSite& site, const SiteShape& shape, Admission& why) noexcept {
  const os::KeepErrno keep;
  ThreadBlock& block = t_block;
  // Attached or not: after a fork in a handler the ring is the parent's call's, in zero pages.
  // A sink that logs in immediate mode does so in a caller's thread: with a ring that says so.
  nested = block.in_cold.load(std::memory_order_relaxed) != 0 || block.ring.in_call() ||
           (block.in_sink && front::g_front.options.immediate.load(std::memory_order_relaxed));
  if (!nested && site.control_value() == kLimited) front::tell_kept_out(site);
  if (nested && !set_aside(block)) {
    front::count_drop(site.id.load(std::memory_order_relaxed), DropReason::kNoMemory);
    why = Admission::kDroppedNoMemory;
    return false;
  }
  block.in_cold.store(1, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  for (;;) {
    const Admit admitted = admit(site, shape, why);
    if (admitted == Admit::kStop) break;
    run_after = admitted == Admit::kGoThenRun;
    if (!attach(block, nested)) {
      why = front::refuse(site, block, DropReason::kNoMemory);
      break;
    }
    (void)block.ring.try_enter(position);  // nobody is inside a call on this ring
    // Asked again inside the call, as in write().
    const u8 control = site.control_value();
    if (control == kOn || control == kOnThenRun || control == kLimited) return true;
    block.ring.leave(position);
  }
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (nested) {
    put_back(block);
  } else {
    block.in_cold.store(0, std::memory_order_relaxed);
  }
  return false;
}

void ColdCall::end(std::uint64_t to) noexcept {
  const os::KeepErrno keep;
  ThreadBlock& block = t_block;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  block.ring.leave(to);
  front::t_call_cost.end();
  if (nested) {
    put_back(block);  // a handler only publishes: the next ordinary call runs the sinks
    return;
  }
  block.in_cold.store(0, std::memory_order_relaxed);
  front::t_call_cost.count();
  if (run_after) front::kRuntimeHooks.run_now();
}

bool make_room(CallSite& site, std::uint64_t& position, std::size_t bytes,
               Admission& why) noexcept {
  using namespace front;
  const os::KeepErrno keep;
  Front& front = g_front;
  ThreadBlock& block = t_block;
  if (!block.attached) {
    // A handler has forked in this call: this is the child, and the ring was the parent's.
    why = refuse(site, block, DropReason::kNoMemory);
    return false;
  }
  const auto ring = front::ring_of(block);
  // A smaller ring than asked for (no room on tmpfs) also means smaller records.
  if (bytes > ring.record_bytes_max) {
    why = refuse(site, block, DropReason::kTooBig);
    return false;
  }
  const u64 fast = ring.capacity - ring.capacity / 8;
  const u64 usable = site.may_use_reserve ? ring.capacity : fast;
  t_call_cost.look(block);
  i64 give_up_ns = 0;
  bool woken = false;
  for (;;) {
    if (write_pending(block, position) &&
        sluice::make_room(block.ring, ring, position, bytes, usable, fast)) {
      if (front.clock_is_slow.load(std::memory_order_relaxed)) block.ring.limit = position;
      t_call_cost.begin(block, position, bytes);
      return true;
    }
    const bool may_wait = (front.options.block_when_full.load(std::memory_order_relaxed) ||
                           front.options.immediate.load(std::memory_order_relaxed)) &&
                          front.phase.look() == Phase::kRunning && !block.in_sink;
    if (!may_wait) break;
    const i64 now = os::monotonic_ns();
    if (give_up_ns == 0)
      give_up_ns = now + front.options.block_deadline_ns.load(std::memory_order_relaxed);
    if (now >= give_up_ns) break;
    // What is written so far (marks, padding) is published, or the consumer could not free it.
    block.ring.enter(position);
    if (!woken) {
      // Once: a consumer that has been woken looks again by itself, and waits for sinks if it must.
      std::atomic<u32>& consumer = front.region.wake().consumer;
      Wake::step(consumer);  // what is to be drained is published (P19)
      os::wake_all(consumer);
      woken = true;
    }
    os::sleep_ns(kWaitNapNs);
  }
  why = refuse(site, block, DropReason::kRingFull);
  return false;
}

}  // namespace detail

Admission prepare_thread() noexcept {
  using namespace front;
  const os::KeepErrno keep;
  ThreadBlock& block = detail::t_block;
  if (block.attached) return Admission::kOk;
  const Changing changing(block);
  if (!ensure_region() || !attach_thread(block, ring_bytes_wanted())) {
    return Admission::kDroppedNoMemory;
  }
  os::set_thread_exit_value(&block);
  return Admission::kOk;
}

}  // namespace v1
}  // namespace sluice
