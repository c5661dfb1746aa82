// The journal: the region's one merged queue, written by the consumer and read by every sink.
//
//   position 0 ───── reclaimed ══ batch ══ batch ══ batch ══ committed ─────► monotonic u64
//                                   │ each sink reads from its own position
//
// A batch is a BatchHeader, the threads whose records are in it, and the records. It says
// everything that is needed to read it alone: first sequence, clock, threads, ring positions after
// it. Batches wrap word by word; a reader copies one to private memory before it looks at the
// records.
//
// The consumer commits a batch by one release store. It overwrites a batch only when every required
// sink has passed it (their positions, P4), and first says so in `reclaimed`; a best-effort sink
// copies, then asks `reclaimed` again, and throws the copy away if it was passed (a seqlock whose
// orders are on the words: P5).
//
// | pair | released by                         | acquired by                                   |
// |------|-------------------------------------|-----------------------------------------------|
// | P3   | committed, in commit()              | JournalReader::read(): the batch's words      |
// | P4   | a sink's position, in its owner     | JournalWriter::make_space(): its reads done   |
// | P5   | words, in put_words()               | JournalReader: `reclaimed` behind the words   |
// | P11  | reclaimed, in make_space()          | skip_to_oldest(): a `committed` not behind it |
//
// Threading: one writer at a time; any number of readers, each with a JournalReader of its own.
// Neither side allocates, waits or makes a system call.
#ifndef SLUICE_SRC_RING_JOURNAL_H_
#define SLUICE_SRC_RING_JOURNAL_H_

#include "base/bytes.h"
#include "base/crc32c.h"
#include "sluice/detail/ring.h"

namespace sluice {

struct BatchHeader {
  u32 magic;
  u32 bytes;  // the whole batch, a multiple of 8
  u64 first_sequence;
  u64 callers_before;  // caller records in all batches before this one
  u64 ticks;           // clock: wall time = wall_ns + (t - ticks) * ns_per_tick_2_32 / 2^32
  i64 wall_ns;
  u64 ns_per_tick_2_32;
  u16 records;
  u16 callers;  // how many of them callers wrote
  u16 threads;
  u16 clock_epoch;
  u32 record_bytes;
  u32 crc;  // CRC32C of this header with crc = 0, and of the threads
};
static_assert(sizeof(BatchHeader) == 64);

struct BatchThread {
  u16 slot;
  u16 of_sink;  // 1: a thread of a sink, whose records go to no callback
  u32 generation;
  u64 position;  // the slot's ring is consumed up to here once this batch is committed
  u32 tid;
  u32 zero2;
  char name[16];
};
static_assert(sizeof(BatchThread) == 40);

inline constexpr u32 kBatchMagic = 0x31424c53;        // "SLB1"
inline constexpr u32 kBatchRecordsBytes = 64 * 1024;  // a longer record has a batch of its own
inline constexpr u32 kBatchThreadsMax = 1024;
inline constexpr u32 kBatchGrowthMax = 8 * 1024;  // what the merge may add to a record
inline constexpr u32 kBatchBytesMax = sizeof(BatchHeader) + kBatchThreadsMax * sizeof(BatchThread) +
                                      kBatchRecordsBytes + 256 * 1024 + kBatchGrowthMax;

[[nodiscard]] inline u32 batch_crc(BatchHeader header, const void* threads) {
  header.crc = 0;
  return crc32c(threads, std::size_t{header.threads} * sizeof(BatchThread),
                crc32c(&header, sizeof header));
}

// What holds of every batch, whoever wrote it.
[[nodiscard]] inline bool plausible(const BatchHeader& header, u64 capacity) {
  return header.magic == kBatchMagic && header.bytes % 8 == 0 && header.bytes <= capacity &&
         header.bytes <= kBatchBytesMax && header.callers <= header.records &&
         u64{header.bytes} ==
             sizeof header + u64{header.threads} * sizeof(BatchThread) + u64{header.record_bytes};
}

struct JournalSync : detail::RealSync {
  static void store_word(void* to, u64 value, std::memory_order order) {
    reinterpret_cast<std::atomic<u64>*>(to)->store(value, order);
  }
  static u64 load_word(const void* from, std::memory_order order) {
    return reinterpret_cast<const std::atomic<u64>*>(from)->load(order);
  }
};

struct JournalOrders {
  static constexpr std::memory_order publish_committed = std::memory_order_release;  // P3
  static constexpr std::memory_order read_committed = std::memory_order_acquire;     // P3
  static constexpr std::memory_order publish_cursor = std::memory_order_release;     // P4
  static constexpr std::memory_order read_cursor = std::memory_order_acquire;        // P4
  static constexpr std::memory_order store_word = std::memory_order_release;         // P5
  static constexpr std::memory_order load_word = std::memory_order_acquire;          // P5
  static constexpr std::memory_order publish_reclaimed = std::memory_order_release;  // P11
  static constexpr std::memory_order read_reclaimed = std::memory_order_acquire;     // P11
};

template <class Sync>
struct JournalPlace {
  using Word = typename Sync::template Atomic<u64>;
  char* data = nullptr;
  u64 capacity = 0;  // a power of two
  Word* committed = nullptr;
  Word* reclaimed = nullptr;
  Word* reclaimed_sequence = nullptr;

  [[nodiscard]] char* at(u64 position) const { return data + (position & (capacity - 1)); }
  // How many of `bytes` from `position` on lie before the journal's end.
  [[nodiscard]] u64 run(u64 position, u64 bytes) const {
    const u64 to_end = capacity - (position & (capacity - 1));
    return bytes < to_end ? bytes : to_end;
  }
};

template <class Sync, class Orders = JournalOrders>
class JournalWriter {
 public:
  JournalWriter() = default;
  // Goes on after `position` with reclaimed batches up to `reclaimed`.
  JournalWriter(const JournalPlace<Sync>& place, u64 position, u64 reclaimed)
      : place_(place), position_(position), reclaimed_(reclaimed) {}

