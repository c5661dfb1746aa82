// What lets the records of a killed process be found in the chunks it leaves (`survive_kill`).
//
//   marks      a bit for each byte of chunk memory: the record that begins there is whole
//   holds      of each chunk, the use in which the flusher took it, and where that goes:
//     position   bytes of all that was taken before, in the order in which they go into files
//     use        generation:20 | lane:12 | bytes:32
//   taken      the position behind what was taken last
//   first      of each lane: see Shard::keep_first_in()
//
// A writer sets the mark when it has copied, before it counts the record and leaves; so of a record
// that a kill tore there is no mark, and the next mark says where whole ones go on. The flusher
// says that it holds a chunk before its lane lets go of it, so a chunk is always found in one of
// the two.
//
// | word               | written by | read after the death | order                            |
// |--------------------|------------|----------------------|----------------------------------|
// | marks              | writers    | its own store        | release (P26): the record before |
// | position, use      | flusher    | before `first`       | release (P27): what it tells     |
// | taken              | flusher    | before `first`       | release (P27)                    |
// | Shard's first word | flusher    | its own store        | release (P27): the hold before   |
//
// Marks are cleared by the flusher before it gives a chunk away (P22, P23).
//
// Threading: mark() any; the rest single-owner, the flusher's.
#ifndef SLUICE_SRC_STREAM_KEPT_H_
#define SLUICE_SRC_STREAM_KEPT_H_

#include <algorithm>
#include <cstring>
#include <vector>

#include "stream/chunk.h"

namespace sluice::stream {

struct KeptOrders {
  static constexpr std::memory_order mark = std::memory_order_release;   // P26
  static constexpr std::memory_order hold = std::memory_order_release;   // P27
  static constexpr std::memory_order first = std::memory_order_release;  // P27
};

[[nodiscard]] constexpr u64 use_word(u32 generation, u32 lane, u32 bytes) {
  return u64{generation} << 44 | u64{lane} << 32 | bytes;
}
[[nodiscard]] constexpr u32 generation_of_use(u64 use) { return u32(use >> 44); }
[[nodiscard]] constexpr u32 lane_of_use(u64 use) { return u32(use >> 32) & 0xfff; }
[[nodiscard]] constexpr u32 bytes_of_use(u64 use) { return u32(use); }

template <class Sync>
struct Hold {
  typename Sync::template Atomic<u64> position{0};
  typename Sync::template Atomic<u64> use{0};
};

// The words, wherever they lie.
template <class Sync, class Orders = KeptOrders>
struct Kept {
  using Word = typename Sync::template Atomic<u64>;

  Word* marks = nullptr;
  Hold<Sync>* holds = nullptr;  // by the index of the chunk
  Word* taken = nullptr;

  // The record at `offset` of chunk memory is whole.
  void mark(u64 offset) {
    // release: the record (P26)
    marks[offset / 64].fetch_or(u64{1} << offset % 64, Orders::mark);
    // What its writer stores from here on is no earlier than the mark.
    Sync::keep_order();
  }
  // Of a chunk's first bytes: its words are its own.
  void clear_marks(u64 offset, u64 bytes) {
    for (u64 word = offset / 64; word < (offset + bytes + 63) / 64; ++word) {
      // relaxed: before the chunk is given away or reopened (P22, P23)
      marks[word].store(0, std::memory_order_relaxed);
    }
  }
  void hold(u32 index, u32 generation, u32 lane, u32 bytes) {
    // relaxed: only this thread changes it
    const u64 position = taken->load(std::memory_order_relaxed);
    holds[index].position.store(position, std::memory_order_relaxed);
    // release: the position (P27)
    holds[index].use.store(use_word(generation, lane, bytes), Orders::hold);
    // release: as little as a compiler may move it before the hold (P27)
    taken->store(position + bytes, Orders::hold);
  }
};

// ---- after the death ----

// What of a chunk is not given back: all that was reserved in it.
struct KeptPart {
  u32 index;
  u32 lane;
  u32 bytes;         // from the start of the chunk
  bool held;         // the flusher had taken it:
  u64 position = 0;  // and this is where it goes
};

// The parts in the order in which they go into files; what nobody had taken goes to
// `untaken_position` and on. `Image` gives the words as they were left, trusted in nothing:
// chunks() (indices are 1 to that), lanes(), first(lane), word(index), next(index),
// position(index), use(index), taken().
template <class Image>
std::vector<KeptPart> kept_parts(const Image& image, u64& untaken_position) {
  std::vector<KeptPart> parts;
  std::vector<bool> seen(image.chunks() + 1);
  untaken_position = image.taken();
  for (u32 index = 1; index <= image.chunks(); ++index) {
    const u64 word = image.word(index), use = image.use(index);
    if (!is_closed(word) || generation_of_use(use) != generation_of(word)) continue;
    seen[index] = true;
    parts.push_back({index, lane_of_use(use), offset_of(word), true, image.position(index)});
    untaken_position = std::max(untaken_position, image.position(index) + bytes_of_use(use));
  }
  std::sort(parts.begin(), parts.end(),
            [](const KeptPart& a, const KeptPart& b) { return a.position < b.position; });
  for (u32 lane = 0; lane < image.lanes(); ++lane) {
    std::vector<bool> passed(image.chunks() + 1);
    for (u64 at = image.first(lane);;) {
      const u32 index = index_of(at);
      if (index == kNoChunk || index > image.chunks() || passed[index]) break;
      passed[index] = true;
      const u64 word = image.word(index), next = image.next(index);
      if (generation_of(word) != generation_of_active(at)) break;
      if (!seen[index]) parts.push_back({index, lane, offset_of(word), false});
      seen[index] = true;
      if (!is_closed(word) || generation_of_next(next) != generation_of(word)) break;
      at = active_of_next(next);  // kEnd and kFinal are no index of a chunk
    }
  }
  return parts;
}

// Moves the whole records of a part together, to `from`; they begin at `records`, in order.
// record_bytes(at, limit): of the record there, which ends before the limit; 0: there is none.
// Where they end then.
template <class RecordBytes>
u32 gather_whole(char* chunk, u32 from, u32 end, const std::vector<u32>& records,
                 const RecordBytes& record_bytes) {
  u32 to = from;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const u32 at = records[i];
    if (at < from || at >= end) continue;
    const u32 limit = i + 1 < records.size() ? std::min(records[i + 1], end) : end;
    const u32 bytes = record_bytes(at, limit);
    if (to != at) std::memmove(chunk + to, chunk + at, bytes);
    to += bytes;
  }
  return to;
}

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_KEPT_H_
