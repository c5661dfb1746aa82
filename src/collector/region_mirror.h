// Another process's region, drained without being mapped: a private copy that follows the file by
// pread and over which the ordinary merge and readers run, and whose progress goes back by pwrite.
//
//   file   ── heads, sites, ring bytes ──►  copy  ── merge ──►  journal in the copy
//     ▲                                                              │
//     └── cursor, reclaimed, batches, committed, tails, slots ◄──────┘   in this order
//
// The owner may write anything into its file at any time, or cut it. So every number is read once,
// into the copy, and checked there; rings and areas may not lie over each other; a site's text is
// copied once and never again. After a kill at any point whoever drains the file next finds a
// journal that is whole: what stands in front of `committed` is in place before it.
//
// Threading: open(), refresh(), merge(), write_back(), close() by the drainer's thread. A reader of
// the journal on another thread uses journal(), entry() and region() (sites, loggers, the header).
// | word            | written by    | read by | order                                             |
// |-----------------|---------------|---------|---------------------------------------------------|
// | readable_       | write_back()  | reader  | P30 release/acquire: only what the file has too   |
// | entry()'s words | reader        | drainer | P4 release/acquire                                |
// | texts, names    | refresh()     | reader  | P6, P16 release/acquire                           |
// Blocking: as reads and writes of tmpfs. Failure: a Status; the region is then to be closed.
#ifndef SLUICE_SRC_COLLECTOR_REGION_MIRROR_H_
#define SLUICE_SRC_COLLECTOR_REGION_MIRROR_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "back/merger.h"
#include "base/status.h"
#include "os/io.h"
#include "region/region.h"

namespace sluice::collector {

class RegionMirror {
 public:
  // A region of ours that nobody consumes, whose name is `path`: takes the consumer's lock, and
  // the owner's when that is free. `store`: the destination's path, in the region's sink table.
  // kRetryable: somebody consumes it, or it has gone. kFatal: it is none that can be drained.
  [[nodiscard]] static Result<std::unique_ptr<RegionMirror>> open(os::Io& io,
                                                                  const std::string& path,
                                                                  const std::string& store);
  // Gives up the locks.
  ~RegionMirror();
  RegionMirror(const RegionMirror&) = delete;
  RegionMirror& operator=(const RegionMirror&) = delete;

  // Copies what the owner has published since.
  [[nodiscard]] Status refresh();
  // One batch into the copy's journal.
  back::Merged merge(bool all);
  // Whether the copy holds more than the last merge() took.
  [[nodiscard]] bool more() const { return merger_->more(); }
  // Puts the progress into the file; then the reader may see it.
  [[nodiscard]] Status write_back();
  void want_drop_report() { merger_->want_drop_report(); }

  // The owner's heartbeats as they are now; null: the file was cut. The drainer's, until the next.
  [[nodiscard]] const region::HeartbeatEntry* heartbeats();

  // The owner's lock is ours: it has ended. Asks the kernel.
  [[nodiscard]] bool owner_is_dead();
  // The process that holds it; 0: none that can be named.
  [[nodiscard]] u32 owner() const;
  // The owner has stopped as it should.
  [[nodiscard]] bool said_goodbye();

  // The end: our place in the sink table is taken out when `done`, and the file with it when no
  // other required destination is behind. What is left, for a sentence; empty: nothing.
  [[nodiscard]] std::string finish();

  // A clean end while the owner lives: our place is taken out if it owes nothing.
  void retire();

  [[nodiscard]] JournalPlace<JournalSync> journal() const;
  [[nodiscard]] region::SinkEntry& entry() const { return *entry_; }
  [[nodiscard]] const region::Region& region() const { return region_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] u64 device() const { return device_; }
  [[nodiscard]] u64 inode() const { return inode_; }
  [[nodiscard]] u64 damaged() const { return damaged_ + merger_->damaged(); }
  [[nodiscard]] u64 callers() const { return merger_->callers(); }
  [[nodiscard]] u64 next_sequence() const { return merger_->next_sequence(); }

 private:
  struct Ring {
    enum State : u8 { kNone, kSound, kRefused } state = kNone;
    u64 chunk = 0;
    u64 bytes = 0;
    u64 copied = 0;  // the owner's records are in the copy up to here
    u64 head = 0;    // as it was looked at
    u64 tail = 0;    // as the file has it
    region::SlotState slot = region::SlotState::kUnused;  // as the file has it
    u64 contexts[2] = {};
  };

  RegionMirror(os::Io& io, std::string path, int fd) : io_(io), path_(std::move(path)), fd_(fd) {}
  [[nodiscard]] Status take(u64 size, const std::string& store);
  [[nodiscard]] Status load_areas();
  [[nodiscard]] Status load_journal();
  [[nodiscard]] Status take_entry(const std::string& store);
  [[nodiscard]] bool read_at(u64 offset, void* to, u64 size);
  // To where it lies in the copy.
  [[nodiscard]] bool read_here(void* at, u64 size) {
    return read_at(region_.offset_of(at), at, size);
  }
  [[nodiscard]] bool write_at(u64 offset, const void* from, u64 size);
  [[nodiscard]] bool write_here(const void* at, u64 size) {
    return write_at(region_.offset_of(at), at, size);
  }
  [[nodiscard]] bool read_slots(u32 used);
  [[nodiscard]] bool take_ring(Ring& ring, u32 index, u64 chunk, u64 bytes);
  [[nodiscard]] bool read_heads();
  [[nodiscard]] bool read_records();
  [[nodiscard]] bool read_sites(u32 used);
  [[nodiscard]] bool take_site(u32 id, u64 place);
  [[nodiscard]] bool read_loggers(u32 used);
  [[nodiscard]] bool write_cursor();
  [[nodiscard]] bool write_journal();
  [[nodiscard]] bool write_contexts();
  [[nodiscard]] bool write_rings();
  [[nodiscard]] bool write_entry_state(const region::SinkEntry& entry);
  [[nodiscard]] u64 floor() const;
  [[nodiscard]] std::string owed_to_others() const;
  [[nodiscard]] Status cut() const;

  os::Io& io_;
  const std::string path_;
  const int fd_;
  u64 device_ = 0;
  u64 inode_ = 0;
  region::Region region_;
  std::unique_ptr<back::Merger> merger_;
  region::SinkEntry* entry_ = nullptr;
  std::vector<Ring> rings_;
  u32 sites_known_ = 0;  // every site below it is in the copy
  u32 loggers_known_ = 0;
  u32 dictionary_used_ = 0;
  u64 drops_ = 0;
  u64 reports_told_ = 0;  // by the merger, as the file has it
  u64 damaged_ = 0;
  bool dead_ = false;
  // What of the journal the file has.
  u64 committed_ = 0;
  u64 reclaimed_ = 0;
  u64 cursor_position_ = ~u64{0};  // of our place in the sink table
  region::ClockPage* clock_ = nullptr;
  std::vector<char> clock_written_;
  std::vector<char> scratch_;
  std::atomic<u64> readable_{0};
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_REGION_MIRROR_H_
