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
// A program that has sinks of its own consumes its region itself. Its journal is then only read, as
// a best-effort sink reads it, by the cursor at a place that it has given us; nothing but that
// cursor is written (open_to_read(), region_reading.cc). When it has died, the rest is drained
// (take_over()).
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
#include <span>
#include <string>
#include <vector>

#include "back/merger.h"
#include "base/status.h"
#include "collector/ingest_message.h"
#include "collector/region_watch.h"
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
  // A region whose owner consumes it, by the cursor at `place` of its sink table. Errors as open().
  [[nodiscard]] static Result<std::unique_ptr<RegionMirror>> open_to_read(os::Io& io,
                                                                          const std::string& path,
                                                                          u32 place);
  // The same of one that is read already, with its descriptor: to close another one of the file
  // would drop the locks that a mirror has on it. `reader` keeps it when this fails.
  [[nodiscard]] static Result<std::unique_ptr<RegionMirror>> read_again(RegionMirror& reader,
                                                                        u32 place);
  // And one that drains, when its owner has died or leaves it to us. kRetryable with EAGAIN:
  // somebody drains it now; with another error: it has gone.
  [[nodiscard]] static Result<std::unique_ptr<RegionMirror>> take_over(RegionMirror& reader,
                                                                       const std::string& store);
  // Gives up the locks.
  ~RegionMirror();
  RegionMirror(const RegionMirror&) = delete;
  RegionMirror& operator=(const RegionMirror&) = delete;

  // Copies what the owner has published since.
  [[nodiscard]] Status refresh();
  [[nodiscard]] bool only_reads() const { return only_reads_; }
  // One batch into the copy's journal; of a region that is only read: nothing.
  back::Merged merge(bool all);
  // Counts what comes from now on, for whoever asks; also in those that go on behind it. Null: it
  // cannot.
  std::shared_ptr<RegionWatch> watch();

  // Whether there was more than was taken.
  [[nodiscard]] bool more() const { return only_reads_ ? more_ : merger_->more(); }
  // Puts the progress into the file; then the reader may see it.
  [[nodiscard]] Status write_back();
  void want_reports() {
    if (!only_reads_) merger_->want_reports();
  }

  // The owner's heartbeats as they are now; null: the file was cut. The drainer's, until the next.
  [[nodiscard]] const region::HeartbeatEntry* heartbeats();

  // The owner's lock is ours: it has ended. Asks the kernel.
  [[nodiscard]] bool owner_is_dead();
  // The process that holds it; 0: none that can be named.
  [[nodiscard]] u32 owner() const;
  // How the owner and its parent call it, by its own word.
  [[nodiscard]] ProcessName process() const;
  // The owner has stopped as it should.
  [[nodiscard]] bool said_goodbye();

  // The end: our place in the sink table is taken out when it owes nothing, and the file with it
  // when no other required destination is behind. What is left, for a sentence; empty: nothing.
  [[nodiscard]] std::string finish();

  // The owner has died, and required destinations of its own are behind: gives up the locks, so
  // that its next start delivers to them, and reads and writes no more. What is left, for a
  // sentence; empty: none are.
  [[nodiscard]] std::string leave_to_others();

  // Reads and writes no more, without locks; at once, whoever still has the copy.
  void close_file();

  // A clean end while the owner lives: our place is taken out if it owes nothing, and we drained.
  void retire();

  [[nodiscard]] JournalPlace<JournalSync> journal() const;
  [[nodiscard]] region::SinkEntry& entry() const { return *entry_; }
  [[nodiscard]] const region::Region& region() const { return region_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] u64 device() const { return device_; }
  [[nodiscard]] u64 inode() const { return inode_; }
  // Of one that drains:
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
  [[nodiscard]] static Result<std::unique_ptr<RegionMirror>> open_file(os::Io& io,
                                                                       const std::string& path);
  // With the reader's descriptor.
  [[nodiscard]] static std::unique_ptr<RegionMirror> behind(RegionMirror& reader);
  // Which has not come to pass.
  void give_back(RegionMirror& reader);
  // What the reader may see.
  void count_batches();
  [[nodiscard]] Status lock_consumer(const std::string& store);
  [[nodiscard]] Status begin_to_read(u32 place);
  [[nodiscard]] Status take_header(u64 size);
  [[nodiscard]] Status load_areas();
  [[nodiscard]] Status load_what_is_drained();
  [[nodiscard]] Status load_journal();
  [[nodiscard]] Status start_reading(u32 place);
  [[nodiscard]] Status refresh_journal();
  [[nodiscard]] Status refresh_rings();
  [[nodiscard]] bool copy_journal(u64 from, u64 to);
  [[nodiscard]] u64 end_of_batches(u64 from, u64 to) const;
  [[nodiscard]] Status read_names(const char* wake_bytes);
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
  [[nodiscard]] bool read_levels(u32 sites, u32 loggers);
  // region_metrics.cc. What is known of the series; whether there are new ones.
  [[nodiscard]] bool read_series(bool& some_new);
  // Behind the areas, and within the file as it is now.
  [[nodiscard]] bool write_chunk(u64 offset, const void* from, u64 bytes);
  [[nodiscard]] bool write_told();
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
  int fd_;
  bool only_reads_ = false;
  bool more_ = false;  // of one that only reads
  u64 device_ = 0;
  u64 inode_ = 0;
  region::Region region_;
  std::unique_ptr<back::Merger> merger_;
  region::SinkEntry* entry_ = nullptr;
  std::vector<Ring> rings_;  // of the slots that were ever in use
  u32 sites_known_ = 0;      // every site below it is in the copy
  u32 loggers_known_ = 0;
  u32 level_epoch_ = 0;   // of what is known of levels
  u32 levels_known_ = 0;  // sites and loggers
  u32 dictionary_used_ = 0;
  u64 drops_ = 0;
  u64 reports_told_ = 0;  // by the merger, as the file has it
  u64 samples_told_ = 0;
  std::vector<region::ToldCopy> told_;  // as the file has them, two a series
  u64 damaged_ = 0;
  bool dead_ = false;
  bool sees_all_ = false;  // what the owner had published when it was known to be dead
  bool asked_for_goodbye_ = false;
  // What of the journal the file has.
  u64 committed_ = 0;
  u64 reclaimed_ = 0;
  u64 cursor_position_ = ~u64{0};  // of our place in the sink table
  region::ClockPage* clock_ = nullptr;
  std::vector<char> clock_written_;
  std::vector<char> scratch_;
  std::shared_ptr<RegionWatch> watch_;  // closed before fd_
  std::atomic<u64> readable_{0};
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_REGION_MIRROR_H_
