// The chunks of a stream under every interleaving and every stale read: each accepted record is
// handed over once, whole, in its writer's order, whoever closes a chunk, moves on or is stopped in
// between, and nothing touches bytes that another may still use (P22 to P25).
#include "stream/shard.h"

#include <gtest/gtest.h>

#include <vector>

#include "explorer/explorer.h"
#include "explorer/orders.h"
#include "explorer/report.h"
#include "stream/chunk_stack.h"

namespace sluice::explorer {
namespace {

using stream::ChunkStack;
using stream::kNoChunk;
using stream::Put;
using stream::Shard;
using stream::ShardOrders;
using stream::StackOrders;
using stream::TakenChunk;

constexpr u32 kRecord = 8;

template <class Orders, class Stack>
struct Stream {
  Stream(u32 chunks, u32 records_each, bool keep_last) : count(chunks) {
    for (u32 i = 1; i <= count; ++i) {
      table[i].capacity = records_each * kRecord;
      table[i].bytes = memory + i * 64;
      if (i < count || !keep_last) idle.give(table, i);
    }
    check(shard.start(*this), "there is a chunk");
  }
  stream::Chunk<ModelSync>& chunk(u32 index) { return table[index]; }
  static u32 head_bytes(u32) { return 0; }
  u32 take(u32) { return idle.take(table); }
  void give(u32 index) { idle.give(table, index); }

  // A record that names its writer and its number.
  Put put(u64 writer, u64 number) {
    return shard.put(*this, kRecord,
                     [=](char* to) { ModelSync::write_word(to, writer << 32 | number); });
  }
  // Takes what is handed over; when that makes more than `late`, or there is nothing, it reads the
  // oldest, as the kernel would for a write, and gives it back.
  bool flush_one(u32 late = 0) {
    TakenChunk taken;
    const bool took = shard.take(*this, taken, [](u32, u32, u32) {});
    if (took) on_the_way.push_back(taken);
    if (on_the_way.size() <= (took ? late : 0)) return took;
    const TakenChunk oldest = on_the_way.front();
    for (u32 at = 0; at < oldest.bytes; at += kRecord) {
      written.push_back(ModelSync::read_word(table[oldest.index].bytes + at));
    }
    shard.done(*this, oldest);
    on_the_way.erase(on_the_way.begin());
    return true;
  }

