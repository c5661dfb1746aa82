// One lane of a stream: a chain of chunks, the last of which takes records.
//
//      first                       active
//   [ closed ] ──next──► [ closed ] ──next──► [ open ]        writers put into `active`,
//        │                                                    the flusher takes from `first`
//        └─► {closed, no writers}: handed over, to be written in this order
//
// A writer reserves by one compare-and-exchange of the chunk's word, copies, and leaves. Where a
// record does not fit, any writer gives the chunk a successor, then closes it, then moves `active`
// on: each step can be done by whoever comes, so a thread that is stopped in between stops nobody.
// A closed chunk has a successor: a chunk, or kEnd (none was free), or kFinal (the stream is
// closed). After kEnd the flusher goes on: with another chunk as soon as one is free, at the latest
// with one of the shard's own, when its bytes are written.
//
// | word        | written by          | read by | order                                          |
// |-------------|---------------------|---------|------------------------------------------------|
// | active      | writers and flusher | writers | release / acquire (P23): the chunk made ready  |
// | Chunk::word | writers and flusher | flusher | commit, close: release; acquire (P24): the     |
// |             |                     |         | bytes of every record, the chunk's successor   |
// | Chunk::next | writers and flusher | writers | release / acquire (P25): the successor made    |
// |             |                     |         | ready, for who moves `active` to it            |
//
// To reserve is relaxed: a writer knows the generation from `active`, and with it (P23) everything
// that came before; and a relaxed step keeps what the steps before it release (P24).
//
// `Room` is where chunks come from: chunk(index), take(bytes) -> index or kNoChunk, give(index),
// head_bytes(index): what a chunk keeps free at its start. What take() gives is the caller's alone
// until it is a successor.
//
// For who looks after a death, `first` is a word too: see stream/kept.h.
//
// Threading: put() any, never blocks; the rest one thread at a time, the flusher's.
#ifndef SLUICE_SRC_STREAM_SHARD_H_
#define SLUICE_SRC_STREAM_SHARD_H_

#include "stream/chunk.h"
#include "stream/kept.h"

namespace sluice::stream {

struct ShardOrders {
  static constexpr std::memory_order offer = std::memory_order_release;   // P23
  static constexpr std::memory_order see = std::memory_order_acquire;     // P23
  static constexpr std::memory_order commit = std::memory_order_release;  // P24
  static constexpr std::memory_order close = std::memory_order_release;   // P24
  static constexpr std::memory_order take = std::memory_order_acquire;    // P24
  static constexpr std::memory_order chain = std::memory_order_release;   // P25
  static constexpr std::memory_order follow = std::memory_order_acquire;  // P25
};

enum class Put : u8 { kOk, kNoRoom, kClosed };

// A chunk that was handed over.
struct TakenChunk {
  u32 index = kNoChunk;
  u32 bytes = 0;  // what it keeps free at its start included
};

template <class Sync, class Orders = ShardOrders, class OrdersOfKept = KeptOrders>
class Shard {
 public:
  using Word = typename Sync::template Atomic<u64>;

  // Where its first word is from now on; before start().
  void keep_first_in(Word& place) { first_ = &place; }
  // Before any other thread knows of it. False: there is no chunk.
  template <class Room>
  [[nodiscard]] bool start(Room& room) {
    const u32 index = room.take(0);
    if (index == kNoChunk) return false;
    // release: the chunk, for put() (P23)
    active_.store(go_on_at(make_ready(room, index)), Orders::offer);
    return true;
  }

  // Room for `bytes`, filled by copy(char*).
  template <class Room, class Copy>
  Put put(Room& room, u32 bytes, const Copy& copy) {
    // acquire: the chunk made ready, from who offered it (P23)
    u64 active = active_.load(Orders::see);
    for (;;) {
      if (index_of(active) == kNoChunk) return Put::kClosed;
      Chunk<Sync>& chunk = room.chunk(index_of(active));
      u32 offset = 0;
      const Reserved reserved = reserve(chunk, generation_of_active(active), bytes, offset);
      if (reserved == Reserved::kOk) {
        copy(chunk.bytes + offset);
        // release: the record before its hand-over (P24)
        chunk.word.fetch_sub(kOneWriter, Orders::commit);
        return Put::kOk;
      }
      if (reserved == Reserved::kTooMany) return Put::kNoRoom;
      Put end = Put::kNoRoom;
      if (reserved == Reserved::kFull && !move_on(room, active, bytes, end)) return end;
      // acquire: as above (P23)
      const u64 now = active_.load(Orders::see);
      // The flusher is about to go on from it, or what we see is old.
      if (now == active) return Put::kNoRoom;
      active = now;
    }
  }

  // ---- the flusher ----