  [[nodiscard]] u64 position() const { return position_; }

  // Makes `bytes` writable behind position(), giving up old batches that end at or before `floor`:
  // the lowest position of the required sinks (loaded with Orders::read_cursor). False: no room.
  bool make_space(u64 bytes, u64 floor) {
    if (position_ + bytes - reclaimed_ <= place_.capacity) return true;
    u64 sequence = 0;
    u64 reclaim = reclaimed_;
    while (position_ + bytes - reclaim > place_.capacity) {
      BatchHeader header;
      get_words(&header, reclaim, sizeof header);
      // Only in a dead process's region that something wrote over: no reader gets past this place,
      // all that is left of it is the end.
      if (!plausible(header, place_.capacity) || header.bytes > position_ - reclaim) {
        header.bytes = u32(position_ - reclaim);
      }
      if (reclaim + header.bytes > floor) return false;
      reclaim += header.bytes;
      sequence = header.first_sequence + header.records;
    }
    reclaimed_ = reclaim;
    // relaxed: a label, told with `reclaimed`
    place_.reclaimed_sequence->store(sequence, std::memory_order_relaxed);
    // release: `committed` as we left it, for the acquire in skip_to_oldest() (P11). The words that
    // overwrite come behind this by their own release stores (P5).
    place_.reclaimed->store(reclaim, Orders::publish_reclaimed);
    return true;
  }

  // Copies whole words to `position`, which make_space() has made writable.
  void put_words(u64 position, const void* from, u64 bytes) {
    const char* source = static_cast<const char*>(from);
    while (bytes != 0) {
      char* const to = place_.at(position);
      const u64 run = place_.run(position, bytes);
      for (u64 i = 0; i < run; i += 8) {
        // release: behind `reclaimed`, for the acquire in JournalReader::copy() (P5)
        Sync::store_word(to + i, Sync::read_word(source + i), Orders::store_word);
      }
      source += run;
      position += run;
      bytes -= run;
    }
  }

  // Publishes the batch that starts at position(): its words are all in place.
  void commit(u64 bytes) {
    position_ += bytes;
    // release: the batch before the acquire in JournalReader::read() (P3)
    place_.committed->store(position_, Orders::publish_committed);
  }

 private:
  void get_words(void* to, u64 position, u64 bytes) {
    // relaxed: the writer reads back what it, or the writer before it, has stored.
    for (u64 i = 0; i < bytes; i += 8) {
      store(static_cast<char*>(to) + i,
            Sync::load_word(place_.at(position + i), std::memory_order_relaxed));
    }
  }

  JournalPlace<Sync> place_;
  u64 position_ = 0;
  u64 reclaimed_ = 0;
};

enum class JournalRead {
  kBatch,    // a batch was copied
  kNothing,  // no batch beyond the position yet
  kPassed,   // the writer has reclaimed what was to be read: see skip_to_oldest()
  kDamaged,  // what stands at the position is no batch
};

template <class Sync, class Orders = JournalOrders>
class JournalReader {
 public:
  JournalReader() = default;
  JournalReader(const JournalPlace<Sync>& place, u64 position)
      : place_(place), position_(position) {}

  [[nodiscard]] u64 position() const { return position_; }

  // Copies the batch at position() to `to` (at least kBatchBytesMax bytes) without moving.
  JournalRead read(char* to) const {
    // acquire: pairs with the release in commit() (P3)
    const u64 committed = place_.committed->load(Orders::read_committed);
    if (position_ == committed) return JournalRead::kNothing;
    if (position_ % 8 != 0) return JournalRead::kDamaged;
    BatchHeader header;
    copy(&header, position_, sizeof header);
    if (passed()) return JournalRead::kPassed;
    if (committed - position_ > place_.capacity || !plausible(header, place_.capacity) ||
        header.bytes > committed - position_) {
      return JournalRead::kDamaged;
    }
    store(to, header);
    copy(to + sizeof header, position_ + sizeof header, header.bytes - sizeof header);
    if (passed()) return JournalRead::kPassed;
    if (header.crc != batch_crc(header, to + sizeof header)) return JournalRead::kDamaged;
    return JournalRead::kBatch;
  }

  void advance(u64 bytes) { position_ += bytes; }
  // After kPassed: goes on with the oldest batch still kept.
  void skip_to_oldest() {
    // acquire: pairs with the release in make_space() (P11); a `committed` from before it would lie
    // behind the new position, and look like damage
    position_ = place_.reclaimed->load(Orders::read_reclaimed);
  }

 private:
  void copy(void* to, u64 position, u64 bytes) const {
    char* target = static_cast<char*>(to);
    while (bytes != 0) {
      const char* const from = place_.at(position);
      const u64 run = place_.run(position, bytes);
      for (u64 i = 0; i < run; i += 8) {
        // acquire: if this word is newer than the batch, `reclaimed` says so from here on (P5)
        store(target + i, Sync::load_word(from + i, Orders::load_word));
      }
      target += run;
      position += run;
      bytes -= run;
    }
  }
  [[nodiscard]] bool passed() const {
    // relaxed: ordered behind the words by their acquire loads (P5)
    return place_.reclaimed->load(std::memory_order_relaxed) > position_;
  }

  JournalPlace<Sync> place_;
  u64 position_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_SRC_RING_JOURNAL_H_
