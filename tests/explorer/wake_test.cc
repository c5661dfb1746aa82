// Wake words and what is said to a sink's thread, under every interleaving and every stale read: no
// work is slept over (P19), a sink that is asked to stop hands over everything committed before,
// and what an ended sink read may be overwritten (P14). Sleeps have no time limit here.
#include <gtest/gtest.h>

#include "back/sink_signals.h"
#include "explorer/explorer.h"
#include "explorer/orders.h"
#include "explorer/report.h"
#include "ring/journal.h"

namespace sluice::explorer {
namespace {

using back::SinkSignalOrders;
using back::SinkSignals;

// As os::wait_on(): the kernel compares the word as it is.
void sleep_while(const Atomic<u32>& word, u32 seen) {
  while (word.load(std::memory_order_relaxed) == seen) spin();
}

constexpr u64 kBatches = 2;

template <class Orders>
struct Engine {
  SinkSignals<ModelSync, Orders> signals;
  Atomic<u32> epoch{0};
  Plain<u64> batch[kBatches];
  Atomic<u64> committed{0};
  Atomic<u64> wanted{0};
  // Looked at in the end.
  u64 handed_over = 0;

  void commit(u64 number) {
    batch[number].set(~number);
    committed.store(number + 1, JournalOrders::publish_committed);
  }
  // SinkRunner::run_once(): true when there was anything.
  bool hand_over() {
    if (committed.load(JournalOrders::read_committed) == handed_over) return false;
    check(batch[handed_over].get() == ~handed_over, "a whole batch");
    ++handed_over;
    return true;
  }
};

template <class Orders>
void name_words(Scenario& s, Engine<Orders>& engine) {
  s.name(&engine.signals, "stopping");
  s.name(&engine.epoch, "epoch");
  s.name(&engine.committed, "committed");
  s.name(&engine.wanted, "wanted");
}

// Engine::stop() beside the sink's thread; the second commit has had no step of its own yet.
template <class Orders>
Result stop_a_sink() {
  return explore({}, [](Scenario& s) {
    auto& engine = s.make<Engine<Orders>>();
    name_words(s, engine);
    s.thread("engine", [&engine] {
      engine.commit(0);
      WakeWord<ModelSync, Orders>::step(engine.epoch);
      engine.commit(1);
      engine.signals.ask_to_stop(engine.epoch);
    });
    s.thread("sink", [&engine] {
      engine.signals.serve(
          engine.epoch, [&engine] { return engine.hand_over(); },
          [&engine](u32 seen) { sleep_while(engine.epoch, seen); });
    });
    s.finally([&engine] { check(engine.handed_over == kBatches, "everything is handed over"); });
  });
}

// SinkRunner::request(): what a flush waits for needs no other step.
template <class Orders>
Result flush_a_sink() {
  return explore({}, [](Scenario& s) {
    auto& engine = s.make<Engine<Orders>>();
    name_words(s, engine);
    s.thread("flush", [&engine] {
      engine.commit(0);
      engine.wanted.store(1, std::memory_order_relaxed);
      WakeWord<ModelSync, Orders>::step(engine.epoch);
    });
    s.thread("sink", [&engine] {
      engine.signals.serve(
          engine.epoch,
          [&engine] {
            const bool more = engine.hand_over();
            const u64 wanted = engine.wanted.load(std::memory_order_relaxed);
            if (wanted != 0 && engine.handed_over >= wanted) engine.signals.end();
            return more;
          },
          [&engine](u32 seen) { sleep_while(engine.epoch, seen); });
    });
  });
}

// SinkRunner::give_up() beside floor(): nobody waits for an ended sink, its batch is overwritten.
template <class Orders>
Result give_up_a_sink() {
  return explore({}, [](Scenario& s) {
    auto& engine = s.make<Engine<Orders>>();
    name_words(s, engine);
    engine.commit(0);
    s.thread("sink", [&engine] {
      engine.hand_over();
      engine.signals.end();
    });
    s.thread("engine", [&engine] {
      if (engine.signals.ended()) engine.batch[0].set(7);
    });
  });
}

// Engine::thread_main() beside a caller whose ring is full, or beside Engine::stop().
enum class Waker { kCaller, kStop };
enum class LookForStop { kBehindTheWord, kBeforeTheWord };

struct Backend {
  Atomic<u32> consumer{0};
  Atomic<u64> head{0};
  Atomic<u64> tail{0};
  Atomic<bool> stopping{false};
};

template <class Orders>
Result wake_the_backend(Waker waker, LookForStop when = LookForStop::kBehindTheWord) {
  using Wake = WakeWord<ModelSync, Orders>;
  return explore({}, [=](Scenario& s) {
    auto& backend = s.make<Backend>();
    s.name(&backend.consumer, "consumer");
    s.name(&backend.head, "head");
    s.name(&backend.tail, "tail");
    s.name(&backend.stopping, "stopping");
    s.thread("wakes", [&backend, waker] {
      if (waker == Waker::kCaller) {
        backend.head.store(8, detail::RingOrders::publish_head);
      } else {
        backend.stopping.store(true, std::memory_order_relaxed);
      }
      Wake::step(backend.consumer);
      while (waker == Waker::kCaller && backend.tail.load(detail::RingOrders::read_tail) == 0) {
        spin();
      }
    });
    s.thread("backend", [&backend, when] {
      const auto stopping = [&backend] { return backend.stopping.load(std::memory_order_relaxed); };
      for (;;) {
        if (when == LookForStop::kBeforeTheWord && stopping()) break;
        const u32 seen = Wake::look(backend.consumer);
        if (when == LookForStop::kBehindTheWord && stopping()) break;
        const u64 head = backend.head.load(detail::RingOrders::read_head);
        backend.tail.store(head, detail::RingOrders::publish_tail);
        if (head != 0) break;
        sleep_while(backend.consumer, seen);
      }
    });
  });
}

TEST(Wake, NoWorkIsSleptOver) {
  expect_holds("a sink is stopped", stop_a_sink<SinkSignalOrders>());
  expect_holds("a sink is flushed", flush_a_sink<SinkSignalOrders>());
  expect_holds("the backend is woken by a caller", wake_the_backend<WakeOrders>(Waker::kCaller));
  expect_holds("the backend is woken by stop()", wake_the_backend<WakeOrders>(Waker::kStop));
}

TEST(Wake, ALookBeforeTheWordIsCaught) {
  const Result result = wake_the_backend<WakeOrders>(Waker::kStop, LookForStop::kBeforeTheWord);
  print("the stop is looked for before the word", result);
  EXPECT_TRUE(result.failed);
}

TEST(Wake, AnEndedSinkUsesNothingAnyMore) {
  expect_holds("a sink gives up", give_up_a_sink<SinkSignalOrders>());
}

SLUICE_WEAKER(WakeOrders, step, relaxed);
SLUICE_WEAKER(WakeOrders, look, relaxed);
SLUICE_WEAKER(SinkSignalOrders, step, relaxed);
SLUICE_WEAKER(SinkSignalOrders, look, relaxed);
SLUICE_WEAKER(SinkSignalOrders, ask_to_stop, relaxed);
SLUICE_WEAKER(SinkSignalOrders, see_stop, relaxed);
SLUICE_WEAKER(SinkSignalOrders, end, relaxed);
SLUICE_WEAKER(SinkSignalOrders, see_end, relaxed);

TEST(Wake, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {
      {"step", [] { return wake_the_backend<WakeOrders_step>(Waker::kCaller); }},
      {"step", [] { return wake_the_backend<WakeOrders_step>(Waker::kStop); }},
      {"step", stop_a_sink<SinkSignalOrders_step>},
      {"step", flush_a_sink<SinkSignalOrders_step>},
      {"look", [] { return wake_the_backend<WakeOrders_look>(Waker::kCaller); }},
      {"look", [] { return wake_the_backend<WakeOrders_look>(Waker::kStop); }},
      {"look", stop_a_sink<SinkSignalOrders_look>},
      {"look", flush_a_sink<SinkSignalOrders_look>},
  };
  expect_all_listed("src/base/wake_word.h", "WakeOrders", weakenings);
  expect_each_caught(weakenings);
}

TEST(SinkSignals, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {
      {"ask_to_stop", stop_a_sink<SinkSignalOrders_ask_to_stop>},
      {"see_stop", stop_a_sink<SinkSignalOrders_see_stop>},
      {"end", give_up_a_sink<SinkSignalOrders_end>},
      {"see_end", give_up_a_sink<SinkSignalOrders_see_end>},
  };
  expect_all_listed("src/back/sink_signals.h", "SinkSignalOrders", weakenings);
  expect_each_caught(weakenings);
}

}  // namespace
}  // namespace sluice::explorer
