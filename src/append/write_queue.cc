#include "append/write_queue.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "os/process.h"

namespace sluice::append {

class WriteQueue::Locked {
 public:
  explicit Locked(const WriteQueue& queue) : queue_(queue) { queue_.lock_.lock(os::yield); }
  ~Locked() { queue_.lock_.unlock(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  const WriteQueue& queue_;
};

bool WriteQueue::Chunk::fits(std::size_t bytes) const {
  return used + bytes + sizeof(u32) * (writes + 1) <= capacity;
}

void WriteQueue::Chunk::add(std::string_view prefix, std::string_view bytes) {
  if (!prefix.empty()) std::memcpy(data.get() + used, prefix.data(), prefix.size());
  used += prefix.size();
  if (!bytes.empty()) std::memcpy(data.get() + used, bytes.data(), bytes.size());
  used += bytes.size();
  ++writes;
  const u32 end = u32(used);
  std::memcpy(data.get() + capacity - sizeof end * writes, &end, sizeof end);
}

std::size_t WriteQueue::Chunk::end_of(std::size_t write) const {
  u32 end = 0;
  std::memcpy(&end, data.get() + capacity - sizeof end * (write + 1), sizeof end);
  return end;
}

WriteQueue::WriteQueue(u64 bytes_max)
    : bytes_max_(std::clamp<u64>(bytes_max, kChunkBytes, u64{1} << 30)) {}

WriteQueue::~WriteQueue() {
  // One by one: a chain of thousands of chunks would end in as many calls within each other.
  while (first_) first_ = std::move(first_->next);
}

std::unique_ptr<WriteQueue::Chunk> WriteQueue::make_chunk(std::size_t capacity) {
  std::unique_ptr<Chunk> chunk(new (std::nothrow) Chunk);
  if (!chunk) return nullptr;
  chunk->data.reset(new (std::nothrow) char[capacity]);
  if (!chunk->data) return nullptr;
  chunk->capacity = capacity;
  return chunk;
}

void WriteQueue::link(std::unique_ptr<Chunk> chunk) {
  Chunk* const added = chunk.get();
  (last_ ? last_->next : first_) = std::move(chunk);
  last_ = added;
}

Admission WriteQueue::verdict(std::size_t bytes) {
  if (ended_) return Admission::kStopped;
  if (bytes > bytes_max_) return Admission::kDroppedTooBig;
  return bytes > bytes_max_ - counts_.waiting_bytes ? Admission::kDroppedFull : Admission::kOk;
}

Admission WriteQueue::put(std::string_view prefix, std::string_view bytes,
                          const std::atomic<bool>& reader_sleeps, bool& wake) {
  const std::size_t size = prefix.size() + bytes.size();
  const bool alone = size > kAloneBytes;
  bool no_memory = false;
  std::unique_ptr<Chunk> fresh;  // outlives the lock: memory is given back outside
  for (;;) {
    {
      const Locked locked(*this);
      Admission result = verdict(size);
      if (result == Admission::kOk && no_memory) result = Admission::kDroppedNoMemory;
      if (result != Admission::kOk) {
        switch (result) {
          case Admission::kStopped:
            ++counts_.refused_stopped;
            break;
          case Admission::kDroppedTooBig:
            ++counts_.refused_too_big;
            break;
          case Admission::kDroppedNoMemory:
            ++counts_.refused_no_memory;
            break;
          default:
            ++counts_.refused_full;
        }
        return result;
      }
      const bool in_last = !alone && last_ && last_->fits(size);
      if (!in_last && !fresh && !alone && spares_count_ > 0) {
        fresh = std::move(spares_[--spares_count_]);
      }
      if (in_last || fresh) {
        if (!in_last) link(std::move(fresh));
        if (!alone) last_->add(prefix, bytes);
        ++counts_.accepted;
        counts_.accepted_bytes += size;
        counts_.waiting_bytes += size;
        // relaxed: the reader says that it sleeps, then looks here under the lock (P21)
        wake = reader_sleeps.load(std::memory_order_relaxed);
        return Admission::kOk;
      }
    }
    fresh = make_chunk(alone ? size + sizeof(u32) : kChunkBytes);
    if (fresh && alone) fresh->add(prefix, bytes);
    no_memory = !fresh;
  }
}

Admission WriteQueue::refuse_too_big() {
  const Locked locked(*this);
  ++counts_.refused_too_big;
  return Admission::kDroppedTooBig;
}

void WriteQueue::end() {
  const Locked locked(*this);
  ended_ = true;
}

bool WriteQueue::has_room(u64 bytes) const {
  const Locked locked(*this);
  return bytes <= bytes_max_ - counts_.waiting_bytes;
}

bool WriteQueue::has_ended() const {
  const Locked locked(*this);
  return ended_;
}

bool WriteQueue::is_over() const {
  const Locked locked(*this);
  return ended_ && counts_.waiting_bytes == 0;
}

std::string_view WriteQueue::front() {
  std::unique_ptr<Chunk> surplus;  // given back outside the lock
  const Locked locked(*this);
  while (first_ && first_->taken == first_->used) {
    if (first_.get() == last_) return {};
    std::unique_ptr<Chunk> done = std::exchange(first_, std::move(first_->next));
    if (done->capacity == kChunkBytes && spares_count_ < kSparesMax) {
      done->used = done->taken = done->writes = 0;
      spares_[spares_count_++] = std::move(done);
    } else {
      done->next = std::move(surplus);
      surplus = std::move(done);
    }
  }
  if (!first_) return {};
  return {first_->data.get() + first_->taken, first_->used - first_->taken};
}

void WriteQueue::pop(std::size_t bytes) {
  const Locked locked(*this);
  first_->taken += bytes;
  counts_.waiting_bytes -= bytes;
}

u64 WriteQueue::skip_rest_of_write() {
  const Locked locked(*this);
  if (!first_ || first_->taken == 0) return 0;
  std::size_t low = 0, high = first_->writes;  // the first write that ends at or behind taken
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (first_->end_of(middle) < first_->taken) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const std::size_t rest = first_->end_of(low) - first_->taken;
  first_->taken += rest;
  counts_.waiting_bytes -= rest;
  return rest;
}

u64 WriteQueue::skip_all() {
  std::unique_ptr<Chunk> all;
  u64 skipped = 0;
  {
    const Locked locked(*this);
    all = std::move(first_);
    last_ = nullptr;
    skipped = std::exchange(counts_.waiting_bytes, 0);
  }
  while (all) all = std::move(all->next);
  return skipped;
}

void WriteQueue::count(ProxyStatistics& out) const {
  const Locked locked(*this);
  out.accepted = counts_.accepted;
  out.refused_full = counts_.refused_full;
  out.refused_too_big = counts_.refused_too_big;
  out.refused_no_memory = counts_.refused_no_memory;
  out.refused_stopped = counts_.refused_stopped;
  out.accepted_bytes = counts_.accepted_bytes;
  out.waiting_bytes = counts_.waiting_bytes;
}

}  // namespace sluice::append
