// The records that are kept for backtraces, by group: the logger whose rule it is.
//
// Written as region/backtrace_area.h says, and known here by their positions. What is in the area
// when a consumer takes over is checked before it is believed.
//
// Threading: single-owner (the merge).
#ifndef SLUICE_SRC_BACK_BACKTRACE_H_
#define SLUICE_SRC_BACK_BACKTRACE_H_

#include <deque>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "region/region.h"

namespace sluice::back {

class Backtrace {
 public:
  struct Held {
    ByteView record;  // until the next hold()
    u16 group;
    u16 slot;
    u32 generation;
  };

  // `of_copy`: the region's bytes are another process's, who asks for changes().
  Backtrace(region::Region& region, bool of_copy) : region_(region), of_copy_(of_copy) {}

  // What the region says; `committed`: the journal's end. Returns how often it made no sense.
  u32 adopt(u64 committed);

  // Takes a record in; its group has at most as many as its logger's rule says, and forgets its
  // oldest. One that is too long only counts.
  void hold(u16 group, ByteView record, u16 slot, u32 generation);
  // The oldest of a group, or of all (0) that still have a backtrace; none: there is none.
  [[nodiscard]] std::optional<Held> oldest(u16 group) const;
  // The one that oldest() gave is in the batch.
  void delivered(const Held& held);

  // Before a batch is committed, whose end this is.
  void store(u64 batch_end);

  [[nodiscard]] bool empty() const { return groups_.empty(); }
  // Records that were taken in and have not been delivered, whether they are still here or not.
  [[nodiscard]] u64 held() const { return held_ - delivered_; }
  [[nodiscard]] bool holds_of(u32 slot) const { return slot < of_slot_.size() && of_slot_[slot]; }

  // What was written into the region since this was last asked, in the order in which it counts.
  [[nodiscard]] std::vector<std::span<const char>> changes() { return std::exchange(changes_, {}); }

 private:
  // As it was when it was checked or written: what is in the area may change since.
  struct Place {
    u64 position;
    u32 bytes;  // of the record
    u16 slot;
    u32 generation;
  };
  [[nodiscard]] region::BacktraceArea& area() const { return region_.backtrace(); }
  [[nodiscard]] char* at(u64 position) const;
  [[nodiscard]] static u64 to_end(u64 position);
  [[nodiscard]] std::optional<region::HeldRecord> header_at(u64 position) const;
  [[nodiscard]] u32 most_of(u16 group) const;
  void add(const region::HeldRecord& header, u64 position, u32 most);
  void forget_oldest(u16 group);
  void forget_all();
  void make_room(u64 bytes);
  void move_floor(u64 position);
  void changed(const void* from, std::size_t bytes);

  region::Region& region_;
  const bool of_copy_;
  std::unordered_map<u16, std::deque<Place>> groups_;  // none is empty
  std::vector<u32> of_slot_;                           // how many of them
  std::vector<u64> done_;                              // positions that this batch delivers
  std::vector<std::span<const char>> changes_;
  u64 floor_ = 0;  // the region's word of it is only written
  u64 end_ = 0;
  u64 held_ = 0;
  u64 delivered_ = 0;
  bool moved_ = false;  // the region's state is not this any more
};

}  // namespace sluice::back

#endif  // SLUICE_SRC_BACK_BACKTRACE_H_
