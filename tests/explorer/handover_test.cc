// Hand-overs: a thread slot with its ring goes from thread to thread (P8), and the consumer's lock
// goes from one consumer to the next, which may have died between any two steps. In every execution
// each published record is in the journal once, in order, with the thread it came from.
#include <gtest/gtest.h>

#include <algorithm>

#include "explorer/explorer.h"
#include "explorer/orders.h"
#include "explorer/report.h"
#include "region/slot_handover.h"
#include "ring/journal.h"
#include "ring/ring.h"

namespace sluice::explorer {
namespace {

using region::SlotHandover;
using region::SlotOrders;
using region::SlotState;

constexpr u64 kRingBytes = 128;
constexpr u64 kRecordBytes = 16;
constexpr int kOwnersMax = 3;

struct Slot {
  Atomic<SlotState> state{SlotState::kReady};
  Atomic<u32> generation{0};
  Plain<u32> name{0};  // the slot's name: plain bytes, written by its thread
  alignas(64) char data[kRingBytes] = {};
  Atomic<u64> head{0};
  Atomic<u64> tail{0};
  Atomic<u64> call{0};

  [[nodiscard]] RingPlace<ModelSync> place() { return {data, kRingBytes, &head, &tail, &call}; }
};

// What the consumer saw, looked at in the end: records by generation.
struct Seen {
  u32 published[kOwnersMax] = {};      // by thread
  u32 thread_of[kOwnersMax + 1] = {};  // by generation
  u32 received[kOwnersMax + 1] = {};
};

u64 record_word(u32 site) { return u64{site} << 32 | kRecordBytes / 8; }

template <class Slots>
void own_slot(Slot& slot, Seen& seen, u32 thread, int records) {
  using Handover = SlotHandover<ModelSync, Slots>;
  if (!Handover::try_take(slot.state, SlotState::kReady, SlotState::kActive)) return;
  slot.generation.fetch_add(1, std::memory_order_relaxed);
  slot.name.set(thread);
  detail::RingProducer<ModelSync> producer{};
  attach_producer(producer, slot.place());
  for (int i = 0; i < records; ++i) {
    u64 position = 0;
    check(producer.try_enter(position), "nobody is inside a call");
    const bool room =
        producer.fits(position, kRecordBytes) ||
        make_room(producer, slot.place(), position, kRecordBytes, kRingBytes, kRingBytes);
    check(room, "the ring was handed over empty");
    ModelSync::write_word(producer.at(position), record_word(1));
    ModelSync::write_word(producer.at(position) + 8,
                          u64{thread} << 32 | ++seen.published[thread - 1]);
    producer.leave(position + kRecordBytes);
  }
  Handover::leave(slot.state);
}

enum class LookWhen { kBeforeHead, kAfterHead };

template <class Slots>
void drain_slot(Slot& slot, Seen& seen, RingConsumer<ModelSync>& consumer, LookWhen when) {
  using Handover = SlotHandover<ModelSync, Slots>;
  SlotState state = SlotState::kActive;
  if (when == LookWhen::kBeforeHead) state = Handover::look(slot.state);
  const u64 end = consumer.published();
  if (when == LookWhen::kAfterHead) state = Handover::look(slot.state);
  const bool moved = consumer.position() != end;
  while (consumer.position() < end) {
    const u64 word = ModelSync::read_word(consumer.at(consumer.position()));
    if (site_of_word(word) != 0) {
      const u64 payload = ModelSync::read_word(consumer.at(consumer.position()) + 8);
      const u32 generation = slot.generation.load(std::memory_order_relaxed);
      check(generation >= 1 && generation <= kOwnersMax, "a generation there was");
      check(slot.name.get() == payload >> 32, "the record's thread is the slot's");
      check(u32(payload) == ++seen.received[generation], "its next record, once");
      seen.thread_of[generation] = u32(payload >> 32);
    }
    consumer.advance(size_of_word(word));
  }
  if (moved) consumer.consume();
  if (state == SlotState::kLeft) Handover::give(slot.state, SlotState::kReady);
}

template <class Slots>
Result slot_goes_round(LookWhen when = LookWhen::kBeforeHead) {
  return explore({}, [=](Scenario& s) {
    auto& slot = s.make<Slot>();
    auto& seen = s.make<Seen>();
    auto& consumer = s.make<RingConsumer<ModelSync>>(slot.place(), u64{0});
    s.name(&slot.state, "state");
    s.name(&slot.generation, "generation");
    s.name(&slot.head, "head");
    s.name(&slot.tail, "tail");
    s.thread("first", [&] { own_slot<Slots>(slot, seen, 1, 1); });
    s.thread("second", [&] { own_slot<Slots>(slot, seen, 2, 1); });
    s.thread("consumer", [&, when] {
      for (int i = 0; i < 3; ++i) drain_slot<Slots>(slot, seen, consumer, when);
    });
    s.finally([&] {
      drain_slot<Slots>(slot, seen, consumer, LookWhen::kBeforeHead);
      u32 received[kOwnersMax] = {};
      for (int i = 1; i <= kOwnersMax; ++i) {
        if (seen.thread_of[i] != 0) received[seen.thread_of[i] - 1] += seen.received[i];
      }
      check(std::equal(received, received + kOwnersMax, seen.published), "every record arrived");
    });
  });
}

TEST(SlotHandover, EveryRecordArrivesWithItsThread) {
  expect_holds("slot goes round", slot_goes_round<SlotOrders>());
}

TEST(SlotHandover, LookingAfterTheHeadIsCaught) {
  const Result result = slot_goes_round<SlotOrders>(LookWhen::kAfterHead);
  print("state after head", result);
  EXPECT_TRUE(result.failed);
}

SLUICE_WEAKER(SlotOrders, take, relaxed);
SLUICE_WEAKER(SlotOrders, leave, relaxed);
SLUICE_WEAKER(SlotOrders, look, relaxed);
SLUICE_WEAKER(SlotOrders, give, relaxed);

TEST(SlotHandover, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {
      {"take", [] { return slot_goes_round<SlotOrders_take>(); }},
      {"leave", [] { return slot_goes_round<SlotOrders_leave>(); }},
      {"look", [] { return slot_goes_round<SlotOrders_look>(); }},
      {"give", [] { return slot_goes_round<SlotOrders_give>(); }},
  };
  expect_all_listed("src/region/slot_handover.h", "SlotOrders", weakenings);
  expect_each_caught(weakenings);
}

// One ring, the journal, and consumers that merge the one into the other as back/merger.cc does.
constexpr u64 kBatchBytes = sizeof(BatchHeader) + sizeof(BatchThread) + 8;

struct Line {
  Slot slot;
  alignas(64) char journal[256] = {};
  Atomic<u64> committed{0};
  Atomic<u64> reclaimed{0};
  Atomic<u64> reclaimed_sequence{0};
  Mutex consumer;

