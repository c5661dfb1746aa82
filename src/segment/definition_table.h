// What a writer has defined in its segment so far, and what a record still needs before it.
//
// Sites hold for the segment: defined at their first use, again at their first use in each window
// of 1 MiB, and all together in the seal. Threads and the clock hold for one frame and are defined
// in each frame that uses them, so that a damaged frame can never put another thread's name or
// another clock's time on the records of a good one. The run is in the header, in the seal and
// again in every window.
//
// Threading: single-owner. No function blocks or fails.
#ifndef SLUICE_SRC_SEGMENT_DEFINITION_TABLE_H_
#define SLUICE_SRC_SEGMENT_DEFINITION_TABLE_H_

#include <vector>

#include "base/bytes.h"
#include "record/site.h"
#include "segment/definitions.h"

namespace sluice {

class DefinitionTable {
 public:
  static constexpr u16 kNoSlot = kThreadSlotsMax;

  explicit DefinitionTable(const RunDefinition& run);

  void set_thread(const ThreadDefinition& thread);
  void set_clock(const ClockDefinition& clock);

  // True when `site` is the definition that this window already holds for its id.
  [[nodiscard]] bool site_is_defined(u32 id, const Site* site) const {
    return id < sites_.size() && sites_[id].site == site && sites_[id].window == window_;
  }
  // True when the open frame defines the slot's thread, or nobody has said who it is.
  [[nodiscard]] bool thread_is_defined(u16 slot) const {
    return threads_[slot].frame == frame_ || threads_[slot].record.empty();
  }
  [[nodiscard]] bool clock_is_defined() const { return clock_frame_ == frame_ || clock_.empty(); }
  [[nodiscard]] bool run_is_defined() const { return run_window_ == window_; }

  // True when the segment holds another definition for this id: it needs a segment of its own.
  [[nodiscard]] bool conflicts(const Site& site) const;

  // The records to put before one that uses these, appended to `out`. mark_defined() says that they
  // are in the open frame. `site` may be null, `slot` kNoSlot.
  void collect_missing(const Site* site, u16 slot, std::vector<std::byte>& out);
  void mark_defined(const Site* site, u16 slot);

  void begin_frame() { ++frame_; }
  void begin_window() { ++window_; }
  // A new file: nothing is defined.
  void begin_segment();

  [[nodiscard]] ByteView run_record() const { return run_; }
  // Ids of the sites of this segment, and the record of each.
  [[nodiscard]] const std::vector<u32>& used_sites() const { return used_sites_; }
  [[nodiscard]] ByteView site_record(u32 id) const { return sites_[id].record; }

 private:
  struct SiteState {
    const Site* site = nullptr;  // whose definition `record` is
    u64 window = 0;              // the last that holds it
    u64 segment = 0;             // the last that holds it
    std::vector<std::byte> record;
  };
  struct ThreadState {
    u64 frame = 0;  // the last that holds it
    std::vector<std::byte> record;
  };

  void learn(const Site& site);

  std::vector<std::byte> run_;
  std::vector<SiteState> sites_;      // by id
  std::vector<ThreadState> threads_;  // by slot
  std::vector<std::byte> clock_;
  std::vector<u32> used_sites_;
  u64 frame_ = 1;
  u64 window_ = 1;
  u64 segment_ = 1;
  u64 clock_frame_ = 0;
  u64 run_window_ = 1;  // the header holds it for the first
};

}  // namespace sluice

#endif  // SLUICE_SRC_SEGMENT_DEFINITION_TABLE_H_
