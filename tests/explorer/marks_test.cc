// Marks in the region of a process that dies between any two steps (P10, P15): a file sink's group
// is in the file once, whole, and counted once; a sink's place is filled when it is open; a region
// is finished only when its sinks have passed everything. The steps are those of FileSink,
// IntentArea, Cursor and Runtime, with a file that a system call appends one text to.
#include "region/marks.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "explorer/explorer.h"
#include "explorer/orders.h"
#include "explorer/report.h"
#include "region/layout.h"

namespace sluice::explorer {
namespace {

using region::MarkOrders;
using region::MarksOf;
using region::SinkState;

// A mark behind which the compiler may move what comes before it.
struct UnfencedSync : ModelSync {
  static void keep_order() noexcept {}
};

constexpr u64 kGroups = 2;
constexpr u64 kFileMax = 4;

u64 text_of(u64 group) { return 100 + group; }

struct Place {
  Plain<u64> attempt;  // 0: none, `from` is all that holds
  Plain<u64> start;
  Plain<u64> from;
};

struct Sink {
  Plain<u64> text;
  Plain<u64> delivered_then;  // the counter once the group is written
  Place places[2];
  Atomic<u32> place{0};
  Atomic<u64> next_sequence{0};  // 0: no intent
  Atomic<u64> cursor{0};
  Atomic<u64> delivered{0};
  Plain<u64> file[kFileMax];
  Plain<u64> file_texts;