  // Hands over what is there, though there is room left.
  template <class Room>
  void close_open(Room& room) {
    const u64 active = active_.load(Orders::see);  // acquire: as in put() (P23)
    if (open_bytes(room, active) == 0) return;
    Put ignored;
    (void)move_on(room, active, 0, ignored);
  }
  // Hands over a chunk of more than `bytes` that has no record, if there is another to go on in.
  template <class Room>
  void shrink(Room& room, u32 bytes) {
    const u64 active = active_.load(Orders::see);  // acquire: as in put() (P23)
    if (index_of(active) == kNoChunk || room.chunk(index_of(active)).capacity <= bytes) return;
    // A hint: one that a record comes into meanwhile is closed like any other.
    if (open_bytes(room, active) > 0) return;
    Put ignored;
    (void)move_on(room, active, 0, ignored, Without::kStays);
  }
  // Bytes in the chunk that is open.
  template <class Room>
  [[nodiscard]] u32 open_bytes(Room& room) const {
    return open_bytes(room, active_.load(Orders::see));  // acquire: as in put() (P23)
  }
  // Closes for good. False: not yet, as a chunk before it has no successor or two were closed at
  // once; take() what there is, be done() with it, then call again.
  template <class Room>
  [[nodiscard]] bool finish(Room& room) {
    const u64 active = active_.load(Orders::see);  // acquire: as in put() (P23)
    if (index_of(active) == kNoChunk) return true;
    Chunk<Sync>& chunk = room.chunk(index_of(active));
    const u32 generation = generation_of_active(active);
    u64 next = next_word(generation, kNoChunk, 0);
    // release, and acquire of another's: as in move_on() (P25)
    const bool last = chunk.next.compare_exchange_strong(next, next_word(generation, kFinal, 0),
                                                         Orders::chain, Orders::follow);
    if (last) close(chunk, generation);
    return last || successor_of(next) == kFinal;
  }
  // The oldest chunk, if it is handed over; hold(index, generation, bytes) before the shard lets go
  // of it.
  template <class Room, class Hold>
  [[nodiscard]] bool take(Room& room, TakenChunk& out, const Hold& hold) {
    u64 expected = first();
    if (index_of(expected) == kNoChunk || waiting_) return false;
    const u32 index = index_of(expected);
    Chunk<Sync>& chunk = room.chunk(index);
    // acquire: every record in it, and the successor (P24)
    const u64 word = chunk.word.load(Orders::take);
    if (!is_handed_over(word)) return false;
    out = {index, offset_of(word)};
    hold(index, generation_of(word), out.bytes);
    // relaxed: stored before the close (P24)
    const u64 next = chunk.next.load(std::memory_order_relaxed);
    Ready successor{};
    switch (successor_of(next)) {
      case kFinal:
        break;
      case kEnd: {
        const u32 fresh = room.take(0);
        if (fresh == kNoChunk) {
          waiting_ = true;
          return true;
        }
        successor = make_ready(room, fresh);
        break;
      }
      default:
        successor = {successor_of(next), generation_of_active(active_of_next(next))};
    }
    // Whoever closed it may not have come so far. release: the successor, made ready (P23)
    active_.compare_exchange_strong(expected, go_on_at(successor), Orders::offer,
                                    std::memory_order_relaxed);
    return true;
  }
  // How many chunks take() will give before the one that is open now; those in which a writer still
  // is count.
  template <class Room>
  [[nodiscard]] u32 closed_chunks(Room& room) const {
    u32 count = 0;
    for (u64 at = waiting_ ? 0 : first(); index_of(at) != kNoChunk; ++count) {
      Chunk<Sync>& chunk = room.chunk(index_of(at));
      // acquire: the successor (P24)
      if (!is_closed(chunk.word.load(Orders::take))) break;
      // relaxed: stored before the close (P24)
      const u64 next = chunk.next.load(std::memory_order_relaxed);
      const bool last = successor_of(next) == kEnd || successor_of(next) == kFinal;
      at = last ? active_word(kNoChunk, 0) : active_of_next(next);
    }
    return count;
  }
  // Its bytes are written, and nobody else may need them.
  template <class Room>
  void done(Room& room, const TakenChunk& taken) {
    if (waiting_) {
      go_on_in(room, taken.index);
    } else {
      room.give(taken.index);
    }
  }
  // Goes on where take() found no chunk, if one is free by now.
  template <class Room>
  void go_on(Room& room) {
    if (!waiting_) return;
    if (const u32 fresh = room.take(0); fresh != kNoChunk) go_on_in(room, fresh);
  }
  // Every chunk has been taken, and none comes back: the shard is closed for good.
  [[nodiscard]] bool is_over() const { return abandoned_ || index_of(first()) == kNoChunk; }
  // Leaves what it has as it is when it waits for a chunk: it is over then.
  void abandon() { abandoned_ = waiting_; }

 private:
  enum class Reserved : u8 { kOk, kFull, kTooMany, kOther };
  enum class Without : u8 { kEndsHere, kStays };  // what to do where no chunk is free
  struct Ready {
    u32 index;
    u32 generation;
  };

