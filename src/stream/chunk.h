// A chunk of a stream's buffer memory, and the word that says who may touch its bytes.
//
//   word     generation:20 | closed:1 | writers:12 | offset:31
//   next     generation:20 | successor's index:20 | successor's generation:20
//   active   index:20 | generation:20, of a shard; index 0: none
//
// The words lie outside the memory they speak of, and are never unmapped. A generation is one use
// of a chunk: from its opening to the step to {closed, no writers}, which happens once, because a
// closed word takes no writer; that step is the hand-over to the flusher. Nothing is ever rolled
// back. Who holds a word of an earlier generation finds that out by the generation: it would have
// to sleep through 2^20 uses of one chunk to be fooled.
//
// Threading: the words by the protocol of stream/shard.h; `bytes` and `capacity` never change.
#ifndef SLUICE_SRC_STREAM_CHUNK_H_
#define SLUICE_SRC_STREAM_CHUNK_H_

#include "base/bytes.h"
#include "sluice/detail/ring.h"

namespace sluice::stream {

inline constexpr u32 kGenerations = 1u << 20;
inline constexpr u32 kChunkBytesMax = (1u << 31) - 1;
inline constexpr u32 kWritersMax = (1u << 12) - 1;

// Indices of chunks: 0 is no chunk. As a successor, two of them mean something else.
inline constexpr u32 kNoChunk = 0;
inline constexpr u32 kEnd = (1u << 20) - 1;    // none was free: the flusher goes on from here
inline constexpr u32 kFinal = (1u << 20) - 2;  // the stream is closed
inline constexpr u32 kChunksMax = kFinal - 1;

inline constexpr u64 kOneWriter = u64{1} << 31;
inline constexpr u64 kClosedBit = u64{1} << 43;

[[nodiscard]] constexpr u32 generation_of(u64 word) { return u32(word >> 44); }
[[nodiscard]] constexpr bool is_closed(u64 word) { return (word & kClosedBit) != 0; }
[[nodiscard]] constexpr u32 writers_of(u64 word) { return u32(word >> 31) & kWritersMax; }
[[nodiscard]] constexpr u32 offset_of(u64 word) { return u32(word) & kChunkBytesMax; }
[[nodiscard]] constexpr u64 open_word(u32 generation) { return u64{generation} << 44; }
[[nodiscard]] constexpr bool is_handed_over(u64 word) {
  return is_closed(word) && writers_of(word) == 0;
}

[[nodiscard]] constexpr u64 next_word(u32 generation, u32 successor, u32 its_generation) {
  return u64{generation} << 40 | u64{successor} << 20 | its_generation;
}
[[nodiscard]] constexpr u32 generation_of_next(u64 next) { return u32(next >> 40); }
[[nodiscard]] constexpr u32 successor_of(u64 next) { return u32(next >> 20) & (kGenerations - 1); }

[[nodiscard]] constexpr u64 active_word(u32 index, u32 generation) {
  return u64{index} << 20 | generation;
}
[[nodiscard]] constexpr u64 active_of_next(u64 next) { return next & ((u64{1} << 40) - 1); }
[[nodiscard]] constexpr u32 index_of(u64 active) { return u32(active >> 20); }
[[nodiscard]] constexpr u32 generation_of_active(u64 active) {
  return u32(active) & (kGenerations - 1);
}

// One cache line, so that writers of two chunks do not meet in one.
template <class Sync>
struct alignas(64) Chunk {
  typename Sync::template Atomic<u64> word{kClosedBit};
  typename Sync::template Atomic<u64> next{0};
  typename Sync::template Atomic<u32> below{0};  // while it is idle: see stream/chunk_stack.h
  u32 capacity = 0;
  char* bytes = nullptr;
  i64 ready_ns = 0;  // wall time, before its first record; whose the chunk is may write it
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_CHUNK_H_
