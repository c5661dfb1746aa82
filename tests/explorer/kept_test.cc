// What a killed process leaves in the chunks of a stream: whoever dies, at any step, with any of
// its last stores missing that no release keeps, each accepted record is found once, whole and in
// its writer's order, in the file or in memory (P26, P27).
#include "stream/kept.h"

#include <gtest/gtest.h>

#include <vector>

#include "explorer/explorer.h"
#include "explorer/orders.h"
#include "explorer/report.h"
#include "stream/chunk_stack.h"
#include "stream/shard.h"

namespace sluice::explorer {
namespace {

using namespace stream;  // of the product

constexpr u32 kRecord = 8;
constexpr u32 kChunkBytes = 64;
constexpr u32 kChunks = 3;

template <class Orders>
struct Stream {
  Stream(u32 chunks, u32 records_each) : count(chunks) {
    kept = {marks, holds, &taken_word};
    for (u32 i = 1; i <= count; ++i) {
      table[i].capacity = records_each * kRecord;
      table[i].bytes = memory + i * kChunkBytes;
      idle.give(table, i);
    }
    shard.keep_first_in(first_word);
    check(shard.start(*this), "there is a chunk");
  }
  stream::Chunk<ModelSync>& chunk(u32 index) { return table[index]; }
  static u32 head_bytes(u32) { return 0; }
  u32 take(u32) { return idle.take(table); }
  void give(u32 index) { idle.give(table, index); }

  // A record that names its writer and its number.
  Put put(u64 writer, u64 number) {
    return shard.put(*this, kRecord, [&](char* to) {
      ModelSync::write_word(to, writer << 32 | number);
      kept.mark(u64(to - memory));
    });
  }
  bool flush_one() {
    shard.go_on(*this);
    TakenChunk chunk;
    const auto hold = [this](u32 index, u32 generation, u32 bytes) {
      kept.hold(index, generation, 0, bytes);
    };
    if (!shard.take(*this, chunk, hold)) return false;
    for (u32 at = 0; at < chunk.bytes; at += kRecord) {
      file.push_back(ModelSync::read_word(table[chunk.index].bytes + at));
      ModelSync::keep_order();  // as a call of the kernel does
    }
    kept.clear_marks(u64(table[chunk.index].bytes - memory), chunk.bytes);
    shard.done(*this, chunk);
    return true;
  }

  // ---- after the death, as kept_parts() asks ----
  [[nodiscard]] u32 chunks() const { return count; }
  [[nodiscard]] u32 lanes() const { return 1; }
  [[nodiscard]] u64 first(u32) const { return first_word.load(); }
  [[nodiscard]] u64 word(u32 index) const { return table[index].word.load(); }
  [[nodiscard]] u64 next(u32 index) const { return table[index].next.load(); }
  [[nodiscard]] u64 position(u32 index) const { return holds[index].position.load(); }
  [[nodiscard]] u64 use(u32 index) const { return holds[index].use.load(); }
  [[nodiscard]] u64 taken() const { return taken_word.load(); }
  void recover() {
    const u64 written = file.size() * kRecord;
    u64 untaken = 0;
    for (const KeptPart& part : kept_parts(*this, untaken)) {
      u64 at = part.held ? part.position : untaken;
      for (u32 offset = 0; offset < part.bytes; offset += kRecord) {
        const u64 bit = part.index * kChunkBytes + offset;
        if ((marks[bit / 64].load() >> bit % 64 & 1) == 0) continue;
        if (at >= written) file.push_back(ModelSync::read_word(memory + bit));
        at += kRecord;
      }
      if (!part.held) untaken = at;
    }
  }

