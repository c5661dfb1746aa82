// stop() beside calls (P9): once it has closed the control bytes, passed the barrier and waited for
// the call words that say "inside a call", no call publishes any more, and the last drain has
// everything that was accepted. The steps are those of front::quiesce() and ColdCall::begin() in
// front/thread.cc, on the product's own rings.
#include <gtest/gtest.h>

#include "explorer/explorer.h"
#include "explorer/orders.h"
#include "explorer/report.h"
#include "region/slot_handover.h"
#include "ring/ring.h"
#include "sluice/detail/thread_block.h"

namespace sluice::explorer {
namespace {

using detail::kClosed;
using detail::kInCall;
using detail::kOn;
using detail::RingProducer;
using region::SlotHandover;
using region::SlotState;

using Handover = SlotHandover<ModelSync>;

constexpr u64 kRingBytes = 256;
constexpr u64 kRecordBytes = 16;

struct Process {
  Atomic<u8> control{u8{kOn}};
  Atomic<SlotState> state{SlotState::kReady};
  alignas(64) char data[kRingBytes] = {};
  Atomic<u64> head{0};
  Atomic<u64> tail{0};
  Atomic<u64> call{0};
  // Each written by one thread, looked at in the end.
  u64 accepted = 0;
  u64 drained = 0;

  [[nodiscard]] RingPlace<ModelSync> place() { return {data, kRingBytes, &head, &tail, &call}; }
};

enum class Look { kInsideTheCall, kBeforeTheCall };
enum class Stop { kBarrier, kNoBarrier };

bool closed(Process& process) { return process.control.load(std::memory_order_relaxed) == kClosed; }

SLUICE_WEAKER(RingOrders, leave_call, relaxed);
SLUICE_WEAKER(RingOrders, look_at_call, relaxed);

// One call; the first one of a thread attaches on its way.
template <class Orders>
void call(Process& process, RingProducer<ModelSync, Orders>& ring, Look look) {
  if (look == Look::kBeforeTheCall && closed(process)) return;
  if (ring.call == nullptr) {
    if (closed(process)) return;
    if (!Handover::try_take(process.state, SlotState::kReady, SlotState::kActive)) return;
    attach_producer(ring, process.place());
  }
  u64 position = 0;
  check(ring.try_enter(position), "nobody is inside a call");
  if (look == Look::kBeforeTheCall || !closed(process)) {
    if (make_room(ring, process.place(), position, kRecordBytes, kRingBytes, kRingBytes)) {
      ModelSync::write_word(ring.at(position), kRecordBytes / 8);
      position += kRecordBytes;
      ++process.accepted;
    }
  }
  ring.leave(position);
}

template <class Orders>
void stop(Process& process, Stop how) {
  process.control.store(kClosed, std::memory_order_relaxed);
  if (how == Stop::kBarrier) barrier_all_threads();
  while (Handover::look(process.state) == SlotState::kActive &&
         (process.call.load(Orders::look_at_call) & kInCall) != 0) {
    spin();
  }
  RingConsumer<ModelSync> consumer(process.place(), 0);
  for (const u64 end = consumer.published(); consumer.position() < end; ++process.drained) {
    check(ModelSync::read_word(consumer.at(consumer.position())) == kRecordBytes / 8, "a record");
    consumer.advance(kRecordBytes);
  }
}

template <class Orders = RingOrders>
Result stop_beside_calls(bool attached_before, Look look = Look::kInsideTheCall,
                         Stop how = Stop::kBarrier) {
  return explore({}, [=](Scenario& s) {
    auto& process = s.make<Process>();
    auto& ring = s.make<RingProducer<ModelSync, Orders>>();
    if (attached_before) {
      process.state.store(SlotState::kActive, std::memory_order_relaxed);
      attach_producer(ring, process.place());
    }
    s.name(&process.control, "control");
    s.name(&process.state, "state");
    s.name(&process.head, "head");
    s.name(&process.tail, "tail");
    s.name(&process.call, "call");
    s.thread("caller", [=, &process, &ring] {
      call(process, ring, look);
      call(process, ring, look);
    });
    s.thread("stop", [=, &process] { stop<Orders>(process, how); });
    s.finally([&process] {
      check(process.drained == process.accepted, "the last drain has everything that was accepted");
    });
  });
}

TEST(Stop, LastDrainHasEverything) {
  expect_holds("stop beside calls", stop_beside_calls(true));
  expect_holds("stop beside a thread's first call", stop_beside_calls(false));
}

TEST(Stop, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {
      {"leave_call", [] { return stop_beside_calls<RingOrders_leave_call>(true); }},
      {"look_at_call", [] { return stop_beside_calls<RingOrders_look_at_call>(true); }},
  };
  expect_all_listed("include/sluice/detail/ring.h", "CallOrders", weakenings);
  expect_each_caught(weakenings);
}

TEST(Stop, MissingStepsAreCaught) {
  for (const bool attached_before : {true, false}) {
    const Result barrier =
        stop_beside_calls(attached_before, Look::kInsideTheCall, Stop::kNoBarrier);
    print("no barrier", barrier);
    EXPECT_TRUE(barrier.failed);
    const Result look = stop_beside_calls(attached_before, Look::kBeforeTheCall);
    print("control byte read before the call is entered", look);
    EXPECT_TRUE(look.failed);
  }
}

}  // namespace
}  // namespace sluice::explorer
