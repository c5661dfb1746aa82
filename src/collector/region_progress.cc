// A mirror's two ways: what the owner has published into the copy, and the progress into the file.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstring>

#include "collector/region_mirror.h"
#include "os/process.h"
#include "region/registration.h"

namespace sluice::collector {
namespace {

using region::ContextCopy;
using region::LoggerEntry;
using region::RingLines;
using region::SiteEntry;
using region::SlotState;
using region::ThreadSlot;
using region::WakeLines;
using Names = region::Registration<JournalSync>;

constexpr u64 kRingLeast = 4096;
constexpr u64 kRingMost = u64{64} << 20;

// A word of an object that was read as bytes.
template <class T>
T word_at(const char* bytes, std::size_t member) {
  return load<T>(bytes + member);
}

// acquire: the records before the heads that were read above (P1), however the kernel copies.
// ThreadSanitizer knows no fences, and of another process's file it could see nothing anyway.
void fence_behind_heads() {
#ifndef __SANITIZE_THREAD__
  std::atomic_thread_fence(detail::RingOrders::read_head);
#endif
}

}  // namespace

Status RegionMirror::refresh() {
  sees_all_ = dead_;
  return only_reads_ ? refresh_journal() : refresh_rings();
}

// Slots before heads: in kLeft a head is then the last one (P8). Heads before sites: a record's
// site is published before the record is.
Status RegionMirror::refresh_rings() {
  WakeLines& wake = region_.wake();
  alignas(64) char before[sizeof(WakeLines)], behind[sizeof(WakeLines)];
  const u64 wake_at = region_.offset_of(&wake);
  if (!read_at(wake_at, before, sizeof before)) return cut();
  const u32 slots =
      std::min(word_at<u32>(before, offsetof(WakeLines, slots_used)), region_.header().slots_max);
  if (!read_slots(slots) || !read_heads()) return cut();
  merger_->looked_at(merger_->ticks());
  bool new_series = false;
  if (merger_->wants_cells() && !read_series(new_series)) return cut();
  // relaxed, here and below: words of the copy that only this thread uses
  wake.slots_used.store(slots, std::memory_order_relaxed);
  // Sites and loggers matter to records and to drops only; the first time to what is in the
  // journal.
  const bool has_records = std::any_of(rings_.begin(), rings_.end(), [](const Ring& ring) {
    return ring.state == Ring::kSound && ring.head != ring.copied;
  });
  const bool has_drops = word_at<u64>(before, offsetof(WakeLines, drops)) != drops_;
  if (!has_records && !has_drops && !new_series && sites_known_ > 0) return {};
  fence_behind_heads();
  if (!read_at(wake_at, behind, sizeof behind) || !read_records()) return cut();
  const Status named = read_names(behind);
  if (!named.ok()) return named;
  // relaxed, here and below: words of the copy that only this thread uses
  const u32 sites = wake.sites_used.load(std::memory_order_relaxed);
  const u64 drops = word_at<u64>(behind, offsetof(WakeLines, drops));
  if (drops != drops_) {
    auto& cells = region_.drop_cell(0, DropReason(0));
    if (!read_here(&cells, u64{sites} * kDropReasons * sizeof(u64))) return cut();
    drops_ = drops;
  }
  wake.drops.store(drops, std::memory_order_relaxed);
  return {};
}

// `wake_bytes`: of the file's WakeLines, read behind what names them.
Status RegionMirror::read_names(const char* wake_bytes) {
  const region::RegionHeader& header = region_.header();
  const u32 sites =
      std::min(word_at<u32>(wake_bytes, offsetof(WakeLines, sites_used)), header.sites_max);
  const u32 loggers =
      std::min(word_at<u32>(wake_bytes, offsetof(WakeLines, loggers_used)), header.loggers_max);
  if (!read_sites(sites) || !read_loggers(loggers)) return cut();
  const u32 holds = word_at<u32>(wake_bytes, offsetof(WakeLines, backtraces));
  const u32 epoch = word_at<u32>(wake_bytes, offsetof(WakeLines, level_epoch));
  if (holds != 0 && (epoch != level_epoch_ || sites + loggers != levels_known_)) {
    if (!read_levels(sites, loggers)) return cut();
    level_epoch_ = epoch;
    levels_known_ = sites + loggers;
  }
  region_.wake().backtraces.store(holds, std::memory_order_relaxed);
  // relaxed: a word of the copy that only this thread uses
  region_.wake().sites_used.store(sites, std::memory_order_relaxed);
  return {};
}

bool RegionMirror::read_slots(u32 used) {
  scratch_.resize(std::max<u64>(scratch_.size(), u64{used} * sizeof(ThreadSlot)));
  if (!read_at(region_.offset_of(region_.slots()), scratch_.data(),
               u64{used} * sizeof(ThreadSlot))) {
    return false;
  }
  if (used > rings_.size()) rings_.resize(used);
  for (u32 i = 0; i < used; ++i) {
    const char* const bytes = scratch_.data() + u64{i} * sizeof(ThreadSlot);
    Ring& ring = rings_[i];
    const u32 state = word_at<u32>(bytes, offsetof(ThreadSlot, state));
    const u64 chunk = word_at<u64>(bytes, offsetof(ThreadSlot, chunk));
    const bool in_use = state == u32(SlotState::kActive) || state == u32(SlotState::kLeft);
    if (!in_use || ring.state == Ring::kRefused) continue;
    if (ring.state == Ring::kNone &&
        !take_ring(ring, i, chunk, word_at<u64>(bytes, offsetof(ThreadSlot, ring_bytes)))) {
      return false;
    }
    if (ring.state != Ring::kSound) continue;
    ThreadSlot& slot = region_.slots()[i];
    // relaxed: words of the copy that only this thread uses
    slot.generation.store(word_at<u32>(bytes, offsetof(ThreadSlot, generation)),
                          std::memory_order_relaxed);
    slot.tid.store(word_at<u32>(bytes, offsetof(ThreadSlot, tid)), std::memory_order_relaxed);
    slot.of_sink.store(word_at<u32>(bytes, offsetof(ThreadSlot, of_sink)),
                       std::memory_order_relaxed);
    std::memcpy(slot.name, bytes + offsetof(ThreadSlot, name), sizeof slot.name);
    ring.slot = SlotState(state);
    slot.state.store(ring.slot, std::memory_order_relaxed);
  }
  return true;
}

// The place of a ring is believed once, if it lies behind the areas and over no other ring.
bool RegionMirror::take_ring(Ring& ring, u32 index, u64 chunk, u64 bytes) {
  os::FileInfo info;
  if (io_.stat_fd(fd_, info) != 0) return false;
  region_.grow_copy(info.size);
  const u64 whole = sizeof(RingLines) + bytes;
  bool sound = std::has_single_bit(bytes) && bytes >= kRingLeast && bytes <= kRingMost &&
               chunk % kRingLeast == 0 && chunk >= region_.end_of_areas() && chunk <= info.size &&
               whole <= info.size - chunk && region_.chunk(chunk, whole) != nullptr;
  for (const Ring& other : rings_) {
    if (other.state != Ring::kSound) continue;
    sound = sound && (chunk >= other.chunk + sizeof(RingLines) + other.bytes ||
                      other.chunk >= chunk + whole);
  }
  ring.state = Ring::kRefused;
  if (!sound) return true;
  ThreadSlot& slot = region_.slots()[index];
  auto& lines = *reinterpret_cast<RingLines*>(region_.chunk(chunk, whole));
  if (!read_here(&lines, sizeof lines)) return false;
  // relaxed, all: as above
  ring.tail = lines.tail.load(std::memory_order_relaxed);
  ring.head = lines.head.load(std::memory_order_relaxed);
  if (ring.tail % 8 != 0 || ring.head % 8 != 0 || ring.head - ring.tail > bytes) return true;
  ring.chunk = chunk;
  ring.bytes = bytes;
  ring.copied = ring.tail;
  lines.head.store(ring.tail, std::memory_order_relaxed);
  for (u32 i = 0; i < 2; ++i) ring.contexts[i] = lines.context[i].batch_end;
  slot.chunk.store(chunk, std::memory_order_relaxed);
  slot.ring_bytes.store(bytes, std::memory_order_relaxed);
  ring.state = Ring::kSound;
  return true;
}

bool RegionMirror::read_heads() {
  for (Ring& ring : rings_) {
    if (ring.state != Ring::kSound) continue;
    u64 head = 0;
    if (!read_at(ring.chunk + offsetof(RingLines, head), &head, sizeof head)) return false;
    // A ring whose head jumps is given up where it is: nothing behind that can be found.
    if (head % 8 != 0 || head - ring.tail > ring.bytes || head - ring.copied > ring.bytes) {
      ring.state = Ring::kRefused;
      ++damaged_;
      continue;
    }
    ring.head = head;
  }
  return true;
}

bool RegionMirror::read_records() {
  for (Ring& ring : rings_) {
    if (ring.state != Ring::kSound || ring.head == ring.copied) continue;
    auto& lines = *reinterpret_cast<RingLines*>(region_.chunk(ring.chunk, sizeof(RingLines)));
    char* const data = reinterpret_cast<char*>(&lines + 1);
    for (u64 at = ring.copied; at != ring.head;) {
      const u64 offset = at & (ring.bytes - 1);
      const u64 run = std::min(ring.head - at, ring.bytes - offset);
      if (!read_here(data + offset, run)) return false;
      at += run;
    }
    ring.copied = ring.head;
    lines.head.store(ring.head, std::memory_order_relaxed);
  }
  return true;
}

bool RegionMirror::read_sites(u32 used) {
  if (sites_known_ >= used) return true;
  const u64 bytes = u64{used - sites_known_} * sizeof(SiteEntry);
  scratch_.resize(std::max<u64>(scratch_.size(), bytes));
  if (!read_at(region_.offset_of(region_.sites() + sites_known_), scratch_.data(), bytes)) {
    return false;
  }
  bool all = true;
  for (u32 i = sites_known_; i < used; ++i) {
    const char* const from = scratch_.data() + u64{i - sites_known_} * sizeof(SiteEntry);
    const u64 place = load<u64>(from);
    all = all && (place != 0 || i < kSiteFirstCaller);
    SiteEntry& site = region_.sites()[i];
    // relaxed: only this thread writes it
    if (place == 0 || site.text.load(std::memory_order_relaxed) != 0) continue;
    site.logger.store(word_at<u16>(from, offsetof(SiteEntry, logger)), std::memory_order_relaxed);
    if (!take_site(i, place)) return false;
  }
  if (all) sites_known_ = used;
  return true;
}

// The text goes to a place of its own in the copy, where no other definition can reach it.
bool RegionMirror::take_site(u32 id, u64 place) {
  const u64 offset = place >> 32, bytes = place & 0xffffffff;
  const u64 room = region_.dictionary_bytes();
  if (bytes > kRecordBytesMax || offset > room || bytes > room - offset ||
      bytes > room - dictionary_used_) {
    return true;
  }
  char* const to = region_.dictionary() + dictionary_used_;
  if (!read_at(region_.offset_of(region_.dictionary() + offset), to, bytes)) return false;
  Names::publish_text(region_.sites()[id].text, u64{dictionary_used_} << 32 | bytes);
  dictionary_used_ += u32(bytes);
  return true;
}

bool RegionMirror::read_loggers(u32 used) {
  u32 first = loggers_known_;
  if (first >= used) return true;
  const u64 bytes = u64{used - first} * sizeof(LoggerEntry);
  scratch_.resize(std::max<u64>(scratch_.size(), bytes));
  if (!read_at(region_.offset_of(region_.loggers() + first), scratch_.data(), bytes)) return false;
  bool all = true;
  for (u32 i = first; i < used; ++i) {
    const char* const from = scratch_.data() + u64{i - first} * sizeof(LoggerEntry);
    const u16 length = word_at<u16>(from, offsetof(LoggerEntry, bytes));
    LoggerEntry& logger = region_.loggers()[i];
    all = all && (length != 0 || i == 0);
    // relaxed: only this thread writes it
    if (length == 0 || length > sizeof logger.name ||
        logger.bytes.load(std::memory_order_relaxed) != 0) {
      continue;
    }
    std::memcpy(logger.name, from + offsetof(LoggerEntry, name), sizeof logger.name);
    Names::publish_name(logger.bytes, length);
  }
  if (all) loggers_known_ = used;
  return true;
}

// What decides whether a record is held: of every site and logger, as it is now.
bool RegionMirror::read_levels(u32 sites, u32 loggers) {
  const u64 site_bytes = u64{sites} * sizeof(SiteEntry),
            logger_bytes = u64{loggers} * sizeof(LoggerEntry);
  scratch_.resize(std::max<u64>(scratch_.size(), std::max(site_bytes, logger_bytes)));
  if (!read_at(region_.offset_of(region_.sites()), scratch_.data(), site_bytes)) return false;
  // relaxed, all: words of the copy that only this thread uses
  for (u32 i = 0; i < sites; ++i) {
    const char* const from = scratch_.data() + u64{i} * sizeof(SiteEntry);
    region_.sites()[i].ruled.store(word_at<u8>(from, offsetof(SiteEntry, ruled)),
                                   std::memory_order_relaxed);
  }
  if (!read_at(region_.offset_of(region_.loggers()), scratch_.data(), logger_bytes)) return false;
  for (u32 i = 0; i < loggers; ++i) {
    const char* const from = scratch_.data() + u64{i} * sizeof(LoggerEntry);
    LoggerEntry& logger = region_.loggers()[i];
    logger.level.store(word_at<u8>(from, offsetof(LoggerEntry, level)), std::memory_order_relaxed);
    logger.held_most.store(word_at<u16>(from, offsetof(LoggerEntry, held_most)),
                           std::memory_order_relaxed);
    logger.held_group.store(word_at<u16>(from, offsetof(LoggerEntry, held_group)),
                            std::memory_order_relaxed);
  }
  return true;
}

Status RegionMirror::write_back() {
  if (!write_cursor()) return cut();
  if (only_reads_) {
    // release: as below (P30)
    readable_.store(committed_, JournalOrders::publish_committed);
    count_batches();
    return {};
  }
  if (!write_journal() || !write_rings()) return cut();
  if (merger_->reports_told() != reports_told_) {
    reports_told_ = merger_->reports_told();
    // relaxed: this thread has stored it
    const u64 used = region_.wake().sites_used.load(std::memory_order_relaxed);
    if (!write_here(region_.reported_drops(), used * kDropReasons * sizeof(u64))) {
      return cut();
    }
  }
  const auto* const clock = reinterpret_cast<const char*>(clock_);
  if (!std::equal(clock_written_.begin(), clock_written_.end(), clock)) {
    std::memcpy(clock_written_.data(), clock_, sizeof *clock_);
    if (!write_here(clock_, sizeof *clock_)) return cut();
  }
  // release: the batches, and that the file has them, before the reader's acquire (P30)
  readable_.store(committed_, JournalOrders::publish_committed);
  count_batches();
  return {};
}

std::shared_ptr<RegionWatch> RegionMirror::watch() {
  if (!watch_) watch_ = RegionWatch::make(io_, path_, fd_);
  return watch_;
}

// They are still there: a merge makes room only of what the store has read, and that is what was
// counted before. Of a journal that is only read some may have been passed over.
void RegionMirror::count_batches() {
  if (!watch_ || i64(committed_ - watch_->counted_to()) <= 0) return;
  scratch_.resize(std::max<u64>(scratch_.size(), kBatchBytesMax));
  JournalReader<JournalSync> reader(journal(), watch_->counted_to());
  for (;;) {
    const JournalRead read = reader.read(scratch_.data());
    if (read == JournalRead::kPassed) {
      reader.skip_to_oldest();
      continue;
    }
    if (read != JournalRead::kBatch) break;
    watch_->count(scratch_.data());
    reader.advance(load<BatchHeader>(scratch_.data()).bytes);
  }
  watch_->counted_to() = committed_;
}

bool RegionMirror::write_cursor() {
  // acquire: the position and the counters that the reader stored before it (P4)
  const u64 position = entry_->cursor_position.load(JournalOrders::read_cursor);
  if (position == cursor_position_) return true;
  const auto* const from = reinterpret_cast<const char*>(&entry_->cursor);
  const auto* const to = reinterpret_cast<const char*>(&entry_->intent_offset);
  // The reader may be at work: words are taken one by one.
  u64 words[(offsetof(region::SinkEntry, intent_offset) - offsetof(region::SinkEntry, cursor)) / 8];
  static_assert(sizeof words == 7 * sizeof(u64));
  for (u64& word : words) {
    word = JournalSync::load_word(from + (&word - words) * 8, std::memory_order_relaxed);
  }
  words[1] = position;
  cursor_position_ = position;
  return to - from == sizeof words && write_at(region_.offset_of(from), words, sizeof words);
}

bool RegionMirror::write_journal() {
  region::JournalLines& lines = region_.journal_lines();
  // relaxed: this thread has stored them
  const u64 committed = lines.committed.load(std::memory_order_relaxed);
  const u64 reclaimed = lines.reclaimed.load(std::memory_order_relaxed);
  if (committed == committed_) return true;
  if (reclaimed != reclaimed_) {
    if (!write_here(&lines.reclaimed_sequence, sizeof(u64)) ||
        !write_here(&lines.reclaimed, sizeof(u64))) {
      return false;
    }
    reclaimed_ = reclaimed;
  }
  if (!write_contexts() || !write_told()) return false;
  for (const std::span<const char> change : merger_->changes_of_held()) {
    if (!write_here(change.data(), change.size())) return false;
  }
  const JournalPlace<JournalSync> place = region_.journal();
  for (u64 at = committed_; at != committed;) {
    const u64 run = place.run(at, committed - at);
    if (!write_here(place.at(at), run)) return false;
    at += run;
  }
  if (!write_here(&lines.committed, sizeof(u64))) return false;
  committed_ = committed;
  return true;
}

bool RegionMirror::write_contexts() {
  for (Ring& ring : rings_) {
    if (ring.state != Ring::kSound) continue;
    const auto& lines =
        *reinterpret_cast<const RingLines*>(region_.chunk(ring.chunk, sizeof(RingLines)));
    for (u32 i = 0; i < 2; ++i) {
      const ContextCopy& copy = lines.context[i];
      if (copy.batch_end == ring.contexts[i]) continue;
      if (!write_here(&copy, sizeof copy)) return false;
      ring.contexts[i] = copy.batch_end;
    }
  }
  return true;
}

// Tails before slots: a thread that takes a slot finds its ring empty (P8).
bool RegionMirror::write_rings() {
  for (u32 i = 0; i < rings_.size(); ++i) {
    Ring& ring = rings_[i];
    if (ring.state != Ring::kSound) continue;
    const auto& lines =
        *reinterpret_cast<const RingLines*>(region_.chunk(ring.chunk, sizeof(RingLines)));
    // relaxed: this thread has stored it
    const u64 tail = lines.tail.load(std::memory_order_relaxed);
    if (tail != ring.tail) {
      if (!write_here(&lines.tail, sizeof tail)) return false;
      ring.tail = tail;
    }
    const ThreadSlot& slot = region_.slots()[i];
    const SlotState state = slot.state.load(std::memory_order_relaxed);
    if (ring.slot == SlotState::kLeft && state == SlotState::kReady) {
      if (!write_here(&slot.state, sizeof state)) return false;
      ring.slot = state;
    }
  }
  return true;
}

bool RegionMirror::write_entry_state(const region::SinkEntry& entry) {
  return write_here(&entry.state, sizeof entry.state);
}

}  // namespace sluice::collector
