#include "collector/region_mirror.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "base/fixed_text.h"
#include "os/memory.h"
#include "os/os_error.h"
#include "os/process.h"
#include "os/process_watch.h"
#include "region/marks.h"
#include "region/registration.h"
#include "sink/sink_table.h"

namespace sluice::collector {
namespace {

using region::JournalLines;
using region::Marks;
using region::RegionHeader;
using region::SinkEntry;
using region::SinkState;
using Names = region::Registration<JournalSync>;

// A hostile header may name any number; what is above these is no region that the library makes.
constexpr u64 kReservedMax = u64{8} << 30;
constexpr u64 kJournalMax = u64{1} << 30;
constexpr u32 kSitesMax = 65'536;
constexpr u32 kLoggersMax = 65'536;

Status refused(const std::string& path, const std::string& why) { return fatal(path + ": " + why); }

}  // namespace

// A region of ours, with nothing of it read yet.
Result<std::unique_ptr<RegionMirror>> RegionMirror::open_file(os::Io& io, const std::string& path) {
  os::FileInfo named, opened;
  if (const int failed = io.stat(path.c_str(), named); failed < 0) {
    return Status{ErrorClass::kRetryable, path + ": " + os::error_text(failed), -failed};
  }
  if (!named.regular) return refused(path, "not a region: it is no plain file");
  if (named.uid != os::user_id()) {
    return refused(path, "belongs to another user; run a collector as that user");
  }
  // Closing a second descriptor of it would drop the locks that we have on it.
  if (region::held_by_this_process(named.device, named.inode)) {
    return Status{ErrorClass::kRetryable, path + ": is this process's own"};
  }
  const int fd = io.open(path.c_str(), os::kRead | os::kWrite);
  if (fd < 0) {
    return Status{ErrorClass::kRetryable, path + ": cannot be opened: " + os::error_text(fd), -fd};
  }
  std::unique_ptr<RegionMirror> mirror(new RegionMirror(io, path, fd));
  if (io.stat_fd(fd, opened) != 0 || opened.id() != named.id()) {
    return Status{ErrorClass::kRetryable, path + ": was replaced meanwhile"};
  }
  if (!os::is_memory_filesystem(fd)) return refused(path, "not a region: it is not on tmpfs");
  mirror->device_ = opened.device;
  mirror->inode_ = opened.inode;
  return mirror;
}

Result<std::unique_ptr<RegionMirror>> RegionMirror::open(os::Io& io, const std::string& path,
                                                         const std::string& store) {
  // Asked without a right to write: who watches the directory is told of every end of that.
  const i64 holder = os::lock_holder(path.c_str(), region::kConsumerLock);
  if (holder > 0 || holder == -1) {
    return Status{ErrorClass::kRetryable, path + ": another process drains it", EAGAIN};
  }
  Result<std::unique_ptr<RegionMirror>> mirror = open_file(io, path);
  if (!mirror.ok()) return mirror;
  const Status status = mirror.value()->lock_consumer(store);
  if (!status.ok()) return status;
  return mirror;
}

std::unique_ptr<RegionMirror> RegionMirror::behind(RegionMirror& reader) {
  std::unique_ptr<RegionMirror> mirror(
      new RegionMirror(reader.io_, reader.path_, std::exchange(reader.fd_, -1)));
  mirror->device_ = reader.device_;
  mirror->inode_ = reader.inode_;
  mirror->watch_ = std::move(reader.watch_);
  return mirror;
}

void RegionMirror::give_back(RegionMirror& reader) {
  reader.fd_ = std::exchange(fd_, -1);
  reader.watch_ = std::move(watch_);
}

Result<std::unique_ptr<RegionMirror>> RegionMirror::take_over(RegionMirror& reader,
                                                              const std::string& store) {
  std::unique_ptr<RegionMirror> mirror = behind(reader);
  const Status status = mirror->lock_consumer(store);
  if (status.ok()) {
    mirror->count_batches();  // before the store may pass them
    return mirror;
  }
  mirror->give_back(reader);
  return status;
}

Status RegionMirror::lock_consumer(const std::string& store) {
  os::FileInfo named, opened;
  if (io_.lock(fd_, region::kConsumerLock, false) != 0) {
    return {ErrorClass::kRetryable, path_ + ": another process drains it", EAGAIN};
  }
  // Whoever drained it before us may have removed it before we had the lock.
  if (io_.stat(path_.c_str(), named) != 0 || io_.stat_fd(fd_, opened) != 0 ||
      named.id() != opened.id()) {
    return {ErrorClass::kRetryable, path_ + ": has gone"};
  }
  dead_ = io_.lock(fd_, region::kOwnerLock, false) == 0;
  Status status = take_header(opened.size);
  if (!status.ok()) return status;
  if (Marks::look(region_.header().finished) == 1) {
    if (dead_) (void)io_.unlink(path_.c_str());
    return {ErrorClass::kRetryable, path_ + ": everything in it was delivered"};
  }
  status = load_areas();
  if (status.ok()) status = load_what_is_drained();
  if (status.ok()) status = take_entry(store);
  return status;
}

RegionMirror::~RegionMirror() {
  merger_.reset();
  region_.close(false);
  close_file();
}

void RegionMirror::close_file() {
  if (fd_ < 0) return;
  if (watch_) watch_->close();
  io_.close(std::exchange(fd_, -1));
}

Status RegionMirror::take_header(u64 size) {
  alignas(64) char page[os::kPageBytes];
  if (!read_at(0, page, sizeof page)) return refused(path_, "not a region: it is too short");
  const auto& header = *reinterpret_cast<const RegionHeader*>(page);
  const u64 room = round_up(std::max(size, header.reserved_bytes), os::kPageBytes);
  if (header.magic != region::kMagic) return refused(path_, "not a region");
  if (header.version != region::kVersion) {
    return refused(path_, "a region of another version; let its program drain it itself");
  }
  if (header.reserved_bytes > kReservedMax || size > kReservedMax ||
      header.journal_bytes > kJournalMax || header.sites_max > kSitesMax ||
      header.loggers_max > kLoggersMax || header.slots_max > kThreadSlotsMax) {
    return refused(path_, "a region with sizes that no program asks for");
  }
  void* const at = os::reserve(room);
  if (at == nullptr || os::map_zero(at, room) != 0) {
    if (at != nullptr) os::release(at, room);
    return {ErrorClass::kRetryable, path_ + ": no memory for a copy of it"};
  }
  std::copy_n(page, sizeof page, static_cast<char*>(at));
  if (region_.take_copy(at, size, room) != 0) {
    os::release(at, room);
    return refused(path_, "not a region: its areas do not fit");
  }
  return {};
}

Status RegionMirror::load_areas() {
  const u64 sinks = region::kSinksMax * region::kSinkEntryBytes;
  return read_here(&region_.sink(0), sinks) ? Status() : cut();
}

Status RegionMirror::load_what_is_drained() {
  clock_ = &region_.clock();
  clock_written_.resize(sizeof(region::ClockPage));
  if (!read_here(clock_, sizeof(region::ClockPage))) return cut();
  const Status status = load_journal();
  if (!status.ok()) return status;
  back::MergeOptions options;
  options.bytes = {
      [this](u64 at, void* to, u64 bytes) { return read_at(at, to, bytes); },
      [this](u64 at, const void* from, u64 bytes) { return write_chunk(at, from, bytes); }};
  merger_ = std::make_unique<back::Merger>(region_, options);
  bool some_new = false;
  if (!read_series(some_new)) return cut();
  const Status first = refresh();
  if (!first.ok()) return first;
  // relaxed: a word of the copy, that only this thread uses
  const u64 used = region_.wake().sites_used.load(std::memory_order_relaxed);
  if (!read_here(region_.reported_drops(), used * kDropReasons * sizeof(u64))) return cut();
  region::BacktraceArea& backtrace = region_.backtrace();
  if (!read_here(&backtrace, offsetof(region::BacktraceArea, bytes))) return cut();
  const bool has_held = backtrace.state[0].batch_end != 0 || backtrace.state[1].batch_end != 0;
  if (has_held && !read_here(backtrace.bytes, sizeof backtrace.bytes)) return cut();
  merger_->resume(false, !os::has_invariant_tsc());
  for (const Ring& ring : rings_) {
    // What lies in front of a position in a batch is consumed, whether or not its tail was stored.
    if (ring.state == Ring::kRefused) ++damaged_;
  }
  return {};
}

// As merge() will find it: only what is still kept.
Status RegionMirror::load_journal() {
  JournalLines& lines = region_.journal_lines();
  if (!read_here(&lines, sizeof lines)) return cut();
  const JournalPlace<JournalSync> place = region_.journal();
  // relaxed, here and below: no other thread has this copy yet
  u64 committed = lines.committed.load(std::memory_order_relaxed);
  u64 reclaimed = lines.reclaimed.load(std::memory_order_relaxed);
  if (committed % 8 != 0 || reclaimed % 8 != 0 || committed - reclaimed > place.capacity) {
    ++damaged_;
    committed = round_up(committed, 8);
    reclaimed = committed;
  }
  for (u64 at = reclaimed; at != committed;) {
    const u64 run = place.run(at, committed - at);
    if (!read_here(place.at(at), run)) return cut();
    at += run;
  }
  lines.committed.store(committed, std::memory_order_relaxed);
  lines.reclaimed.store(reclaimed, std::memory_order_relaxed);
  committed_ = committed;
  reclaimed_ = reclaimed;
  readable_.store(committed, std::memory_order_relaxed);
  return {};
}

// The place of the same store goes on, a collector's before us or the program's own: both know a
// record by {region id, sequence}. That of a collector with another store is given up: everything
// that it has not got is still in the journal, and goes into ours.
Status RegionMirror::take_entry(const std::string& store) {
  SinkEntry* free = nullptr;
  for (u32 i = 0; i < region::kSinksMax; ++i) {
    SinkEntry& entry = region_.sink(i);
    const bool open = Marks::look(entry.state) == SinkState::kOpen;
    const bool same = entry.kind == u32(SinkKind::store) && field_text(entry.path) == store;
    if (open && same && entry_ == nullptr) {
      entry_ = &entry;
      continue;
    }
    if (open && sink::is_collectors(entry)) {
      Marks::set(entry.state, SinkState::kUnused);
      if (!write_entry_state(entry)) return cut();
    }
    if (Marks::look(entry.state) == SinkState::kUnused && free == nullptr) free = &entry;
  }
  if (entry_ != nullptr) {
    const u64 position = entry_->cursor_position.load(std::memory_order_relaxed);
    if (position % 8 != 0 || committed_ - position > committed_ - reclaimed_) {
      entry_->cursor_position.store(reclaimed_, std::memory_order_relaxed);
    }
  } else if (free != nullptr) {
    back::SinkConfig config;
    config.kind = SinkKind::store;
    config.path = store;
    config.name = sink::kCollectorsPlace;
    config.required = true;
    sink::write_entry(config, *free);
    free->cursor_position.store(reclaimed_, std::memory_order_relaxed);
    const u64 first = region_.journal_lines().reclaimed_sequence.load(std::memory_order_relaxed);
    const u64 behind = Marks::look(region_.header().handed_over);
    free->cursor.store(std::max<u64>({first, behind, 1}), std::memory_order_relaxed);
    for (std::atomic<u64>* count : {&free->cursor_callers, &free->delivered, &free->filtered,
                                    &free->dropped_backlog, &free->dropped_error}) {
      count->store(0, std::memory_order_relaxed);
    }
    entry_ = free;
    if (!write_here(entry_, sizeof *entry_)) return cut();  // closed yet
    Marks::set(entry_->state, SinkState::kOpen);
    if (!write_entry_state(*entry_)) return cut();
  } else {
    return refused(path_, "all " + std::to_string(region::kSinksMax) +
                              " places of its sink table are taken; none is left for a collector");
  }
  entry_->required = 1;
  return {};
}

Status RegionMirror::cut() const {
  return refused(path_, "its file was cut while it was read; what is left of it is not touched");
}

bool RegionMirror::read_at(u64 offset, void* to, u64 size) {
  return os::pread_all(io_, fd_, to, size, offset) == i64(size);
}

bool RegionMirror::write_at(u64 offset, const void* from, u64 size) {
  return os::pwrite_all(io_, fd_, from, size, offset) == i64(size);
}

const region::HeartbeatEntry* RegionMirror::heartbeats() {
  region::HeartbeatEntry* const entries = region_.heartbeats();
  return read_here(entries, region::kHeartbeatsMax * sizeof *entries) ? entries : nullptr;
}

back::Merged RegionMirror::merge(bool all) {
  if (only_reads_) return back::Merged::kNothing;
  if (sees_all_ && !asked_for_goodbye_) {
    asked_for_goodbye_ = true;
    if (!said_goodbye()) merger_->owner_crashed();
  }
  // Of what is told in two copies one must be in force in the file, whenever we are killed: so
  // every batch is there before the next one changes the other copy. A failure is said by
  // write_back().
  if (!write_journal()) return back::Merged::kNothing;
  return merger_->merge(all, floor());
}

// Required places of the program's own sinks hold the journal as ours does: they get their records
// from its next start or a recovery.
u64 RegionMirror::floor() const {
  u64 lowest = ~u64{0};
  for (u32 i = 0; i < region::kSinksMax; ++i) {
    const SinkEntry& entry = region_.sink(i);
    if (Marks::look(entry.state) != SinkState::kOpen || !entry.required ||
        !sink::can_be_rebuilt(SinkKind(entry.kind))) {
      continue;
    }
    // acquire: pairs with the release in StoreFeed::pass() (P4): its reads are done
    lowest = std::min(lowest, entry.cursor_position.load(JournalOrders::read_cursor));
  }
  return lowest;
}

JournalPlace<JournalSync> RegionMirror::journal() const {
  JournalPlace<JournalSync> place = region_.journal();
  place.committed = const_cast<std::atomic<u64>*>(&readable_);
  return place;
}

bool RegionMirror::owner_is_dead() {
  if (!dead_) dead_ = io_.lock(fd_, region::kOwnerLock, false) == 0;
  return dead_;
}

u32 RegionMirror::owner() const {
  const i64 holder = os::lock_holder(fd_, region::kOwnerLock);
  return holder > 0 ? u32(holder) : 0;
}

ProcessName RegionMirror::process() const {
  const RegionHeader& header = region_.header();
  return {.pid = header.pid,
          .uid = os::user_id(),
          .start_time = header.start_time,
          .pid_namespace = header.pid_namespace};
}

bool RegionMirror::said_goodbye() {
  const auto says = [this](const std::atomic<u32>& word) {
    u32 value = 0;
    return read_at(region_.offset_of(&word), &value, sizeof value) && value == 1;
  };
  return says(region_.header().goodbye) || says(region_.header().finished);
}

std::string RegionMirror::owed_to_others() const {
  std::string paths;
  for (u32 i = 0; i < region::kSinksMax; ++i) {
    const SinkEntry& entry = region_.sink(i);
    if (&entry != entry_ && Marks::look(entry.state) == SinkState::kOpen && entry.required &&
        sink::can_be_rebuilt(SinkKind(entry.kind)) &&
        // relaxed: nobody else has the region
        entry.cursor.load(std::memory_order_relaxed) < next_sequence()) {
      paths += (paths.empty() ? "" : ", ") + std::string(field_text(entry.path));
    }
  }
  return paths;
}

void RegionMirror::retire() {
  (void)write_cursor();
  if (only_reads_) return;
  // relaxed: the reader has ended
  if (entry_->cursor.load(std::memory_order_relaxed) < next_sequence()) return;
  Marks::set(entry_->state, SinkState::kUnused);
  (void)write_entry_state(*entry_);
}

std::string RegionMirror::leave_to_others() {
  if (only_reads_) return {};
  const std::string owed = owed_to_others();
  if (owed.empty()) return {};
  retire();
  close_file();
  return path_ + ": its own destination " + owed +
         " has not got everything; the program's next start delivers it, or `sluice recover`";
}

std::string RegionMirror::finish() {
  if (only_reads_ || fd_ < 0) return {};
  retire();
  const bool all = merger_->queued() == 0 && Marks::look(entry_->state) == SinkState::kUnused;
  if (std::string owed = leave_to_others(); !owed.empty()) return owed;
  if (!all) return path_ + ": not everything is stored; it stays for the next collector";
  if (owner_is_dead()) (void)io_.unlink(path_.c_str());
  return {};
}

}  // namespace sluice::collector
