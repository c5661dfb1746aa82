// A mirror of a region that its program consumes itself: the journal is copied, and read from the
// copy as from one that we drain.
//
// The owner overwrites old batches when it needs the room, after it has said so in `reclaimed`. So
// that word is read again behind a copy: what lies in front of it then is thrown away (as
// JournalReader does within a process, P5). What the store is too slow for is so passed over, and
// counted by whoever reads on.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "collector/region_mirror.h"
#include "region/marks.h"
#include "sink/sink_table.h"

namespace sluice::collector {
namespace {

using region::JournalLines;
using region::WakeLines;

// Of one turn.
constexpr u64 kReadBytesMax = 1 << 20;

// Behind the kernel's copy of a journal, before `reclaimed` is read again: see region_progress.cc.
void fence_behind_batches() {
#ifndef __SANITIZE_THREAD__
  std::atomic_thread_fence(JournalOrders::load_word);  // acquire (P5)
#endif
}

}  // namespace

Result<std::unique_ptr<RegionMirror>> RegionMirror::open_to_read(os::Io& io,
                                                                 const std::string& path,
                                                                 u32 place) {
  Result<std::unique_ptr<RegionMirror>> mirror = open_file(io, path);
  if (!mirror.ok()) return mirror;
  const Status status = mirror.value()->begin_to_read(place);
  if (!status.ok()) return status;
  return mirror;
}

Result<std::unique_ptr<RegionMirror>> RegionMirror::read_again(RegionMirror& reader, u32 place) {
  std::unique_ptr<RegionMirror> mirror = behind(reader);
  const Status status = mirror->begin_to_read(place);
  if (status.ok()) return mirror;
  mirror->give_back(reader);
  return status;
}

Status RegionMirror::begin_to_read(u32 place) {
  only_reads_ = true;
  os::FileInfo info;
  if (const int failed = io_.stat_fd(fd_, info); failed != 0) {
    return {ErrorClass::kRetryable, path_ + ": " + os::error_text(failed), -failed};
  }
  Status status = take_header(info.size);
  if (status.ok()) status = load_areas();
  if (status.ok()) status = start_reading(place);
  return status;
}

Status RegionMirror::start_reading(u32 place) {
  if (place >= region::kSinksMax) return fatal(path_ + ": its sink table has no such place");
  entry_ = &region_.sink(place);
  const bool open = region::Marks::look(entry_->state) == region::SinkState::kOpen;
  if (open && !sink::is_collectors(*entry_)) {
    return {ErrorClass::kRetryable, path_ + ": that place is another sink's"};
  }
  JournalLines& lines = region_.journal_lines();
  if (!read_here(&lines, sizeof lines)) return cut();
  // relaxed, all: no other thread has this copy yet
  const u64 committed = lines.committed.load(std::memory_order_relaxed);
  const u64 reclaimed = lines.reclaimed.load(std::memory_order_relaxed);
  u64 from = entry_->cursor_position.load(std::memory_order_relaxed);
  if (from % 8 != 0 || committed - from > committed - reclaimed) from = round_up(reclaimed, 8);
  entry_->cursor_position.store(from, std::memory_order_relaxed);
  lines.committed.store(from, std::memory_order_relaxed);
  lines.reclaimed.store(from, std::memory_order_relaxed);
  readable_.store(from, std::memory_order_relaxed);
  committed_ = from;
  return refresh_journal();
}

// Names behind batches: a record's site is published before the record is.
Status RegionMirror::refresh_journal() {
  alignas(64) char seen[sizeof(JournalLines)], again[sizeof(JournalLines)], wake[sizeof(WakeLines)];
  JournalLines& lines = region_.journal_lines();
  const u64 at = region_.offset_of(&lines);
  const u64 capacity = region_.journal().capacity;
  const auto word = [](const char* bytes, std::size_t member) { return load<u64>(bytes + member); };
  if (!read_at(at, seen, sizeof seen)) return cut();
  const u64 committed = word(seen, offsetof(JournalLines, committed));
  const u64 reclaimed = word(seen, offsetof(JournalLines, reclaimed));
  more_ = false;
  if (committed == committed_) return {};
  if (committed % 8 != 0 || reclaimed % 8 != 0 || i64(committed - committed_) < 0) {
    return fatal(path_ + ": its journal does not go on where it was");
  }
  more_ = true;
  // The two were not read at one moment, and the owner was fast.
  if (committed - reclaimed > capacity) return {};
  // acquire: the reader has done with what is in front of it (P4)
  const u64 kept = entry_->cursor_position.load(JournalOrders::read_cursor);
  u64 from = i64(reclaimed - committed_) > 0 ? reclaimed : committed_;
  // What was passed over: when the reader has had all that lies before it.
  if (from != committed_ && kept != committed_) return {};
  const u64 room = (from == committed_ ? kept : from) + capacity;
  const u64 to = std::min({committed - from, room - from, kReadBytesMax}) + from;
  if (!copy_journal(from, to)) return cut();
  fence_behind_batches();
  if (!read_at(at, again, sizeof again)) return cut();
  const u64 passed = word(again, offsetof(JournalLines, reclaimed));
  if (i64(passed - from) > 0) {
    if (kept != committed_ || passed % 8 != 0 || i64(to - passed) < 0) return {};
    from = passed;
  }
  const u64 end = end_of_batches(from, to);
  if (!read_at(region_.offset_of(&region_.wake()), wake, sizeof wake)) return cut();
  const Status named = read_names(wake);
  if (!named.ok()) return named;
  // relaxed, both: readable_ brings them, with which the reader compares its position first (P30)
  if (from != committed_) lines.reclaimed.store(from, std::memory_order_relaxed);
  lines.committed.store(end, std::memory_order_relaxed);
  committed_ = end;
  more_ = end != committed;
  return {};
}

bool RegionMirror::copy_journal(u64 from, u64 to) {
  const JournalPlace<JournalSync> place = region_.journal();
  for (u64 at = from; at != to;) {
    const u64 run = place.run(at, to - at);
    if (!read_here(place.at(at), run)) return false;
    at += run;
  }
  return true;
}

// Where the last whole batch ends. Of what is no batch the reader finds out: all of it is shown.
u64 RegionMirror::end_of_batches(u64 from, u64 to) const {
  const JournalPlace<JournalSync> place = region_.journal();
  u64 at = from;
  while (to - at >= sizeof(BatchHeader)) {
    alignas(8) char bytes[sizeof(BatchHeader)];
    for (u64 i = 0; i < sizeof bytes; i += 8) std::memcpy(bytes + i, place.at(at + i), 8);
    const auto header = load<BatchHeader>(bytes);
    if (!plausible(header, place.capacity) || header.bytes == 0) return to;
    if (header.bytes > to - at) break;
    at += header.bytes;
  }
  return at;
}

}  // namespace sluice::collector