  [[nodiscard]] JournalPlace<ModelSync> place() {
    return {journal, sizeof journal, &committed, &reclaimed, &reclaimed_sequence};
  }
};

struct Batch {
  BatchHeader header;
  BatchThread thread;
  u64 record;
};
static_assert(sizeof(Batch) == kBatchBytes);

// The last batch still in the journal; all zero when there is none.
template <class Orders>
Batch last_batch(Line& line, u64& batches) {
  Batch last{};
  batches = 0;
  alignas(8) char copy[256];
  JournalReader<ModelSync, Orders> reader(line.place(), 0);
  for (JournalRead read; (read = reader.read(copy)) != JournalRead::kNothing; ++batches) {
    check(read == JournalRead::kBatch, "no batch is damaged");
    last = load<Batch>(copy);
    check(last.record == batches + 1, "each record once, in order");
    reader.advance(kBatchBytes);
  }
  return last;
}

enum class Resume { kMaximum, kStoredOnly };
enum class Store { kAfterCommit, kBeforeCommit };

template <class Orders>
void merge_as_consumer(Line& line, Resume resume, Store when) {
  line.consumer.lock();
  u64 batches;
  const Batch last = last_batch<Orders>(line, batches);
  u64 position = line.slot.tail.load(std::memory_order_acquire);
  if (resume == Resume::kMaximum) position = std::max(position, last.thread.position);
  RingConsumer<ModelSync> ring(line.slot.place(), position);
  JournalWriter<ModelSync, Orders> journal(line.place(), batches * kBatchBytes, 0);
  const u64 end = ring.published();
  while (ring.position() < end) {
    check(journal.make_space(kBatchBytes, 0), "no more batches than records");
    Batch batch{};
    batch.header.magic = kBatchMagic;
    batch.header.bytes = u32{kBatchBytes};
    batch.header.records = 1;
    batch.header.threads = 1;
    batch.header.record_bytes = 8;
    batch.record = ModelSync::read_word(ring.at(ring.position()) + 8);
    ring.advance(kRecordBytes);
    batch.thread.position = ring.position();
    batch.header.crc = batch_crc(batch.header, &batch.thread);
    if (when == Store::kBeforeCommit) ring.consume();
    journal.put_words(journal.position(), &batch, sizeof batch);
    journal.commit(kBatchBytes);
    if (when == Store::kAfterCommit) ring.consume();
  }
  line.consumer.unlock();
}

template <class Orders>
Result consumer_dies(Resume resume = Resume::kMaximum, Store when = Store::kAfterCommit) {
  return explore({.preemptions = 2}, [=](Scenario& s) {
    auto& line = s.make<Line>();
    s.name(&line.slot.head, "head");
    s.name(&line.slot.tail, "tail");
    s.name(&line.committed, "committed");
    s.thread("producer", [&line] {
      detail::RingProducer<ModelSync> producer{};
      attach_producer(producer, line.slot.place());
      for (u64 i = 1; i <= 2; ++i) {
        u64 position = 0;
        check(producer.try_enter(position), "nobody is inside a call");
        make_room(producer, line.slot.place(), position, kRecordBytes, kRingBytes, kRingBytes);
        ModelSync::write_word(producer.at(position), record_word(1));
        ModelSync::write_word(producer.at(position) + 8, i);
        producer.leave(position + kRecordBytes);
      }
    });
    s.killable_thread("dies", [=, &line] { merge_as_consumer<Orders>(line, resume, when); });
    s.thread("next", [=, &line] { merge_as_consumer<Orders>(line, resume, when); });
    s.finally([=, &line] {
      merge_as_consumer<Orders>(line, resume, when);
      u64 batches;
      last_batch<Orders>(line, batches);
      check(batches == 2, "both records are in the journal");
    });
  });
}

TEST(ConsumerHandover, EachRecordOnceAfterADeathAtAnyStep) {
  expect_holds("consumer dies, 2 preemptions", consumer_dies<JournalOrders>());
}

TEST(ConsumerHandover, WrongPositionsAreCaught) {
  const Result repeats = consumer_dies<JournalOrders>(Resume::kStoredOnly);
  print("next goes on at the stored position", repeats);
  EXPECT_TRUE(repeats.failed);
  const Result loses = consumer_dies<JournalOrders>(Resume::kMaximum, Store::kBeforeCommit);
  print("position stored before the commit", loses);
  EXPECT_TRUE(loses.failed);
}

SLUICE_WEAKER(JournalOrders, publish_committed, relaxed);

TEST(ConsumerHandover, CommitMustRelease) {
  const Result result = consumer_dies<JournalOrders_publish_committed>();
  print("publish_committed", result);
  EXPECT_TRUE(result.failed);
}

}  // namespace
}  // namespace sluice::explorer
