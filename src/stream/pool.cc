#include "stream/pool.h"

#include <algorithm>
#include <string>

#include "os/memory.h"
#include "os/process.h"

namespace sluice::stream {
namespace {

// relaxed, in all of this file: hints and limits; chunks go from hand to hand by P22.
// Chunks kept ready, of each size: at first, and once somebody found none.
constexpr u32 kReady[Pool::kSizes] = {32, 2, 1};
constexpr u32 kReadyWanted[Pool::kSizes] = {64, 4, 2};
// In a pool of one stream.
constexpr u32 kReadyOfOne[Pool::kSizes] = {8, 1, 0};
constexpr u32 kReadyOfOneWanted[Pool::kSizes] = {16, 2, 1};

constexpr i64 kFastNs = 10'000'000;     // a chunk filled faster: take larger ones
constexpr i64 kSlowNs = 1'000'000'000;  // and slower: small ones

}  // namespace

Pool::Pool(u64 bytes) : bytes_(bytes) {
  sizes_[1].count = u32(bytes / 8 / kBytesOf[1]);
  sizes_[2].count = u32(bytes * 3 / 8 / kBytesOf[2]);
  u64 left = bytes;
  for (u32 size = 1; size < kSizes; ++size) {
    left -= u64{sizes_[size].count} * kBytesOf[size];
    if (sizes_[size].count > 0) chunk_bytes_max_ = kBytesOf[size];
  }
  sizes_[0].count = u32(left / kBytesOf[0]);
  if (chunk_bytes_max_ == 0) chunk_bytes_max_ = kBytesOf[0];
}

void Pool::cut() {
  char* at = memory_;
  u32 index = 1;
  for (u32 size = kSizes; size-- > 0;) {  // the large ones first: they stay aligned
    sizes_[size].first = index;
    for (u32 i = 0; i < sizes_[size].count; ++i, ++index, at += kBytesOf[size]) {
      chunks_[index].bytes = at;
      chunks_[index].capacity = kBytesOf[size];
    }
    // The first of them is the first that fault_in() takes.
    sizes_[size].absent.reserve(sizes_[size].count);
    for (u32 i = sizes_[size].count; i-- > 0;)
      sizes_[size].absent.push_back(sizes_[size].first + i);
  }
  (void)fault_in_all();
}

Result<std::unique_ptr<Pool>> Pool::make(u64 bytes) {
  std::unique_ptr<Pool> pool(new Pool(bytes_of(bytes)));
  const u32 total = pool->sizes_[0].count + pool->sizes_[1].count + pool->sizes_[2].count;
  if (total > kChunksMax) return fatal("a pool of streams is at most 64 GiB");
  pool->memory_ = static_cast<char*>(os::reserve(pool->bytes_));
  if (pool->memory_ == nullptr || os::map_zero(pool->memory_, pool->bytes_) < 0) {
    return Status(ErrorClass::kRetryable,
                  "no address space for a pool of " + std::to_string(bytes) + " bytes");
  }
  pool->own_chunks_ = std::make_unique<RealChunk[]>(total + 1);
  pool->chunks_ = pool->own_chunks_.get();
  // Those of 8 MiB, which come first: the kernel prepares a write of large pages faster.
  os::prefer_large_pages(pool->memory_, u64{pool->sizes_[2].count} * kBytesOf[2]);
  pool->cut();
  return pool;
}

Result<std::unique_ptr<Pool>> Pool::make(u64 bytes, KeptMemory& kept) {
  std::unique_ptr<Pool> pool(new Pool(bytes_of(bytes)));
  pool->kept_ = &kept;
  pool->memory_ = kept.memory();
  pool->chunks_ = kept.chunks();
  pool->cut();
  return pool;
}

Pool::~Pool() {
  if (memory_ != nullptr && kept_ == nullptr) os::release(memory_, bytes_);
}

u32 Pool::size_of(u32 index) const {
  return index >= sizes_[0].first ? 0 : index >= sizes_[1].first ? 1 : 2;
}

u32 Pool::take(u32 size) {
  const u32 index = sizes_[size].ready.take(chunks_);
  if (index == kNoChunk) {
    sizes_[size].wanted.store(true, std::memory_order_relaxed);
  } else {
    sizes_[size].ready_count.fetch_sub(1, std::memory_order_relaxed);
  }
  return index;
}

void Pool::give(u32 index) {
  Size& size = sizes_[size_of(index)];
  size.ready_count.fetch_add(1, std::memory_order_relaxed);
  size.ready.give(chunks_, index);
}

u32 Pool::target_of(u32 number) const {
  const bool wanted = sizes_[number].wanted.load(std::memory_order_relaxed);
  if (kept_ != nullptr) return (wanted ? kReadyOfOneWanted : kReadyOfOne)[number];
  return (wanted ? kReadyWanted : kReady)[number];
}

bool Pool::fault_in(u32 number) {
  Size& size = sizes_[number];
  if (size.absent.empty()) return false;
  const RealChunk& chunk = chunks_[size.absent.back()];
  const int error = kept_ ? kept_->provide(chunk.bytes, chunk.capacity)
                          : os::populate(chunk.bytes, chunk.capacity);
  if (error < 0) return false;
  memory_bytes_.fetch_add(chunk.capacity, std::memory_order_relaxed);
  give(size.absent.back());
  size.absent.pop_back();
  return true;
}

bool Pool::fault_in_all() {
  bool did = false;
  for (u32 number = 0; number < kSizes; ++number) {
    const u32 target = target_of(number);
    while (sizes_[number].ready_count.load(std::memory_order_relaxed) < target &&
           fault_in(number)) {
      did = true;
    }
  }
  return did;
}

// One that is ready. False: there is none, or the system does not take it.
bool Pool::discard(u32 number) {
  const u32 index = take(number);
  if (index == kNoChunk) return false;
  const RealChunk& chunk = chunks_[index];
  const int error = kept_ ? kept_->discard(chunk.bytes, chunk.capacity)
                          : os::discard(chunk.bytes, chunk.capacity);
  if (error < 0) {
    give(index);
    return false;
  }
  memory_bytes_.fetch_sub(chunk.capacity, std::memory_order_relaxed);
  sizes_[number].absent.push_back(index);
  return true;
}

bool Pool::discard_spare() {
  bool did = false;
  for (u32 number = 0; number < kSizes; ++number) {
    Size& size = sizes_[number];
    size.wanted.store(false, std::memory_order_relaxed);
    const u32 target = target_of(number);
    for (; size.spare > target && discard(number); --size.spare) did = true;
    size.spare = ~0u;
  }
  return did;
}

bool Pool::provide(i64 now_ns) {
  const std::unique_lock lock(providing_, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  for (Size& size : sizes_) {
    size.spare = std::min(size.spare, size.ready_count.load(std::memory_order_relaxed));
  }
  if (spare_since_ns_ == 0) spare_since_ns_ = now_ns;
  bool did = false;
  if (now_ns - spare_since_ns_ >= kKeepNs) {
    spare_since_ns_ = now_ns;
    did = discard_spare();
  }
  return fault_in_all() || did;
}

bool Pool::provide_small(u32 count) {
  const std::scoped_lock lock(providing_);
  while (sizes_[0].ready_count.load(std::memory_order_relaxed) < count) {
    if (!fault_in(0)) return false;
  }
  return true;
}

void Room::adapt() {
  const i64 now = os::monotonic_ns();
  const i64 past = now - last_take_ns_.exchange(now, std::memory_order_relaxed);
  const u32 size = size_.load(std::memory_order_relaxed);
  if (past < kFastNs && size + 1 < Pool::kSizes) {
    size_.store(size + 1, std::memory_order_relaxed);
  } else if (past > kSlowNs) {
    size_.store(0, std::memory_order_relaxed);
  }
}

bool Room::calm_down(i64 now_ns) {
  if (now_ns - last_take_ns_.load(std::memory_order_relaxed) <= kSlowNs) return false;
  size_.store(0, std::memory_order_relaxed);
  return true;
}

u32 Room::take_of(u32 size) {
  const u64 bytes = Pool::kBytesOf[size];
  if (bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= bytes_max_) {
    const u32 index = pool_->take(size);
    if (index != kNoChunk) return index;
  }
  bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  return kNoChunk;
}

u32 Room::take(u32 bytes) {
  if (bytes > 0) adapt();
  const auto room_in = [this](u32 size) {
    return Pool::kBytesOf[size] - framing_.head_bytes(Pool::kBytesOf[size]);
  };
  u32 least = 0;
  while (least + 1 < Pool::kSizes && room_in(least) < bytes) ++least;
  u32 most = size_.load(std::memory_order_relaxed);
  while (most > least && Pool::kBytesOf[most] > chunk_bytes_max_) --most;
  u32 index = kNoChunk;
  for (u32 size = std::max(least, most) + 1; size-- > least && index == kNoChunk;) {
    index = take_of(size);
  }
  if (index != kNoChunk) pool_->chunk(index).ready_ns = os::wall_ns();
  return index;
}

u32 Room::record_bytes_max(u32 shards) const {
  const u64 left = bytes_max_ - u64{shards} * Pool::kBytesOf[0];
  u32 size = Pool::kSizes - 1;
  while (size > 0 &&
         (Pool::kBytesOf[size] > left || Pool::kBytesOf[size] > pool_->chunk_bytes_max())) {
    --size;
  }
  return Pool::kBytesOf[size] - framing_.head_bytes(Pool::kBytesOf[size]);
}

void Room::give(u32 index) {
  bytes_.fetch_sub(pool_->chunk(index).capacity, std::memory_order_relaxed);
  pool_->give(index);
}

}  // namespace sluice::stream
