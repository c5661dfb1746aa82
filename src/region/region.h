// A region in this process's address space: made for its own records, or adopted from a dead one.
//
// Threading: create() and adopt() by one thread; allocate() and the typed accessors by any. No
// function allocates heap memory or throws, and create() and allocate() are async-signal-safe: the
// first call of a program may be in a signal handler.
// Failure: create() falls back to private memory when there is no room on tmpfs; allocate() returns
// 0 when the file cannot grow. Pages are reserved before they are used, so no store ever faults on
// a full tmpfs.
#ifndef SLUICE_SRC_REGION_REGION_H_
#define SLUICE_SRC_REGION_REGION_H_

#include "os/io.h"
#include "region/backtrace_area.h"
#include "region/layout.h"
#include "region/metric_area.h"
#include "region/request_area.h"
#include "ring/journal.h"
#include "ring/ring.h"

namespace sluice::region {

struct RegionOptions {
  char product[64] = "";
  char version[64] = "";
  char run_id[64] = "";
  char host[64] = "";
  char program[256] = "";
  char directory[512] = "";  // where region files live; empty: the default places
  u64 reserved_bytes = u64{1} << 30;
  u64 ring_bytes = 512 * 1024;
  u64 journal_bytes = 8 << 20;
  u64 dictionary_bytes = 2 << 20;
  u32 sites_max = 8192;
  u32 loggers_max = 512;
  u32 slots_max = 1024;
  bool private_memory = false;  // no file
};

// Bytes of the file whose kernel locks say who lives: see adopt(). kRequestLock is another.
inline constexpr u64 kOwnerLock = 0;
inline constexpr u64 kConsumerLock = 1;

class Region {
 public:
  Region() = default;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // Makes this process's region, at `at` (from os::reserve, reserved_bytes long). Returns 0 or
  // -errno; with 0, shared() says whether there is a file behind it.
  int create(const RegionOptions& options, void* at);

  // Maps the region file `path` of a dead process and takes both of its locks. -EAGAIN: its owner
  // or another recovery lives. -ESTALE: the path names another file by now. -EPERM: another user's.
  // -EBADMSG: not a region. -EPROTONOSUPPORT: one of another version of the format.
  int adopt(const char* path);

  // A private copy of another process's region, each byte where the file has it: `at` (from
  // os::reserve, `room` long, mapped) holds its header, and the file has `bytes`. Owns the memory
  // when it succeeds. Results as adopt(); nothing of the file is touched.
  int take_copy(void* at, u64 bytes, u64 room);
  // The file that was copied has grown.
  void grow_copy(u64 bytes) { mapped_ = bytes < reserved_ ? bytes : reserved_; }
  // Of what lies in the region: where it is in the file.
  [[nodiscard]] u64 offset_of(const void* at) const {
    return u64(static_cast<const char*>(at) - base_);
  }
  // Where the last area ends: chunks lie behind it.
  [[nodiscard]] u64 end_of_areas() const;

  // The owner lets another process consume, or consumes again itself. -EAGAIN: another one does.
  int give_up_consumer();
  int take_consumer();

  // Unmaps and closes; removes the file first when `remove`. For adopted regions.
  void close(bool remove);
  // Removes the file's name; the memory stays.
  void unlink_file();
  // In a forked child: zero pages over the mapping, and forgets the parent's file.
  void abandon_after_fork();

  [[nodiscard]] bool exists() const { return exists_; }
  [[nodiscard]] bool shared() const { return fd_ >= 0; }
  [[nodiscard]] const char* path() const { return path_; }
  [[nodiscard]] char* base() const { return base_; }
  [[nodiscard]] RegionHeader& header() const { return *header_; }

