// The memory of all streams of a process, or of one that survives a kill: chunks of three sizes,
// cut from one reservation.
//
// Half of the pool is small chunks (64 KiB), an eighth medium ones (1 MiB), the rest large ones (8
// MiB); what does not come out even becomes small chunks. A chunk is offered to writers only after
// its pages are there (provide()), so that no store of theirs faults. What was ready and not needed
// for kKeepNs goes back to the system, but for the few that are always kept ready.
//
// Threading: take(), give(), chunk() any, never block; provide() any, one works at a time.
#ifndef SLUICE_SRC_STREAM_POOL_H_
#define SLUICE_SRC_STREAM_POOL_H_

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "base/status.h"
#include "stream/chunk_stack.h"
#include "stream/framing.h"
#include "stream/kept_memory.h"

namespace sluice::stream {

class Pool {
 public:
  static constexpr u32 kSizes = 3;
  static constexpr u32 kBytesOf[kSizes] = {64u << 10, 1u << 20, 8u << 20};
  static constexpr u64 kBytesMin = u64{1} << 20;
  static constexpr i64 kKeepNs = 10'000'000'000;

  [[nodiscard]] static Result<std::unique_ptr<Pool>> make(u64 bytes);
  // In memory that outlives the process and was made for bytes_of(bytes); it must outlive the pool.
  [[nodiscard]] static Result<std::unique_ptr<Pool>> make(u64 bytes, KeptMemory& kept);
  // How much a pool has of what it is given.
  [[nodiscard]] static u64 bytes_of(u64 bytes) {
    return std::max(bytes, kBytesMin) / kBytesOf[0] * kBytesOf[0];
  }
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  [[nodiscard]] RealChunk& chunk(u32 index) { return chunks_[index]; }
  [[nodiscard]] const RealChunk& chunk(u32 index) const { return chunks_[index]; }
  // A chunk of the size class; kNoChunk: none is ready.
  [[nodiscard]] u32 take(u32 size);
  void give(u32 index);

  // Faults in what may be needed next, and gives back what was not for long, by a clock that only
  // goes forward. False: there was nothing to do.
  bool provide(i64 now_ns);
  // Faults in small chunks until so many are ready. False: the pool is too full.
  [[nodiscard]] bool provide_small(u32 count);

  // The largest chunk there is.
  [[nodiscard]] u32 chunk_bytes_max() const { return chunk_bytes_max_; }
  [[nodiscard]] u32 small_chunks() const { return sizes_[0].count; }
  // Of chunks whose pages are there.
  [[nodiscard]] u64 memory_bytes() const { return memory_bytes_.load(std::memory_order_relaxed); }

 private:
  struct Size {
    ChunkStack<detail::RealSync> ready;
    u32 first = 1;  // index
    u32 count = 0;
    std::vector<u32> absent;  // those without pages, under providing_
    u32 spare = ~0u;          // so many were ready all the time since spare_since_ns_
    // relaxed: hints
    std::atomic<u32> ready_count{0};
    std::atomic<bool> wanted{false};  // somebody found none
  };

  explicit Pool(u64 bytes);
  // Cuts the chunks out of memory_.
  void cut();
  [[nodiscard]] u32 size_of(u32 index) const;
  [[nodiscard]] u32 target_of(u32 size) const;
  bool fault_in(u32 size);
  bool fault_in_all();
  bool discard(u32 size);
  bool discard_spare();

  const u64 bytes_;
  char* memory_ = nullptr;
  RealChunk* chunks_ = nullptr;
  std::unique_ptr<RealChunk[]> own_chunks_;
  KeptMemory* kept_ = nullptr;  // of whom memory and chunks are then
  Size sizes_[kSizes];
  u32 chunk_bytes_max_ = 0;
  std::atomic<u64> memory_bytes_{0};  // relaxed: for who asks
  std::mutex providing_;
  i64 spare_since_ns_ = 0;
};

// What one stream may have of the pool, for its shards.
class Room {
 public:
  // So many bytes, in chunks that are not larger than they must be, or than `chunk_bytes_max`.
  // `framing` must outlive it.
  Room(Pool& pool, const FileFraming& framing, u64 bytes_max, u64 chunk_bytes_max = ~u64{0})
      : pool_(&pool), framing_(framing), bytes_max_(bytes_max), chunk_bytes_max_(chunk_bytes_max) {}

  // From another pool; before the first chunk is taken.
  void use(Pool& pool) { pool_ = &pool; }
  [[nodiscard]] RealChunk& chunk(u32 index) { return pool_->chunk(index); }
  [[nodiscard]] u32 head_bytes(u32 index) const {
    return framing_.head_bytes(pool_->chunk(index).capacity);
  }
  // For a record of `bytes`, by a writer; 0: by the flusher. Larger chunks the faster they fill.
  [[nodiscard]] u32 take(u32 bytes);
  void give(u32 index);
  // Takes small chunks again when none was needed for a while. Whether that is so.
  bool calm_down(i64 now_ns);
  // In chunks that it has.
  [[nodiscard]] u64 bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // What the longest record may take while each of so many shards keeps a small chunk.
  [[nodiscard]] u32 record_bytes_max(u32 shards) const;

 private:
  [[nodiscard]] u32 take_of(u32 size);
  void adapt();

  Pool* pool_;
  const FileFraming& framing_;
  const u64 bytes_max_;
  const u64 chunk_bytes_max_;
  // relaxed: limits and hints, no data hangs on them
  std::atomic<u64> bytes_{0};
  std::atomic<u32> size_{0};
  std::atomic<i64> last_take_ns_{0};
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_POOL_H_