  // relaxed: only this thread changes it
  [[nodiscard]] u64 first() const { return first_->load(std::memory_order_relaxed); }
  // The active word of it; for the caller to offer.
  u64 go_on_at(Ready ready) {
    const u64 active = active_word(ready.index, ready.generation);
    // release: that the flusher holds what was first, and the chunk made ready (P27)
    first_->store(active, OrdersOfKept::first);
    return active;
  }

  template <class Room>
  void go_on_in(Room& room, u32 index) {
    waiting_ = false;
    // release: our reads of its bytes before the next record (P23)
    active_.store(go_on_at(make_ready(room, index)), Orders::offer);
  }

  Reserved reserve(Chunk<Sync>& chunk, u32 generation, u32 bytes, u32& offset) {
    // relaxed: see above, at the table
    u64 word = chunk.word.load(std::memory_order_relaxed);
    do {
      if (generation_of(word) != generation) return Reserved::kOther;
      offset = offset_of(word);
      if (is_closed(word) || bytes > chunk.capacity - offset) return Reserved::kFull;
      if (writers_of(word) == kWritersMax) return Reserved::kTooMany;
    } while (!chunk.word.compare_exchange_weak(
        word, word + kOneWriter + bytes, std::memory_order_relaxed, std::memory_order_relaxed));
    return Reserved::kOk;
  }

  // Opens a chunk that nobody else knows; it may be offered then.
  template <class Room>
  static Ready make_ready(Room& room, u32 index) {
    Chunk<Sync>& chunk = room.chunk(index);
    // relaxed: the chunk is ours, by P22 or P24, and is offered by P23 or P25
    const u64 old = chunk.word.load(std::memory_order_relaxed);
    const u32 generation = (generation_of(old) + 1) % kGenerations;
    chunk.next.store(next_word(generation, kNoChunk, 0), std::memory_order_relaxed);
    chunk.word.store(open_word(generation) | room.head_bytes(index), std::memory_order_relaxed);
    return {index, generation};
  }

  // Gives the chunk behind `active` a successor, closes it, and moves `active` there. False: there
  // is none, for the reason in `end`.
  template <class Room>
  bool move_on(Room& room, u64 active, u32 bytes, Put& end, Without without = Without::kEndsHere) {
    Chunk<Sync>& chunk = room.chunk(index_of(active));
    const u32 generation = generation_of_active(active);
    // acquire: the successor made ready, from who chained it (P25)
    u64 next = chunk.next.load(Orders::follow);
    if (next == next_word(generation, kNoChunk, 0)) {
      const u32 fresh = room.take(bytes);
      // A record that a whole chunk of this size could not hold is no reason to close it.
      const u32 most = chunk.capacity - room.head_bytes(index_of(active));
      if (fresh == kNoChunk && (bytes > most || without == Without::kStays)) return false;
      const Ready ready = fresh == kNoChunk ? Ready{kEnd, 0} : make_ready(room, fresh);
      const u64 wanted = next_word(generation, ready.index, ready.generation);
      // release: the successor made ready; acquire: another's (P25)
      if (chunk.next.compare_exchange_strong(next, wanted, Orders::chain, Orders::follow)) {
        next = wanted;
      } else if (fresh != kNoChunk) {
        // relaxed: nobody has seen it
        room.chunk(fresh).word.store(open_word(ready.generation) | kClosedBit,
                                     std::memory_order_relaxed);
        room.give(fresh);
      }
    }
    if (generation_of_next(next) != generation) return true;  // written long since
    close(chunk, generation);
    const u32 successor = successor_of(next);
    end = successor == kFinal ? Put::kClosed : Put::kNoRoom;
    if (successor == kFinal || successor == kEnd) return false;
    // release: the successor made ready (P23)
    active_.compare_exchange_strong(active, active_of_next(next), Orders::offer,
                                    std::memory_order_relaxed);
    return true;
  }

  // The chunk has a successor by now, which the caller has stored or seen.
  static void close(Chunk<Sync>& chunk, u32 generation) {
    u64 word = chunk.word.load(std::memory_order_relaxed);
    do {
      if (generation_of(word) != generation || is_closed(word)) return;
      // release: the successor before the hand-over (P24)
    } while (!chunk.word.compare_exchange_weak(word, word | kClosedBit, Orders::close,
                                               std::memory_order_relaxed));
  }

  template <class Room>
  [[nodiscard]] u32 open_bytes(Room& room, u64 active) const {
    if (index_of(active) == kNoChunk) return 0;
    // relaxed: a hint
    const u64 word = room.chunk(index_of(active)).word.load(std::memory_order_relaxed);
    if (generation_of(word) != generation_of_active(active) || is_closed(word)) return 0;
    return offset_of(word) - room.head_bytes(index_of(active));
  }

  alignas(64) typename Sync::template Atomic<u64> active_{0};
  alignas(64) Word own_first_{0};
  Word* first_ = &own_first_;  // the oldest chunk that was not taken, as an active word
  bool waiting_ = false;       // for a chunk: it has none to go on in
  bool abandoned_ = false;
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_SHARD_H_