  // As write(2): what stands before the call is done when it is, and it is done when it returns.
  void append(u64 line) {
    ModelSync::keep_order();
    const u64 at = file_texts.get();
    check(at < kFileMax, "not more than was to be written");
    file[at].set(line);
    file_texts.set(at + 1);
    Explorer& explorer = Explorer::running();
    explorer.memory().keep_order(explorer.thread());  // at once: no death in between
  }
};

template <class Marks>
void move(Sink& sink, u64 attempt, u64 start, u64 from) {
  const u32 other = 1 - sink.place.load(std::memory_order_relaxed);
  sink.places[other].attempt.set(attempt);
  sink.places[other].start.set(start);
  sink.places[other].from.set(from);
  Marks::set(sink.place, other);
}

// IntentArea::arm()
template <class Marks>
void arm(Sink& sink, u64 group) {
  sink.delivered_then.set(sink.delivered.load(std::memory_order_relaxed) + 1);
  sink.places[0].attempt.set(0);
  sink.places[0].from.set(0);
  sink.place.store(0, std::memory_order_relaxed);
  Marks::set(sink.next_sequence, group + 1);
}

// FileSink::deliver() and finish(), of what is armed; `from`: 1, the text is in the file.
template <class Marks>
void deliver(Sink& sink, u64 from) {
  if (from == 0) {
    const u64 end = sink.file_texts.get();
    move<Marks>(sink, end + 1, end, 0);
    sink.append(sink.text.get());
    move<Marks>(sink, 0, 0, 1);
  }
  sink.delivered.store(sink.delivered_then.get(), std::memory_order_relaxed);
  Marks::set(sink.cursor, Marks::look(sink.next_sequence));
  Marks::set(sink.next_sequence, u64{0});
}

template <class Marks>
void write_groups(Sink& sink) {
  for (u64 group = sink.cursor.load(std::memory_order_relaxed); group < kGroups; ++group) {
    sink.text.set(text_of(group));  // rendered
    arm<Marks>(sink, group);
    deliver<Marks>(sink, 0);
  }
}

// FileSink::resume(): what a dead process has left on its way.
template <class Marks>
void resume(Sink& sink) {
  const u64 next = Marks::look(sink.next_sequence);
  if (next == 0) return;
  if (next <= sink.cursor.load(std::memory_order_relaxed)) {
    Marks::set(sink.next_sequence, u64{0});
    return;
  }
  check(sink.text.get() == text_of(next - 1), "the text of what is armed");
  const Place& place = sink.places[Marks::look(sink.place)];
  u64 from = place.from.get();
  if (place.attempt.get() != 0) {
    const u64 start = place.start.get();
    check(place.attempt.get() == start + 1, "a whole place");
    if (start < sink.file_texts.get()) from = sink.file[start].get() == sink.text.get() ? 1 : 0;
  }
  deliver<Marks>(sink, from);
}

template <class Marks>
Result write_and_die() {
  return explore({}, [](Scenario& s) {
    auto& sink = s.make<Sink>();
    s.name(&sink.place, "place");
    s.name(&sink.next_sequence, "next_sequence");
    s.name(&sink.cursor, "cursor");
    s.name(&sink.delivered, "delivered");
    s.killable_thread("dies", [&sink] { write_groups<Marks>(sink); });
    s.finally([&sink] {
      using Whole = MarksOf<ModelSync>;
      resume<Whole>(sink);
      write_groups<Whole>(sink);
      check(sink.file_texts.get() == kGroups, "each text once");
      for (u64 group = 0; group < kGroups; ++group) {
        check(sink.file[group].get() == text_of(group), "in its place");
      }
      check(sink.delivered.load() == kGroups, "counted once");
    });
  });
}

struct Table {
  Atomic<SinkState> state{SinkState::kOpen};  // of an earlier start
  Plain<u64> path{1};
  Plain<u64> options{1};
  Atomic<u64> delivered{7};
  Atomic<u32> finished{1};
  Atomic<u64> cursor{0};
};

// Runtime::make_sink_entry(): another sink takes the place of one that is done.
template <class Marks>
void reopen(Table& table) {
  Marks::set(table.state, SinkState::kUnused);
  table.delivered.store(0, std::memory_order_relaxed);
  table.path.set(2);
  table.options.set(2);
  Marks::set(table.state, SinkState::kOpen);
  Marks::set(table.finished, 0u);
}

template <class Marks>
Result reopen_and_die() {
  return explore({}, [](Scenario& s) {
    auto& table = s.make<Table>();
    s.name(&table.state, "state");
    s.name(&table.finished, "finished");
    s.killable_thread("dies", [&table] { reopen<Marks>(table); });
    s.finally([&table] {
      if (table.state.load() != SinkState::kOpen) return;
      check(table.path.get() == table.options.get(), "the options of the path");
      check(table.finished.load() == 1 || table.path.get() == 2, "open before not finished");
    });
  });
}

template <class Marks>
Result stats_beside_start() {
  return explore({}, [](Scenario& s) {
    auto& table = s.make<Table>();
    s.name(&table.state, "state");
    s.name(&table.delivered, "delivered");
    table.state.store(SinkState::kUnused);
    s.thread("start", [&table] {
      table.delivered.store(0, std::memory_order_relaxed);
      Marks::set(table.state, SinkState::kOpen);
    });
    s.thread("stats", [&table] {
      if (Marks::look(table.state) == SinkState::kUnused) return;
      check(table.delivered.load(std::memory_order_relaxed) == 0, "no numbers of another sink");
    });
  });
}

// A sink without a thread, and the stop that finds that it has passed everything.
template <class Marks>
Result finish_and_die() {
  return explore({}, [](Scenario& s) {
    auto& table = s.make<Table>();
    s.name(&table.finished, "finished");
    s.name(&table.cursor, "cursor");
    table.finished.store(0);
    s.killable_thread("dies", [&table] {
      Marks::set(table.cursor, u64{1});
      if (table.cursor.load(std::memory_order_relaxed) == 1) Marks::set(table.finished, 1u);
      (void)table.state.load(std::memory_order_relaxed);  // it lives on, and dies here
    });
    s.finally([&table] {
      check(table.finished.load() == 0 || table.cursor.load() == 1, "finished: all is passed");
    });
  });
}

TEST(Marks, ADeathAtAnyStepCostsNothing) {
  using Whole = MarksOf<ModelSync>;
  expect_holds("death of a file sink", write_and_die<Whole>());
  expect_holds("death of a start", reopen_and_die<Whole>());
  expect_holds("stats beside a start", stats_beside_start<Whole>());
  expect_holds("death of a stop", finish_and_die<Whole>());
}

SLUICE_WEAKER(MarkOrders, set, relaxed);
SLUICE_WEAKER(MarkOrders, look, relaxed);

TEST(Marks, EveryWeakerOrderIsCaught) {
  // A sink's own fence keeps its cursor in front of a later mark; without both it may be lost.
  using Relaxed = MarksOf<ModelSync, MarkOrders_set>;
  using Neither = MarksOf<UnfencedSync, MarkOrders_set>;
  const std::vector<Weakening> weakenings = {
      {"set", write_and_die<Relaxed>},
      {"set", reopen_and_die<Relaxed>},
      {"set", stats_beside_start<Relaxed>},
      {"set", finish_and_die<Neither>},
      {"look", stats_beside_start<MarksOf<ModelSync, MarkOrders_look>>},
  };
  expect_all_listed("src/region/marks.h", "MarkOrders", weakenings);
  expect_each_caught(weakenings);
}

// Without the fence the next text, or the next options, may be there before the mark is.
TEST(Marks, AMarkThatLetsLaterStoresPassIsCaught) {
  using Unfenced = MarksOf<UnfencedSync>;
  const Result text = write_and_die<Unfenced>();
  print("the next text before the mark", text);
  EXPECT_TRUE(text.failed);
  const Result options = reopen_and_die<Unfenced>();
  print("the next options before the mark", options);
  EXPECT_TRUE(options.failed);
}

}  // namespace
}  // namespace sluice::explorer