  const u32 count;
  stream::Chunk<ModelSync> table[4];
  alignas(64) char memory[4 * 64] = {};
  ChunkStack<ModelSync, Stack> idle;
  Shard<ModelSync, Orders> shard;
  std::vector<TakenChunk> on_the_way;  // the flusher's
  // Looked at in the end.
  std::vector<u64> written;
  std::vector<u64> accepted[3];
};

enum class Close { kNever, kByInterval, kWhenEmpty, kForGood };

struct Scene {
  u32 chunks = 3;
  u32 records_each = 1;  // that a chunk holds
  u32 writers = 2;
  u32 attempts = 2;        // of each writer
  u32 rounds = 2;          // of the flusher
  u32 late = 0;            // chunks that it has taken and not written
  bool gets_last = false;  // the last chunk comes after its first round, from another stream
  Close close = Close::kNever;
  int preemptions = 2;
  u64 random = 0;  // so many random walks instead of all executions
};

template <class S>
void flush(S& stream, const Scene& scene) {
  for (u32 round = 0; round < scene.rounds; ++round) {
    if (scene.close == Close::kByInterval) stream.shard.close_open(stream);
    if (scene.close == Close::kWhenEmpty) stream.shard.shrink(stream, 0);
    if (scene.close == Close::kForGood) (void)stream.shard.finish(stream);
    (void)stream.flush_one(scene.late);
    if (scene.gets_last && round == 0) stream.give(stream.count);
    stream.shard.go_on(stream);
  }
}

template <class S>
void check_all(S& stream, const Scene& scene) {
  // What a last flush finds.
  for (u32 round = 0; round < 8 && !stream.shard.is_over(); ++round) {
    (void)stream.shard.finish(stream);
    while (stream.flush_one()) {
    }
  }
  check(stream.shard.is_over(), "a stream that nobody writes to can be closed");
  std::size_t total = 0;
  for (u64 writer = 1; writer <= scene.writers; ++writer) {
    std::vector<u64> mine;
    for (const u64 record : stream.written) {
      if (record >> 32 == writer) mine.push_back(record & 0xffffffff);
    }
    check(mine == stream.accepted[writer], "what was accepted is written, once and in order");
    total += mine.size();
  }
  check(total == stream.written.size(), "nothing else is written");
  check(stream.put(1, 9) == Put::kClosed, "a closed stream takes nothing");
  u32 idle = 0;
  while (stream.idle.take(stream.table) != kNoChunk) ++idle;
  check(idle == stream.count, "every chunk comes back, once");
}

template <class Orders, class Stack = StackOrders>
Result explore_stream(const Scene& scene, bool* dropped = nullptr) {
  const Options options{.preemptions = scene.preemptions, .random_executions = scene.random};
  return explore(options, [=](Scenario& s) {
    auto& stream = s.make<Stream<Orders, Stack>>(scene.chunks, scene.records_each, scene.gets_last);
    for (u32 i = 1; i <= scene.chunks; ++i) {
      s.name(&stream.table[i].word, "word");
      s.name(&stream.table[i].next, "next");
    }
    s.name(&stream.shard, "active");
    s.name(&stream.idle, "idle");
    for (u64 writer = 1; writer <= scene.writers; ++writer) {
      s.thread("writer", [=, &stream] {
        for (u64 number = 0; number < scene.attempts; ++number) {
          const Put put = stream.put(writer, number);
          if (put == Put::kOk) stream.accepted[writer].push_back(number);
          if (put == Put::kNoRoom && dropped != nullptr) *dropped = true;
        }
      });
    }
    s.thread("flusher", [=, &stream] { flush(stream, scene); });
    s.finally([=, &stream] { check_all(stream, scene); });
  });
}

// All executions within a bound, of what is small; random walks through the rest.
constexpr Scene kOneWriter{.chunks = 2, .writers = 1, .attempts = 3};
constexpr Scene kSwitch{.records_each = 2, .attempts = 1, .rounds = 1, .close = Close::kByInterval};
constexpr Scene kLast{.attempts = 1, .rounds = 1, .close = Close::kForGood, .preemptions = 1};
constexpr Scene kLate{.chunks = 2, .writers = 1, .attempts = 4, .late = 1, .gets_last = true};
constexpr Scene kTwoLate{
    .attempts = 3, .rounds = 4, .late = 2, .gets_last = true, .random = 100'000};
constexpr Scene kTwoWriters{.attempts = 3, .rounds = 4, .random = 100'000};
constexpr Scene kOneChunk{
    .chunks = 1, .records_each = 2, .attempts = 4, .rounds = 4, .random = 100'000};
constexpr Scene kInterval{
    .records_each = 2, .attempts = 3, .rounds = 4, .close = Close::kByInterval, .random = 100'000};
constexpr Scene kShrinks{
    .records_each = 2, .attempts = 3, .rounds = 4, .close = Close::kWhenEmpty, .random = 30'000};
constexpr Scene kShrinksOne{
    .records_each = 2, .writers = 1, .attempts = 2, .rounds = 1, .close = Close::kWhenEmpty};
constexpr Scene kCloseAmidst{
    .records_each = 2, .attempts = 3, .rounds = 4, .close = Close::kForGood, .random = 100'000};

void expect_walks_hold(const char* name, const Result& result) {
  print(name, result);
  EXPECT_FALSE(result.failed) << describe(result);
  EXPECT_EQ(result.cut, 0u);
}

TEST(Shard, HoldsInEveryExecution) {
  expect_holds("one writer, 2 preemptions", explore_stream<ShardOrders>(kOneWriter));
  expect_holds("a chunk from elsewhere, 2 preemptions", explore_stream<ShardOrders>(kLate));
  expect_holds("two writers switch, 2 preemptions", explore_stream<ShardOrders>(kSwitch));
  expect_holds("closed beside two writers, 1 preemption", explore_stream<ShardOrders>(kLast));
  expect_holds("empty chunks change, 2 preemptions", explore_stream<ShardOrders>(kShrinksOne));
}

TEST(Shard, HoldsInRandomWalks) {
  bool dropped = false;
  expect_walks_hold("written late", explore_stream<ShardOrders>(kTwoLate));
  expect_walks_hold("two writers, three chunks", explore_stream<ShardOrders>(kTwoWriters));
  expect_walks_hold("two writers, one chunk", explore_stream<ShardOrders>(kOneChunk, &dropped));
  EXPECT_TRUE(dropped) << "no execution found the chunk full";
  expect_walks_hold("chunks closed by the interval", explore_stream<ShardOrders>(kInterval));
  expect_walks_hold("empty chunks change while two write", explore_stream<ShardOrders>(kShrinks));
  expect_walks_hold("closed while two write", explore_stream<ShardOrders>(kCloseAmidst));
}

SLUICE_WEAKER(ShardOrders, offer, relaxed);
SLUICE_WEAKER(ShardOrders, see, relaxed);
SLUICE_WEAKER(ShardOrders, commit, relaxed);
SLUICE_WEAKER(ShardOrders, close, relaxed);
SLUICE_WEAKER(ShardOrders, take, relaxed);
SLUICE_WEAKER(ShardOrders, chain, relaxed);
SLUICE_WEAKER(ShardOrders, follow, relaxed);

// The first scene in which the weaker order is found out.
template <class Orders, class Stack = StackOrders>
Result weakened() {
  Result result;
  for (const Scene& scene :
       {kOneChunk, kTwoWriters, kInterval, kCloseAmidst, kOneWriter, kSwitch, kLast}) {
    result = explore_stream<Orders, Stack>(scene);
    if (result.failed) break;
  }
  return result;
}

TEST(Shard, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {
      {"offer", weakened<ShardOrders_offer>},   {"see", weakened<ShardOrders_see>},
      {"commit", weakened<ShardOrders_commit>}, {"close", weakened<ShardOrders_close>},
      {"take", weakened<ShardOrders_take>},     {"chain", weakened<ShardOrders_chain>},
      {"follow", weakened<ShardOrders_follow>},
  };
  expect_all_listed("src/stream/shard.h", "ShardOrders", weakenings);
  expect_each_caught(weakenings);
}

SLUICE_WEAKER(StackOrders, give, relaxed);
SLUICE_WEAKER(StackOrders, take, relaxed);

TEST(ChunkStack, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {
      {"give", weakened<ShardOrders, StackOrders_give>},
      {"take", weakened<ShardOrders, StackOrders_take>},
  };
  expect_all_listed("src/stream/chunk_stack.h", "StackOrders", weakenings);
  expect_each_caught(weakenings);
}

}  // namespace
}  // namespace sluice::explorer
