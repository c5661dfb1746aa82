// What a disk may hold after a loss of power at a point of its log.
//
// Everything whose end came before a flush is there. Of the rest, in the order of the log, each
// write is there, is not, or is torn at 512 bytes: some of its sectors are there.
//
// Threading: single-owner.
#ifndef SLUICE_TESTS_POWER_LOSS_REPLAY_H_
#define SLUICE_TESTS_POWER_LOSS_REPLAY_H_

#include <algorithm>
#include <random>
#include <vector>

#include "power_loss/disk_log.h"

namespace sluice::power_loss {

class Replay {
 public:
  Replay(std::span<const std::byte> image, const DiskLog& log)
      : image_(image.begin(), image.end()), log_(log) {}

  // On to the point before entry `to`, which is never less than the last one.
  void advance(u64 to) {
    for (; at_ < to; ++at_) {
      const DiskEntry& entry = log_.at(at_);
      switch (entry.event) {
        case DiskEvent::kWrite:
          unsafe_.push_back({at_, false});
          break;
        case DiskEvent::kEnd:
          end(entry.entry);
          break;
        case DiskEvent::kFlush:
          flush();
          break;
      }
    }
  }

  // The disk after a loss of power here, by chance.
  void lose(std::mt19937_64& random, std::span<std::byte> disk) const {
    std::copy(image_.begin(), image_.end(), disk.begin());
    // Of all points some keep most, some little.
    const u64 kept_of_16 = random() % 17;
    for (const Unsafe& write : unsafe_) {
      const DiskEntry& entry = log_.at(write.entry);
      if (random() % 4 == 0) {
        for (u64 sector = 0; sector < entry.bytes; sector += kSectorBytes) {
          if (random() % 2 == 0) put(entry, sector, kSectorBytes, disk);
        }
      } else if (random() % 16 < kept_of_16) {
        put(entry, 0, entry.bytes, disk);
      }
    }
  }

 private:
  static constexpr u64 kSectorBytes = 512;
  struct Unsafe {
    u64 entry;
    bool ended;
  };

  void put(const DiskEntry& write, u64 from, u64 bytes, std::span<std::byte> disk) const {
    const auto part = log_.bytes_of(write).subspan(from, std::min<u64>(bytes, write.bytes - from));
    std::copy(part.begin(), part.end(), disk.begin() + std::ptrdiff_t(write.offset + from));
  }
  void end(u64 entry) {
    const auto write = std::find_if(unsafe_.begin(), unsafe_.end(),
                                    [entry](const Unsafe& each) { return each.entry == entry; });
    write->ended = true;
  }
  void flush() {
    for (const Unsafe& write : unsafe_) {
      if (write.ended) put(log_.at(write.entry), 0, log_.at(write.entry).bytes, image_);
    }
    std::erase_if(unsafe_, [](const Unsafe& write) { return write.ended; });
  }

  std::vector<std::byte> image_;  // what is safe
  const DiskLog& log_;
  u64 at_ = 0;
  std::vector<Unsafe> unsafe_;
};

}  // namespace sluice::power_loss

#endif  // SLUICE_TESTS_POWER_LOSS_REPLAY_H_
