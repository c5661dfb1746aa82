#include "collector/region_image.h"

#include <algorithm>
#include <cstddef>

#include "base/fixed_text.h"
#include "record/escape.h"
#include "region/request_area.h"

namespace sluice::collector {
namespace {

using region::AreaKind;
using region::JournalLines;
using region::RegionHeader;
using region::RingLines;
using region::ThreadSlot;

constexpr u64 kHeaderBytes = 4096;
// A hostile header may name any number; more than this is no region of ours.
constexpr u64 kJournalBytesMax = u64{1} << 32;

std::string in_quotes(const std::string& path) {
  return "'" + escaped(TextForm::kText, path) + "'";
}

}  // namespace

RegionImage::~RegionImage() {
  if (owns_) io_.close(fd_);
}

Result<std::unique_ptr<RegionImage>> RegionImage::open(os::Io& io, const std::string& path) {
  const int fd = io.open(path.c_str(), os::kRead | os::kFollow);
  if (fd < 0) return fatal("cannot open " + in_quotes(path) + ": " + os::error_text(fd));
  return take(std::unique_ptr<RegionImage>(new RegionImage(io, path, fd, true)));
}

Result<std::unique_ptr<RegionImage>> RegionImage::over(os::Io& io, const std::string& path,
                                                       int fd) {
  return take(std::unique_ptr<RegionImage>(new RegionImage(io, path, fd, false)));
}

Result<std::unique_ptr<RegionImage>> RegionImage::take(std::unique_ptr<RegionImage> image) {
  const Status status = image->read_header();
  if (!status.ok()) return status;
  return image;
}

bool RegionImage::read_at(u64 offset, void* to, std::size_t size) {
  return os::pread_all(io_, fd_, to, size, offset) == i64(size);
}

bool RegionImage::read_in(AreaKind kind, u64 at, void* to, std::size_t size) {
  const Place& place = area(kind);
  return at <= place.length && size <= place.length - at && read_at(place.offset + at, to, size);
}

Status RegionImage::read_header() {
  const Status no_region = fatal(in_quotes(path_) + " is no region; check the path");
  os::FileInfo info;
  if (io_.stat_fd(fd_, info) != 0 || !info.regular) return no_region;
  device_ = info.device;
  inode_ = info.inode;
  alignas(64) char bytes[kHeaderBytes];
  if (!read_at(0, bytes, sizeof bytes)) return no_region;
  const auto& header = *reinterpret_cast<const RegionHeader*>(bytes);
  if (header.magic != region::kMagic) return no_region;
  if (header.version != region::kVersion) {
    return fatal(in_quotes(path_) +
                 " is a region of another version; look at it with the sluice of its program");
  }
  if (header.area_count > region::kAreasMax) return no_region;
  for (u32 i = 0; i < header.area_count; ++i) {
    const region::Area& entry = header.areas[i];
    if (entry.kind == 0 || entry.kind >= region::kAreasMax) continue;  // of a newer version
    if (entry.offset > info.size || entry.length > info.size - entry.offset) return no_region;
    areas_[entry.kind] = {entry.offset, entry.length};
  }
  journal_bytes_ = header.journal_bytes;
  const u64 journal = area(AreaKind::kJournal).length;
  if (!std::has_single_bit(journal_bytes_) || journal_bytes_ > kJournalBytesMax ||
      journal_bytes_ < sizeof(BatchHeader) || journal < sizeof(JournalLines) ||
      journal_bytes_ > journal - sizeof(JournalLines)) {
    return no_region;
  }
  sites_max_ = header.sites_max;
  loggers_max_ = header.loggers_max;
  slots_max_ = std::min<u32>(header.slots_max, kThreadSlotsMax);
  start_wall_ns_ = header.start_wall_ns;
  run_ = {std::string(field_text(header.product)), std::string(field_text(header.version_text)),
          std::string(field_text(header.run_id)), std::string(field_text(header.host)), header.pid};
  position_ = journal_word(offsetof(JournalLines, reclaimed), 0);
  return {};
}

u64 RegionImage::journal_word(std::size_t member, u64 otherwise) {
  u64 word = otherwise;
  return read_in(AreaKind::kJournal, member, &word, sizeof word) ? word : otherwise;
}

bool RegionImage::read_journal(u64 position, char* to, std::size_t size) {
  const u64 at = position & (journal_bytes_ - 1);
  const std::size_t first = std::size_t(std::min<u64>(size, journal_bytes_ - at));
  return read_in(AreaKind::kJournal, sizeof(JournalLines) + at, to, first) &&
         read_in(AreaKind::kJournal, sizeof(JournalLines), to + first, size - first);
}

bool RegionImage::has_more() {
  return journal_word(offsetof(JournalLines, committed), position_) != position_;
}

bool RegionImage::is_gone() const {
  os::FileInfo now;
  return io_.stat(path_.c_str(), now) != 0 || now.inode != inode_ || now.device != device_;
}

JournalRead RegionImage::damaged(u64 committed) {
  position_ = committed;
  return JournalRead::kDamaged;
}

JournalRead RegionImage::next_batch(const char*& batch) {
  const u64 committed = journal_word(offsetof(JournalLines, committed), position_);
  if (committed == position_) return JournalRead::kNothing;
  batch_.resize(kBatchBytesMax);
  const bool in_reach = committed - position_ <= journal_bytes_;
  bool sound = in_reach && committed - position_ >= sizeof(BatchHeader) &&
               read_journal(position_, batch_.data(), sizeof(BatchHeader));
  const BatchHeader header = sound ? load<BatchHeader>(batch_.data()) : BatchHeader{};
  sound = sound && plausible(header, journal_bytes_) && header.bytes <= committed - position_ &&
          read_journal(position_, batch_.data(), header.bytes);
  // Behind the data: what it had not given up by now, its writer had not begun to overwrite.
  const u64 reclaimed = journal_word(offsetof(JournalLines, reclaimed), position_);
  if (reclaimed > position_) {
    position_ = reclaimed;
    return JournalRead::kPassed;
  }
  // The batch may have been read twice, with different bytes: what counts is the second time.
  if (!sound || load<BatchHeader>(batch_.data()).bytes != header.bytes ||
      load<BatchHeader>(batch_.data()).threads != header.threads ||
      header.crc != batch_crc(header, batch_.data() + sizeof header)) {
    return damaged(committed);
  }
  store(batch_.data(), header);
  position_ += header.bytes;
  batch = batch_.data();
  return JournalRead::kBatch;
}

u64 RegionImage::requests_at() const {
  const Place& place = area(AreaKind::kRequests);
  return place.length >= sizeof(region::RequestArea) ? place.offset : 0;
}

u64 RegionImage::unmerged_bytes() {
  u64 total = 0;
  const u32 used = slots();
  for (u32 i = 0; i < used; ++i) {
    alignas(64) char bytes[sizeof(ThreadSlot)];
    if (!read_in(AreaKind::kThreadSlots, u64{i} * sizeof bytes, bytes, sizeof bytes)) break;
    const u64 chunk = load<u64>(bytes + offsetof(ThreadSlot, chunk));
    const u64 ring_bytes = load<u64>(bytes + offsetof(ThreadSlot, ring_bytes));
    u64 head = 0, tail = 0;
    if (chunk == 0 || !read_at(chunk + offsetof(RingLines, head), &head, sizeof head) ||
        !read_at(chunk + offsetof(RingLines, tail), &tail, sizeof tail)) {
      continue;
    }
    if (head > tail && head - tail <= ring_bytes) total += head - tail;
  }
  return total;
}

std::vector<std::byte> RegionImage::site_text(u32 id) {
  std::vector<std::byte> text;
  u64 place = 0;
  if (id >= sites_max_ ||
      !read_in(AreaKind::kSites, u64{id} * sizeof(region::SiteEntry), &place, sizeof place)) {
    return text;
  }
  const u64 bytes = place & 0xffffffff;
  const Place& dictionary = area(AreaKind::kDictionary);
  if (bytes == 0 || (place >> 32) > dictionary.length ||
      bytes > dictionary.length - (place >> 32) || bytes > kRecordBytesMax) {
    return text;
  }
  text.resize(bytes);
  if (!read_in(AreaKind::kDictionary, place >> 32, text.data(), bytes)) text.clear();
  return text;
}

std::string RegionImage::logger(u32 index) {
  alignas(8) char bytes[sizeof(region::LoggerEntry)];
  if (index == 0 || index >= loggers_max_ ||
      !read_in(AreaKind::kLoggers, u64{index} * sizeof bytes, bytes, sizeof bytes)) {
    return {};
  }
  const u16 size = load<u16>(bytes + offsetof(region::LoggerEntry, bytes));
  if (size > sizeof(region::LoggerEntry::name)) return {};
  return {bytes + offsetof(region::LoggerEntry, name), size};
}

}  // namespace sluice::collector
