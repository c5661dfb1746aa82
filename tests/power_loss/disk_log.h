// What a disk was told, in order, in memory that two processes share: writes, their ends, flushes.
//
// Threading: one process adds, others read what lies below size(), at any time.
#ifndef SLUICE_TESTS_POWER_LOSS_DISK_LOG_H_
#define SLUICE_TESTS_POWER_LOSS_DISK_LOG_H_

#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <optional>
#include <span>

#include "base/bytes.h"

namespace sluice::power_loss {

class SharedBytes {
 public:
  explicit SharedBytes(u64 size)
      : memory_(::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)),
        size_(size) {}
  ~SharedBytes() {
    if (*this) ::munmap(memory_, size_);
  }
  SharedBytes(const SharedBytes&) = delete;
  SharedBytes& operator=(const SharedBytes&) = delete;

  explicit operator bool() const { return memory_ != MAP_FAILED; }
  [[nodiscard]] std::span<std::byte> get() const {
    return {static_cast<std::byte*>(memory_), size_};
  }

 private:
  void* const memory_;
  const u64 size_;
};

enum class DiskEvent : u32 { kWrite, kEnd, kFlush };

struct DiskEntry {
  DiskEvent event;
  u32 bytes;   // of a write
  u64 offset;  // of a write, on the disk
  u64 entry;   // of an end: which write
  u64 data;    // of a write: where its bytes are in the log's memory
};

class DiskLog {
 public:
  explicit DiskLog(u64 bytes) : memory_(bytes) {}
  [[nodiscard]] bool ok() const { return bool(memory_); }

  // acquire: the entries below, of the release in add()
  [[nodiscard]] u64 size() const { return head().entries.load(std::memory_order_acquire); }
  [[nodiscard]] const DiskEntry& at(u64 i) const { return entries()[i]; }
  [[nodiscard]] std::span<const std::byte> bytes_of(const DiskEntry& write) const {
    return memory_.get().subspan(write.data, write.bytes);
  }

  // Which entry it is; none: there is no room.
  std::optional<u64> add_write(u64 offset, std::span<const std::byte> bytes) {
    const u64 data = kDataFrom + head().data_bytes;
    if (data + bytes.size() > memory_.get().size() || size() + 2 > kEntriesMax) return {};
    std::memcpy(memory_.get().data() + data, bytes.data(), bytes.size());
    head().data_bytes += bytes.size();
    return add({DiskEvent::kWrite, u32(bytes.size()), offset, 0, data});
  }
  void add_end(u64 write) { add({DiskEvent::kEnd, 0, 0, write, 0}); }
  void add_flush() { add({DiskEvent::kFlush, 0, 0, 0, 0}); }

 private:
  static constexpr u64 kEntriesMax = 1 << 20;
  static constexpr u64 kHeadBytes = 64;
  static constexpr u64 kDataFrom = kHeadBytes + kEntriesMax * sizeof(DiskEntry);

  struct Head {
    std::atomic<u64> entries;
    u64 data_bytes;
  };
  [[nodiscard]] Head& head() const { return *reinterpret_cast<Head*>(memory_.get().data()); }
  [[nodiscard]] DiskEntry* entries() const {
    return reinterpret_cast<DiskEntry*>(memory_.get().data() + kHeadBytes);
  }
  u64 add(const DiskEntry& entry) {
    const u64 at = size();
    entries()[at] = entry;
    // release: the entry, to the acquire in size()
    head().entries.store(at + 1, std::memory_order_release);
    return at;
  }

  SharedBytes memory_;
};

}  // namespace sluice::power_loss

#endif  // SLUICE_TESTS_POWER_LOSS_DISK_LOG_H_
