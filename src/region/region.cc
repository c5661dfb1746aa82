#include "region/region.h"
#include "region/registration.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <new>

#include "base/fixed_text.h"
#include "base/made.h"
#include "base/spin_lock.h"
#include "os/memory.h"
#include "os/path.h"
#include "os/process.h"

namespace sluice::region {
namespace {

constexpr u64 kPage = os::kPageBytes;
constexpr int kGiveBackTries = 64;
constexpr u64 kAdoptedGrowth = 4 << 20;  // for what a recovery adds: intents of its own sinks

// {device, inode} of the regions this process holds the locks of. relaxed: entries are only
// compared, and each is written and erased by the thread that owns the region.
struct Held {
  std::atomic<u64> device;  // before the inode, which is 0 in a free entry
  std::atomic<u64> inode;
};
Held held[16];
// Of a file that this process has just made, which no other thread claims. False: there is no room
// to say that it is held. Waits for nobody.
bool hold_own(u64 device, u64 inode) {
  for (Held& entry : held) {
    u64 free = 0;
    if (entry.inode.compare_exchange_strong(free, ~u64{0}, std::memory_order_relaxed)) {
      entry.device.store(device, std::memory_order_relaxed);
      entry.inode.store(inode, std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

// Two scans of one process must not both take a region: the kernel's locks are the process's. Only
// adopt() waits for it, which no signal handler calls.
SpinLock<detail::RealSync> claiming;

// The same for a file that another scan may hold, or be about to.
bool hold(u64 device, u64 inode) {
  claiming.lock(os::yield);
  const bool held_now = !held_by_this_process(device, inode) && hold_own(device, inode);
  claiming.unlock();
  return held_now;
}

void let_go(u64 device, u64 inode) {
  for (Held& entry : held) {
    if (entry.inode.load(std::memory_order_relaxed) == inode &&
        entry.device.load(std::memory_order_relaxed) == device) {
      entry.inode.store(0, std::memory_order_relaxed);
    }
  }
}

}  // namespace

bool held_by_this_process(u64 device, u64 inode) {
  for (const Held& entry : held) {
    if (entry.inode.load(std::memory_order_relaxed) == inode &&
        entry.device.load(std::memory_order_relaxed) == device) {
      return true;
    }
  }
  return false;
}

bool region_directory(char* to, std::size_t size, u32 attempt, bool make) {
  if (!os::can_map_files()) return false;
  FixedText path(to, size);
  if (attempt + 1 < kRegionDirectories) {
    path.text("/dev/shm/sluice-").number(os::user_id());
    if (attempt) path.text("-").number(attempt);
  } else {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    if (!runtime || !os::is_absolute(runtime)) return false;
    path.text(runtime).text("/sluice");
  }
  if (path.cut()) return false;
  os::Io& io = os::real_io();
  if (make) io.make_directory(to);
  os::FileInfo info;
  return io.stat(to, info) == 0 && info.directory && info.uid == os::user_id() &&
         (info.mode & 0777) == 0700;
}

int Region::create(const RegionOptions& options, void* at) {
  base_ = static_cast<char*>(at);
  reserved_ = mapped_ = options.reserved_bytes;
  exists_ = false;
  const u64 bytes = plan(options);
  if (bytes > reserved_) return -EINVAL;
  if (options.private_memory || make_file(options, bytes) != 0) {
    fd_ = -1;
    path_[0] = '\0';
    int failed = os::map_zero(base_, reserved_);
    if (failed == 0) failed = os::commit(base_, bytes);
    if (failed == 0) failed = fill(options, bytes);
    if (failed) return failed;
  }
  exists_ = true;
  return 0;
}

int Region::fill(const RegionOptions& options, u64 bytes) {
  write_header(options, bytes);
  // Faulted in before the first call: control bytes, cells, slots. The dictionary and the journal
  // are touched only by the cold path and by the consumer.
  return os::populate(base_, offsets_[u32(AreaKind::kDictionary)]);
}

int Region::make_file(const RegionOptions& options, u64 bytes) {
  if (options.directory[0]) return make_file_in(options.directory, options, bytes);
  int result = -ENOENT;
  for (u32 attempt = 0; attempt < kRegionDirectories && result != 0; ++attempt) {
    char directory[512];
    if (region_directory(directory, sizeof directory, attempt, true)) {
      result = make_file_in(directory, options, bytes);
    }
  }
  return result;
}

int Region::make_file_in(const char* directory, const RegionOptions& options, u64 bytes) {
  // Again when a scan took the draft for a dead process's, before it was locked.
  int result = -EAGAIN;
  for (u32 tries = 0; tries < 8 && (result == -EAGAIN || result == -ENOENT); ++tries) {
    result = try_make_file_in(directory, options, bytes);
  }
  return result;
}

// The file gets its name only when it is locked and whole, so no scan ever sees half of one.
int Region::try_make_file_in(const char* directory, const RegionOptions& options, u64 bytes) {
  os::Io& io = os::real_io();
  u64 id;
  os::random_bytes(&id, sizeof id);
  char draft[sizeof path_];
  FixedText(draft, sizeof draft).text(directory).text("/").text(kDraftPrefix).number(id, 16);
  FixedText name(path_, sizeof path_);
  name.text(directory).text("/");
  for (u32 i = 0; options.product[i]; ++i) {
    const char c = options.product[i];
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '-' || (c == '.' && i > 0);
    name.text(plain ? std::string_view(&c, 1) : "_");
  }
  name.text("-").number(os::process_id()).text("-").number(id & 0xffffffff, 16).text(".region");
  if (name.cut()) return -ENAMETOOLONG;

  const u32 maker = os::process_id();
  fd_ = io.open(draft, os::kRead | os::kWrite | os::kCreate | os::kExclusive);
  if (fd_ < 0) return fd_;
  os::FileInfo info, named;
  int result = os::is_memory_filesystem(fd_) ? io.stat_fd(fd_, info) : -ENOTSUP;
  if (result == 0 && !hold_own(info.device, info.inode)) result = -EMFILE;
  if (result == 0) result = io.lock(fd_, kOwnerLock, false);
  if (result == 0) result = io.lock(fd_, kConsumerLock, false);
  // A scan for drafts of the dead may have found it before it was locked.
  if (result == 0) result = io.stat(draft, named);
  if (result == 0) result = io.allocate(fd_, 0, bytes);
  if (result == 0) result = os::map_file(base_, fd_, reserved_);
  if (result == 0) result = fill(options, bytes);
  if (result == 0) result = io.rename(draft, path_);
  if (result != 0) {
    // Not the parent's, when a handler has forked meanwhile.
    if (os::process_id() == maker) io.unlink(draft);
    let_go(info.device, info.inode);
    io.close(fd_);
  }
  return result;
}

void remove_dead_draft(const char* path) {
  os::Io& io = os::real_io();
  os::FileInfo named, opened;
  if (io.stat(path, named) != 0 || !named.regular || named.uid != os::user_id() ||
      !hold(named.device, named.inode)) {
    return;
  }
  const int fd = io.open(path, os::kRead | os::kWrite);
  if (fd >= 0) {
    const bool same =
        io.stat_fd(fd, opened) == 0 && opened.inode == named.inode && opened.device == named.device;
    if (same && io.lock(fd, kOwnerLock, false) == 0) io.unlink(path);
    io.close(fd);
  }
  let_go(named.device, named.inode);
}

u64 Region::plan(const RegionOptions& options) {
  const struct {
    AreaKind kind;
    u64 bytes;
  } areas[] = {
      // First, at one place whatever the options are: an inherited heartbeat goes on beating there.
      {AreaKind::kHeartbeats, kHeartbeatsMax * sizeof(HeartbeatEntry)},
      {AreaKind::kClock, kPage},
      {AreaKind::kWake, kPage},
      {AreaKind::kSiteControls, options.sites_max},
      {AreaKind::kLoggers, options.loggers_max * sizeof(LoggerEntry)},
      {AreaKind::kSites, options.sites_max * sizeof(SiteEntry)},
      {AreaKind::kDropCells, u64{options.sites_max} * kDropReasons * 8},
      {AreaKind::kReportedDrops, u64{options.sites_max} * kDropReasons * 8},
      {AreaKind::kThreadSlots, options.slots_max * sizeof(ThreadSlot)},
      {AreaKind::kSinks, kSinksMax * kSinkEntryBytes},
      {AreaKind::kRequests, sizeof(RequestArea)},
      {AreaKind::kDictionary, options.dictionary_bytes},
      {AreaKind::kMetricCells, sizeof(MetricArea)},
      {AreaKind::kStreams, 4 * kPage},
      {AreaKind::kBacktrace, sizeof(BacktraceArea)},
      {AreaKind::kJournal, sizeof(JournalLines) + options.journal_bytes},
  };
  u64 offset = kPage;
  for (const auto& area : areas) {
    offsets_[u32(area.kind)] = offset;
    lengths_[u32(area.kind)] = area.bytes;
    offset += round_up(area.bytes, kPage);
  }
  return offset;
}

void Region::write_header(const RegionOptions& options, u64 bytes) {
  auto* header = new (base_) RegionHeader{};
  header->version = kVersion;
  header->reserved_bytes = reserved_;
  header->grown.store(bytes, std::memory_order_relaxed);
  header->sites_max = options.sites_max;
  header->loggers_max = options.loggers_max;
  header->slots_max = options.slots_max;
  const u64 record_max = std::min<u64>(options.ring_bytes / 4, options.journal_bytes / 8);
  header->record_bytes_max = u32(std::min<u64>(record_max, kRecordBytesMax));
  header->ring_bytes = options.ring_bytes;
  header->journal_bytes = options.journal_bytes;
  os::random_bytes(header->region_id, sizeof header->region_id);
  header->pid = os::process_id();
  header->uid = os::user_id();
  header->pid_namespace = os::pid_namespace();
  header->start_time = os::start_time(header->pid);
  header->start_wall_ns = os::wall_ns();
  copy_text(header->product, options.product);
  copy_text(header->version_text, options.version);
  copy_text(header->run_id, options.run_id);
  copy_text(header->host, options.host);
  copy_text(header->program, options.program);
  for (u32 kind = 1; kind < kAreasMax; ++kind) {
    if (!lengths_[kind]) continue;
    header->areas[header->area_count++] = {kind, 1, offsets_[kind], lengths_[kind]};
  }
  header_ = header;
  // Ids below kSiteFirstCaller are built in; nobody registers them.
  wake().sites_used.store(kSiteFirstCaller, std::memory_order_relaxed);
  header->magic = kMagic;
}

int Region::adopt(const char* path) {
  os::Io& io = os::real_io();
  os::FileInfo named;
  if (const int failed = io.stat(path, named); failed) return failed;
  if (!named.regular) return -EBADMSG;
  if (named.uid != os::user_id()) return -EPERM;
  if (!hold(named.device, named.inode)) return -EAGAIN;
  const int fd = io.open(path, os::kRead | os::kWrite);
  if (fd < 0) {
    let_go(named.device, named.inode);
    return fd;
  }
  os::FileInfo opened, again;
  int result = io.stat_fd(fd, opened);
  if (result == 0 && (opened.inode != named.inode || opened.device != named.device)) {
    result = -ESTALE;  // closed again below, which is right unless it is one of ours
    if (held_by_this_process(opened.device, opened.inode)) result = -EAGAIN;
  }
  if (result == 0 && opened.uid != os::user_id()) result = -EPERM;
  if (result == 0 && !os::is_memory_filesystem(fd)) result = -EBADMSG;
  if (result == 0) result = io.lock(fd, kOwnerLock, false);
  if (result == 0) result = io.lock(fd, kConsumerLock, false);
  // Whoever drained it before us may have removed it between our open and our lock.
  if (result == 0 &&
      (io.stat(path, again) != 0 || again.inode != opened.inode || again.device != opened.device)) {
    result = -ESTALE;
  }
  // Again under the lock: until then its owner may have been alive, and made another ring.
  if (result == 0) result = io.stat_fd(fd, opened);
  const u64 bytes = opened.size / kPage * kPage;
  if (result == 0 && bytes < kPage) result = -EBADMSG;
  const u64 room = bytes + kAdoptedGrowth;
  void* at = result == 0 ? os::reserve(room) : nullptr;
  if (result == 0 && !at) result = -ENOMEM;
  if (result == 0) result = os::map_file(at, fd, room);
  if (result != 0) {
    if (at) os::release(at, room);
    io.close(fd);
    let_go(named.device, named.inode);
    return result;
  }
  fd_ = fd;
  base_ = static_cast<char*>(at);
  reserved_ = room;
  mapped_ = bytes;  // what lies behind it is no memory until allocate()
  adopted_ = true;
  header_ = reinterpret_cast<RegionHeader*>(base_);
  FixedText(path_, sizeof path_).text(path);
  exists_ = true;
  result = check_header();
  if (result != 0) close(false);
  return result;
}

int Region::check_header() {
  if (header_->magic != kMagic) return -EBADMSG;
  if (header_->version != kVersion) return -EPROTONOSUPPORT;
  return check_areas() ? 0 : -EBADMSG;
}

bool Region::check_areas() {
  const RegionHeader& header = *header_;
  if (header.area_count > kAreasMax) return false;
  for (u32 i = 0; i < header.area_count; ++i) {
    const Area area = header.areas[i];
    if (area.kind == 0 || area.kind >= kAreasMax) continue;  // of a newer version
    if (area.offset % kPage != 0 || area.offset < kPage || area.offset > mapped_ ||
        area.length > mapped_ - area.offset) {
      return false;
    }
    offsets_[area.kind] = area.offset;
    lengths_[area.kind] = area.length;
  }
  if (overlap()) return false;
  const u64 journal = header.journal_bytes;
  return check_area(AreaKind::kClock, sizeof(ClockPage)) &&
         check_area(AreaKind::kWake, sizeof(WakeLines)) &&
         check_area(AreaKind::kSiteControls, header.sites_max) &&
         check_area(AreaKind::kLoggers, u64{header.loggers_max} * sizeof(LoggerEntry)) &&
         check_area(AreaKind::kSites, u64{header.sites_max} * sizeof(SiteEntry)) &&
         check_area(AreaKind::kDropCells, u64{header.sites_max} * kDropReasons * 8) &&
         check_area(AreaKind::kReportedDrops, u64{header.sites_max} * kDropReasons * 8) &&
         check_area(AreaKind::kMetricCells, sizeof(MetricArea)) &&
         check_area(AreaKind::kHeartbeats, kHeartbeatsMax * sizeof(HeartbeatEntry)) &&
         check_area(AreaKind::kThreadSlots, u64{header.slots_max} * sizeof(ThreadSlot)) &&
         check_area(AreaKind::kSinks, kSinksMax * kSinkEntryBytes) &&
         check_area(AreaKind::kRequests, sizeof(RequestArea)) &&
         check_area(AreaKind::kBacktrace, sizeof(BacktraceArea)) &&
         lengths_[u32(AreaKind::kDictionary)] > 0 && journal >= kBatchBytesMax &&
         std::has_single_bit(journal) && journal <= mapped_ &&
         check_area(AreaKind::kJournal, sizeof(JournalLines) + journal) &&
         header.slots_max <= kThreadSlotsMax && header.loggers_max > 0 &&
         header.sites_max > kSiteFirstCaller && header.record_bytes_max <= kRecordBytesMax;
}

bool Region::overlap() const {
  for (u32 a = 1; a < kAreasMax; ++a) {
    for (u32 b = a + 1; b < kAreasMax; ++b) {
      if (offsets_[a] < offsets_[b] + lengths_[b] && offsets_[b] < offsets_[a] + lengths_[a] &&
          lengths_[a] != 0 && lengths_[b] != 0) {
        return true;
      }
    }
  }
  return false;
}

bool Region::check_area(AreaKind kind, u64 bytes) const {
  return lengths_[u32(kind)] >= bytes && offsets_[u32(kind)] != 0;
}

void Region::close(bool remove) {
  if (!exists_) return;
  if (remove) unlink_file();
  os::FileInfo info;
  if (fd_ >= 0) {
    if (os::real_io().stat_fd(fd_, info) == 0) let_go(info.device, info.inode);
    os::real_io().close(fd_);
  }
  os::release(base_, adopted_ ? reserved_ : mapped_);
  header_ = nullptr;
  exists_ = false;
  fd_ = -1;
}

void Region::unlink_file() {
  if (fd_ >= 0 && path_[0]) os::real_io().unlink(path_);
}

void Region::abandon_after_fork() {
  for (Held& entry : held) entry.inode.store(0, std::memory_order_relaxed);
  claiming.unlock();
  fd_ = -1;
  if (!exists_) return;
  // The header stays where it is, all zero: an interrupted call may yet look into it.
  os::map_zero(base_, mapped_);
  exists_ = false;
}

JournalPlace<JournalSync> Region::journal() const {
  JournalLines& lines = journal_lines();
  return {reinterpret_cast<char*>(&lines + 1), header_->journal_bytes, &lines.committed,
          &lines.reclaimed, &lines.reclaimed_sequence};
}

RingLines* Region::lines_of(const ThreadSlot& slot) const {
  const u64 chunk = Made::look(slot.chunk);
  const u64 bytes = slot.ring_bytes.load(std::memory_order_relaxed);
  const bool sound = chunk >= kPage && chunk % kPage == 0 && std::has_single_bit(bytes) &&
                     bytes >= kPage && chunk < mapped_ && bytes <= mapped_ &&
                     sizeof(RingLines) + bytes <= mapped_ - chunk;
  return sound ? reinterpret_cast<RingLines*>(base_ + chunk) : nullptr;
}

RingPlace<RealSync> Region::ring_of(const ThreadSlot& slot) const {
  RingLines* lines = lines_of(slot);
  if (!lines) return {};
  const u64 capacity = slot.ring_bytes.load(std::memory_order_relaxed);
  return {reinterpret_cast<char*>(lines + 1),
          capacity,
          &lines->head,
          &lines->tail,
          &lines->call,
          std::min<u64>(capacity / 4, header_->record_bytes_max)};
}

ByteView Region::site_text(u32 id) const {
  if (id >= header_->sites_max) return {};
  // The text precedes its place (P6).
  const u64 place = Registration<RealSync>::read_text(sites()[id].text);
  const u64 offset = place >> 32, bytes = place & 0xffffffff;
  if (bytes == 0 || offset > dictionary_bytes() || bytes > dictionary_bytes() - offset) return {};
  return {reinterpret_cast<const std::byte*>(dictionary() + offset), bytes};
}

char* Region::chunk(u64 offset, u64 bytes) const {
  const bool sound =
      offset >= kPage && offset % kPage == 0 && offset < mapped_ && bytes <= mapped_ - offset;
  return sound ? base_ + offset : nullptr;
}

u64 Region::allocate(u64 bytes) {
  bytes = round_up(bytes, kPage);
  if (adopted_) return allocate_adopted(bytes);
  std::atomic<u64>& grown = header_->grown;
  // relaxed: only makes the range ours; what is put there is published by other words
  u64 offset = grown.load(std::memory_order_relaxed);
  do {
    if (offset + bytes > reserved_) return 0;
  } while (!grown.compare_exchange_weak(offset, offset + bytes, std::memory_order_relaxed));
  if ((fd_ < 0 || os::real_io().allocate(fd_, offset, bytes) == 0) &&
      os::populate(base_ + offset, bytes) == 0) {
    return offset;
  }
  // Given back when what others have allocated behind it is given back too, so that attempts while
  // there is no room do not use up the addresses.
  for (int tries = 0; tries < kGiveBackTries; ++tries) {
    u64 end = offset + bytes;
    if (grown.compare_exchange_strong(end, offset, std::memory_order_relaxed)) break;
    os::yield();
  }
  return 0;
}

// Behind the end of the file: what the dead process noted of its size is not believed.
u64 Region::allocate_adopted(u64 bytes) {
  const u64 offset = mapped_;
  if (offset + bytes > reserved_ || os::real_io().allocate(fd_, offset, bytes) != 0 ||
      os::populate(base_ + offset, bytes) != 0) {
    return 0;
  }
  mapped_ += bytes;
  return offset;
}

bool Region::make_ring(ThreadSlot& slot, u64 ring_bytes) {
  const u64 sizes[] = {ring_bytes, 512 * 1024, 128 * 1024, 32 * 1024};
  for (const u64 bytes : sizes) {
    if (bytes > ring_bytes) continue;
    const u64 chunk = allocate(sizeof(RingLines) + bytes);
    if (!chunk) continue;
    slot.ring_bytes.store(bytes, std::memory_order_relaxed);
    Made::publish(slot.chunk, chunk);  // for readers that see it before they see the slot's state
    return true;
  }
  return false;
}

}  // namespace sluice::region