  [[nodiscard]] ClockPage& clock() const { return *area<ClockPage>(AreaKind::kClock); }
  [[nodiscard]] WakeLines& wake() const { return *area<WakeLines>(AreaKind::kWake); }
  [[nodiscard]] std::atomic<u8>* controls() const {
    return area<std::atomic<u8>>(AreaKind::kSiteControls);
  }
  [[nodiscard]] SiteEntry* sites() const { return area<SiteEntry>(AreaKind::kSites); }
  [[nodiscard]] LoggerEntry* loggers() const { return area<LoggerEntry>(AreaKind::kLoggers); }
  [[nodiscard]] ThreadSlot* slots() const { return area<ThreadSlot>(AreaKind::kThreadSlots); }
  [[nodiscard]] char* dictionary() const { return area<char>(AreaKind::kDictionary); }
  [[nodiscard]] u64 dictionary_bytes() const { return length_of(AreaKind::kDictionary); }
  [[nodiscard]] SinkEntry& sink(u32 index) const {
    return *reinterpret_cast<SinkEntry*>(area<char>(AreaKind::kSinks) + index * kSinkEntryBytes);
  }
  [[nodiscard]] std::atomic<u64>& drop_cell(u32 site, DropReason reason) const {
    return area<std::atomic<u64>>(AreaKind::kDropCells)[u64{site} * kDropReasons + u32(reason)];
  }
  // The consumer's, by site and reason.
  [[nodiscard]] u64* reported_drops() const { return area<u64>(AreaKind::kReportedDrops); }
  [[nodiscard]] HeartbeatEntry* heartbeats() const {
    return area<HeartbeatEntry>(AreaKind::kHeartbeats);
  }
  [[nodiscard]] MetricArea& metrics() const { return *area<MetricArea>(AreaKind::kMetricCells); }
  [[nodiscard]] RequestArea& requests() const { return *area<RequestArea>(AreaKind::kRequests); }
  [[nodiscard]] BacktraceArea& backtrace() const {
    return *area<BacktraceArea>(AreaKind::kBacktrace);
  }
  [[nodiscard]] JournalLines& journal_lines() const {
    return *area<JournalLines>(AreaKind::kJournal);
  }
  [[nodiscard]] JournalPlace<JournalSync> journal() const;

  // The chunk of a slot; nullptr when the slot has none or (in an adopted region) a bad one.
  [[nodiscard]] RingLines* lines_of(const ThreadSlot& slot) const;
  [[nodiscard]] RingPlace<RealSync> ring_of(const ThreadSlot& slot) const;

  // The published definition of a site; empty when there is none. Untrusted in adopted regions.
  [[nodiscard]] ByteView site_text(u32 id) const;

  // `bytes` at `offset` behind the areas; nullptr when that is not within the region. For offsets
  // that were read from it.
  [[nodiscard]] char* chunk(u64 offset, u64 bytes) const;

  // A chunk of the file, faulted in and zero; its offset, or 0 when there is no room. Of an adopted
  // region: for its one owner.
  u64 allocate(u64 bytes);
  // Gives a slot in state kMaking a ring of `ring_bytes` or, without room, a smaller one.
  bool make_ring(ThreadSlot& slot, u64 ring_bytes);

 private:
  template <class T>
  [[nodiscard]] T* area(AreaKind kind) const {
    return reinterpret_cast<T*>(base_ + offsets_[u32(kind)]);
  }
  [[nodiscard]] u64 length_of(AreaKind kind) const { return lengths_[u32(kind)]; }
  // Decides where each area lies; returns the bytes they take with the header.
  u64 plan(const RegionOptions& options);
  int make_file(const RegionOptions& options, u64 bytes);
  int make_file_in(const char* directory, const RegionOptions& options, u64 bytes);
  int try_make_file_in(const char* directory, const RegionOptions& options, u64 bytes);
  // The header, and every page that a call touches.
  int fill(const RegionOptions& options, u64 bytes);
  void write_header(const RegionOptions& options, u64 bytes);
  // Reads the table of areas; 0, or what adopt() gives when anything does not lie within the file.
  int check_header();
  bool check_areas();
  [[nodiscard]] bool overlap() const;
  [[nodiscard]] bool check_area(AreaKind kind, u64 bytes) const;
  u64 allocate_adopted(u64 bytes);

  char* base_ = nullptr;
  RegionHeader* header_ = nullptr;
  bool exists_ = false;
  bool adopted_ = false;
  u64 reserved_ = 0;
  u64 mapped_ = 0;
  u64 offsets_[kAreasMax] = {};
  u64 lengths_[kAreasMax] = {};
  int fd_ = -1;
  char path_[768] = "";
};

// A directory for region files, by `attempt` from 0: /dev/shm/sluice-UID, the same with -1, -2 ...,
// last $XDG_RUNTIME_DIR/sluice. Made when `make`. False when it is not there or not ours alone
// (owner, mode 0700). Async-signal-safe.
bool region_directory(char* to, std::size_t size, u32 attempt, bool make);
inline constexpr u32 kRegionDirectories = 5;

// A region that is being made has a name that begins with this; one whose maker is dead holds
// nothing. Removes it, unless its maker lives.
inline constexpr std::string_view kDraftPrefix = ".new-";
void remove_dead_draft(const char* path);

// True when {device, inode} is a region that this process owns: it must not be opened again, since
// closing any descriptor of a file drops the process's locks on it.
[[nodiscard]] bool held_by_this_process(u64 device, u64 inode);

}  // namespace sluice::region

#endif  // SLUICE_SRC_REGION_REGION_H_
