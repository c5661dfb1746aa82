// Chunks that wait for a use: a stack that any thread takes from and gives to, without a lock.
//
//   top   turn:32 | index:32    the turn steps with every change, so that a chunk which was taken
//                               and given back meanwhile is noticed
//
// | word         | written by | read by   | order                                           |
// |--------------|------------|-----------|-------------------------------------------------|
// | top          | all        | all       | give: release, take: acquire (P22): the giver's |
// |              |            |           | reads of a chunk's bytes before the next writes |
// | Chunk::below | its giver  | who takes | relaxed: the turn tells when it was stale       |
//
// Threading: any; never blocks.
#ifndef SLUICE_SRC_STREAM_CHUNK_STACK_H_
#define SLUICE_SRC_STREAM_CHUNK_STACK_H_

#include "stream/chunk.h"

namespace sluice::stream {

struct StackOrders {
  static constexpr std::memory_order give = std::memory_order_release;  // P22
  static constexpr std::memory_order take = std::memory_order_acquire;  // P22
};

template <class Sync, class Orders = StackOrders>
class ChunkStack {
 public:
  void give(Chunk<Sync>* chunks, u32 index) {
    // relaxed: only compared, and stored again
    u64 top = top_.load(std::memory_order_relaxed);
    do {
      chunks[index].below.store(u32(top), std::memory_order_relaxed);
      // release: what was done with the chunk, before the acquire in take() (P22)
    } while (!top_.compare_exchange_weak(top, after(top, index), Orders::give,
                                         std::memory_order_relaxed));
  }
  // The index of a chunk that is the caller's now; kNoChunk: there is none.
  [[nodiscard]] u32 take(Chunk<Sync>* chunks) {
    // acquire: pairs with give(), here and where the exchange fails (P22)
    u64 top = top_.load(Orders::take);
    for (;;) {
      const u32 index = u32(top);
      if (index == kNoChunk) return kNoChunk;
      const u32 below = chunks[index].below.load(std::memory_order_relaxed);
      if (top_.compare_exchange_weak(top, after(top, below), Orders::take, Orders::take)) {
        return index;
      }
    }
  }
  [[nodiscard]] bool is_empty() const {
    // relaxed: a hint
    return u32(top_.load(std::memory_order_relaxed)) == kNoChunk;
  }

 private:
  static u64 after(u64 top, u32 index) { return ((top >> 32) + 1) << 32 | index; }

  alignas(64) typename Sync::template Atomic<u64> top_{0};
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_CHUNK_STACK_H_
