// The explorer itself, against the litmus tests of the literature: what C++20 allows must be seen,
// what it forbids must not. A wrong explorer makes every protocol test worthless, so each test
// here has both sides.
#include <gtest/gtest.h>

#include <initializer_list>
#include <set>
#include <vector>

#include "explorer/explorer.h"
#include "explorer/report.h"

namespace sluice::explorer {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;
constexpr auto kAcqRel = std::memory_order_acq_rel;
constexpr auto kSeqCst = std::memory_order_seq_cst;

using Outcome = std::vector<int>;
using Outcomes = std::set<Outcome>;

struct Shared {
  Atomic<int> x{0};
  Atomic<int> y{0};
  int seen[4] = {};  // each element is written by one thread and read at the end
};

using Body = std::function<void(Shared&)>;

// Every outcome (the first `count` elements of seen) of the threads.
Outcomes outcomes(const char* name, std::size_t count, const std::vector<Body>& bodies,
                  const Options& options = {}) {
  Outcomes all;
  const Result result = explore(options, [&](Scenario& s) {
    auto& shared = s.make<Shared>();
    for (const Body& body : bodies) s.thread("thread", [&] { body(shared); });
    s.finally([&, count] { all.insert(Outcome(shared.seen, shared.seen + count)); });
  });
  print(name, result);
  EXPECT_FALSE(result.failed) << describe(result);
  EXPECT_EQ(result.cut, 0u);
  return all;
}

// Message passing: who sees the flag must see the data.
Result message_passing(std::memory_order store, std::memory_order load) {
  struct Message {
    Plain<int> data;
    Atomic<int> flag{0};
  };
  return explore({}, [=](Scenario& s) {
    auto& m = s.make<Message>();
    s.thread("writer", [&m, store] {
      m.data.set(42);
      m.flag.store(1, store);
    });
    s.thread("reader", [&m, load] {
      if (m.flag.load(load) == 1) check(m.data.get() == 42, "the message is whole");
    });
  });
}

TEST(MessagePassing, PlainDataNeedReleaseAndAcquire) {
  EXPECT_TRUE(message_passing(kRelease, kAcquire).complete);
  EXPECT_TRUE(message_passing(kSeqCst, kSeqCst).complete);
  EXPECT_TRUE(message_passing(kRelaxed, kAcquire).failed);
  EXPECT_TRUE(message_passing(kRelease, kRelaxed).failed);
  EXPECT_TRUE(message_passing(kRelaxed, kRelaxed).failed);
}

TEST(MessagePassing, AtomicDataAreStaleWithoutThePair) {
  auto run = [](std::memory_order store, std::memory_order load) {
    return outcomes("message passing", 2,
                    {[=](Shared& s) {
                       s.x.store(1, kRelaxed);
                       s.y.store(1, store);
                     },
                     [=](Shared& s) {
                       s.seen[0] = s.y.load(load);
                       s.seen[1] = s.x.load(kRelaxed);
                     }});
  };
  const Outcomes ordered = {{0, 0}, {0, 1}, {1, 1}};
  const Outcomes all = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  EXPECT_EQ(run(kRelease, kAcquire), ordered);
  EXPECT_EQ(run(kRelaxed, kAcquire), all);
  EXPECT_EQ(run(kRelease, kRelaxed), all);
}

TEST(MessagePassing, FencesOrderRelaxedOperations) {
  auto run = [](std::memory_order first, std::memory_order second) {
    return outcomes("message passing, fences", 2,
                    {[=](Shared& s) {
                       s.x.store(1, kRelaxed);
                       ModelSync::fence(first);
                       s.y.store(1, kRelaxed);
                     },
                     [=](Shared& s) {
                       s.seen[0] = s.y.load(kRelaxed);
                       ModelSync::fence(second);
                       s.seen[1] = s.x.load(kRelaxed);
                     }});
  };
  EXPECT_FALSE(run(kRelease, kAcquire).contains({1, 0}));
  EXPECT_FALSE(run(kSeqCst, kSeqCst).contains({1, 0}));
  EXPECT_TRUE(run(kAcquire, kAcquire).contains({1, 0}));
  EXPECT_TRUE(run(kRelease, kRelease).contains({1, 0}));
}

TEST(StoreBuffering, BothZeroUnlessSequentiallyConsistent) {
  auto run = [](std::memory_order store, std::memory_order load, bool fence) {
    return outcomes("store buffering", 2,
                    {[=](Shared& s) {
                       s.x.store(1, store);
                       if (fence) ModelSync::fence(kSeqCst);
                       s.seen[0] = s.y.load(load);
                     },
                     [=](Shared& s) {
                       s.y.store(1, store);
                       if (fence) ModelSync::fence(kSeqCst);
                       s.seen[1] = s.x.load(load);
                     }});
  };
  const Outcomes ordered = {{0, 1}, {1, 0}, {1, 1}};
  EXPECT_TRUE(run(kRelease, kAcquire, false).contains({0, 0}));
  EXPECT_TRUE(run(kSeqCst, kAcquire, false).contains({0, 0}));
  EXPECT_TRUE(run(kRelease, kSeqCst, false).contains({0, 0}));
  EXPECT_EQ(run(kSeqCst, kSeqCst, false), ordered);
  EXPECT_EQ(run(kRelaxed, kRelaxed, true), ordered);
}

// One side without a fence of its own: the other side's barrier stands for it.
TEST(StoreBuffering, ABarrierForAllThreadsStandsForBothFences) {
  const auto run = [](bool barrier) {
    return outcomes("store buffering, barrier", 2,
                    {[](Shared& s) {
                       s.x.store(1, kRelaxed);
                       s.seen[0] = s.y.load(kRelaxed);
                     },
                     [barrier](Shared& s) {
                       s.y.store(1, kRelaxed);
                       if (barrier) barrier_all_threads();
                       s.seen[1] = s.x.load(kRelaxed);
                     }});
  };
  EXPECT_EQ(run(true), (Outcomes{{0, 1}, {1, 0}, {1, 1}}));
  EXPECT_TRUE(run(false).contains({0, 0}));
}

TEST(Coherence, ReadsNeverGoBack) {
  const Outcomes all = outcomes("coherence, reads", 2,
                                {[](Shared& s) {
                                   s.x.store(1, kRelaxed);
                                   s.x.store(2, kRelaxed);
                                 },
                                 [](Shared& s) {
                                   s.seen[0] = s.x.load(kRelaxed);
                                   s.seen[1] = s.x.load(kRelaxed);
                                 }});
  EXPECT_EQ(all, (Outcomes{{0, 0}, {0, 1}, {0, 2}, {1, 1}, {1, 2}, {2, 2}}));
}

TEST(Coherence, AllReadersAgreeOnOneOrder) {
  const Outcomes all = outcomes(
      "coherence, two writers", 4,
      {[](Shared& s) { s.x.store(1, kRelaxed); }, [](Shared& s) { s.x.store(2, kRelaxed); },
       [](Shared& s) {
         s.seen[0] = s.x.load(kRelaxed);
         s.seen[1] = s.x.load(kRelaxed);
       },
       [](Shared& s) {
         s.seen[2] = s.x.load(kRelaxed);
         s.seen[3] = s.x.load(kRelaxed);
       }});
  EXPECT_TRUE(all.contains({1, 2, 1, 2}));
  EXPECT_TRUE(all.contains({2, 1, 2, 1}));
  EXPECT_FALSE(all.contains({1, 2, 2, 1}));
}

TEST(Coherence, AThreadReadsItsOwnStoreOrLater) {
  const Outcomes all = outcomes("coherence, own store", 1,
                                {[](Shared& s) {
                                   s.x.store(1, kRelaxed);
                                   s.seen[0] = s.x.load(kRelaxed);
                                 },
                                 [](Shared& s) { s.x.store(2, kRelaxed); }});
  EXPECT_EQ(all, (Outcomes{{1}, {2}}));
}

// A store may come before one that was executed earlier: 2+2W ends with both first stores last.
TEST(ModificationOrder, StoresMayTakeEffectLate) {
  auto run = [](std::memory_order order) {
    Outcomes all;
    const Result result = explore({}, [&](Scenario& s) {
      auto& shared = s.make<Shared>();
      s.thread("a", [&] {
        shared.x.store(1, order);
        shared.y.store(2, order);
      });
      s.thread("b", [&] {
        shared.y.store(1, order);
        shared.x.store(2, order);
      });
      s.finally([&] { all.insert({shared.x.load(), shared.y.load()}); });
    });
    print("2+2W", result);
    return all;
  };
  EXPECT_TRUE(run(kRelaxed).contains({1, 1}));
  EXPECT_TRUE(run(kRelease).contains({1, 1}));
  EXPECT_FALSE(run(kSeqCst).contains({1, 1}));
}

TEST(IndependentReads, MayDisagreeUnlessSequentiallyConsistent) {
  auto run = [](std::memory_order store, std::memory_order load) {
    return outcomes(
        "independent reads", 4,
        {[=](Shared& s) { s.x.store(1, store); }, [=](Shared& s) { s.y.store(1, store); },
         [=](Shared& s) {
           s.seen[0] = s.x.load(load);
           s.seen[1] = s.y.load(load);
         },
         [=](Shared& s) {
           s.seen[2] = s.y.load(load);
           s.seen[3] = s.x.load(load);
         }});
  };
  EXPECT_TRUE(run(kRelease, kAcquire).contains({1, 0, 1, 0}));
  EXPECT_FALSE(run(kSeqCst, kSeqCst).contains({1, 0, 1, 0}));
}

// A release store, then another thread's step on the same location, then an acquire load of that.
Result release_sequence(bool read_modify_write) {
  struct Chain {
    Plain<int> data;
    Atomic<int> flag{0};
  };
  return explore({}, [=](Scenario& s) {
    auto& c = s.make<Chain>();
    s.thread("writer", [&c] {
      c.data.set(42);
      c.flag.store(1, kRelease);
    });
    s.thread("middle", [&c, read_modify_write] {
      if (read_modify_write) {
        int one = 1;
        c.flag.compare_exchange_strong(one, 2, kRelaxed);
      } else if (c.flag.load(kRelaxed) == 1) {
        c.flag.store(2, kRelaxed);
      }
    });
    s.thread("reader", [&c] {
      if (c.flag.load(kAcquire) == 2) check(c.data.get() == 42, "the message is whole");
    });
  });
}

TEST(ReleaseSequence, GoesOnThroughReadModifyWriteOnly) {
  EXPECT_TRUE(release_sequence(true).complete);
  EXPECT_TRUE(release_sequence(false).failed);
}

TEST(ReadModifyWrite, LosesNoIncrement) {
  const auto run = [](bool atomic) {
    return explore({}, [=](Scenario& s) {
      auto& shared = s.make<Shared>();
      for (int i = 0; i < 3; ++i) {
        s.thread("adder", [&shared, atomic] {
          if (atomic) {
            shared.x.fetch_add(1, kRelaxed);
          } else {
            shared.x.store(shared.x.load(kRelaxed) + 1, kRelaxed);
          }
        });
      }
      s.finally([&shared] { check(shared.x.load() == 3, "three increments"); });
    });
  };
  EXPECT_TRUE(run(true).complete);
  EXPECT_TRUE(run(false).failed);
}

TEST(ReadModifyWrite, FailedExchangeMayReadAStaleValue) {
  const Outcomes all = outcomes("failed exchange", 2,
                                {[](Shared& s) {
                                   s.x.store(1, kRelaxed);
                                   s.y.store(1, kRelaxed);
                                 },
                                 [](Shared& s) {
                                   s.seen[0] = s.y.load(kRelaxed);
                                   int expected = 7;
                                   s.x.compare_exchange_strong(expected, 8, kAcqRel);
                                   s.seen[1] = expected;
                                 }});
  EXPECT_TRUE(all.contains({1, 0}));
  EXPECT_TRUE(all.contains({1, 1}));
}

// One writer and one optimistic reader of two words under a sequence.
Result seqlock(std::memory_order word_store, std::memory_order word_load,
               std::memory_order sequence_load, std::memory_order sequence_store) {
  struct Seqlock {
    Atomic<int> sequence{0};
    Atomic<int> a{0};
    Atomic<int> b{0};
  };
  return explore({}, [=](Scenario& s) {
    auto& l = s.make<Seqlock>();
    s.name(&l.sequence, "sequence");
    s.name(&l.a, "a");
    s.name(&l.b, "b");
    s.thread("writer", [=, &l] {
      for (int i = 1; i <= 2; ++i) {
        l.sequence.store(2 * i - 1, kRelaxed);
        l.a.store(i, word_store);
        l.b.store(i, word_store);
        l.sequence.store(2 * i, sequence_store);
      }
    });
    s.thread("reader", [=, &l] {
      const int before = l.sequence.load(sequence_load);
      const int a = l.a.load(word_load);
      const int b = l.b.load(word_load);
      const int after = l.sequence.load(kRelaxed);
      if (before == after && before % 2 == 0) check(a == b && a == before / 2, "a whole copy");
    });
  });
}

TEST(Seqlock, WordsCarryTheOrder) {
  const Result whole = seqlock(kRelease, kAcquire, kAcquire, kRelease);
  print("seqlock", whole);
  EXPECT_TRUE(whole.complete) << describe(whole);
  EXPECT_TRUE(seqlock(kRelaxed, kAcquire, kAcquire, kRelease).failed);
  EXPECT_TRUE(seqlock(kRelease, kRelaxed, kAcquire, kRelease).failed);
  EXPECT_TRUE(seqlock(kRelease, kAcquire, kRelaxed, kRelease).failed);
  EXPECT_TRUE(seqlock(kRelease, kAcquire, kAcquire, kRelaxed).failed);
}

// A toy ring of two cells and four messages: both directions of the pair count.
Result toy_ring(std::memory_order head_store, std::memory_order head_load,
                std::memory_order tail_store, std::memory_order tail_load, bool words) {
  struct Ring {
    Plain<int> cell[2];
    Atomic<int> word[2] = {0, 0};
    Atomic<int> head{0};
    Atomic<int> tail{0};
  };
  return explore({}, [=](Scenario& s) {
    auto& r = s.make<Ring>();
    s.thread("producer", [=, &r] {
      int head = 0;
      for (int i = 1; i <= 4; ++i) {
        if (head - r.tail.load(tail_load) == 2) continue;
        if (words) {
          r.word[head % 2].store(i, kRelaxed);
        } else {
          r.cell[head % 2].set(i);
        }
        r.head.store(++head, head_store);
      }
    });
    s.thread("consumer", [=, &r] {
      int last = 0;
      for (int tail = 0, tries = 0; tries < 4; ++tries) {
        if (tail == r.head.load(head_load)) continue;
        int value = 0;
        if (words) {
          ReadsMustEnd scope(r.word, sizeof r.word);
          value = r.word[tail % 2].load(kRelaxed);
        } else {
          value = r.cell[tail % 2].get();
        }
        check(value > last, "messages in their order, once");
        last = value;
        r.tail.store(++tail, tail_store);
      }
    });
  });
}

TEST(ToyRing, EveryOrderCounts) {
  for (const bool words : {false, true}) {
    const Result whole = toy_ring(kRelease, kAcquire, kRelease, kAcquire, words);
    print(words ? "ring of words" : "ring of plain cells", whole);
    EXPECT_TRUE(whole.complete) << describe(whole);
    EXPECT_TRUE(toy_ring(kRelaxed, kAcquire, kRelease, kAcquire, words).failed);
    EXPECT_TRUE(toy_ring(kRelease, kRelaxed, kRelease, kAcquire, words).failed);
    EXPECT_TRUE(toy_ring(kRelease, kAcquire, kRelaxed, kAcquire, words).failed);
    EXPECT_TRUE(toy_ring(kRelease, kAcquire, kRelease, kRelaxed, words).failed);
  }
}

}  // namespace
}  // namespace sluice::explorer
