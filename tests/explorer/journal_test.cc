// The journal under every interleaving and every stale read: a required sink gets every batch whole
// and in order (P3, P4); a best-effort sink gets whole batches in order, and knows of those it
// missed (P5); a writer's death between any two steps leaves a journal that its successor can go
// on with.
#include "ring/journal.h"

#include <gtest/gtest.h>

#include "explorer/explorer.h"
#include "explorer/orders.h"
#include "explorer/report.h"

namespace sluice::explorer {
namespace {

constexpr u64 kBatchBytes = sizeof(BatchHeader) + 8;  // one record of one word

struct Journal {
  alignas(64) char data[256] = {};
  Atomic<u64> committed{0};
  Atomic<u64> reclaimed{0};
  Atomic<u64> reclaimed_sequence{0};
  Atomic<u64> cursor{0};
  Mutex consumer;  // the file lock of whoever writes
  // Each written by one thread, looked at in the end.
  u64 batches_written = 0;
  u64 batches_read = 0;
  u64 passed = 0;
};

JournalPlace<ModelSync> place_of(Journal& journal, u64 capacity) {
  return {journal.data, capacity, &journal.committed, &journal.reclaimed,
          &journal.reclaimed_sequence};
}

void name_words(Scenario& s, Journal& journal) {
  s.name(&journal.committed, "committed");
  s.name(&journal.reclaimed, "reclaimed");
  s.name(&journal.reclaimed_sequence, "reclaimed_sequence");
  s.name(&journal.cursor, "cursor");
  static const char* const names[] = {"w0",  "w1",  "w2",  "w3",  "w4",  "w5",  "w6",  "w7",
                                      "w8",  "w9",  "w10", "w11", "w12", "w13", "w14", "w15",
                                      "w16", "w17", "w18", "w19", "w20", "w21", "w22", "w23",
                                      "w24", "w25", "w26", "w27", "w28", "w29", "w30", "w31"};
  for (u64 i = 0; i < 32; ++i) s.name(journal.data + 8 * i, names[i]);
}

struct Batch {
  BatchHeader header;
  u64 record;
};
static_assert(sizeof(Batch) == kBatchBytes);

// Batches are numbered by their first sequence, 0 on; the record says the number again.
u64 record_of(u64 number) { return ~number * 0x100000001; }

template <class Orders>
bool write_batch(Journal& journal, JournalWriter<ModelSync, Orders>& writer, bool required) {
  const u64 number = writer.position() / kBatchBytes;
  const u64 floor = required ? journal.cursor.load(Orders::read_cursor) : writer.position();
  if (!writer.make_space(kBatchBytes, floor)) return false;
  Batch batch{};
  batch.header.magic = kBatchMagic;
  batch.header.bytes = u32{kBatchBytes};
  batch.header.first_sequence = number;
  batch.header.records = 1;
  batch.header.record_bytes = 8;
  batch.header.crc = batch_crc(batch.header, nullptr);
  batch.record = record_of(number);
  writer.put_words(writer.position(), &batch, sizeof batch);
  writer.commit(kBatchBytes);
  return true;
}

template <class Orders>
JournalRead read_batch(JournalReader<ModelSync, Orders>& reader) {
  alignas(8) char copy[256];
  const u64 position = reader.position();
  const JournalRead read = reader.read(copy);
  check(read != JournalRead::kDamaged, "no batch is damaged");
  if (read == JournalRead::kBatch) {
    const auto batch = load<Batch>(copy);
    check(batch.header.first_sequence == position / kBatchBytes, "the batch of this position");
    check(batch.record == record_of(position / kBatchBytes), "a whole batch");
    reader.advance(batch.header.bytes);
  }
  return read;
}

// A journal for one batch at a time: the second needs the room of the first.
template <class Orders>
Result required_sink(const Options& options = {}) {
  return explore(options, [=](Scenario& s) {
    auto& journal = s.make<Journal>();
    name_words(s, journal);
    s.thread("writer", [&journal] {
      JournalWriter<ModelSync, Orders> writer(place_of(journal, 128), 0, 0);
      for (int i = 0; i < 3; ++i) {
        if (write_batch(journal, writer, true)) ++journal.batches_written;
      }
    });
    s.thread("sink", [&journal] {
      JournalReader<ModelSync, Orders> reader(place_of(journal, 128), 0);
      for (int i = 0; i < 2; ++i) {
        JournalRead read;
        {
          // The bytes stay as they are until the cursor says otherwise.
          ReadsMustEnd scope(journal.data, sizeof journal.data);
          read = read_batch(reader);
        }
        check(read != JournalRead::kPassed, "a required sink is never passed");
        if (read != JournalRead::kBatch) continue;
        ++journal.batches_read;
        journal.cursor.store(reader.position(), Orders::publish_cursor);
      }
    });
    s.finally([&journal] {
      JournalReader<ModelSync, Orders> reader(place_of(journal, 128),
                                              journal.batches_read * kBatchBytes);
      while (read_batch(reader) == JournalRead::kBatch) ++journal.batches_read;
      check(journal.batches_read == journal.batches_written, "every batch is read");
    });
  });
}

// The writer waits for nobody and laps the sink.
template <class Orders>
Result best_effort_sink(const Options& options, int reads, bool* was_passed = nullptr) {
  return explore(options, [=](Scenario& s) {
    auto& journal = s.make<Journal>();
    name_words(s, journal);
    s.thread("writer", [&journal] {
      JournalWriter<ModelSync, Orders> writer(place_of(journal, 128), 0, 0);
      for (int i = 0; i < 3; ++i) check(write_batch(journal, writer, false), "there is room");
    });
    s.thread("sink", [&journal, reads] {
      JournalReader<ModelSync, Orders> reader(place_of(journal, 128), 0);
      for (int i = 0; i < reads; ++i) {
        const u64 before = reader.position();
        if (read_batch(reader) != JournalRead::kPassed) continue;
        reader.skip_to_oldest();
        check(reader.position() > before, "skipping goes on");
        ++journal.passed;
      }
    });
    s.finally([=, &journal] {
      if (was_passed != nullptr && journal.passed != 0) *was_passed = true;
    });
  });
}

constexpr Options kOneSwitch{.preemptions = 1};
constexpr Options kTwoSwitches{.preemptions = 2};

// A writer that may die between any two steps, and the one that takes its place.
template <class Orders>
void write_as_consumer(Journal& journal, int batches) {
  journal.consumer.lock();
  const u64 position = journal.committed.load(std::memory_order_relaxed);
  JournalWriter<ModelSync, Orders> writer(place_of(journal, 128), position,
                                          journal.reclaimed.load(std::memory_order_relaxed));
  for (int i = 0; i < batches; ++i) check(write_batch(journal, writer, false), "there is room");
  journal.consumer.unlock();
}

template <class Orders>
Result dying_writer(const Options& options, bool with_sink) {
  return explore(options, [=](Scenario& s) {
    auto& journal = s.make<Journal>();
    name_words(s, journal);
    s.killable_thread("dies", [&journal] { write_as_consumer<Orders>(journal, 2); });
    s.thread("next", [&journal] { write_as_consumer<Orders>(journal, 1); });
    if (with_sink) {
      s.thread("sink", [&journal] {
        JournalReader<ModelSync, Orders> reader(place_of(journal, 128), 0);
        if (read_batch(reader) == JournalRead::kPassed) reader.skip_to_oldest();
        read_batch(reader);
      });
    }
    s.finally([&journal] {
      JournalReader<ModelSync, Orders> reader(place_of(journal, 128),
                                              journal.reclaimed.load(std::memory_order_relaxed));
      while (read_batch(reader) == JournalRead::kBatch) continue;
      check(reader.position() == journal.committed.load(), "every batch that is kept is whole");
    });
  });
}

TEST(Journal, RequiredSinkGetsEveryBatch) {
  expect_holds("required sink", required_sink<JournalOrders>());
}

TEST(Journal, BestEffortSinkGetsWholeBatches) {
  bool passed = false;
  expect_holds("best-effort sink, 2 reads, 2 preemptions",
               best_effort_sink<JournalOrders>(kTwoSwitches, 2, &passed));
  expect_holds("best-effort sink, 4 reads, 1 preemption",
               best_effort_sink<JournalOrders>(kOneSwitch, 4));
  EXPECT_TRUE(passed) << "no execution lapped the sink";
}

TEST(Journal, SuccessorGoesOnAfterADeathAtAnyStep) {
  expect_holds("death of the writer", dying_writer<JournalOrders>({}, false));
  expect_holds("death of the writer, sink, 1 preemption",
               dying_writer<JournalOrders>(kOneSwitch, true));
}

SLUICE_WEAKER(JournalOrders, publish_committed, relaxed);
SLUICE_WEAKER(JournalOrders, read_committed, relaxed);
SLUICE_WEAKER(JournalOrders, publish_cursor, relaxed);
SLUICE_WEAKER(JournalOrders, read_cursor, relaxed);
SLUICE_WEAKER(JournalOrders, store_word, relaxed);
SLUICE_WEAKER(JournalOrders, load_word, relaxed);
SLUICE_WEAKER(JournalOrders, publish_reclaimed, relaxed);
SLUICE_WEAKER(JournalOrders, read_reclaimed, relaxed);

// publish_cursor and read_cursor: the words' own orders would keep the values right; what fails is
// the promise that a sink's reads, and whatever else it did, are over before its room is given
// away.
TEST(Journal, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {
      {"publish_committed", [] { return required_sink<JournalOrders_publish_committed>(); }},
      {"read_committed", [] { return required_sink<JournalOrders_read_committed>(); }},
      {"publish_cursor", [] { return required_sink<JournalOrders_publish_cursor>(); }},
      {"read_cursor", [] { return required_sink<JournalOrders_read_cursor>(); }},
      {"store_word", [] { return best_effort_sink<JournalOrders_store_word>(kTwoSwitches, 2); }},
      {"load_word", [] { return best_effort_sink<JournalOrders_load_word>(kTwoSwitches, 2); }},
      {"publish_reclaimed",
       [] { return best_effort_sink<JournalOrders_publish_reclaimed>(kTwoSwitches, 2); }},
      {"read_reclaimed",
       [] { return best_effort_sink<JournalOrders_read_reclaimed>(kTwoSwitches, 2); }},
  };
  expect_all_listed("src/ring/journal.h", "JournalOrders", weakenings);
  expect_each_caught(weakenings);
}

// The same weaker order, found by a death: words of a batch that overwrites may be there while
// `reclaimed` is not.
TEST(Journal, DeathFindsOverwrittenWordsThatWereNotReclaimed) {
  const Result result = dying_writer<JournalOrders_store_word>({}, false);
  print("store_word, death of the writer", result);
  EXPECT_TRUE(result.failed);
}

}  // namespace
}  // namespace sluice::explorer