  const u32 count;
  stream::Chunk<ModelSync> table[kChunks + 1];
  alignas(64) char memory[(kChunks + 1) * kChunkBytes] = {};
  Atomic<u64> marks[kChunks + 1];
  Hold<ModelSync> holds[kChunks + 1];
  Atomic<u64> taken_word{0};
  Atomic<u64> first_word{0};
  Kept<ModelSync, Orders> kept;
  ChunkStack<ModelSync> idle;
  Shard<ModelSync, ShardOrders, Orders> shard;
  // Looked at in the end.
  std::vector<u64> file;
  std::vector<u64> accepted[3];
};

enum class Dies { kWriter, kFlusher };

struct Scene {
  Dies dies = Dies::kWriter;
  u32 chunks = kChunks;
  u32 records_each = 2;
  u32 attempts = 3;
  u32 rounds = 4;
};

template <class S>
void check_all(S& stream) {
  stream.recover();
  std::size_t total = 0;
  for (u64 writer = 1; writer <= 2; ++writer) {
    std::vector<u64> mine;
    for (const u64 record : stream.file) {
      if (record >> 32 == writer) mine.push_back(record & 0xffffffff);
    }
    total += mine.size();
    // A call that was cut short has no answer: its record may be there.
    const std::vector<u64>& accepted = stream.accepted[writer];
    if (mine.size() == accepted.size() + 1) {
      check(accepted.empty() || mine.back() > accepted.back(), "nothing is there twice");
      mine.pop_back();
    }
    check(mine == accepted, "what was accepted is there, once and in order");
  }
  check(total == stream.file.size(), "nothing else is there");
}

template <class Orders>
Result die(const Scene& scene) {
  return explore({.random_executions = 100'000, .all_die = true}, [=](Scenario& s) {
    auto& stream = s.make<Stream<Orders>>(scene.chunks, scene.records_each);
    s.name(&stream.first_word, "first");
    s.name(&stream.taken_word, "taken");
    for (u64 writer = 1; writer <= 2; ++writer) {
      const auto write = [=, &stream] {
        for (u64 number = 0; number < scene.attempts; ++number) {
          if (stream.put(writer, number) == Put::kOk) stream.accepted[writer].push_back(number);
        }
      };
      if (scene.dies == Dies::kWriter && writer == 1) {
        s.killable_thread("dies", write);
      } else {
        s.thread("writer", write);
      }
    }
    const auto flush = [=, &stream] {
      for (u32 round = 0; round < scene.rounds; ++round) {
        stream.shard.close_open(stream);
        (void)stream.flush_one();
      }
    };
    if (scene.dies == Dies::kFlusher) {
      s.killable_thread("dies", flush);
    } else {
      s.thread("flusher", flush);
    }
    s.finally([&stream] { check_all(stream); });
  });
}

constexpr Scene kScenes[] = {
    {.dies = Dies::kWriter},
    {.dies = Dies::kWriter, .records_each = 4, .rounds = 1},
    {.dies = Dies::kFlusher},
    {.dies = Dies::kFlusher, .chunks = 1, .records_each = 2, .attempts = 4},
    {.dies = Dies::kFlusher, .chunks = 2, .records_each = 1, .attempts = 4},
};

TEST(Kept, ADeathAtAnyStepCostsNoAcceptedRecord) {
  for (const Scene& scene : kScenes) {
    const Result result = die<KeptOrders>(scene);
    print(scene.dies == Dies::kWriter ? "death of a writer" : "death of the flusher", result);
    EXPECT_FALSE(result.failed) << describe(result);
    EXPECT_EQ(result.cut, 0u);
  }
}

SLUICE_WEAKER(KeptOrders, mark, relaxed);
SLUICE_WEAKER(KeptOrders, hold, relaxed);
SLUICE_WEAKER(KeptOrders, first, relaxed);

// The first scene in which the weaker order is found out.
template <class Orders>
Result weakened() {
  Result result;
  for (const Scene& scene : kScenes) {
    result = die<Orders>(scene);
    if (result.failed) break;
  }
  return result;
}

TEST(Kept, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {{"mark", weakened<KeptOrders_mark>},
                                             {"hold", weakened<KeptOrders_hold>},
                                             {"first", weakened<KeptOrders_first>}};
  expect_all_listed("src/stream/kept.h", "KeptOrders", weakenings);
  expect_each_caught(weakenings);
}

}  // namespace
}  // namespace sluice::explorer
